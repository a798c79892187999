"""Task cards of any format, written into a folder with their files and hashes."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from xqgbench import tasks
from xqgbench.errors import Repaired
from xqgbench.types import Task

Content = str | bytes
UNPACK = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
FIELDS = {
    "title": '"Written"',
    "description": '"For tests."',
    "version": '"1"',
    "languages": '["sw", "te"]',
    "generated_languages": "[]",
    "split": '"test"',
    "measures": '["nDCG@10"]',
    "main_measure": '"nDCG@10"',
    "cluster": '"query"',
    "license": '"CC0-1.0"',
    "citation": '"none"',
    "origin": "[]",
}


def as_bytes(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


def write_card(
    folder: Path,
    format: str,  # noqa: A002
    sources: Mapping[str, str],
    files: Mapping[str, Content],
    fields: Mapping[str, str] | None = None,
    *,
    tables: str = "",
    more: Mapping[str, str] | None = None,
) -> Path:
    """Write ``written.toml`` and its files; returns the folder, for ``--tasks-dir``.

    Args:
        sources: source -> path, which may hold {language} and {shard}; hashes are those of ``files``.
        files: path -> content; sources of other files than these are a mistake of the test.
        fields: fields of the card in TOML, beside or instead of the usual.
        tables: more of the card, such as ``[settings]``.
        more: source -> further lines of its table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(as_bytes(content))
    chosen = {"name": '"written"', "format": f'"{format}"', **FIELDS, **(fields or {})}
    lines = [f"{name} = {value}" for name, value in chosen.items()]
    languages = json.loads(chosen["languages"])
    for key, pattern in sources.items():
        lines += [f"[sources.{key}]", f'path = "{pattern}"', (more or {}).get(key, "")]
        named = dict(_files(pattern, languages, files))
        if set(named) == {""}:
            lines.append(f'sha256 = "{_hash(named[""], files)}"')
            continue
        if "{shard}" in pattern:
            lines.append(f"shards = {len(named) // (len(languages) if '{language}' in pattern else 1)}")
        lines += [f"[sources.{key}.sha256]", *(f'{name} = "{_hash(path, files)}"' for name, path in named.items())]
    (folder / "written.toml").write_text("\n".join([*lines, tables, "[expected]"]) + "\n", encoding="utf-8")
    return folder


def _files(pattern: str, languages: Sequence[str], files: Mapping[str, Content]) -> Iterator[tuple[str, str]]:
    """What the card calls each file of a source (sw, 0, sw-0), and its path."""
    for language in languages if "{language}" in pattern else [""]:
        path = pattern.replace("{language}", language)
        if "{shard}" not in path:
            yield language, path
        for shard in range(len(files) if "{shard}" in path else 0):
            if path.replace("{shard}", str(shard)) in files:
                yield "-".join(filter(None, (language, str(shard)))), path.replace("{shard}", str(shard))


def _hash(path: str, files: Mapping[str, Content]) -> str:
    content = as_bytes(files[path])
    with suppress(OSError, EOFError):  # damaged on purpose
        content = UNPACK.get(Path(path).suffix, bytes)(content)
    return hashlib.sha256(content).hexdigest()


def opened(folder: Path, data_dir: Path | None = None) -> Task:
    return tasks.open_task("written", folder, data_dir)


@contextmanager
def repaired() -> Iterator[list[str]]:
    """What is told as repaired meanwhile, message by message."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", Repaired)
        yield found
    found += [str(warning.message) for warning in caught if issubclass(warning.category, Repaired)]
