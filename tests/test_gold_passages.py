"""AfriQA's gold passages: real files, rows that are not whole, and rows that are wrong."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import jsonl
from tests.written import opened, repaired, write_card
from xqgbench import tasks
from xqgbench.errors import DataError
from xqgbench.types import Task

#: zcat FILE | wc -l, less the row of yor.en.test (line 199) that has no context.
TEST = {"ha": 300, "sw": 295, "yo": 253}
NAMES = {"ha": "hau", "sw": "swa", "yo": "yor"}


def rows(shared: Path, name: str, split: str) -> Sequence[dict[str, Any]]:
    path = shared / "afriqa" / f"gold_span_passages.afriqa.{name}.en.{split}.json.gz"
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.fixture
def afriqa(shared: Path) -> Task:
    return tasks.open_task("afriqa", data_dir=shared)


# AfriQA


@pytest.mark.parametrize("language", TEST)
def test_every_row_with_a_question_and_a_context_is_a_question(afriqa: Task, shared: Path, language: str) -> None:
    found = [row for row in rows(shared, NAMES[language], "test") if row["question_lang"] and row["context"]]
    assert len(found) == TEST[language]
    assert [(q.id, q.text, q.language) for q in afriqa.queries(language)] == [
        (row["id"], row["question_lang"], language) for row in found
    ]


@pytest.mark.parametrize("language", TEST)
def test_the_passage_of_its_row_is_what_is_relevant_to_a_question(afriqa: Task, shared: Path, language: str) -> None:
    passages = {passage.id: passage for passage in afriqa.passages(language)}
    qrels = afriqa.judgements(language).qrels
    for row in rows(shared, NAMES[language], "test"):
        if row["context"]:
            (relevant,) = qrels[row["id"]]
            assert (passages[relevant].title, passages[relevant].text) == (row["title"] or "", row["context"])


def test_answers_are_those_in_the_language_of_the_passages(afriqa: Task, shared: Path) -> None:
    answers = afriqa.judgements("ha").answers
    for row in rows(shared, "hau", "test"):
        assert {" ".join(text.split()) for text in row["answer_pivot"]["text"]} <= set(answers[row["id"]])


def test_each_distinct_passage_stands_once_in_one_collection(afriqa: Task, shared: Path) -> None:
    distinct = {
        (row["title"] or "", row["context"])
        for name in NAMES.values()
        for row in rows(shared, name, "test")
        if row["context"]
    }
    found = list(afriqa.passages("ha"))
    assert len(found) == len(distinct) == 837
    assert {(passage.title, passage.text) for passage in found} == distinct
    assert len({passage.id for passage in found}) == 837
    assert [passage.id for passage in afriqa.passages("yo")] == [passage.id for passage in found]
    assert len({afriqa.collection(language) for language in TEST}) == 1


def test_ids_recur_between_languages_and_stay_apart(afriqa: Task) -> None:
    ids = {language: {q.id for q in afriqa.queries(language)} for language in TEST}
    assert ids["ha"] & ids["sw"] & ids["yo"]
    assert afriqa.judgements("ha").qrels["1"] != afriqa.judgements("sw").qrels["1"]


@pytest.mark.parametrize(("name", "split", "rows_", "left_out"), [("hau", "dev", 225, 3), ("hau", "train", 225, 2)])
def test_rows_without_a_passage_are_left_out_and_counted(
    shared: Path, tmp_path: Path, name: str, split: str, rows_: int, left_out: int
) -> None:
    content = jsonl(rows(shared, name, split))  # NaN and all, as Python writes it
    with repaired() as told:
        task = written(tmp_path, content)
        assert len(task.queries("ha")) == rows_ - left_out
    # zcat FILE | grep -c NaN: a row of the training file says "answer_lang": NaN
    assert ("1 x NaN, which is not JSON, read as null (first on line 130)" in " ".join(told)) == (split == "train")
    assert f"{left_out} x row without a question or a context, left out" in " ".join(told)


# Odd and broken files


def written(folder: Path, ha: str | bytes, yo: str | None = None, controls: str = "[]") -> Task:
    files = {"ha.json": ha} if yo is None else {"ha.json": ha, "yo.json": yo}
    fields = {"languages": '["ha"]' if yo is None else '["ha", "yo"]', "control_languages": controls}
    return opened(write_card(folder, "gold-passages", {"questions": "{language}.json"}, files, fields))


ROW = {
    "id": "1",
    "question_lang": "Ina?",
    "question_translated": "Where?",
    "title": "Kano",
    "context": "Kano is in Nigeria.",
    "answer_pivot": {"answer_start": [11], "text": ["Nigeria"]},
}


@pytest.mark.parametrize("field", ["question_lang", "context"])
@pytest.mark.parametrize("value", [None, "", " \n"])
def test_a_row_that_is_not_whole_is_left_out_with_its_line(tmp_path: Path, field: str, value: str | None) -> None:
    with repaired() as told:
        task = written(tmp_path, jsonl([ROW, {**ROW, "id": "2", field: value}]))
        assert [q.id for q in task.queries("ha")] == ["1"]
    assert told == ["ha.json: 1 x row without a question or a context, left out (first on line 2)."]


def test_a_passage_without_a_title_has_none(tmp_path: Path) -> None:
    (passage,) = written(tmp_path, jsonl([{**ROW, "title": None}])).passages("ha")
    assert (passage.title, passage.text) == ("", "Kano is in Nigeria.")


def test_one_text_under_two_titles_is_two_passages(tmp_path: Path) -> None:
    task = written(tmp_path, jsonl([ROW, {**ROW, "id": "2", "title": "Nigeria"}, {**ROW, "id": "3"}]))
    assert [passage.title for passage in task.passages("ha")] == ["Kano", "Nigeria"]
    assert len({*task.judgements("ha").qrels["1"], *task.judgements("ha").qrels["3"]}) == 1


def test_numbers_as_ids_are_read_as_strings(tmp_path: Path) -> None:
    with repaired() as told:
        assert [q.id for q in written(tmp_path, jsonl([{**ROW, "id": 7}])).queries("ha")] == ["7"]
    assert "1 x number as an id, read as a string" in told[0]


def test_odd_spaces_in_an_answer_are_repaired(tmp_path: Path) -> None:
    """R@kt looks in tokens joined by single spaces, where nobody would find them."""
    row = {**ROW, "answer_pivot": {"text": [" in\u00a0 Nigeria\n"]}}
    with repaired() as told:
        assert written(tmp_path, jsonl([row])).judgements("ha").answers == {"1": ("in Nigeria",)}
    assert "1 x odd spaces in an answer, made single spaces (first on line 1)" in told[0]


def test_control_languages_are_read_and_their_passages_searched(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path,
        "gold-passages",
        {"questions": "{language}.json"},
        {"ha.json": jsonl([ROW]), "en.json": jsonl([{**ROW, "question_lang": "Where?", "context": "Kano."}])},
        {"languages": '["ha", "en"]'},
    )
    card = folder / "written.toml"
    text = card.read_text().replace('languages = ["ha", "en"]', 'languages = ["ha"]\ncontrol_languages = ["en"]', 1)
    card.write_text(text)
    task = opened(folder)
    assert [q.text for q in task.queries("en")] == ["Where?"]
    assert len(list(task.passages("ha"))) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, "'id' is missing"),
        ({"id": "1 2"}, "'id' '1 2' holds white space"),
        ({"question_lang": 5}, "'question_lang' is int, not a string"),
        ({"context": ["a"]}, r"'context' is list, not a string"),
        ({"title": 5}, "'title' is int, not a string"),
        ({"answer_pivot": None}, "'answer_pivot' must be an object"),
        ({"answer_pivot": ["Nigeria"]}, "'answer_pivot' must be an object"),
        ({"answer_pivot": {"text": "Nigeria"}}, "'text' must be a list of strings"),
        ({"answer_pivot": {"text": ["Nigeria", " "]}}, "an answer is empty, which every text would hold"),
    ],
)
def test_a_broken_row_is_named_by_file_and_line(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=rf"ha\.json:2: {said}"):
        written(tmp_path, jsonl([ROW, {**ROW, "id": "2", **change}])).queries("ha")


def test_ids_that_recur_in_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ha\.json:2: question id '1' occurs twice in language 'ha'"):
        written(tmp_path, jsonl([ROW, ROW])).queries("ha")


def test_a_json_array_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ha\.json:1: a JSON object is needed, not list"):
        written(tmp_path, json.dumps([ROW])).queries("ha")


def test_a_file_without_a_whole_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 questions in 'ha'"):
        written(tmp_path, jsonl([{**ROW, "context": None}])).queries("ha")
