"""Task cards: one TOML file each, read and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from xqgbench import measures
from xqgbench.errors import DataError, InvalidParameter, UnknownName
from xqgbench.limits import Limits
from xqgbench.registry import is_plain_name, task_format
from xqgbench.types import Source, SourceFile, TaskCard

HUB = "https://huggingface.co"
#: Fields of a source.
SOURCE = {
    *("path", "sha256", "url", "archive", "hub", "revision", "aliases"),
    *("languages", "shards", "folder", "bytes", "optional"),
}


def read_card(path: Path) -> TaskCard:
    """Read and check a card file."""
    content = path.read_bytes()
    try:
        entry = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not a TOML file: {error}.", path) from None
    reader = _Reader(entry, path)
    sources = reader.table("sources")  # may be empty: ir_datasets has files of its own
    languages = reader.texts("languages")
    if not languages:
        raise DataError("'languages' is empty; a task needs at least one.", path)
    expected = reader.table("expected")
    controls = reader.optional_texts("control_languages")
    if set(controls) & set(languages):
        raise DataError(f"'{min(set(controls) & set(languages))}' is a language and a control language; choose.", path)
    passages, collections, queries = _expected(expected, (*languages, *controls), path)
    names = _names(reader.optional_table("names"), path)
    card_name = reader.text("name")
    wanted, main = reader.texts("measures"), reader.text("main_measure")
    if main not in wanted:
        raise DataError(f"main_measure '{main}' is not among its measures.", path)
    result = TaskCard(
        name=card_name,
        title=reader.text("title"),
        description=reader.text("description"),
        version=reader.text("version"),
        format=reader.text("format"),
        languages=languages,
        generated_languages=reader.texts("generated_languages"),
        split=reader.text("split"),
        sources={
            key: _source(key, value, card_name, (*languages, *controls), names, path) for key, value in sources.items()
        },
        measures=tuple(_measure(name, path) for name in wanted),
        main_measure=_measure(main, path),
        cluster=cast(Literal["query", "passage"], reader.one_of("cluster", ("query", "passage"))),
        license=reader.text("license"),
        citation=reader.text("citation"),
        origin=reader.texts("origin"),
        expected_passages=passages,
        expected_queries=queries,
        sha256=hashlib.sha256(content).hexdigest(),
        folder=path.parent,
        control_languages=controls,
        passage_language=reader.optional_text("passage_language"),
        limits=_limits(reader.optional_table("limits"), path),
        settings=reader.optional_table("settings"),
        names=names,
        homepage=reader.optional_text("homepage"),
        expected_collections=collections,
        untested=_some_of(reader.optional_texts("untested"), languages, path),
    )
    reader.nothing_left()
    if not is_plain_name(result.name):
        raise DataError(f"the name '{result.name}' must be made of letters, digits and . _ - alone.", path)
    if result.name != path.stem:
        raise DataError(f"the card calls itself '{result.name}'; file and name must agree.", path)
    try:
        task_format(result.format)
    except UnknownName as error:
        raise DataError(str(error), path) from None
    return result


def _measure(name: str, path: Path) -> str:
    """The name that a measure gives itself (RR@10 for MRR@10)."""
    try:
        return measures.parse(name).name
    except InvalidParameter as error:
        raise DataError(str(error), path) from None


def _expected(
    entry: Mapping[str, Any], languages: tuple[str, ...], path: Path
) -> tuple[int, dict[str, int], dict[str, int]]:
    """Passages in all, passages per language where each has a collection of its own, queries per language."""
    unknown = set(entry) - {"passages", "queries"}
    if unknown:
        raise DataError(f"[expected] has passages and queries, not '{min(unknown)}'.", path)
    passages, queries = entry.get("passages", 0), entry.get("queries", {})
    collections = passages if isinstance(passages, dict) else {}
    for name, counts in (("passages", collections), ("queries", queries)):
        if not isinstance(counts, dict) or not set(counts) <= set(languages):
            raise DataError(f"[expected] {name} = {counts!r} must map languages of the card to numbers.", path)
    for number in (*collections.values(), *([] if collections else [passages]), *queries.values()):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise DataError(f"[expected] holds {number!r}, which is no number of passages or queries.", path)
    return sum(collections.values()) if collections else passages, collections, queries


def _limits(entry: Mapping[str, Any], path: Path) -> Limits:
    known = {field.name: getattr(Limits(), field.name) for field in dataclasses.fields(Limits)}
    values: dict[str, Any] = {}
    for name, value in entry.items():
        if name not in known:
            raise DataError(str(UnknownName("limit", name, known)), path)
        numbers = value if isinstance(value, list) else [value]
        pair = isinstance(known[name], tuple)
        usable = all(isinstance(n, (int, float)) and not isinstance(n, bool) and n >= 0 for n in numbers)
        if not usable or isinstance(value, list) != pair or (pair and (len(value) != 2 or value[0] > value[1])):
            raise DataError(f"limit {name} = {value!r} must look like {known[name]!r}.", path)
        values[name] = tuple(value) if pair else value
    return Limits(**values)


def _some_of(named: tuple[str, ...], languages: tuple[str, ...], path: Path) -> tuple[str, ...]:
    for language in named:
        if language not in languages:
            raise DataError(f"'untested' names '{language}', which is no language of the card.", path)
    return named


def _names(entry: Mapping[str, Any], path: Path) -> dict[str, str]:
    if not all(isinstance(name, str) and name for name in entry.values()):
        raise DataError("[names] must map languages to what the data set calls them.", path)
    return dict(entry)


def _source(
    key: str, entry: Any, card: str, languages: tuple[str, ...], names: Mapping[str, str], path: Path
) -> Source:
    """A source with its files named one by one.

    Raises:
        DataError: a field is missing, unknown or of the wrong kind; a path leaves its folder; nothing pins the files.
    """
    if not isinstance(entry, dict) or "path" not in entry or not set(entry) <= SOURCE:
        odd = ", ".join(sorted(set(entry) - SOURCE)) if isinstance(entry, dict) else repr(entry)
        raise DataError(f"source '{key}' must have path and sha256, both strings; see docs/tasks.md ({odd}).", path)
    texts = {name: _text_of(key, entry, name, path) for name in ("path", "url", "archive", "hub", "revision", "folder")}
    where = Path(texts["path"])
    if where.is_absolute() or ".." in where.parts or Path(texts["folder"]).name != texts["folder"]:
        raise DataError(f"source '{key}': path '{texts['path']}' leaves the folder of the card.", path)
    if texts["hub"]:
        if not re.fullmatch(r"[0-9a-f]{40}", texts["revision"]):
            raise DataError(f"source '{key}': a hub source needs its commit, 40 hex digits, as 'revision'.", path)
        texts["url"] = f"{HUB}/datasets/{texts['hub']}/resolve/{texts['revision']}/{texts['path']}"
    for link in (texts["url"], texts["archive"]):
        if link and not re.match(r"https?://", link):
            raise DataError(f"source '{key}': '{link}' is no http or https address.", path)
    files = _files(key, entry, texts, languages, names, path)
    size, optional = entry.get("bytes", 0), entry.get("optional", False)
    if not isinstance(size, int) or not isinstance(optional, bool):
        raise DataError(f"source '{key}': bytes must be a number, optional true or false.", path)
    return Source(files, texts["folder"] or card, texts["revision"], size, optional)


def _text_of(key: str, entry: Mapping[str, Any], name: str, path: Path) -> str:
    value = entry.get(name, "")
    if not isinstance(value, str):
        raise DataError(f"source '{key}': {name} = {value!r} must be a string.", path)
    return value


def _files(
    key: str,
    entry: Mapping[str, Any],
    texts: Mapping[str, str],
    languages: tuple[str, ...],
    names: Mapping[str, str],
    path: Path,
) -> tuple[SourceFile, ...]:
    pattern, own = texts["path"], entry.get("languages", list(languages))
    if not isinstance(own, list) or not all(isinstance(language, str) for language in own):
        raise DataError(f"source '{key}': languages must be a list of strings.", path)
    aliases = entry.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) and "/" not in alias for alias in aliases):
        raise DataError(f"source '{key}': aliases must be a list of file names.", path)
    for_each = own if "{language}" in pattern or "{name}" in pattern else [""]
    files = []
    for language in for_each:
        for shard in _shards(key, entry, language, path):
            filled = {"language": language, "name": names.get(language, language), "shard": shard}
            url, archive, file = (_filled(texts[name], filled) for name in ("url", "archive", "path"))
            digest = _digest(key, entry, "-".join(filter(None, (language, shard))), path)
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
    if not isinstance(number, int) or number < 1 or ("{shard}" in entry["path"]) != ("shards" in entry):
        raise DataError(f"source '{key}': shards and {{shard}} in the path belong together, as a number each.", path)
    return [str(shard) for shard in range(number)] if "shards" in entry else [""]


def _digest(key: str, entry: Mapping[str, Any], name: str, path: Path) -> str:
    """The hash of one file: of the only one, or of the one named by language, shard or both (``sw-0``)."""
    digests = entry.get("sha256", "")
    digest = digests.get(name, "") if isinstance(digests, dict) and name else digests
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}|", digest):
        raise DataError(f"source '{key}': sha256 of '{name or entry['path']}' must be 64 hex digits.", path)
    return digest


class _Reader:
    """Takes the fields of a card one by one, and complains about what is missing, mistyped or unknown."""

    def __init__(self, entry: dict[str, Any], path: Path) -> None:
        self._entry, self._path = dict(entry), path

    def _take(self, field: str, kind: type) -> Any:
        if field not in self._entry:
            raise DataError(f"the card lacks '{field}'.", self._path)
        value = self._entry.pop(field)
        if not isinstance(value, kind):
            raise DataError(f"'{field}' must be a {kind.__name__}, not {value!r}.", self._path)
        return value

    def text(self, field: str) -> str:
        return cast(str, self._take(field, str)).strip()

    def texts(self, field: str) -> tuple[str, ...]:
        values = self._take(field, list)
        if not all(isinstance(value, str) for value in values) or len(set(values)) != len(values):
            raise DataError(f"'{field}' must be a list of distinct strings, not {values!r}.", self._path)
        return tuple(values)

    def table(self, field: str) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self._take(field, dict))

    def optional_text(self, field: str) -> str:
        return self.text(field) if field in self._entry else ""

    def optional_texts(self, field: str) -> tuple[str, ...]:
        return self.texts(field) if field in self._entry else ()

    def optional_table(self, field: str) -> Mapping[str, Any]:
        return self.table(field) if field in self._entry else {}

    def one_of(self, field: str, choices: tuple[str, ...]) -> str:
        value = self.text(field)
        if value not in choices:
            raise DataError(f"'{field}' is '{value}'; it must be one of {', '.join(choices)}.", self._path)
        return value

    def nothing_left(self) -> None:
        if self._entry:
            raise DataError(f"unknown field '{next(iter(self._entry))}'.", self._path)
