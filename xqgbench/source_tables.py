"""The ``[sources.*]`` tables of a card: paths with languages and shards in them become files, each pinned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from xqgbench.errors import DataError
from xqgbench.types import Source, SourceFile

HUB = "https://huggingface.co"
#: Fields of a source.
SOURCE = {
    *("path", "sha256", "url", "archive", "hub", "revision", "aliases"),
    *("languages", "shards", "folder", "bytes", "optional"),
}


class Languages(NamedTuple):
    """The languages of a card: those of queries, those of anything, and what the data set calls them."""

    asked: tuple[str, ...]
    known: tuple[str, ...]
    names: Mapping[str, str]


def read_source(key: str, entry: Any, card: str, languages: Languages, path: Path) -> Source:
    """A source with its files named one by one.

    Args:
        key: its name, as in ``[sources.passages]``.
        entry: the table.
        card: name of the card, whose folder below the data directory is the usual one.
        path: the file of the card, to name where something is wrong.

    Raises:
        DataError: a field is missing, unknown or of the wrong kind; a path leaves its folder; nothing pins the files.
    """
    if not isinstance(entry, dict) or "path" not in entry or not set(entry) <= SOURCE:
        odd = ", ".join(sorted(set(entry) - SOURCE)) if isinstance(entry, dict) else repr(entry)
        raise DataError(f"source '{key}' must have path and sha256, both strings; see docs/tasks.md ({odd}).", path)
    texts = {name: _text_of(key, entry, name, path) for name in ("path", "url", "archive", "hub", "revision", "folder")}
    if Path(texts["folder"]).name != texts["folder"]:
        raise DataError(f"source '{key}': folder '{texts['folder']}' must be the name of one folder.", path)
    if texts["hub"] and (texts["url"] or texts["archive"]):
        raise DataError(f"source '{key}': hub and revision make the address; url and archive say another.", path)
    if texts["hub"]:
        if not re.fullmatch(r"[0-9a-f]{40}", texts["revision"]):
            raise DataError(f"source '{key}': a hub source needs its commit, 40 hex digits, as 'revision'.", path)
        texts["url"] = f"{HUB}/datasets/{texts['hub']}/resolve/{texts['revision']}/{texts['path']}"
    for link in (texts["url"], texts["archive"]):
        if link and not re.match(r"https?://", link):
            raise DataError(f"source '{key}': '{link}' is no http or https address.", path)
    files = _files(key, entry, texts, languages, path)
    size, optional = entry.get("bytes", 0), entry.get("optional", False)
    if not _is_count(size) or not isinstance(optional, bool):
        raise DataError(f"source '{key}': bytes must be a number, optional true or false.", path)
    return Source(files, texts["folder"] or card, texts["revision"], size, optional)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text_of(key: str, entry: Mapping[str, Any], name: str, path: Path) -> str:
    value = entry.get(name, "")
    if not isinstance(value, str):
        raise DataError(f"source '{key}': {name} = {value!r} must be a string.", path)
    return value


def _files(
    key: str,
    entry: Mapping[str, Any],
    texts: Mapping[str, str],
    languages: Languages,
    path: Path,
) -> tuple[SourceFile, ...]:
    pattern, own = texts["path"], entry.get("languages", list(languages.asked))
    if not isinstance(own, list) or not all(language in languages.known for language in own):
        raise DataError(f"source '{key}': languages = {own!r} must be a list of languages of the card.", path)
    aliases = entry.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) and "/" not in alias for alias in aliases):
        raise DataError(f"source '{key}': aliases must be a list of file names.", path)
    for_each = own if "{language}" in pattern or "{name}" in pattern else [""]
    each = [(language, shard) for language in for_each for shard in _shards(key, entry, language, path)]
    _known_keys(key, entry, "sha256", {_of(language, shard) for language, shard in each}, path)
    _known_keys(key, entry, "shards", set(for_each), path)
    files = []
    for language, shard in each:
        filled = {"language": language, "name": languages.names.get(language, language), "shard": shard}
        url, archive, file = (_filled(texts[name], filled) for name in ("url", "archive", "path"))
        if Path(file).is_absolute() or ".." in Path(file).parts or not Path(file).name:
            raise DataError(f"source '{key}': path '{file}' leaves the folder of the card.", path)
        digest = _digest(key, entry, _of(language, shard), len(each), path)
        if not digest and not texts["revision"]:
            raise DataError(f"source '{key}': nothing pins {file}; give its sha256.", path)
        others = tuple(_filled(alias, filled) for alias in aliases)
        files.append(SourceFile(file, digest, url, archive, language, others))
    return tuple(files)


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{(language|name|shard)\}", lambda match: values[match[1]], pattern)


def _shards(key: str, entry: Mapping[str, Any], language: str, path: Path) -> list[str]:
    shards = entry.get("shards", 1)
    number = shards.get(language) if isinstance(shards, dict) else shards
    if not _is_count(number) or not number or ("{shard}" in entry["path"]) != ("shards" in entry):
        raise DataError(f"source '{key}': shards and {{shard}} in the path belong together, as a number each.", path)
    return [str(shard) for shard in range(number)] if "shards" in entry else [""]


def _of(language: str, shard: str) -> str:
    """What a file is called in a table of hashes: its language, its shard, or both (``sw-0``)."""
    return "-".join(filter(None, (language, shard)))


def _known_keys(key: str, entry: Mapping[str, Any], field: str, known: set[str], path: Path) -> None:
    """Whether a table names files that there are: a misspelt language would leave its file without a hash."""
    for name in entry[field] if isinstance(entry.get(field), dict) else ():
        if name not in known:
            raise DataError(f"source '{key}': {field} names '{name}', which no file of it is for.", path)


def _digest(key: str, entry: Mapping[str, Any], name: str, files: int, path: Path) -> str:
    """The hash of one file: of the only one, or of the one that ``name`` stands for."""
    digests = entry.get("sha256", "")
    if files > 1 and isinstance(digests, str) and digests:
        raise DataError(f"source '{key}' has several files; its sha256 must be a table, one hash per file.", path)
    digest = digests.get(name, "") if isinstance(digests, dict) and name else digests
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}|", digest):
        raise DataError(f"source '{key}': sha256 of '{name or entry['path']}' must be 64 hex digits.", path)
    return digest
