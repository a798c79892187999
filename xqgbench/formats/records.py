"""Questions, passages and generated queries in JSON lines, whatever their fields are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError
from xqgbench.formats import jsonl
from xqgbench.formats.repairs import Repairs
from xqgbench.formats.task import Located, Question
from xqgbench.types import Passage, Query


@dataclass(frozen=True, slots=True)
class Fields:
    """What a format calls the fields of its records.

    Attributes:
        query_id, query, language, answers: of questions; an empty ``language`` means that the file has one.
        passage_id, title, text: of passages.
        exact: answers are kept to the letter, as official scripts compare them.
        bare: a passage may lack its text.
    """

    query_id: str = "id"
    query: str = "question"
    language: str = "lang"
    answers: str = "answers"
    passage_id: str = "docid"
    title: str = "title"
    text: str = "text"
    exact: bool = False
    bare: bool = False


#: Columns as csv.writer writes them: quoted as a whole, quotes in them doubled, or as they are.
_QUOTED = re.compile(r'([^\t]*)\t(?:"([^"]*(?:""[^"]*)*)"|([^\t]*))\t(?:"([^"]*(?:""[^"]*)*)"|([^\t]*))')


def questions(paths: Iterable[Path], fields: Fields, language: str = "") -> Iterator[Question]:
    """Questions of all languages in the files; those without a language of their own are in ``language``.

    Raises:
        DataError: a field is missing or of the wrong kind, or an answer is empty.
    """
    for path in paths:
        repairs = Repairs(path)
        for line, record in jsonl.records(path):
            own = language
            if fields.language and (not language or record.get(fields.language) is not None):
                own = repairs.code(jsonl.text(record, fields.language, path, line), line)
            id_ = jsonl.identifier(record, fields.query_id, path, line, repairs)
            query = Query(id_, jsonl.text(record, fields.query, path, line), own)
            answers: tuple[str, ...] = ()
            if fields.exact or record.get(fields.answers) is not None:
                answers = jsonl.texts(record, fields.answers, path, line)
            if not all(answer.strip() for answer in answers):
                raise DataError(f"question '{id_}' has an empty answer, which every text would hold.", path, line)
            yield Question(query, accepted(answers, fields.exact, repairs, line), path, line)
        repairs.tell()


def accepted(answers: tuple[str, ...], exact: bool, repairs: Repairs, line: int) -> tuple[str, ...]:
    """Answers as a measure looks for them."""
    if not exact:
        return tuple(dict.fromkeys(form for answer in answers for form in repairs.answer(answer, line)))
    for answer in answers:
        if answer.split(" ") != answer.split():
            repairs.note("odd spaces in an answer, kept as the official script keeps them", line)
    return answers


def passages(paths: Iterable[Path], fields: Fields) -> Iterator[Located]:
    """Passages of all files, one file after another; ``.tsv`` files have the columns id, text and title.

    Raises:
        DataError: a field is missing or of the wrong kind, or a text is empty.
    """
    for path in paths:
        if ".tsv" in path.suffixes:
            yield from _columns(path)
            continue
        repairs = Repairs(path)
        for line, record in jsonl.records(path):
            id_ = jsonl.identifier(record, fields.passage_id, path, line, repairs)
            title = jsonl.optional_text(record, fields.title, path, line)
            text = jsonl.text(record, fields.text, path, line, empty=fields.bare)
            if not text or text.isspace():
                title, text = repairs.bare(title, line)
            yield Located(path, line, Passage(id_, title, text))
        repairs.tell()


def _columns(path: Path) -> Iterator[Located]:
    """DPR's files of passages: ``id<TAB>text<TAB>title`` under a header, the text quoted as in CSV or not at all."""
    repairs = Repairs(path)
    for line, raw in jsonl.lines(path):
        text = jsonl.decoded(raw, path, line)
        columns = text.split("\t")
        if line == 1 and columns[0] == "id":
            continue
        if len(columns) < 3:
            raise DataError(f"{len(columns)} columns where 'id text title' has three.", path, line)
        id_, middle, title = columns[0], "\t".join(columns[1:-1]), columns[-1]
        if middle.startswith('"') or title.startswith('"'):
            id_, middle, title = _unquoted(text) or (id_, middle, title)
        id_ = jsonl.identifier({"id": id_.strip()}, "id", path, line, repairs)
        middle = repairs.one_line(middle, line)
        if not middle.strip():
            raise DataError(f"passage '{id_}' has no text.", path, line)
        yield Located(path, line, Passage(id_, title, middle))
    repairs.tell()


def _unquoted(text: str) -> tuple[str, str, str] | None:
    """Id, text and title of a row with quotes; None if a quotation mark at a beginning is part of a text."""
    found = _QUOTED.fullmatch(text)
    if not found:
        return None
    id_, quoted, plain, quoted_title, title = found.groups()
    middle = plain if quoted is None else quoted.replace('""', '"')
    return id_, middle, title if quoted_title is None else quoted_title.replace('""', '"')


def generated(paths: Iterable[Path], fields: Fields) -> Iterator[Mapping[str, Sequence[str]]]:
    """``generated_queries`` of every record, in the order of ``passages``.

    Raises:
        DataError: they are no lists of non-empty strings per language.
    """
    for path in paths:
        if ".tsv" in path.suffixes:
            raise DataError("a .tsv file has no generated queries; leave generated_languages of the card empty.", path)
        for line, record in jsonl.records(path):
            yield generated_of(record, fields.passage_id, path, line)


def generated_of(record: Mapping[str, Any], id_field: str, path: Path, line: int) -> Mapping[str, Sequence[str]]:
    """The generated queries of one record: language -> queries."""
    found = record.get("generated_queries") or {}
    if not isinstance(found, dict):
        raise DataError("'generated_queries' must map languages to lists of queries.", path, line)
    for language, queries in found.items():
        if not isinstance(queries, list) or not all(isinstance(q, str) and q and not q.isspace() for q in queries):
            raise DataError(
                f"passage '{record.get(id_field)}': generated queries in '{language}' must be non-empty strings.",
                path,
                line,
            )
    return found


def generated_records(path: Path) -> Iterator[tuple[int, str, Mapping[str, Sequence[str]]]]:
    """Line, passage id and generated queries of every record of a file of generated queries."""
    repairs = Repairs(path)
    for line, record in jsonl.records(path):
        id_ = jsonl.identifier(record, "docid", path, line, repairs)
        yield line, id_, generated_of(record, "docid", path, line)
    repairs.tell()


def ids(path: Path) -> Iterator[tuple[int, str]]:
    """Line and id of every row of an array: ``id`` of JSON lines, or a text file with one in each line."""
    repairs = Repairs(path)
    if path.suffix == ".jsonl":
        for line, record in jsonl.records(path):
            yield line, jsonl.identifier(record, "id", path, line, repairs)
    else:
        for line, raw in jsonl.lines(path):
            yield line, repairs.identifier(jsonl.decoded(raw, path, line), line)
    repairs.tell()
