"""Dirty files: what has one certain meaning is read as meant and counted in a warning; the rest is refused by line."""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import jsonl
from tests.written import Content, opened, repaired, write_card
from xqgbench.cli import main
from xqgbench.errors import DataError, Repaired
from xqgbench.evaluation import evaluate
from xqgbench.formats.repairs import Repairs
from xqgbench.types import Passage, Query, Task

CAFE = unicodedata.normalize("NFC", "café")
DECOMPOSED = unicodedata.normalize("NFD", "café")
QUERIES = [{"id": "1", "text": "first?", "language": "sw", "answers": ["alpha"]}]
PASSAGES = [{"id": "p1", "title": "A", "text": "alpha"}, {"id": "p2", "title": "B", "text": "beta"}]
ASKED, SEARCHED = jsonl(QUERIES), jsonl(PASSAGES)


def written(
    folder: Path,
    queries: Content = ASKED,
    passages: Content = SEARCHED,
    qrels: Content = "1 0 p1 1\n",
    kind: str = "jsonl",
    names: Mapping[str, str] | None = None,
) -> Task:
    usual = {"queries": "queries.jsonl", "passages": "passages.jsonl", "qrels": "qrels"} | dict(names or {})
    files = {usual["queries"]: queries, usual["passages"]: passages, usual["qrels"]: qrels}
    sources = {"topics" if kind == "trec" and key == "queries" else key: path for key, path in usual.items()}
    return opened(write_card(folder, kind, sources, files, {"languages": '["sw"]', "measures": '["nDCG@10", "R@2kt"]'}))


def everything(task: Task) -> tuple[list[Query], list[Passage], dict[str, dict[str, int]], dict[str, tuple[str, ...]]]:
    judged = task.judgements("sw")
    qrels = {query: dict(own) for query, own in judged.qrels.items()}
    return list(task.queries("sw")), list(task.passages("sw")), qrels, dict(judged.answers)


CLEAN = (
    [Query("1", "first?", "sw")],
    [Passage("p1", "A", "alpha"), Passage("p2", "B", "beta")],
    {"1": {"p1": 1}},
    {"1": ("alpha",)},
)

# Read as meant, and counted


def test_a_clean_file_is_read_without_a_word(tmp_path: Path) -> None:
    with repaired() as told:
        assert everything(written(tmp_path)) == CLEAN
    assert told == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"queries": jsonl([{**QUERIES[0], "language": " sw"}])}, "1 x white space around a language, removed"),
        (
            {"queries": jsonl(QUERIES).replace("\n", "\r\n")},
            "1 x Windows line ends, read as line ends (first on line 1)",
        ),
        ({"qrels": "1 0 p1 1\r\n"}, "1 x Windows line ends"),
        ({"passages": jsonl(PASSAGES).replace("\n", "\n\n")}, "1 x blank lines, skipped (first on line 2)"),
        ({"qrels": " \n1 0 p1 1\n"}, "1 x blank lines, skipped (first on line 1)"),
        ({"queries": jsonl([{**QUERIES[0], "id": 1}])}, "1 x number as an id, read as a string (first on line 1)"),
        (
            {"queries": jsonl([{**QUERIES[0], "answers": [" alpha "]}])},
            "1 x odd spaces in an answer, made single spaces",
        ),
        ({"queries": jsonl([{**QUERIES[0], "note": float("nan")}])}, "1 x NaN, which is not JSON, read as null"),
    ],
)
def test_what_has_one_meaning_is_read_as_meant_and_told(tmp_path: Path, files: Mapping[str, str], said: str) -> None:
    with repaired() as told:
        task = written(tmp_path, **files)  # type: ignore[arg-type]
        assert everything(task) == CLEAN
    assert said in " ".join(told)


def test_a_byte_order_mark_is_no_part_of_any_file(tmp_path: Path) -> None:
    marked = [("\ufeff" + text).encode() for text in (jsonl(QUERIES), jsonl(PASSAGES), "1 0 p1 1\n")]
    assert everything(written(tmp_path, *marked)) == CLEAN


def test_one_warning_counts_all_of_a_kind_and_names_the_first(tmp_path: Path) -> None:
    queries = [{**QUERIES[0], "id": n, "language": "sw " if n % 2 else "sw"} for n in range(10)]
    with repaired() as told:
        written(tmp_path, jsonl(queries), qrels="3 0 p1 1\n").queries("sw")
    assert told == [
        "queries.jsonl: 10 x number as an id, read as a string (first on line 1); "
        "5 x white space around a language, removed (first on line 2)."
    ]


def test_the_training_file_of_xor_tydi_is_repaired_2574_times(shared: Path, tmp_path: Path) -> None:
    content = gzip.decompress((shared / "xor-tydi" / "xor_train_retrieve_eng_span.jsonl.gz").read_bytes())
    folder = write_card(
        tmp_path,
        "xor-retrieve",
        {"questions": "q.jsonl", "passages": "p.jsonl"},
        {"q.jsonl": content, "p.jsonl": jsonl([{"docid": "p", "text": "t"}])},
        {"languages": '["ar"]'},
    )
    # zcat FILE | grep -c '"lang": " ar"'
    with pytest.warns(Repaired, match=r"q\.jsonl: .*2,574 x white space around a language, removed"):
        assert len(opened(folder).queries("ar")) == 2574


def test_ids_agree_whatever_unicode_form_they_are_written_in(tmp_path: Path) -> None:
    assert CAFE != DECOMPOSED
    with repaired() as told:
        task = written(
            tmp_path,
            jsonl([{**QUERIES[0], "id": DECOMPOSED}]),
            jsonl([{**PASSAGES[0], "id": CAFE}]),
            f"{CAFE} 0 {DECOMPOSED} 1\n",
        )
        assert task.judgements("sw").qrels == {CAFE: {CAFE: 1}}
        assert [q.id for q in task.queries("sw")] == [CAFE]
    assert "qrels: 1 x id not in Unicode form NFC, brought into it (first on line 1)." in told
    assert any(message.startswith("queries.jsonl: 1 x id not in") for message in told)


def test_two_ids_that_differ_in_their_unicode_form_alone_are_one_id_twice(tmp_path: Path) -> None:
    task = written(tmp_path, passages=jsonl([{**PASSAGES[0], "id": CAFE}, {**PASSAGES[1], "id": DECOMPOSED}]))
    with pytest.raises(DataError, match=r"passages\.jsonl:2: passage id 'café' stands on line 1 already"):
        list(task.passages("sw"))


def test_a_tab_inside_a_topic_is_a_space(tmp_path: Path) -> None:
    corpus = jsonl([{"docid": p["id"], **p} for p in PASSAGES])
    with repaired() as told:
        task = written(tmp_path, "1\tfirst\tpart?\n", corpus, kind="trec", names={"queries": "t.tsv"})
        assert [q.text for q in task.queries("sw")] == ["first part?"]
    assert "t.tsv: 1 x tab inside a text, read as a space (first on line 1)." in told


@pytest.mark.parametrize(("form", "text_form"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC"), ("NFD", "NFD")])
def test_an_answer_is_found_whatever_unicode_form_it_and_the_text_are_in(
    tmp_path: Path, form: str, text_form: str
) -> None:
    text = unicodedata.normalize(text_form, "Un café à Zürich.")
    answer = unicodedata.normalize(form, "café  à Zürich")
    written(
        tmp_path,
        jsonl([{**QUERIES[0], "answers": [answer]}]),
        jsonl([{**PASSAGES[0], "text": text}, PASSAGES[1]]),
    )
    found = evaluate("tests.conftest:Bigrams", "written", tasks_dir=tmp_path, store=tmp_path / "store").plain
    assert found.mean("sw", "R@2kt") == 1
    (passage,) = [p for p in opened(tmp_path).passages("sw") if p.id == "p1"]
    assert passage.text == text  # what retrievers see is never changed


def test_answers_of_xor_retrieve_are_kept_to_the_letter(tmp_path: Path) -> None:
    """The official script compares them so; other spaces or forms would give other scores than it gives."""
    answers = [" alpha", "a  b", DECOMPOSED]
    folder = write_card(
        tmp_path,
        "xor-retrieve",
        {"questions": "q.jsonl", "passages": "p.jsonl"},
        {
            "q.jsonl": jsonl([{"id": "1", "question": "?", "answers": answers, "lang": "sw"}]),
            "p.jsonl": jsonl([{"docid": "p", "text": "t"}]),
        },
        {"languages": '["sw"]'},
    )
    with repaired() as told:
        assert opened(folder).judgements("sw").answers == {"1": tuple(answers)}
    assert told == ["q.jsonl: 2 x odd spaces in an answer, kept as the official script keeps them (first on line 1)."]


def test_the_command_line_tells_repairs_once_in_a_line_and_not_when_it_is_to_be_quiet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, jsonl([{**QUERIES[0], "id": 1}]))
    words = ["eval", "--model", "tests.conftest:Bigrams", "--task", "written", "--tasks-dir", str(tmp_path)]
    words += ["--output", str(tmp_path / "results")]
    note = "Note: queries.jsonl: 1 x number as an id, read as a string (first on line 1)."
    assert main(words) == 0
    assert capsys.readouterr().err.splitlines().count(note) == 1
    assert main([*words, "--quiet"]) == 0
    assert "Note" not in capsys.readouterr().err


def test_what_was_told_is_not_told_again() -> None:
    repairs = Repairs(Path("a"))
    repairs.note("odd", 3)
    with pytest.warns(Repaired, match=r"^a: 1 x odd \(first on line 3\)\.$"):
        repairs.tell()
    with repaired() as told:
        repairs.tell()
    assert told == []


# Refused, with file and line

REFUSED: dict[str, tuple[dict[str, Content], str]] = {
    "UTF-16 queries": ({"queries": jsonl(QUERIES).encode("utf-16")}, r"queries\.jsonl:1: not a JSON object in UTF-8"),
    "UTF-16 passages": ({"passages": jsonl(PASSAGES).encode("utf-16-le")}, r"passages\.jsonl:1: not a JSON object"),
    "UTF-16 qrels": ({"qrels": "1 0 p1 1\n".encode("utf-16")}, r"qrels:1: not UTF-8"),
    "UTF-16 qrels without a mark": ({"qrels": "1 0 p1 1\n".encode("utf-16-le")}, r"qrels:\d: "),
    "Latin-1": ({"queries": jsonl([{**QUERIES[0], "text": "é"}]).encode("latin-1")}, r"queries\.jsonl:1: not a JSON"),
    "raw NUL": (
        {"passages": jsonl(PASSAGES).replace("beta", "be\0ta").replace("\\u0000", "\0")},
        r"passages\.jsonl:2: ",
    ),
    "NUL in an id": ({"passages": jsonl([{**PASSAGES[0], "id": "p\0"}])}, r"passages\.jsonl:1: 'id' 'p\\x00' holds"),
    "NULs alone": ({"queries": b"\0" * 50}, r"queries\.jsonl:1: not a JSON object"),
    "JSON array": (
        {"queries": "[" + jsonl(QUERIES).strip() + "]"},
        r"queries\.jsonl:1: a JSON object is needed, not l",
    ),
    "JSON over several lines": ({"queries": '{\n"id": "1"}\n'}, r"queries\.jsonl:1: not a JSON object"),
    "lone surrogate": ({"passages": '{"id": "p1", "text": "\\ud800"}\n'}, r"passages\.jsonl:1: not a JSON object"),
    "raw surrogate": ({"passages": '{"id": "p1", "text": "\ud800"}\n'}, r"passages\.jsonl:1: not a JSON object"),
    "surrogate and NaN": ({"queries": '{"id": NaN, "text": "\\ud800"}\n'}, r"queries\.jsonl:1: not a JSON object"),
    "NaN as an id": ({"queries": jsonl([{**QUERIES[0], "id": float("nan")}])}, r"queries\.jsonl:1: 'id' is missing"),
    "a number that is none": ({"queries": jsonl([{**QUERIES[0], "id": 1.5}])}, r"queries\.jsonl:1: 'id' is float"),
    "an empty answer": ({"queries": jsonl([{**QUERIES[0], "answers": [""]}])}, r"queries\.jsonl:1: .*empty answer"),
    "an id twice": ({"passages": jsonl([PASSAGES[0], PASSAGES[0]])}, r"passages\.jsonl:2: passage id 'p1' stands on"),
    "grade as a float": ({"qrels": "1 0 p1 1.0\n"}, r"qrels:1: grade '1\.0' is no whole number"),
    "unknown query": ({"qrels": "1 0 p1 1\n2 0 p1 1\n"}, r"qrels: query '2' is judged, which is no question"),
    "unknown passage": ({"qrels": "1 0 p1 1\n1 0 p3 0\n"}, r"qrels: query '1' judges passage 'p3', which is not in"),
    "nothing judged": ({"qrels": ""}, r"qrels: no question in 'sw' is judged"),
    "no passage": ({"passages": ""}, r"passages\.jsonl: 0 passages"),
    "no query": ({"queries": ""}, r"queries\.jsonl: 0 questions in 'sw'"),
}


@pytest.mark.parametrize(("files", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_certain_meaning_is_refused(tmp_path: Path, files: dict[str, Content], said: str) -> None:
    with pytest.raises(DataError, match=said):
        everything(written(tmp_path, **files))  # type: ignore[arg-type]


@pytest.mark.parametrize("file", ["queries.jsonl.gz", "passages.jsonl.gz"])
def test_a_truncated_archive_is_refused(tmp_path: Path, file: str) -> None:
    records = [{**QUERIES[0], "id": f"{n}"} for n in range(500)] if file[0] == "q" else PASSAGES * 300
    whole = gzip.compress(jsonl(records).encode())
    key = file.partition(".")[0]
    with pytest.raises(DataError, match=rf"{file}: damaged archive: Compressed file ended"):
        everything(written(tmp_path, **{key: whole[:-12]}, names={key: file}))  # type: ignore[arg-type]


def test_a_huge_line_is_a_line(tmp_path: Path) -> None:
    text = "word " * 1_000_000
    assert [len(p.text) for p in written(tmp_path, passages=jsonl([{**PASSAGES[0], "text": text}])).passages("sw")] == [
        5_000_000
    ]


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\r"])
def test_nothing_but_a_line_feed_ends_a_line(tmp_path: Path, end: str) -> None:
    corpus = jsonl([{"docid": p["id"], **p} for p in PASSAGES])
    task = written(tmp_path, f"1\tfirst{end}part?\n", corpus, kind="trec", names={"queries": "t.tsv"})
    assert [q.text for q in task.queries("sw")] == [f"first{end}part?"]
