"""Task cards: found, read, checked, and opened into tasks.

A card is one TOML file. Cards are looked for in the folder given, then among the ones that come with xqgbench.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from xqgbench import measures
from xqgbench.errors import DataError, InvalidParameter, MissingData, UnknownName
from xqgbench.files import sha256_of
from xqgbench.limits import Limits
from xqgbench.registry import format_class, is_plain_name
from xqgbench.types import Source, Task, TaskCard

DEFAULT_TASK = "xqg-mini"


def bundled_folder() -> Path:
    """Folder of the bundled cards: inside an installed package, or ``tasks/`` of a source checkout."""
    package = Path(__file__).parent
    installed = package / "_tasks"
    return installed if installed.is_dir() else package.parent / "tasks"


def cards(folder: Path | None = None) -> dict[str, Path]:
    """Card files by task name: those in ``folder``, and the bundled ones that it does not replace.

    Raises:
        MissingData: there is no such folder.
    """
    if folder is not None and not folder.is_dir():
        raise MissingData(f"there is no folder {folder} to look for task cards in.")
    found = {path.stem: path for path in sorted(bundled_folder().glob("*.toml"))}
    return found | {path.stem: path for path in sorted(folder.glob("*.toml"))} if folder else found


def card(name: str, folder: Path | None = None) -> TaskCard:
    """The card of a task.

    Raises:
        UnknownName: there is no such card; suggests the nearest.
        DataError: the card is malformed; names the file and the field.
    """
    known = cards(folder)
    if name not in known:
        raise UnknownName("task", name, known, "'xqgbench tasks' lists them.")
    return read_card(known[name])


def read_card(path: Path) -> TaskCard:
    """Read and check a card file."""
    content = path.read_bytes()
    try:
        entry = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"not a TOML file: {error}.", path) from None
    reader = _Reader(entry, path)
    sources = reader.table("sources")
    languages = reader.texts("languages")
    if not languages:
        raise DataError("'languages' is empty; a task needs at least one.", path)
    expected = reader.table("expected")
    controls = reader.optional_texts("control_languages")
    if set(controls) & set(languages):
        raise DataError(f"'{min(set(controls) & set(languages))}' is a language and a control language; choose.", path)
    passages, queries = _expected(expected, (*languages, *controls), path)
    names, main = reader.texts("measures"), reader.text("main_measure")
    if main not in names:
        raise DataError(f"main_measure '{main}' is not among its measures.", path)
    result = TaskCard(
        name=reader.text("name"),
        title=reader.text("title"),
        description=reader.text("description"),
        version=reader.text("version"),
        format=reader.text("format"),
        languages=languages,
        generated_languages=reader.texts("generated_languages"),
        split=reader.text("split"),
        sources={key: _source(key, value, path) for key, value in sources.items()},
        measures=tuple(_measure(name, path) for name in names),
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
    )
    reader.nothing_left()
    if not is_plain_name(result.name):
        raise DataError(f"the name '{result.name}' must be made of letters, digits and . _ - alone.", path)
    if result.name != path.stem:
        raise DataError(f"the card calls itself '{result.name}'; file and name must agree.", path)
    try:
        format_class(result.format)
    except UnknownName as error:
        raise DataError(str(error), path) from None
    return result


def _measure(name: str, path: Path) -> str:
    """The name that a measure gives itself (RR@10 for MRR@10)."""
    try:
        return measures.parse(name).name
    except InvalidParameter as error:
        raise DataError(str(error), path) from None


def _expected(entry: Mapping[str, Any], languages: tuple[str, ...], path: Path) -> tuple[int, dict[str, int]]:
    unknown = set(entry) - {"passages", "queries"}
    if unknown:
        raise DataError(f"[expected] has passages and queries, not '{min(unknown)}'.", path)
    passages, queries = entry.get("passages", 0), entry.get("queries", {})
    if not isinstance(queries, dict) or not set(queries) <= set(languages):
        raise DataError(f"[expected] queries = {queries!r} must map languages of the card to numbers.", path)
    for number in (passages, *queries.values()):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise DataError(f"[expected] holds {number!r}, which is no number of passages or queries.", path)
    return passages, queries


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


def open_task(name: str, folder: Path | None = None) -> Task:
    """Open a task by name, its files checked against the hashes in its card.

    Raises:
        UnknownName: no such task.
        MissingData: a file of the task is not here.
        DataError: the card is malformed, or a file is not the one that the card describes.
    """
    found = card(name, folder)
    task: Task = format_class(found.format)(found, {key: _checked(found, key) for key in found.sources})
    return task


def _checked(found: TaskCard, key: str) -> Path:
    source = found.sources[key]
    path = found.folder / source.path
    if not path.is_file():
        raise MissingData(f"task '{found.name}' needs {path} ({key}), which is not here.")
    actual = sha256_of(path)
    if actual != source.sha256:
        raise DataError(
            f"this is not the file that the card of '{found.name}' describes: sha256 is {actual}, the card says "
            f"{source.sha256}. Restore the file, or give the changed task a card and a version of its own.",
            path,
        )
    return path


def _source(key: str, entry: Any, path: Path) -> Source:
    texts = isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())
    if not texts or set(entry) != {"path", "sha256"}:
        raise DataError(f"source '{key}' must have path and sha256, both strings.", path)
    if Path(entry["path"]).is_absolute() or ".." in Path(entry["path"]).parts:
        raise DataError(f"source '{key}': path '{entry['path']}' leaves the folder of the card.", path)
    return Source(path=entry["path"], sha256=entry["sha256"])


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
