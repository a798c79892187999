"""Task cards: one TOML file each, read and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from xqgbench import measures
from xqgbench.errors import DataError, InvalidParameter, UnknownName
from xqgbench.limits import Limits
from xqgbench.registry import is_plain_name, task_format
from xqgbench.source_tables import Languages, read_source
from xqgbench.types import TaskCard


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
    asked = (*languages, *controls)
    passages, about, collections, queries = _expected(expected, asked, path)
    generated = reader.texts("generated_languages")
    known = tuple(dict.fromkeys((*asked, *generated)))
    names = _names(reader.optional_table("names"), known, path)
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
        generated_languages=generated,
        split=reader.text("split"),
        sources={
            key: read_source(key, value, card_name, Languages(asked, known, names), path)
            for key, value in sources.items()
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
        about_passages=about,
    )
    reader.nothing_left()
    for language in known:
        if not is_plain_name(language) or language == "macro":
            raise DataError(f"'{language}' cannot be a language: it becomes part of file names and tables.", path)
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
) -> tuple[int, int, dict[str, int], dict[str, int]]:
    """Passages in all, and roughly; passages per language if each has a collection of its own; queries per language."""
    unknown = set(entry) - {"passages", "about_passages", "queries"}
    if unknown:
        raise DataError(f"[expected] has passages, about_passages and queries, not '{min(unknown)}'.", path)
    passages, queries = entry.get("passages", 0), entry.get("queries", {})
    about = entry.get("about_passages", 0)
    if "passages" in entry and "about_passages" in entry:
        raise DataError("[expected] has passages and about_passages; the first is the number, so drop the other.", path)
    collections = passages if isinstance(passages, dict) else {}
    for name, counts in (("passages", collections), ("queries", queries)):
        if not isinstance(counts, dict) or not set(counts) <= set(languages):
            raise DataError(f"[expected] {name} = {counts!r} must map languages of the card to numbers.", path)
    for number in (*collections.values(), *([] if collections else [passages]), about, *queries.values()):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise DataError(f"[expected] holds {number!r}, which is no number of passages or queries.", path)
    return sum(collections.values()) if collections else passages, about, collections, queries


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


def _names(entry: Mapping[str, Any], known: tuple[str, ...], path: Path) -> dict[str, str]:
    if not set(entry) <= set(known) or not all(isinstance(name, str) and name for name in entry.values()):
        raise DataError("[names] must map languages of the card to what the data set calls them.", path)
    return dict(entry)


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
