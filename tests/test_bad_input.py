"""Bad input of every kind: a clear error that names the culprit, and nothing half-written left behind."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import PASSAGES, QRELS, QUESTIONS, Bigrams, TaskWriter, jsonl
from xqgbench import encode
from xqgbench.cli import main
from xqgbench.errors import DataError, RetrieverError, StoreError, XqgbenchError
from xqgbench.evaluation import Evaluation, evaluate
from xqgbench.files import folder_aside, write_atomically
from xqgbench.formats import jsonl as jsonl_format
from xqgbench.formats import trec
from xqgbench.results import Result
from xqgbench.tasks import read_card
from xqgbench.types import Passage, Vectors


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """The message of a call that must fail with a code, on stderr alone and without a traceback."""

    def call(code: int, *words: str | Path) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        message = err.strip()
        assert message.startswith("Error: ")
        assert len(message.splitlines()) == 1
        assert "--debug" not in message  # that is what unexpected errors say
        return message.removeprefix("Error: ")

    return call


def evaluation_of(folder: Path, *words: str | Path) -> tuple[str | Path, ...]:
    """A call that evaluates everything the task has, generated queries too."""
    call = ("eval", "--model", "tests.conftest:Bigrams", "--task", "small", "--tasks-dir", folder)
    return (*call, "--augment", "xqg", "--quiet", *words)


def stored(root: Path) -> list[Path]:
    """The chunks that a reader of the store would find, by their records; and no leftovers."""
    leftovers = [path for pattern in ("*.part", "*.old") for path in root.rglob(pattern)]
    assert leftovers == []
    return sorted(path for path in root.rglob("*.json") if path.name != "retriever.json")


def roles(root: Path) -> set[str]:
    return {path.parent.name for path in stored(root)}


def altered(records: Sequence[dict[str, Any]], place: int, **fields: Any) -> str:
    """JSON lines with fields of one record replaced."""
    return jsonl([{**record, **fields} if i == place else record for i, record in enumerate(records)])


def with_line(records: Sequence[dict[str, Any]], line: str) -> str:
    """JSON lines of the first two records, then the line, then the rest."""
    return jsonl(records[:2]) + line + "\n" + jsonl(records[2:])


def judged(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


GOOD_QRELS = [f"{query} 0 {passage} 1" for query, passage in QRELS]
#: Every way a line of JSON can be no record, and what the message says of it.
BAD_LINES = [
    ('{"docid": "p9", "text": ', "not a JSON object in UTF-8"),
    ("[1, 2]", "not list"),
    ("null", "not NoneType"),
    ('"p9"', "not str"),
    ('{"docid": "p9", "text": Infinity}', "not a JSON object in UTF-8"),
    ('{"docid": "p9", "text": "caf\udce9"}', "UTF-8"),  # the byte E9: Latin-1
    ('{"docid": "p9", "text": "\udced\udca0\udc80"}', "UTF-8"),  # a surrogate encoded in UTF-8
    ('{"docid": "p9", "text": "\\ud800"}', "surrogate"),  # a lone surrogate as an escape
    ("docid,text", "not a JSON object in UTF-8"),
]


# The files of a task


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=[line for line, _ in BAD_LINES])
@pytest.mark.parametrize("file", ["passages", "questions"])
def test_a_line_that_is_no_record_is_named(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, file: str, line: str, reason: str
) -> None:
    records: Sequence[dict[str, Any]] = PASSAGES if file == "passages" else QUESTIONS
    message = refused(1, *evaluation_of(write_task(**{file: with_line(records, line)})))
    assert f"{file}.jsonl:3: " in message
    assert reason in message
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


BAD_TASKS: dict[str, tuple[dict[str, str], list[str]]] = {
    "empty query": ({"questions": altered(QUESTIONS, 1, question="")}, ["questions.jsonl:2:", "'question'", "fi-2"]),
    "query of spaces": ({"questions": altered(QUESTIONS, 1, question=" \u3000\t")}, ["questions.jsonl:2:", "fi-2"]),
    "query is a number": ({"questions": altered(QUESTIONS, 3, question=7)}, ["questions.jsonl:4:", "int", "ja-2"]),
    "query without an id": ({"questions": altered(QUESTIONS, 0, id=None)}, ["questions.jsonl:1:", "'id'"]),
    "query without a language": ({"questions": altered(QUESTIONS, 2, lang=None)}, ["questions.jsonl:3:", "'lang'"]),
    "answers are a string": ({"questions": altered(QUESTIONS, 1, answers="tar")}, ["questions.jsonl:2:", "answers"]),
    "query id twice": ({"questions": altered(QUESTIONS, 1, id="fi-1")}, ["questions.jsonl:2:", "'fi-1'", "twice"]),
    "a language without queries": (
        {"questions": jsonl(QUESTIONS[:2]), "qrels": judged(*GOOD_QRELS[:2])},
        ["questions.jsonl", "'ja'"],
    ),
    "a language without judgements": ({"qrels": judged(*GOOD_QRELS[:2])}, ["qrels.tsv", "'ja'"]),
    "no text": ({"passages": altered(PASSAGES, 2, text=None)}, ["passages.jsonl:3:", "'text'", "p2"]),
    "empty text": ({"passages": altered(PASSAGES, 2, text="")}, ["passages.jsonl:3:", "'text'", "p2"]),
    "text is a list": ({"passages": altered(PASSAGES, 2, text=["a"])}, ["passages.jsonl:3:", "list", "p2"]),
    "title is a number": ({"passages": altered(PASSAGES, 2, title=3)}, ["passages.jsonl:3:", "'title'", "p2"]),
    "passage id is a fraction": ({"passages": altered(PASSAGES, 2, docid=3.5)}, ["passages.jsonl:3:", "'docid'", "3"]),
    "passage id twice": ({"passages": altered(PASSAGES, 3, docid="p0")}, ["passages.jsonl:4:", "'p0'", "line 1"]),
    "passage id ends in NUL": (
        {"passages": jsonl([*PASSAGES, {**PASSAGES[0], "docid": "p0\0"}])},
        ["passages.jsonl:5:", "p0"],
    ),
    "passage id with a space": ({"passages": altered(PASSAGES, 1, docid="p 1")}, ["passages.jsonl:2:", "'p 1'"]),
    "query id with a space": ({"questions": altered(QUESTIONS, 1, id="fi 2")}, ["questions.jsonl:2:", "'fi 2'"]),
    "passage id with an escape": ({"passages": altered(PASSAGES, 1, docid="p\x1b[2J")}, ["passages.jsonl:2:", "\\x1b"]),
    "query id with a bell": ({"questions": altered(QUESTIONS, 1, id="fi\x07")}, ["questions.jsonl:2:", "\\x07"]),
    "query id with a C1 control": ({"questions": altered(QUESTIONS, 1, id="fi\x9b2")}, ["questions.jsonl:2:", "\\x9b"]),
    "no passages": ({"passages": "\n", "qrels": ""}, ["passages.jsonl"]),
    "unknown passage": ({"qrels": judged("fi-1 0 p9 1")}, ["qrels.tsv", "'p9'", "'fi-1'"]),
    "unknown query": ({"qrels": judged(*GOOD_QRELS, "fi-l 0 p1 1")}, ["qrels.tsv", "'fi-l'"]),
    "three fields": ({"qrels": judged(GOOD_QRELS[0], "fi-2 p3 1")}, ["qrels.tsv:2:", "3 fields"]),
    "five fields": ({"qrels": judged(GOOD_QRELS[0], "fi-2 0 p3 1 x")}, ["qrels.tsv:2:", "5 fields"]),
    "grade is a word": ({"qrels": judged(GOOD_QRELS[0], "fi-2 0 p3 high")}, ["qrels.tsv:2:", "'high'"]),
    "grade is a fraction": ({"qrels": judged(GOOD_QRELS[0], "fi-2 0 p3 0.5")}, ["qrels.tsv:2:", "'0.5'"]),
    "grade with two signs": ({"qrels": judged(GOOD_QRELS[0], "fi-2 0 p3 --1")}, ["qrels.tsv:2:", "'--1'"]),
    "grade is a superscript": ({"qrels": judged(GOOD_QRELS[0], "fi-2 0 p3 ²")}, ["qrels.tsv:2:", "'²'"]),
    "judged twice": ({"qrels": judged(*GOOD_QRELS, "fi-1 0 p0 0")}, ["qrels.tsv:5:", "'fi-1'", "'p0'", "twice"]),
    "judgements in Latin-1": ({"qrels": judged(GOOD_QRELS[0], "caf\udce9 0 p0 1")}, ["qrels.tsv", "UTF-8"]),
}


@pytest.mark.parametrize("augment", ["none", "xqg"])
@pytest.mark.parametrize(("files", "named"), BAD_TASKS.values(), ids=BAD_TASKS.keys())
def test_bad_data_are_named_before_anything_is_encoded(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, files: dict[str, str], named: list[str], augment: str
) -> None:
    message = refused(1, *evaluation_of(write_task(**files), "--augment", augment))
    for part in named:
        assert part in message
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


@pytest.mark.parametrize(
    "generated", [["fi"], {"fi": "one"}, {"fi": [""]}, {"fi": ["a", None]}, {"fi": [{}]}, {"fi": None}], ids=str
)
def test_bad_generated_queries_are_named_and_no_vectors_of_them_are_stored(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, generated: object
) -> None:
    folder = write_task(passages=altered(PASSAGES, 2, generated_queries=generated))
    message = refused(1, *evaluation_of(folder))
    assert "passages.jsonl:3: " in message
    assert "generated" in message
    assert not (tmp_path / "results").exists()
    assert "generated" not in roles(tmp_path / "store")


def test_xqg_on_a_task_without_generated_queries_is_refused_before_encoding(
    write_task: TaskWriter, refused: Refused, tmp_path: Path
) -> None:
    message = refused(3, *evaluation_of(write_task(card={"generated_languages": "[]"})))
    assert "'small' has no generated queries" in message
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_change_nothing(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    assert main([*map(str, evaluation_of(write_task(), "--output", "clean"))]) == 0

    def as_windows(text: str) -> str:
        return "\ufeff\r\n" + text.replace("\n", "\r\n\r\n  \r\n")

    untidy = write_task(
        passages="\ufeff" + jsonl(PASSAGES).replace("\n", "\r\n\r\n"),
        questions=as_windows(jsonl(QUESTIONS)),
        qrels=as_windows(judged(*GOOD_QRELS)),
    )
    assert (untidy / "passages.jsonl").read_bytes().startswith(b"\xef\xbb\xbf{")
    assert main([*map(str, evaluation_of(untidy, "--output", "untidy"))]) == 0
    for system in ("bigrams", "bigrams+xqg"):
        for file in ("scores.parquet", "run.parquet"):
            clean, other = ((tmp_path / o / "small" / system / file).read_bytes() for o in ("clean", "untidy"))
            assert clean == other


def outcome(read: Callable[[Path], Any], path: Path) -> Any:
    """What a reader returns, or the deliberate error that it raises; any other exception comes through."""
    try:
        return read(path)
    except DataError as error:
        return error


@given(st.binary(max_size=80))
@example(b"\xef\xbb\xbf{}\r\n\r\n[]")
@example(b'{"a": "\\ud800"}')
@example(b'{"a": 1')
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_records_or_an_error_with_file_and_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    found = outcome(lambda file: list(jsonl_format.records(file)), path)
    if isinstance(found, DataError):
        assert found.path == path
        assert 1 <= found.line <= content.count(b"\n") + 1
    else:
        assert [line for line, _ in found] == [i for i, raw in enumerate(content.split(b"\n"), 1) if b"{" in raw]
        assert all(isinstance(record, dict) for _, record in found)


FIELD = st.sampled_from(["q1", "p1", "0", "1", "-1", "--1", "²", "١", "1.5", "\ufeff", "\u2028", "", " "])


@given(st.one_of(st.binary(max_size=60), st.lists(FIELD, max_size=9).map(lambda fields: "\t".join(fields).encode())))
@example("q 0 p ²".encode())
@example(b"q 0 p --1")
@example(b"q 0 p \xff")
@example(b"q 0 p 1\nq 0 r -1")
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_judgements_or_an_error_that_names_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    path.write_bytes(content)
    found = outcome(trec.read_qrels, path)
    if isinstance(found, DataError):
        assert found.path == path
    else:
        grades = [grade for judged_passages in found.values() for grade in judged_passages.values()]
        assert all(type(grade) is int for grade in grades)
        assert len(grades) <= content.count(b"\n") + content.count(b"\r") + 1


@pytest.mark.parametrize("content", [b"no gzip at all", b"\x1f\x8b\x08\x00truncated"], ids=["not gzip", "truncated"])
def test_a_damaged_archive_is_named(write_task: TaskWriter, refused: Refused, tmp_path: Path, content: bytes) -> None:
    folder = write_task()
    (folder / "passages.jsonl.gz").write_bytes(content)
    edit_card(folder, 'path = "passages.jsonl"', 'path = "passages.jsonl.gz"')
    old = hashlib.sha256((folder / "passages.jsonl").read_bytes()).hexdigest()
    edit_card(folder, old, hashlib.sha256(content).hexdigest())
    assert "passages.jsonl.gz" in refused(1, *evaluation_of(folder))
    assert stored(tmp_path / "store") == []


# The card


def edit_card(folder: Path, old: str, new: str) -> None:
    card = folder / "small.toml"
    text = card.read_text(encoding="utf-8")
    assert text.count(old) == 1
    card.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("file", ["questions.jsonl", "passages.jsonl", "qrels.tsv"])
def test_a_missing_source_file_is_named(write_task: TaskWriter, refused: Refused, tmp_path: Path, file: str) -> None:
    folder = write_task()
    (folder / file).unlink()
    message = refused(3, *evaluation_of(folder))
    assert str(folder / file) in message
    assert "'small'" in message
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("file", ["questions.jsonl", "passages.jsonl", "qrels.tsv"])
def test_a_changed_source_file_is_refused_with_both_hashes(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, file: str
) -> None:
    folder = write_task()
    before = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    (folder / file).write_bytes((folder / file).read_bytes() + b"\n")
    after = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    message = refused(1, *evaluation_of(folder))
    assert str(folder / file) in message
    assert before in message
    assert after in message
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


FIELDS = [
    field
    for field in tomllib.loads((Path(__file__).parent.parent / "tasks" / "xqg-mini.toml").read_text(encoding="utf-8"))
    if field not in ("sources", "expected", "control_languages", "passage_language", "limits")  # the last are optional
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_card_that_lacks_a_field_names_it(write_task: TaskWriter, refused: Refused, field: str) -> None:
    folder = write_task(card={field: None})
    message = refused(1, *evaluation_of(folder))
    assert str(folder / "small.toml") in message
    assert f"lacks '{field}'" in message


BAD_CARDS: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "controls are a string": ({"control_languages": '"en"'}, ["'control_languages'", "list"]),
    "a language of passages is a number": ({"passage_language": "3"}, ["'passage_language'", "str"]),
    "limits are a number": ({"limits": "3"}, ["'limits'", "dict"]),
    "unknown field": ({"langauges": '["fi"]'}, ["unknown field 'langauges'"]),
    "languages are a string": ({"languages": '"fi"'}, ["'languages'", "list"]),
    "languages are numbers": ({"languages": "[1, 2]"}, ["'languages'"]),
    "a language twice": ({"languages": '["fi", "fi"]'}, ["'languages'", "distinct"]),
    "no languages": ({"languages": "[]"}, ["'languages'"]),
    "a name that is a way to another folder": ({"name": '".."'}, ["'..'", "letters, digits"]),
    "a name with a slash": ({"name": '"a/b"'}, ["'a/b'", "letters, digits"]),
    "a name with a space": ({"name": '"a b"'}, ["'a b'", "letters, digits"]),
    "no measures": ({"measures": "[]"}, ["measures"]),
    "unknown measure": ({"measures": '["nDCG@10", "nDGC@10"]'}, ["'nDGC@10'"]),
    "main measure not among the measures": ({"main_measure": '"RR@100"'}, ["main_measure", "RR@100"]),
    "another name": ({"name": '"other"'}, ["'other'"]),
    "unknown cluster": ({"cluster": '"question"'}, ["'cluster'", "'question'", "passage"]),
    "unknown format": ({"format": '"xor-retrive"'}, ["'xor-retrive'", "xor-retrieve"]),
    "not TOML": ({"title": '"open'}, ["not a TOML file"]),
    "version is a number": ({"version": "1"}, ["'version'"]),
}


@pytest.mark.parametrize(("fields", "named"), BAD_CARDS.values(), ids=BAD_CARDS.keys())
def test_a_bad_card_is_named_with_the_field(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, fields: dict[str, str | None], named: list[str]
) -> None:
    folder = write_task(card=fields)
    message = refused(1, *evaluation_of(folder))
    assert str(folder / "small.toml") in message
    for part in named:
        assert part in message
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('path = "qrels.tsv"', 'path = "../qrels.tsv"', ["'qrels'", "../qrels.tsv", "leaves the folder"]),
        ('path = "qrels.tsv"', 'path = "a/../../qrels.tsv"', ["'qrels'", "leaves the folder"]),
        ('path = "qrels.tsv"', 'path = "/qrels.tsv"', ["'qrels'", "leaves the folder"]),
        ('path = "qrels.tsv"\n', "", ["'qrels'", "path and sha256"]),
        ('path = "qrels.tsv"', 'path = "qrels.tsv"\nurl = "x"', ["'qrels'", "no http or https address"]),
        ('path = "qrels.tsv"', "path = 7", ["'qrels'", "path"]),
        ("[sources.questions]", "[sources.queries]", ["'questions'"]),
        ("[sources.qrels]", "[sources.qrel]", ["'qrel'"]),
        ("[expected]", "[expected]\npassages = 'four'", ["passages", "four"]),
        ("[expected]", "[expected]\nqueries = 4", ["queries"]),
        ("[expected]", "[expected]\npassage = 4", ["'passage'"]),
        ("[expected]", "[expected]\nqueries = { fii = 2 }", ["fii"]),
    ],
)  # fmt: skip
def test_bad_sources_and_counts_of_a_card_are_named(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, old: str, new: str, named: list[str]
) -> None:
    folder = write_task()
    edit_card(folder, old, new)
    message = refused(1, *evaluation_of(folder))
    assert str(folder / "small.toml") in message
    for part in named:
        assert part in message
    assert stored(tmp_path / "store") == []


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ("passages = 5", ["passages.jsonl", "4 passages", "expects 5"]),
        ("passages = 3", ["passages.jsonl", "4 passages", "expects 3"]),
        ("queries = { fi = 2, ja = 3 }", ["questions.jsonl", "2 questions in 'ja'", "expects 3"]),
        ("queries = { fi = 1 }", ["questions.jsonl", "2 questions in 'fi'", "expects 1"]),
    ],
)
def test_a_count_that_differs_from_the_card_is_refused(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, counts: str, named: list[str]
) -> None:
    folder = write_task()
    edit_card(folder, "[expected]", f"[expected]\n{counts}")
    message = refused(1, *evaluation_of(folder))
    for part in named:
        assert part in message
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


def test_a_card_that_is_not_utf8_is_named(write_task: TaskWriter) -> None:
    path = write_task() / "small.toml"
    path.write_bytes(path.read_bytes().replace(b"A small task", b"caf\xe9"))
    with pytest.raises(DataError, match=re.escape(str(path))):
        read_card(path)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_place_of_a_card_are_an_error_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_card(path)
    assert caught.value.path == path


# The retriever


class Faulty(Bigrams):
    """Bigrams whose passage vectors go wrong from the batch that holds p2 on."""

    def __init__(self, spoil: Callable[[Vectors], Any]) -> None:
        super().__init__()
        self.spoil = spoil

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        vectors = super().encode_passages(passages)
        spoilt: Vectors = self.spoil(vectors) if any(p.id == "p2" for p in passages) else vectors
        return spoilt


def with_value(value: float) -> Callable[[Vectors], Vectors]:
    """One coordinate replaced in one row: that of p2, alone in its batch or third of four."""

    def spoil(vectors: Vectors) -> Vectors:
        vectors[min(2, len(vectors) - 1), 5] = value
        return vectors

    return spoil


def with_zeros(vectors: Vectors) -> Vectors:
    vectors[min(2, len(vectors) - 1)] = 0
    return vectors


SPOILT: dict[str, tuple[Callable[[Vectors], Any], list[str]]] = {
    "NaN": (with_value(np.nan), ["NaN or infinite", "passage 'p2'"]),
    "inf": (with_value(np.inf), ["NaN or infinite", "passage 'p2'"]),
    "-inf": (with_value(-np.inf), ["NaN or infinite", "passage 'p2'"]),
    "zero vector": (with_zeros, ["zero vector", "passage 'p2'"]),
    "too few dimensions": (lambda v: v[:, :60], ["dimension 60", "dim=64"]),
    "too many dimensions": (lambda v: np.hstack([v, v]), ["dimension 128", "dim=64"]),
    "a row less": (lambda v: v[1:], ["shape", "one row per text"]),
    "a row more": (lambda v: np.vstack([v, v[:1]]), ["shape", "one row per text"]),
    "one long row": (lambda v: v.ravel(), ["shape", "one row per text"]),
    "three axes": (lambda v: v[None], ["shape", "one row per text"]),
    "a number": (lambda v: 0.5, ["one row per text"]),
    "nothing": (lambda v: None, ["passage"]),
    "strings": (lambda v: ["vector"] * len(v), ["list", "no array of numbers"]),
    "numbers as strings": (lambda v: v.astype(str).tolist(), ["list", "no array of numbers"]),
    "ragged lists": (lambda v: [[1.0] * (i + 1) for i in range(len(v) + 1)], ["list", "no array of numbers"]),
    "complex numbers": (lambda v: v.astype(np.complex128) + 1j, ["complex"]),
    "too large for float32": (lambda v: v.astype(np.float64) * 1e300, ["infinite", "passage"]),
}


@pytest.mark.parametrize(("spoil", "named"), SPOILT.values(), ids=SPOILT.keys())
def test_what_no_retriever_may_return_is_refused_and_not_stored(
    write_task: TaskWriter, tmp_path: Path, spoil: Callable[[Vectors], Any], named: list[str]
) -> None:
    folder = write_task()
    with pytest.raises(RetrieverError) as caught:
        evaluate(Faulty(spoil), "small", "xqg", tasks_dir=folder)
    assert "retriever 'bigrams'" in str(caught.value)
    for part in named:
        assert part in str(caught.value)
    assert roles(tmp_path / "store") == {"queries"}  # encoded before; they are whole


def test_only_whole_chunks_before_the_fault_are_kept_and_the_repaired_retriever_goes_on_from_them(
    write_task: TaskWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK", 2)
    monkeypatch.setattr(encode, "BATCH", 1)
    folder = write_task()
    with pytest.raises(RetrieverError, match="passage 'p2'"):
        evaluate(Faulty(with_value(np.nan)), "small", tasks_dir=folder)
    assert [path.parent.name for path in stored(tmp_path / "store")].count("passages") == 1  # p0 and p1
    repaired = evaluate(Bigrams(), "small", tasks_dir=folder)
    assert repaired.plain.details["timings"]["texts_encoded"] == 2
    undisturbed = evaluate(Bigrams(), "small", tasks_dir=folder, store=tmp_path / "fresh")
    assert without_times(repaired.plain) == without_times(undisturbed.plain)


def test_a_faulty_retriever_exits_with_1(write_task: TaskWriter, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(
        "import numpy as np\n"
        "from xqgbench import RetrieverInfo\n"
        "class Faulty:\n"
        "    info = RetrieverInfo(name='faulty', dim=2)\n"
        "    def encode_queries(self, texts):\n"
        "        return np.full((len(texts), 2), np.nan)\n"
        "    encode_passages = encode_queries\n",
        encoding="utf-8",
    )
    message = refused(1, *evaluation_of(write_task(), "--model", "faulty.py:Faulty"))
    assert "retriever 'faulty'" in message
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


def raising(error: BaseException) -> Callable[[Vectors], Vectors]:
    def spoil(vectors: Vectors) -> Vectors:
        raise error

    return spoil


@pytest.mark.parametrize("error", [MemoryError("no room for a batch"), KeyError("weights"), RuntimeError()], ids=repr)
def test_an_exception_of_the_retriever_itself_is_told_with_the_texts_that_it_failed_on(
    write_task: TaskWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(encode, "BATCH", 2)
    with pytest.raises(RetrieverError) as caught:
        evaluate(Faulty(raising(error)), "small", tasks_dir=write_task())
    message = str(caught.value)
    assert message.startswith("retriever 'bigrams' failed on 2 passage texts, 'p2' to 'p3': ")  # p0 and p1 went well
    assert f"{type(error).__name__}: {error}" in message
    assert caught.value.__cause__ is error
    assert roles(tmp_path / "store") == {"queries"}


@pytest.mark.parametrize(
    "error", [StoreError("a deliberate one"), XqgbenchError("another"), KeyboardInterrupt(), SystemExit(3)], ids=repr
)
def test_a_deliberate_error_or_an_interruption_in_a_retriever_passes_unchanged(
    write_task: TaskWriter, error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught:
        evaluate(Faulty(raising(error)), "small", tasks_dir=write_task())
    assert caught.value is error


def test_an_exception_of_the_retriever_itself_is_a_message_on_the_command_line(
    write_task: TaskWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "failing.py").write_text(
        "from xqgbench import RetrieverInfo\n"
        "class Failing:\n"
        "    info = RetrieverInfo(name='failing', dim=2, revision='1')\n"
        "    def encode_queries(self, texts):\n"
        "        raise MemoryError('no room for a batch of queries')\n"
        "    encode_passages = encode_queries\n",
        encoding="utf-8",
    )
    assert main([*map(str, evaluation_of(write_task(), "--model", "failing.py:Failing"))]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "retriever 'failing' failed on 2 query texts, 'fi-1' to 'fi-2'" in err
    assert "MemoryError: no room for a batch of queries" in err
    assert "--debug" in err
    assert "Traceback" not in err
    assert not (tmp_path / "results").exists()
    assert stored(tmp_path / "store") == []


# Interruption


class Interrupted(Bigrams):
    """Bigrams that the user interrupts in one of its calls."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.interrupted_call = call

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_queries(texts)
        if self.calls == self.interrupted_call:
            raise KeyboardInterrupt
        return vectors


def without_times(result: Result | None) -> tuple[object, ...]:
    """All of a result that must not depend on how often it was interrupted."""
    assert result is not None
    runs = {
        language: {query: (ranking.passage_ids, ranking.scores.tolist()) for query, ranking in run.items()}
        for language, run in result.runs.items()
    }
    return result.scores, runs, result.signature, result.clusters, result.hits


def both(evaluation: Evaluation) -> tuple[object, ...]:
    return without_times(evaluation.plain), without_times(evaluation.augmented), evaluation.comparisons


def test_a_run_interrupted_anywhere_goes_on_where_it_was_and_ends_the_same(
    write_task: TaskWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK", 2)
    monkeypatch.setattr(encode, "BATCH", 1)
    folder = write_task()
    counted = Bigrams()
    undisturbed = both(evaluate(counted, "small", "xqg", tasks_dir=folder, store=tmp_path / "undisturbed"))
    # one call for each of 4 queries, 4 passages, and 2 generated queries in 2 languages for each passage
    assert counted.calls == 4 + 4 + 16
    for call in range(1, counted.calls + 1):
        store = tmp_path / f"store-{call}"
        with pytest.raises(KeyboardInterrupt):
            evaluate(Interrupted(call), "small", "xqg", tasks_dir=folder, store=store)
        kept = stored(store)
        second = Bigrams()
        assert both(evaluate(second, "small", "xqg", tasks_dir=folder, store=store)) == undisturbed
        # each of the 8 chunks holds 2 texts, but 4 generated queries: 2 passages with 2 queries in one language
        assert second.calls == counted.calls - sum(4 if path.parent.name == "generated" else 2 for path in kept)


INTERRUPTED = """\
import os, signal
import numpy as np
from xqgbench import RetrieverInfo

class Slow:
    info = RetrieverInfo(name="slow", dim=3, revision="1")
    calls = 0
    def encode_queries(self, texts):
        Slow.calls += 1
        if Slow.calls == 3 and "INTERRUPT" in os.environ:
            os.kill(os.getpid(), signal.SIGINT)
        return np.array([[len(t), t.count("e"), 1] for t in texts], dtype=np.float32)
    def encode_passages(self, passages):
        return self.encode_queries([p.text for p in passages])
"""


def test_interrupting_the_program_exits_with_1_and_the_next_run_completes_it(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    """A real signal; the third call encodes the passages."""
    (tmp_path / "slow.py").write_text(INTERRUPTED, encoding="utf-8")
    words = evaluation_of(write_task(), "--model", "slow.py:Slow")
    script = Path(sys.executable).with_name("xqgbench")

    def run(output: str, store: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "XQGBENCH_STORE": store, **environment}
        return subprocess.run(
            [script, *words, "--output", output], capture_output=True, text=True, encoding="utf-8", env=env, check=False
        )

    stopped = run("resumed", "store", INTERRUPT="1")
    assert stopped.returncode == 1
    assert "Interrupted" in stopped.stderr
    assert "Finished chunks stay in the store" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert stopped.stdout == ""
    assert not (tmp_path / "resumed").exists()
    assert roles(tmp_path / "store") == {"queries"}
    assert run("resumed", "store").returncode == 0
    assert run("undisturbed", "another-store").returncode == 0
    for system in ("slow", "slow+xqg"):
        for file in ("scores.parquet", "run.parquet"):
            resumed, undisturbed = (tmp_path / o / "small" / system / file for o in ("resumed", "undisturbed"))
            assert resumed.read_bytes() == undisturbed.read_bytes()


# The store and the output


def test_a_store_that_cannot_be_used_is_named_with_the_ways_out(
    write_task: TaskWriter, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a-file"
    place.write_text("mine", encoding="utf-8")
    monkeypatch.setenv("XQGBENCH_STORE", str(place))
    message = refused(1, *evaluation_of(write_task()))
    assert str(place) in message
    assert "--store" in message
    assert place.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "results").exists()
    with pytest.raises(StoreError, match="a-file"):
        evaluate(Bigrams(), "small", tasks_dir=tmp_path / "tasks")


def test_a_file_given_as_the_store_is_a_wrong_call(
    write_task: TaskWriter, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    assert main([*map(str, evaluation_of(write_task(), "--store", tmp_path / "a-file"))]) == 2
    assert "a-file" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"blake2b": 1}'], ids=repr)
@pytest.mark.parametrize("suffix", [".json", ".npy"])
def test_a_damaged_chunk_is_encoded_again(write_task: TaskWriter, tmp_path: Path, suffix: str, content: bytes) -> None:
    folder = write_task()
    before = evaluate(Bigrams(), "small", tasks_dir=folder).plain
    [record] = [path for path in stored(tmp_path / "store") if path.parent.name == "passages"]
    record.with_suffix(suffix).write_bytes(content)
    after = evaluate(Bigrams(), "small", tasks_dir=folder).plain
    assert after.details["timings"]["texts_encoded"] == 4
    assert without_times(after) == without_times(before)
    assert evaluate(Bigrams(), "small", tasks_dir=folder).plain.details["timings"]["texts_encoded"] == 0


def test_an_output_that_cannot_be_written_is_named_and_nothing_in_it_changes(
    write_task: TaskWriter, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "small").write_text("mine", encoding="utf-8")
    assert main([*map(str, evaluation_of(write_task()))]) == 1
    err = capsys.readouterr().err
    assert "results/small" in err
    assert "--output" in err
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["small"]
    assert (tmp_path / "results" / "small").read_text(encoding="utf-8") == "mine"


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out" / "folder"
    with folder_aside(target) as aside:
        write_atomically(aside / "old", b"old")
    with pytest.raises(KeyboardInterrupt), folder_aside(target) as aside:  # noqa: PT012 (the point is where it stops)
        write_atomically(aside / "new", b"new")
        raise KeyboardInterrupt
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]
    with folder_aside(target) as aside:
        write_atomically(aside / "new", b"new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


# Results


@pytest.fixture
def result_folder(write_task: TaskWriter, tmp_path: Path) -> Path:
    assert main([*map(str, evaluation_of(write_task()))]) == 0
    return tmp_path / "results" / "small" / "bigrams"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_list(path: Path) -> None:
    path.write_bytes(b"[]")


def another_schema(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"schema": 2', b'"schema": 99'))


def without_files(path: Path) -> None:
    path.write_text(json.dumps({"schema": 2}), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("scores.parquet", truncate),
        ("scores.parquet", flip),
        ("scores.parquet", Path.unlink),
        ("scores.parquet", as_folder),
        ("result.json", truncate),
        ("result.json", as_folder),
        ("result.json", as_list),
        ("result.json", another_schema),
        ("result.json", without_files),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_leaderboard_refuses_a_damaged_result_and_names_it(
    result_folder: Path, refused: Refused, tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    damage(result_folder / file)
    message = refused(1, "leaderboard")
    assert str(Path("results") / "small" / "bigrams" / file) in message
    assert "valuate again" in message
    assert not (tmp_path / "leaderboard").exists()


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink], ids=lambda value: value.__name__)
@pytest.mark.parametrize("file", ["scores.parquet", "run.parquet", "result.json", "runs/fi.trec.gz"])
def test_evaluating_again_repairs_a_damaged_result(
    result_folder: Path, tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    """That is what the leaderboard says to do."""
    before = {path: path.read_bytes() for path in result_folder.rglob("*") if path.is_file()}
    damage(result_folder / file)
    assert main([*map(str, evaluation_of(tmp_path / "tasks"))]) == 0
    assert main(["leaderboard"]) == 0
    for path, content in before.items():
        if path.name != "result.json":  # holds timings
            assert path.read_bytes() == content, path.name


def test_a_leaderboard_that_cannot_be_made_leaves_the_old_one(result_folder: Path, tmp_path: Path) -> None:
    assert main(["leaderboard"]) == 0
    page = tmp_path / "leaderboard" / "README.md"
    before = page.read_bytes()
    (result_folder / "scores.parquet").unlink()
    assert main(["leaderboard"]) == 1
    assert page.read_bytes() == before


def test_every_deliberate_error_is_one_paragraph() -> None:
    """The messages of the error classes that build their own text."""
    from xqgbench.errors import MissingExtra, UnknownName

    errors: list[XqgbenchError] = [
        UnknownName("task", "x", []),
        UnknownName("task", "x", ["y"]),
        UnknownName("task", "smal", ["small"], "hint."),
        MissingExtra("model 'x'", "package", "extra"),
        DataError("reason.", "file", 3),
    ]
    for error in errors:
        assert "\n" not in str(error)
        assert str(error) == str(error).strip()
        assert "  " not in str(error)
