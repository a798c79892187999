"""Run files as others write them: every kind read alike, told from its content, and refused where it is ambiguous."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import cbor2
import lz4.frame
import pandas as pd
import pytest
import ranx
from hypothesis import given, settings
from hypothesis import strategies as st

from xqgbench.errors import DataError, Repaired
from xqgbench.formats.runs import read_run
from xqgbench.types import RunFile

RUN = {"q1": {"p1": 12.5, "p3": 7.25, "p2": 0.1 + 0.2}, "q2": {"p2": -1.0, "p1": -2.0}}
PREDICTIONS = [
    {"id": "7", "lang": "ja", "ctxs": ["one text", "another", "one text"]},
    {"id": "8", "lang": "ko", "ctxs": []},
]

WriteRun = Callable[[str, str | bytes], Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def trec(run: Mapping[str, Mapping[str, float]]) -> str:
    rows = [(q, p, rank, s) for q, own in run.items() for rank, (p, s) in enumerate(own.items(), 1)]
    return "".join(f"{query} Q0 {passage} {rank} {score!r} bm25\n" for query, passage, rank, score in rows)


def scored(file: RunFile) -> dict[str, list[tuple[str, float]]]:
    """Query -> (passage, score), best first."""
    return {
        query: list(zip(ranking.passage_ids, ranking.scores.tolist(), strict=True))
        for (_, query), ranking in file.rankings.items()
    }


BEST_FIRST = {query: list(own.items()) for query, own in RUN.items()}


# Kinds


# A path that ends in .gz is left out: ranx writes plain text there, which nothing, ranx included, reads back as gzip.
@pytest.mark.parametrize("name", ["run.json", "run.lz4", "run.parquet", "run.parq", "run.trec", "run.txt"])
def test_whatever_ranx_saves_is_read_with_every_score_and_in_order(tmp_path: Path, name: str) -> None:
    ranx.Run(RUN, name="bm25").save(str(tmp_path / name))
    file = read_run(tmp_path / name)
    assert scored(file) == BEST_FIRST
    assert file.kind == ("trec" if name in ("run.trec", "run.txt") else "ranx")


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
@pytest.mark.parametrize("kind", ["trec", "ranx", "predictions"])
def test_a_compressed_file_is_read_as_its_content(
    write_run: WriteRun, suffix: str, pack: Callable[[bytes], bytes], kind: str
) -> None:
    text = {"trec": trec(RUN), "ranx": json.dumps(RUN), "predictions": json.dumps(PREDICTIONS)}[kind]
    plain, packed = read_run(write_run("run", text)), read_run(write_run(f"run{suffix}", pack(text.encode())))
    assert packed.kind == plain.kind == kind
    assert (scored(packed), packed.texts) == (scored(plain), plain.texts)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (trec(RUN).encode(), "trec"),
        (b"\n\n" + trec(RUN).encode(), "trec"),
        (trec(RUN).replace(" ", "\t").encode(), "trec"),
        (b"\xef\xbb\xbf" + json.dumps(RUN).encode(), "ranx"),
        (json.dumps(RUN, indent=1).encode(), "ranx"),
        (b" \n" + json.dumps(PREDICTIONS).encode(), "predictions"),
    ],
)
def test_the_kind_is_told_from_the_content_whatever_the_name(write_run: WriteRun, content: bytes, kind: str) -> None:
    for name in ("run", "run.trec", "run.json", "run.txt"):
        assert read_run(write_run(name, content)).kind == kind


def test_numbers_as_ids_in_a_parquet_file_are_read_as_strings_and_told(tmp_path: Path) -> None:
    pd.DataFrame({"q_id": [7, 7], "doc_id": [1, 2], "score": [1.0, 2.0]}).to_parquet(tmp_path / "run.parquet")
    with pytest.warns(Repaired, match=r"run\.parquet: 4 x number as an id"):
        assert scored(read_run(tmp_path / "run.parquet")) == {"7": [("2", 2.0), ("1", 1.0)]}


def test_ids_are_brought_into_the_unicode_form_that_tasks_are_read_in(write_run: WriteRun) -> None:
    with pytest.warns(Repaired, match="NFC"):
        file = read_run(write_run("run.trec", "cafe\u0301 Q0 pe\u0301 1 1.5 x\n"))
    assert scored(file) == {"caf\u00e9": [("p\u00e9", 1.5)]}


# Order

IDS = st.text("pqé12", min_size=1, max_size=3)
ROWS = st.dictionaries(st.tuples(st.sampled_from(["q1", "q2"]), IDS), st.tuples(st.integers(0, 2), st.integers(1, 3)))


@settings(deadline=None)
@given(rows=ROWS.filter(bool), order=st.randoms(use_true_random=False))
def test_passages_stand_by_score_then_by_the_rank_in_the_file_then_by_id(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[tuple[str, str], tuple[int, int]], order: object
) -> None:
    """And the order of the lines of a TREC run, whose ranks are written out, is of no account."""
    lines = [f"{q} Q0 {p} {rank} {score} x\n" for (q, p), (score, rank) in rows.items()]
    order.shuffle(lines)  # type: ignore[attr-defined]
    path = tmp_path_factory.mktemp("runs") / "run.trec"
    path.write_text("".join(lines), encoding="utf-8")
    found = scored(read_run(path))
    for query in {q for q, _ in rows}:
        own = {p: (-score, rank, p) for (q, p), (score, rank) in rows.items() if q == query}
        assert [p for p, _ in found[query]] == sorted(own, key=lambda p: own[p])


def test_equal_scores_of_a_ranx_run_stand_in_the_order_of_the_file(write_run: WriteRun, tmp_path: Path) -> None:
    tied = {"q": {"z": 1.0, "a": 1.0, "m": 2.0}}
    frame = pd.DataFrame(
        [(q, p, s) for q, own in tied.items() for p, s in own.items()], columns=["q_id", "doc_id", "score"]
    )
    frame.to_parquet(tmp_path / "run.parquet")
    for path in (write_run("run.json", json.dumps(tied)), tmp_path / "run.parquet"):
        assert [p for p, _ in scored(read_run(path))["q"]] == ["m", "z", "a"]


# Predictions


def test_predictions_have_ids_made_from_their_texts_and_keep_the_order(write_run: WriteRun) -> None:
    file = read_run(write_run("pred.json", json.dumps(PREDICTIONS)))
    first, second, again = file.rankings["ja", "7"].passage_ids
    assert first == "text-" + hashlib.sha256(b"one text").hexdigest()[:20]
    assert [file.texts[p] for p in (first, second, again)] == ["one text", "another", "one text"]
    assert again == f"{first}-2"  # its tokens count a second time, as in the official script
    assert file.rankings["ko", "8"].passage_ids == ()


def test_the_language_of_a_prediction_may_have_white_space_around_it(write_run: WriteRun) -> None:
    with pytest.warns(Repaired, match="white space around a language"):
        file = read_run(write_run("pred.json", json.dumps([{"id": 7, "lang": " ar", "ctxs": ["x"]}])))
    assert set(file.rankings) == {("ar", "7")}


# What cannot be used


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", 0, "there is no ranking in it"),
        ("\n \n", 0, "there is no ranking in it"),
        (
            "q1 Q0 p1 1 2.0 x\nq1 Q0 p2 2 1.0\n",
            2,
            "5 columns where a TREC run, 'query Q0 passage rank score tag', has six",
        ),
        ("q1\tp1\t1\n", 1, "3 columns"),
        ("q1 Q0 p1 1 2.0 my system\n", 1, "7 columns"),
        ("q1 Q0 p1 1 nan x\n", 1, "query 'q1', passage 'p1': the score 'nan' is no finite number"),
        ("q1 Q0 p1 1 -inf x\n", 1, "the score '-inf' is no finite number"),
        ("q1 Q0 p1 1 high x\n", 1, "the score 'high' is no finite number"),
        ("q1 Q0 p1 first 1.0 x\n", 1, "rank 'first' is no whole number"),
        (
            "q1 Q0 p1 1 2.0 x\nq2 Q0 p1 1 2.0 x\n\nq1 Q0 p1 2 1.0 x\n",
            4,
            "passage 'p1' stands twice for query 'q1', and first on line 1",
        ),
        (b"q1 Q0 \xff 1 2.0 x\n", 1, "not UTF-8"),
        ('{"q1": {"p1": 1.0,\n"p2": }}', 2, "malformed JSON: Expecting value, column 7"),
        ('{"q1": {"p1": 1.0}} {}', 1, "malformed JSON: Extra data"),
        (b'{"q\xff": {}}', 0, "malformed JSON"),
        ("[" * 100_000, 0, "malformed JSON"),
        ("{}", 0, "there is no ranking in it"),
        ('{"q1": ["p1"]}', 0, "no run of ranx, which maps query ids to objects"),
        ('{"q1": {"p1": NaN}}', 0, "query 'q1', passage 'p1': the score nan is no finite number"),
        ('{"q1": {"p1": null}}', 0, "the score None is no finite number"),
        ('{"q1": {"p1": true}}', 0, "the score True is no finite number"),
        ('{"q1": {"p1": 1%s}}' % ("0" * 400), 0, "is no finite number"),
        ('{"q1": {"p1": 1.0, "p1": 2.0}}', 0, "passage 'p1' stands twice for query 'q1'"),
        ('{"q1": {"p1": 1.0}, "q1": {"p2": 1.0}}', 0, "query 'q1' stands there twice"),
        ('{"q1": {"a passage": 1.0}}', 0, "the id 'a passage' is no string without white space"),
        ("[]", 0, "there is no prediction in it"),
        ('["text"]', 0, "prediction 1: an object with id, lang and ctxs is needed, not str"),
        ('[{"id": "1", "lang": "fi", "ctxs": []}, {"id": "2", "ctxs": []}]', 0, "prediction 2: it lacks 'lang'"),
        ('[{"id": "1", "lang": "", "ctxs": []}]', 0, "prediction 1 ('1'): lang '' is no language"),
        ('[{"id": "1", "lang": "fi", "ctxs": "text"}]', 0, "prediction 1 ('1'): ctxs must be a list of texts"),
        ('[{"id": "1", "lang": "fi", "ctxs": [{"text": "x"}]}]', 0, "ctxs must be a list of texts"),
        ('[{"id": "1", "lang": "fi", "ctxs": {"text": "x"}}]', 0, "ctxs must be a list of texts"),
        (
            '[{"id": "1", "lang": "fi", "ctxs": []}, {"id": "1", "lang": "fi", "ctxs": []}]',
            0,
            "prediction 2: question '1' (fi) stands there twice",
        ),
        (lz4.frame.compress(b"{}" * 99), 0, "no LZ4 file of ranx, or a damaged one"),
        (lz4.frame.compress(lz4.frame.compress(cbor2.dumps(RUN)))[:-9], 0, "no LZ4 file of ranx, or a damaged one"),
        (lz4.frame.compress(lz4.frame.compress(cbor2.dumps([1]))), 0, "no run of ranx"),
        (b"PAR1 and nothing else", 0, "no readable Parquet file"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place_and_the_reason(
    write_run: WriteRun, content: str | bytes, line: int, reason: str
) -> None:
    path = write_run("run", content)
    place = f"{path}:{line}: " if line else f"{path}: "
    with pytest.raises(DataError, match=f"^{re.escape(place)}.*{re.escape(reason)}") as caught:
        read_run(path)
    assert (caught.value.path, caught.value.line) == (path, line)


def test_a_damaged_archive_is_refused(write_run: WriteRun) -> None:
    with pytest.raises(DataError, match=r"run\.gz: damaged archive"):
        read_run(write_run("run.gz", gzip.compress(trec(RUN).encode())[:-20]))


@pytest.mark.parametrize(
    ("rows", "columns", "reason"),
    [
        ([("q", "p", 1.0)], ["q_id", "passage", "score"], "it lacks the column 'doc_id'"),
        ([("q", "p", math.nan)], ["q_id", "doc_id", "score"], "the score nan is no finite number"),
        ([("q", None, 1.0)], ["q_id", "doc_id", "score"], "the id None is no string"),
        (
            [("q", "p", 1.0), ("q", "p", 2.0)],
            ["q_id", "doc_id", "score"],
            "'p' stands twice for query 'q', in row 2 and first on row 1",
        ),
        ([], ["q_id", "doc_id", "score"], "there is no ranking in it"),
    ],
)
def test_a_parquet_file_that_cannot_be_used_is_refused(
    tmp_path: Path, rows: list[tuple[object, ...]], columns: list[str], reason: str
) -> None:
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "run.parquet")
    with pytest.raises(DataError, match=re.escape(reason)):
        read_run(tmp_path / "run.parquet")
