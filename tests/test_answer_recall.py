"""R@<N>kt against its definition, written out naively, and against the official script's output on real data."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
from punkt import load_model

from xqgbench.measures import AnswerRecall, FirstHit, answer_recall
from xqgbench.measures.answer_recall import countable, first_hits
from xqgbench.measures.tokens import tokenise
from xqgbench.types import Ranking

Answers = Mapping[str, tuple[str, ...]]


def ranking(*passages: str) -> Ranking:
    return Ranking(passages, np.linspace(1.0, 0.5, len(passages)))


def hits_of(passages: Sequence[str], *answers: str, limit: int = 1000) -> FirstHit | None:
    """First hit of one question over passages given by their texts."""
    ids = [str(i) for i in range(len(passages))]
    texts = dict(zip(ids, passages, strict=True))
    return first_hits({"q": ranking(*ids)}, {"q": answers}, texts, limit).get("q")


def scores(hits: Mapping[str, FirstHit], answers: Answers, budget: int) -> dict[str, float]:
    return AnswerRecall(f"R@{budget / 1000}kt", budget).score(answers, hits)


# The definition, as the official script writes it: every budget by itself, every passage tokenised whenever it is met.


@functools.cache
def sentences() -> PunktSentenceTokenizer:
    model, parameters = load_model("english"), PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context = defaultdict(int, model.ortho_context)
    return PunktSentenceTokenizer(parameters)


def word_tokenize(text: str) -> list[str]:
    return [token for sentence in sentences().tokenize(text) for token in NLTKWordTokenizer().tokenize(sentence)]


def official_hit(passages: Sequence[str], answers: Sequence[str], budget: int) -> bool | None:
    """Whether the question is a hit; None if it has no countable answer."""
    spans = [answer for answer in answers if answer not in ["yes", "no"]]
    if not spans:
        return None
    tokens: list[str] = []
    for passage in passages:
        tokens += word_tokenize(passage)
        if len(tokens) >= budget:
            break
    retrieved = " ".join(tokens[:budget])
    return any(answer in retrieved for answer in spans)


def official_first_hit(passages: Sequence[str], answers: Sequence[str], limit: int) -> FirstHit | None:
    """The smallest budget up to ``limit`` that is a hit, and the rank of the passage that its last token comes from."""
    spans = [answer for answer in answers if answer not in ["yes", "no"]]
    tokens = [(token, rank) for rank, passage in enumerate(passages, 1) for token in word_tokenize(passage)]
    for budget in range(1, min(limit, len(tokens)) + 1):
        retrieved = " ".join(token for token, _ in tokens[:budget])
        if any(answer in retrieved for answer in spans):
            return FirstHit(rank=tokens[budget - 1][1], tokens=budget)
    return None


PLAIN = ["New", "York", "Yorkshire", "City", "a", "A", "yes", "no", "1914", "東京"]
MARKED = ["1,914", "don't", "U.S.", "Dr.", "Jr.", '"Pim"', "end.", "what?", "(x)", "cannot", "—", "3.5%", "O'Hara"]
SPANS = ["yes", "no", "Yes", "New York", "York City", "york", "York ", " 1914"]

phrases = st.lists(st.sampled_from(PLAIN + MARKED), max_size=5).map(" ".join)


@dataclass(frozen=True)
class Question:
    passages: list[str]
    answers: tuple[str, ...]


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """A ranking from a few texts, so that some repeat, and answers that stand in it, nearly stand in it, or do not."""
    pool = draw(st.lists(phrases, min_size=1, max_size=4))
    passages = draw(st.lists(st.sampled_from(pool), max_size=7))
    joined = " ".join(token for passage in passages for token in word_tokenize(passage))
    answers = [
        draw(st.lists(st.sampled_from(SPANS), max_size=2)),
        draw(st.lists(phrases.filter(bool), max_size=1)),
    ]
    if joined:
        start = draw(st.integers(0, len(joined) - 1))
        answers.append([joined[start : start + draw(st.integers(1, 12))]])  # spans borders; begins and ends in words
    return Question(passages, tuple(draw(st.permutations([a for group in answers for a in group]))))


@settings(max_examples=200, deadline=None)
@given(asked=st.lists(questions(), min_size=1, max_size=3), limit=st.integers(1, 40))
@example(asked=[Question(["New York", "City"], ("York City",))], limit=2)
@example(asked=[Question(["New York", "City"], ("York City",))], limit=3)
@example(asked=[Question(["", "York", "", "City"], ("York City",))], limit=3)
@example(asked=[Question(["York", "City"], ("York ",))], limit=3)
@example(asked=[Question([], ("York",)), Question(["York"], ("yes", "no"))], limit=3)
def test_every_budget_agrees_with_the_definition(asked: list[Question], limit: int) -> None:
    names = [f"q{i}" for i in range(len(asked))]
    ids = {text: f"p{i}" for i, text in enumerate(sorted({text for question in asked for text in question.passages}))}
    run = {name: ranking(*(ids[text] for text in q.passages)) for name, q in zip(names, asked, strict=True)}
    answers = {name: question.answers for name, question in zip(names, asked, strict=True)}
    hits = first_hits(run, answers, {passage: text for text, passage in ids.items()}, limit)
    expected = {n: official_first_hit(q.passages, q.answers, limit) for n, q in zip(names, asked, strict=True)}
    assert hits == {name: hit for name, hit in expected.items() if hit}
    for budget in {1, 2, 3, 5, limit // 2, limit - 1, limit} & set(range(1, limit + 1)):
        official = {n: official_hit(q.passages, q.answers, budget) for n, q in zip(names, asked, strict=True)}
        assert scores(hits, answers, budget) == {n: float(hit) for n, hit in official.items() if hit is not None}


class Eager:
    """A tokeniser that wants many texts at a time, as one with workers does, and notes what it was given."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.given: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[str]:
        self.given += texts
        return tokenise(texts)


@settings(max_examples=200, deadline=None)
@given(asked=st.lists(questions(), min_size=1, max_size=3), limit=st.integers(1, 40), batch=st.integers(1, 30))
def test_how_many_ranks_are_walked_at_a_time_changes_nothing(asked: list[Question], limit: int, batch: int) -> None:
    texts = {text: text for question in asked for text in question.passages}
    run = {f"q{i}": ranking(*question.passages) for i, question in enumerate(asked)}
    answers = {f"q{i}": question.answers for i, question in enumerate(asked)}
    eager, tokenised = Eager(batch), dict[str, str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer_recall, "tokeniser", lambda expected: contextlib.nullcontext(eager))
        several = first_hits(run, answers, texts, limit, tokenised)
    assert list(several.items()) == list(first_hits(run, answers, texts, limit).items())
    assert sorted(tokenised) == sorted(eager.given)  # each once


@given(asked=st.lists(questions(), min_size=1, max_size=3), limit=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_one_core_tokenises_what_the_definition_does_and_no_more(asked: list[Question], limit: int) -> None:
    texts = {text: text for question in asked for text in question.passages}
    needed: set[str] = set()
    for question in asked:
        hit = official_first_hit(question.passages, question.answers, limit)
        spans = [answer for answer in question.answers if answer not in ["yes", "no"]]
        lengths = np.cumsum([len(word_tokenize(passage)) for passage in question.passages])
        cut = hit.rank if hit else int(np.searchsorted(lengths, limit)) + 1
        needed.update(question.passages[: cut if spans else 0])
    run = {f"q{i}": ranking(*question.passages) for i, question in enumerate(asked)}
    tokenised: dict[str, str] = {}
    first_hits(run, {f"q{i}": question.answers for i, question in enumerate(asked)}, texts, limit, tokenised)
    assert set(tokenised) <= needed


# Rule by rule, worked by hand


def test_a_hit_is_where_the_answer_is_complete() -> None:
    # The Oulu | drains Lake Oulu | into the Gulf of Bothnia .
    passages = ["The Oulu", "drains Lake Oulu", "into the Gulf of Bothnia."]
    assert hits_of(passages, "The") == FirstHit(rank=1, tokens=1)
    assert hits_of(passages, "Lake Oulu") == FirstHit(rank=2, tokens=5)
    assert hits_of(passages, "Bothnia .") == FirstHit(rank=3, tokens=11)


def test_an_answer_may_begin_in_one_passage_and_end_in_the_next() -> None:
    assert hits_of(["to New", "York City"], "New York") == FirstHit(rank=2, tokens=3)


def test_of_several_answers_the_one_that_ends_first_counts() -> None:
    passages = ["one two", "three four", "five"]
    assert hits_of(passages, "five", "four", "one two three four five") == FirstHit(rank=2, tokens=4)
    assert hits_of(passages, "two three four", "three") == FirstHit(rank=2, tokens=3)  # it begins later, but ends first


def test_of_several_places_the_first_counts() -> None:
    assert hits_of(["a b", "tar c", "tar"], "tar") == FirstHit(rank=2, tokens=3)


def test_a_budget_that_cuts_the_answer_is_a_miss() -> None:
    answers: Answers = {"q": ("New York City",)}
    texts = {"p": "in New York City now"}
    hits = first_hits({"q": ranking("p")}, answers, texts, limit=1000)
    assert hits == {"q": FirstHit(1, 4)}
    assert [scores(hits, answers, budget)["q"] for budget in (1, 3, 4, 5)] == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(("limit", "expected"), [(3, None), (4, FirstHit(1, 4)), (5, FirstHit(1, 4))])
def test_nothing_is_looked_for_beyond_the_limit(limit: int, expected: FirstHit | None) -> None:
    assert hits_of(["in New York City now"], "New York City", limit=limit) == expected


@pytest.mark.parametrize(
    ("text", "answer", "hit"),
    [
        ("Yorkshire pudding", "York", True),  # a substring, not a word
        ("New York", "york", False),  # case counts
        ("born in 1,914", "1914", False),
        ("It cost $3.88 then", "$3.88", False),  # the tokens are "$" and "3.88"
        ("It cost $3.88 then", "$ 3.88", True),
        ("They don't know", "don't", False),  # the tokens are "do" and "n't"
        ("She lives in the U.S. today", "U.S.", True),
        ('called "Pim" Kolff', '"Pim"', False),  # the tokenizer writes quotes as `` and ''
        ("two  spaces", "two spaces", True),  # tokens are joined with one space
        ("rib eye or brisket", "rib eye or brisket ", False),  # no token follows, so no space does
        ("rib eye or brisket too", "rib eye or brisket ", True),
    ],
)
def test_an_answer_is_a_substring_of_the_joined_tokens(text: str, answer: str, hit: bool) -> None:
    assert (hits_of([text], answer) is not None) == hit


def test_an_answer_that_ends_in_a_space_needs_the_token_after_it() -> None:
    assert hits_of(["rib eye", "or brisket"], "eye ") == FirstHit(rank=2, tokens=3)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (("yes",), ()),
        (("no", "yes"), ()),
        (("yes", "1914"), ("1914",)),
        (("Yes", "no.", "none"), ("Yes", "no.", "none")),
        ((), ()),
    ],
)
def test_yes_and_no_are_no_answers(answers: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert countable(answers) == expected
    assert scores({}, {"q": answers}, 2000) == ({"q": 0.0} if expected else {})


def test_yes_in_the_text_is_no_hit() -> None:
    assert hits_of(["yes and no"], "yes", "no", "perhaps") is None


def test_a_judged_question_that_the_run_lacks_is_a_miss_and_stays() -> None:
    answers: Answers = {"q1": ("Oulu",), "q2": ("Oulu",), "q3": ("yes",), "q4": ()}
    hits = first_hits({"q1": ranking("p"), "other": ranking("p")}, answers, {"p": "Oulu"}, limit=2000)
    assert hits == {"q1": FirstHit(1, 1)}
    assert scores(hits, answers, 2000) == {"q1": 1.0, "q2": 0.0}


@pytest.mark.parametrize("run", [{}, {"q": ranking()}], ids=["no question", "no passage"])
def test_an_empty_run_has_no_hits(run: dict[str, Ranking]) -> None:
    assert first_hits(run, {"q": ("Oulu",)}, {}, limit=2000) == {}


def test_passages_beyond_the_limit_are_not_needed() -> None:
    run = {"q": ranking("near", "far")}
    assert first_hits(run, {"q": ("tar",)}, {"near": "one two three"}, limit=3) == {}


# Real data


def development(shared: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    """language -> question id -> answers, of XOR-TyDi's development set."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for line in (shared / "xor-tydi" / "xor_dev_retrieve_eng_span_v1_1.jsonl").open(encoding="utf-8"):
        record = json.loads(line)
        found.setdefault(record["lang"], {})[record["id"]] = tuple(record["answers"])
    return found


@dataclass(frozen=True)
class Submission:
    answers: dict[str, dict[str, tuple[str, ...]]]
    runs: dict[str, dict[str, Ranking]]
    hits: dict[str, dict[str, FirstHit]]
    official: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def submission(shared: Path) -> Submission:
    """The golden prediction file, scored once; its passages have no ids, so the texts serve as such."""
    golden = shared / "golden"
    with gzip.open(golden / "xor_retrieve_small.pred.json.gz", "rt", encoding="utf-8") as stream:
        predictions = json.load(stream)
    official = json.loads((golden / "xor_retrieve_small.official.json").read_text(encoding="utf-8"))
    answers = development(shared)
    runs: dict[str, dict[str, Ranking]] = {}
    for prediction in predictions:
        runs.setdefault(prediction["lang"], {})[prediction["id"]] = ranking(*prediction["ctxs"])
    texts = {text: text for prediction in predictions for text in prediction["ctxs"]}
    hits = {language: first_hits(run, answers[language], texts, limit=5000) for language, run in runs.items()}
    return Submission(answers, runs, hits, official)


@pytest.mark.parametrize(("name", "budget"), [("R@2kt", 2000), ("R@5kt", 5000)])
def test_the_official_script_gives_the_same_numbers(submission: Submission, name: str, budget: int) -> None:
    expected = dict(submission.official[name])
    macro = expected.pop("macro")
    found: dict[str, dict[str, float]] = {}
    for language in expected:
        # the official script counts the questions of the submission, not those of the development set
        answers = {query: submission.answers[language][query] for query in submission.runs[language]}
        values = AnswerRecall(name, budget).score(answers, submission.hits[language])
        hit = sum(values.values())
        found[language] = {"count": len(values), "hit": hit, "score": 100 * hit / len(values)}
    assert found == expected
    assert sum(row["score"] for row in found.values()) / len(found) == macro
    assert set(expected) == set(submission.runs)


def test_first_hits_in_real_rankings_are_where_the_definition_finds_them(submission: Submission) -> None:
    checked = 0
    for language, run in submission.runs.items():
        for query, found in run.items():
            if len(found.passage_ids) == 3:  # short enough for the naive walk
                expected = official_first_hit(found.passage_ids, submission.answers[language][query], 5000)
                assert submission.hits[language].get(query) == expected
                checked += expected is not None
    assert checked > 5


def test_questions_left_out_of_a_run_stay_in_the_denominator(submission: Submission) -> None:
    for language, answers in submission.answers.items():
        everything = AnswerRecall("R@2kt", 2000).score(answers, submission.hits[language])
        assert sum(everything.values()) == submission.official["R@2kt"][language]["hit"]
        assert len(everything) > submission.official["R@2kt"][language]["count"]


def test_the_development_set_has_the_published_denominators(shared: Path) -> None:
    counts = {language: len(scores({}, answers, 2000)) for language, answers in development(shared).items()}
    # REFERENCE: XOR-TyDi v1.1 development set, 2,110 questions without those answered by yes or no alone
    assert counts == {"ar": 309, "bn": 304, "fi": 314, "ja": 241, "ko": 285, "ru": 237, "te": 238}
    assert sum(counts.values()) == 1928
