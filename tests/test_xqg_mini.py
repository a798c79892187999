"""The bundled data are what their data card says they are."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from xqgbench import tasks, validation
from xqgbench.measures.tokens import word_tokenizer
from xqgbench.pooling import pool
from xqgbench.validation.texts import normalised

FOLDER = ROOT / "tasks" / "xqg-mini"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
LANGUAGES = ("ar", "bn", "fi", "ja", "ko", "ru", "te")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


PASSAGES = lines(FOLDER / "passages.jsonl")
QUESTIONS = lines(FOLDER / "questions.jsonl")
QRELS = [line.split("\t") for line in (FOLDER / "qrels.tsv").read_text(encoding="utf-8").splitlines()]
TEXTS = {passage["docid"]: passage["text"] for passage in PASSAGES}
FAMILIES = tuple(sorted({docid.rpartition("-")[0] for docid in TEXTS}))
GRADES: dict[str, dict[str, int]] = {}
for _query, _, _passage, _grade in QRELS:
    GRADES.setdefault(_query, {})[_passage] = int(_grade)
#: The passage that a question was written for; it stands first among its judgements.
JUDGED = {query: next(iter(grades)) for query, grades in GRADES.items()}
GENERATED = [
    (passage["docid"], language, query)
    for passage in PASSAGES
    for language, queries in passage["generated_queries"].items()
    for query in queries
]


# Counts


def test_the_table_of_the_data_card_agrees_with_the_files() -> None:
    rows = dict(re.findall(r"^\| ([a-z ]+) \| (.+) \|$", CARD, flags=re.MULTILINE))
    words = [len(text.split()) for text in TEXTS.values()]
    families = Counter(docid.rpartition("-")[0] for docid in TEXTS)
    (members,) = set(families.values())
    in_english = sum(question["lang"] == "en" for question in QUESTIONS)
    (each,) = {sum(question["lang"] == language for question in QUESTIONS) for language in LANGUAGES}
    (generated,) = {len(queries) for passage in PASSAGES for queries in passage["generated_queries"].values()}
    assert rows["passages"] == (
        f"{len(PASSAGES)} English, {min(words)} to {max(words)} words (mean {sum(words) / len(words):.0f}), "
        f"in {len(families)} families of {members} close neighbours"
    )
    assert rows["questions"] == (
        f"{each} in each of the seven languages ({each * len(LANGUAGES)}), and {in_english} in English"
    )
    assert rows["generated queries"] == (
        f"{generated} per passage and language: {len(PASSAGES)} x {len(LANGUAGES)} x {generated} = {len(GENERATED):,}"
    )
    grades = Counter(grade for own in GRADES.values() for grade in own.values())
    several = sum(sum(own.values()) > 1 for own in GRADES.values())
    assert rows["judgements"] == (
        f"{sum(grades.values()):,}: {grades[1]:,} relevant ({several} questions have more than one such passage), "
        f"{grades[0]:,} not relevant"
    )
    assert len(rows["families"].split(", ")) == len(families)


def test_the_families_of_the_data_card_are_those_of_the_files() -> None:
    named = re.search(r"^\| families \| (.+) \|$", CARD, flags=re.MULTILINE)
    assert named
    names = {name.replace("programming ", "").replace(" ", "") for name in named[1].split(", ")}
    assert names == set(FAMILIES)


def test_the_number_of_tokens_that_the_data_card_names_is_about_right() -> None:
    named = re.search(r"a collection of about ([\d,]+)", CARD)
    assert named
    tokens = sum(len(word_tokenizer()(text)) for text in TEXTS.values())
    assert tokens == pytest.approx(int(named[1].replace(",", "")), rel=0.02)


def test_the_card_of_the_task_agrees_with_the_files() -> None:
    card = tasks.card("xqg-mini")
    assert card.languages == card.generated_languages == LANGUAGES
    assert card.expected_passages == len(PASSAGES)
    counts = Counter(question["lang"] for question in QUESTIONS)
    assert dict(card.expected_queries) == dict(counts)
    assert set(counts) == {*LANGUAGES, "en"} == set(card.query_languages)
    assert card.control_languages == ("en",)
    assert {question["split"] for question in QUESTIONS} == {card.split}
    assert CARD.startswith(f"# xqg-mini {card.version}: data card")


def test_the_task_opens_and_gives_all_of_it() -> None:
    task = tasks.open_task("xqg-mini")
    assert [passage.id for passage in task.passages("fi")] == list(TEXTS)
    for language in (*LANGUAGES, "en"):
        own = [question for question in QUESTIONS if question["lang"] == language]
        assert [query.text for query in task.queries(language)] == [question["question"] for question in own]
        judged = task.judgements(language)
        assert judged.answers == {question["id"]: tuple(question["answers"]) for question in own}
        assert judged.qrels == {question["id"]: GRADES[question["id"]] for question in own}


@pytest.mark.parametrize("language", [*LANGUAGES, "en"])
def test_every_family_is_asked_about_equally_often(language: str) -> None:
    asked = Counter(JUDGED[q["id"]].rpartition("-")[0] for q in QUESTIONS if q["lang"] == language)
    assert asked == dict.fromkeys(FAMILIES, 4)


# Ids


def test_ids_are_unique_and_say_what_they_name() -> None:
    assert len(TEXTS) == len(PASSAGES)
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    for question in QUESTIONS:
        language, family, _ = question["id"].split("-")
        assert (language, family) == (question["lang"], JUDGED[question["id"]].rpartition("-")[0])


def test_every_question_is_judged_first_on_the_passage_that_it_was_written_for() -> None:
    assert list(GRADES) == [question["id"] for question in QUESTIONS]
    assert {GRADES[query][passage] for query, passage in JUDGED.items()} == {1}
    assert {grade for own in GRADES.values() for grade in own.values()} <= {0, 1}
    assert {passage for own in GRADES.values() for passage in own} <= set(TEXTS)
    assert len(QRELS) == sum(map(len, GRADES.values()))


def test_titles_and_texts_are_unique() -> None:
    assert len({passage["title"] for passage in PASSAGES}) == len(PASSAGES)
    assert len({normalised(text) for text in TEXTS.values()}) == len(PASSAGES)
    assert len({normalised(question["question"]) for question in QUESTIONS}) == len(QUESTIONS)


def test_records_have_the_fields_that_the_data_card_lists() -> None:
    assert {tuple(passage) for passage in PASSAGES} == {("docid", "title", "text", "generated_queries")}
    assert {tuple(question) for question in QUESTIONS} == {("id", "question", "answers", "lang", "split", "type")}
    named = re.search(r"`type` \(([^)]+)\)", CARD)
    assert named
    assert {question["type"] for question in QUESTIONS} == set(re.split(r",\s+", named[1]))


# Passages and answers


@pytest.mark.parametrize("docid", TEXTS)
def test_a_passage_is_60_to_110_words_of_clean_text(docid: str) -> None:
    text = TEXTS[docid]
    assert 60 <= len(text.split()) <= 110
    assert text == " ".join(text.split())
    assert text == unicodedata.normalize("NFC", text)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn") for c in text)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: str(question["id"]))
def test_every_answer_stands_in_the_judged_passage_as_text_and_as_tokens(question: dict[str, Any]) -> None:
    """R@kt looks for an answer in the tokens joined by spaces: one that a tokenizer splits could never be hit."""
    text = TEXTS[JUDGED[question["id"]]]
    tokens = " ".join(word_tokenizer()(text))
    assert question["answers"]
    assert len(set(question["answers"])) == len(question["answers"])
    for answer in question["answers"]:
        assert answer == answer.strip() != ""
        assert answer not in ("yes", "no")
        assert answer in text
        assert answer in tokens


def test_no_question_gives_its_own_answer_away() -> None:
    given = [q["id"] for q in QUESTIONS for answer in q["answers"] if normalised(answer) in normalised(q["question"])]
    assert given == []


# Questions and generated queries


def test_every_passage_has_five_generated_queries_in_every_language() -> None:
    for passage in PASSAGES:
        assert tuple(passage["generated_queries"]) == LANGUAGES, passage["docid"]
        assert {len(queries) for queries in passage["generated_queries"].values()} == {5}, passage["docid"]


@pytest.fixture(scope="module")
def report() -> validation.Report:
    return validation.check(tasks.open_task("xqg-mini"))


@pytest.mark.parametrize("check", ["schema", *validation.CHECKS])
def test_the_validator_finds_no_problem(report: validation.Report, check: str) -> None:
    (outcome,) = [outcome for outcome in report.outcomes if outcome.name == check]
    assert outcome.looked_at > 0
    assert outcome.problems == ()


def test_the_validator_has_looked_at_every_text(report: validation.Report) -> None:
    looked = {outcome.name: outcome.looked_at for outcome in report.outcomes}
    assert looked["text"] == len(PASSAGES) + len(QUESTIONS) + len(GENERATED)
    assert looked["leakage"] == len(GENERATED)
    assert looked["frames"] == len(QUESTIONS) + len(GENERATED)


def test_no_generated_query_stands_twice(report: validation.Report) -> None:
    (outcome,) = [outcome for outcome in report.outcomes if outcome.name == "duplicates"]
    assert outcome.doubts == ()


def test_no_question_holds_its_answer(report: validation.Report) -> None:
    (outcome,) = [outcome for outcome in report.outcomes if outcome.name == "answers"]
    assert [doubt for doubt in outcome.doubts if "the question holds its answer" in doubt.what] == []


def test_the_identifier_doubts_few_texts(report: validation.Report) -> None:
    (outcome,) = [outcome for outcome in report.outcomes if outcome.name == "language"]
    assert len(outcome.doubts) / outcome.looked_at < 0.015  # all of them short texts full of names


def test_finnish_texts_are_not_english() -> None:
    """Both are Latin: Finnish is told by its vowels with dots, English by its articles."""
    asked = [question["question"] for question in QUESTIONS if question["lang"] == "fi"]
    made = [query for _, language, query in GENERATED if language == "fi"]
    for texts in (asked, made):
        assert sum(bool(re.search("[äöÄÖ]", text)) for text in texts) / len(texts) > 0.6
        assert [text for text in texts if re.search(r"\b(the|of|which|what|was|in the)\b", text, re.IGNORECASE)] == []


# Judgements


def test_whatever_the_committed_results_rank_in_the_top_3_or_holds_an_answer_is_judged() -> None:
    assert list(pool(tasks.open_task("xqg-mini"), ROOT / "results", 3)) == []


def test_every_relevant_passage_beside_the_first_answers_for_a_reason() -> None:
    """A further relevant passage holds an accepted answer as text; one that does not has been read with care."""
    answers = {question["id"]: question["answers"] for question in QUESTIONS}
    further = [
        (query, passage)
        for query, grades in GRADES.items()
        for passage, grade in grades.items()
        if grade > 0 and passage != JUDGED[query]
    ]
    without = [(q, p) for q, p in further if not any(answer in TEXTS[p] for answer in answers[q])]
    assert len(without) <= len(further) / 2
