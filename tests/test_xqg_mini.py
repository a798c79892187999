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
from xqgbench import tasks
from xqgbench.measures.tokens import word_tokenizer

FOLDER = ROOT / "tasks" / "xqg-mini"
CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
LANGUAGES = ("ar", "bn", "fi", "ja", "ko", "ru", "te")
#: How the names of a language's letters begin in the Unicode character database.
SCRIPTS = {
    "ar": ("ARABIC",),
    "bn": ("BENGALI",),
    "en": ("LATIN",),
    "fi": ("LATIN",),
    "ja": ("HIRAGANA", "KATAKANA", "CJK", "IDEOGRAPHIC"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "te": ("TELUGU",),
}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


PASSAGES = lines(FOLDER / "passages.jsonl")
QUESTIONS = lines(FOLDER / "questions.jsonl")
QRELS = [line.split("\t") for line in (FOLDER / "qrels.tsv").read_text(encoding="utf-8").splitlines()]
TEXTS = {passage["docid"]: passage["text"] for passage in PASSAGES}
FAMILIES = tuple(sorted({docid.rpartition("-")[0] for docid in TEXTS}))
JUDGED = {query: passage for query, _, passage, _ in QRELS}
GENERATED = [
    (passage["docid"], language, query)
    for passage in PASSAGES
    for language, queries in passage["generated_queries"].items()
    for query in queries
]


def plain(text: str) -> str:
    """Letters and digits alone, of one width and one case."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if unicodedata.category(c)[0] in "LMN")


def letters(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c)[0] in "LM"]


def share(text: str, language: str) -> float:
    """Share of a text's letters and vowel signs that are of the language's script."""
    own = letters(text)
    return sum(unicodedata.name(c).startswith(SCRIPTS[language]) for c in own) / len(own)


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
    judged = [query for query in JUDGED if not query.startswith("en-")]
    assert rows["judgements"] == f"{len(judged)} ({len(JUDGED)} with English): one passage per question"
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
    assert dict(card.expected_queries) == {language: counts[language] for language in LANGUAGES}
    assert set(counts) == {*LANGUAGES, "en"}
    assert {question["split"] for question in QUESTIONS} == {card.split}
    assert CARD.startswith(f"# xqg-mini {card.version}: data card")


def test_the_task_opens_and_gives_all_of_it() -> None:
    task = tasks.open_task("xqg-mini")
    assert [passage.id for passage in task.passages("fi")] == list(TEXTS)
    for language in LANGUAGES:
        own = [question for question in QUESTIONS if question["lang"] == language]
        assert [query.text for query in task.queries(language)] == [question["question"] for question in own]
        judged = task.judgements(language)
        assert judged.answers == {question["id"]: tuple(question["answers"]) for question in own}
        assert judged.qrels == {question["id"]: {JUDGED[question["id"]]: 1} for question in own}


@pytest.mark.parametrize("language", [*LANGUAGES, "en"])
def test_every_family_is_asked_about_equally_often(language: str) -> None:
    asked = Counter(JUDGED[q["id"]].rpartition("-")[0] for q in QUESTIONS if q["lang"] == language)
    assert asked == dict.fromkeys(FAMILIES, 3)


# Ids


def test_ids_are_unique_and_say_what_they_name() -> None:
    assert len(TEXTS) == len(PASSAGES)
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    for question in QUESTIONS:
        language, family, _ = question["id"].split("-")
        assert (language, family) == (question["lang"], JUDGED[question["id"]].rpartition("-")[0])


def test_every_question_has_one_judgement_and_it_is_of_a_passage_that_exists() -> None:
    assert sorted(query for query, *_ in QRELS) == sorted(question["id"] for question in QUESTIONS)
    assert {grade for *_, grade in QRELS} == {"1"}
    assert set(JUDGED.values()) <= set(TEXTS)


def test_titles_and_texts_are_unique() -> None:
    assert len({passage["title"] for passage in PASSAGES}) == len(PASSAGES)
    assert len({plain(text) for text in TEXTS.values()}) == len(PASSAGES)
    assert len({plain(question["question"]) for question in QUESTIONS}) == len(QUESTIONS)


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
    given = [q["id"] for q in QUESTIONS for answer in q["answers"] if plain(answer) in plain(q["question"])]
    assert given == []


# Questions and generated queries


def test_every_passage_has_five_generated_queries_in_every_language() -> None:
    for passage in PASSAGES:
        assert tuple(passage["generated_queries"]) == LANGUAGES, passage["docid"]
        for language, queries in passage["generated_queries"].items():
            assert len({plain(query) for query in queries} - {""}) == 5, (passage["docid"], language)


def test_no_generated_query_stands_for_two_passages() -> None:
    found = Counter((language, plain(query)) for _, language, query in GENERATED)
    assert [key for key, count in found.items() if count > 1] == []


def test_no_generated_query_is_a_test_question() -> None:
    asked = {plain(question["question"]) for question in QUESTIONS}
    assert [(docid, query) for docid, _, query in GENERATED if plain(query) in asked] == []


def test_texts_carry_no_stray_white_space_or_control_characters() -> None:
    joiners = {"\u200c", "\u200d"}  # they belong to Bengali and Telugu spelling
    for text in (*(q["question"] for q in QUESTIONS), *(query for _, _, query in GENERATED)):
        assert text == text.strip()
        assert "  " not in text
        assert not {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn")} - joiners, text


BY_LANGUAGE = {
    "questions": {
        language: [question["question"] for question in QUESTIONS if question["lang"] == language]
        for language in (*LANGUAGES, "en")
    },
    "generated": {language: [query for _, own, query in GENERATED if own == language] for language in LANGUAGES},
}


@pytest.mark.parametrize(
    ("kind", "language"), [(kind, language) for kind, texts in BY_LANGUAGE.items() for language in texts]
)
def test_texts_are_in_the_script_of_their_language(kind: str, language: str) -> None:
    """Names such as COBOL stay Latin in every language; letters of a third script would be slips."""
    texts = BY_LANGUAGE[kind][language]
    shares = [share(text, language) for text in texts]
    assert min(shares) >= 0.4, texts[shares.index(min(shares))]
    assert sum(shares) / len(shares) >= 0.95
    allowed = (*SCRIPTS[language], "LATIN")
    for text in texts:
        foreign = [c for c in letters(text) if not unicodedata.name(c).startswith(allowed)]
        assert not foreign, text


def test_scripts_tell_the_languages_apart() -> None:
    """The check above can fail: no language's questions pass for another's, Finnish and English excepted."""
    for language, texts in BY_LANGUAGE["questions"].items():
        for other, script in SCRIPTS.items():
            if script != SCRIPTS[language]:
                assert max(share(text, other) for text in texts) < 0.4, (language, other)


def test_finnish_texts_are_not_english() -> None:
    """Both are Latin: Finnish is told by its vowels with dots, English by its articles."""
    for kind in ("questions", "generated"):
        texts = BY_LANGUAGE[kind]["fi"]
        assert sum(bool(re.search("[äöÄÖ]", text)) for text in texts) / len(texts) > 0.6
        assert [text for text in texts if re.search(r"\b(the|of|which|what|was|in the)\b", text, re.IGNORECASE)] == []
    assert not any(re.search("[äöÄÖ]", text) for text in BY_LANGUAGE["questions"]["en"])
