"""Where the files of a task are on this machine, and whether they are the ones that its card describes.

A file that comes with the card lies beside it. Any other is looked for below ``--data-dir``, below the folder that
``XQGBENCH_DATA`` names, and below the user's data folder, where ``xqgbench tasks download`` puts it. There it may
be compressed, lie in the folder of its task or directly, and in the data set's own folders or not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from xqgbench.errors import DataError, MissingData
from xqgbench.files import COMPRESSED, DAMAGED, sha256_of_content, write_atomically
from xqgbench.types import Source, SourceFile, TaskCard

ENVIRONMENT = "XQGBENCH_DATA"
#: Files from this size on are hashed once, not at every start; the outcome is kept in the user's cache.
LARGE = 64 << 20


def default_root() -> Path:
    """Where downloads go: ``$XQGBENCH_DATA``, else the user's data folder."""
    if os.environ.get(ENVIRONMENT):
        return Path(os.environ[ENVIRONMENT])
    import platformdirs

    return Path(platformdirs.user_data_dir("xqgbench")) / "data"


def locate(card: TaskCard, source: Source, file: SourceFile, data_dir: Path | None = None) -> Path | None:
    """The file on this machine, or None."""
    return next((path for path in _places(card, source, file, data_dir) if path.is_file()), None)


def _places(card: TaskCard, source: Source, file: SourceFile, data_dir: Path | None) -> Iterator[Path]:
    roots = [card.folder] if not file.url and not file.archive else []
    for root in filter(None, (data_dir, default_root())):
        roots += [root / source.folder, root]
    name = Path(file.path).name
    everything = {other.path for any_source in card.sources.values() for other in any_source.files}
    alone = sum(Path(path).name == name for path in everything) == 1  # corpus.jsonl could be any language's
    for root in dict.fromkeys(roots):
        for wanted in dict.fromkeys((file.path, *([name] if alone else []), *file.aliases)):
            stem = Path(wanted)
            plain = stem.with_suffix("") if stem.suffix in COMPRESSED else stem
            for found in dict.fromkeys((stem, plain, *(plain.with_name(plain.name + s) for s in COMPRESSED))):
                yield root / found


class CardFiles:
    """The files of a card; implements ``types.Files``."""

    def __init__(self, card: TaskCard, data_dir: Path | None = None) -> None:
        self.card = card
        self._data_dir = data_dir
        self._checked: dict[tuple[str, str], Path] = {}

    def __contains__(self, key: str) -> bool:
        return key in self.card.sources

    def here(self, key: str, language: str = "") -> bool:
        source = self.card.sources[key]
        wanted = _of(source, language)
        return bool(wanted) and all(locate(self.card, source, file, self._data_dir) for file in wanted)

    def paths(self, key: str, language: str = "") -> tuple[Path, ...]:
        source = self.card.sources[key]
        wanted = _of(source, language)
        if not wanted:
            raise MissingData(f"task '{self.card.name}' has no {key} in '{language}'.")
        return tuple(self._path(key, source, file) for file in wanted)

    def _path(self, key: str, source: Source, file: SourceFile) -> Path:
        if (key, file.path) not in self._checked:
            path = locate(self.card, source, file, self._data_dir)
            if path is None:
                raise MissingData(self._missing(key, file))
            check(self.card, file, path)
            self._checked[key, file.path] = path
        return self._checked[key, file.path]

    def _missing(self, key: str, file: SourceFile) -> str:
        where = self.card.folder / file.path
        there = self.languages_here()
        some = f" Here are all files of: --languages {','.join(there)}." if there else ""
        if file.url or file.archive:
            return (
                f"task '{self.card.name}' needs {file.path} ({key}), which is not here. Fetch it with 'xqgbench tasks "
                f"download {self.card.name}', or name the folder that holds it with --data-dir DIR or "
                f"{ENVIRONMENT}.{some}"
            )
        hint = f" It is explained at {self.card.homepage}." if self.card.homepage else ""
        return (
            f"task '{self.card.name}' needs {where} ({key}), which is not here; a copy elsewhere is found with "
            f"--data-dir DIR or {ENVIRONMENT}.{hint}{some}"
        )

    def languages_here(self) -> tuple[str, ...]:
        """Languages of the card whose required files are all here, where that differs between them."""
        required = [(key, source) for key, source in self.card.sources.items() if not source.optional]
        common = all(self.here(key) for key, source in required if not _per_language(source))
        if not common:
            return ()
        own = [key for key, source in required if _per_language(source)]
        return tuple(lang for lang in self.card.query_languages if own and all(self.here(key, lang) for key in own))


def _per_language(source: Source) -> bool:
    return any(file.language for file in source.files)


def _of(source: Source, language: str) -> list[SourceFile]:
    return [file for file in source.files if not file.language or file.language == language]


def check(card: TaskCard, file: SourceFile, path: Path) -> None:
    """Whether a file is the one that its card describes; one without a hash is pinned by its revision alone.

    Raises:
        DataError: it is not the one that the card states, or the file cannot be decompressed.
    """
    if not file.sha256:
        return
    try:
        actual = _hash(path)
    except DAMAGED as error:
        raise DataError(f"damaged archive: {error}. Fetch the file again.", path) from None
    if actual != file.sha256:
        raise DataError(
            f"this is not the file that the card of '{card.name}' describes: sha256 is {actual}, the card says "
            f"{file.sha256}. {_way_out(card, file)}, or give the changed task a card and a version of its own.",
            path,
        )


def _way_out(card: TaskCard, file: SourceFile) -> str:
    fetched = file.url or file.archive
    return f"Delete it and run 'xqgbench tasks download {card.name}'" if fetched else "Restore the file"


def _hash(path: Path) -> str:
    """Hash of the content; that of a large file is remembered by its place, size and time of change."""
    if path.stat().st_size < LARGE:
        return sha256_of_content(path)
    known, record = _state(path), _record(path)
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
        kept = json.loads(record.read_bytes())
        if all(kept.get(key) == value for key, value in known.items()):
            return str(kept["sha256"])
    found = sha256_of_content(path)
    _keep(known, record, found)
    return found


def remember(path: Path, sha256: str) -> None:
    """Keep the hash of a large file's content, so that it is not read again as long as it does not change."""
    if path.stat().st_size >= LARGE:
        _keep(_state(path), _record(path), sha256)


def _keep(state: dict[str, str | int], record: Path, sha256: str) -> None:
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time, no more
        write_atomically(record, json.dumps({**state, "sha256": sha256}).encode())


def _state(path: Path) -> dict[str, str | int]:
    state = path.stat()
    place = str(path.resolve())
    return {"path": place, "size": state.st_size, "changed": state.st_mtime_ns, "inode": state.st_ino}


def _record(path: Path) -> Path:
    return _cache() / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("xqgbench")) / "hashes"
