"""Rank measures against pytrec_eval, ranx and hand arithmetic; measure names; what missing queries and ties do."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import TaskWriter
from xqgbench.errors import InvalidParameter
from xqgbench.measures import AnswerRecall, FirstHit, RankMeasure, answer_hits, parse, score, unjudged
from xqgbench.measures.ranked import score_ranked
from xqgbench.tasks import read_card
from xqgbench.types import Judgements, Ranking, Run

#: Our names, and what the same measures are called in the other tools.
NAMES = ("nDCG@10", "RR@10", "R@100", "AP", "P@5")
TREC = {"nDCG@10": "ndcg_cut_10", "R@100": "recall_100", "AP": "map", "P@5": "P_5"}
RANX = {"nDCG@10": "ndcg@10", "RR@10": "mrr@10", "R@100": "recall@100", "AP": "map", "P@5": "precision@5"}

Grades = Mapping[str, Mapping[str, int]]
Scores = dict[str, dict[str, float]]


def ranking(*passages: str) -> Ranking:
    return Ranking(passages, np.linspace(1.0, 0.5, len(passages)))


def tied(*passages: str) -> Ranking:
    return Ranking(passages, np.full(len(passages), 0.5))


def scored(run: Run, qrels: Grades) -> Scores:
    return score_ranked([RankMeasure.parse(name) for name in NAMES], run, qrels)


def by_pytrec_eval(run: Mapping[str, Mapping[str, float]], qrels: Grades) -> Scores:
    """measure -> query -> score, of the queries that pytrec_eval reports. RR has no cut-off there, so runs are cut."""
    judged = {query: dict(grades) for query, grades in qrels.items()}
    evaluator = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.10", "recall.100", "map", "P.5"})
    found = evaluator.evaluate({query: dict(scores) for query, scores in run.items()})
    scores = {name: {query: values[TREC[name]] for query, values in found.items()} for name in TREC}
    top = {query: dict(sorted(scores.items(), key=lambda item: -item[1])[:10]) for query, scores in run.items()}
    reciprocal = pytrec_eval.RelevanceEvaluator(judged, {"recip_rank"}).evaluate(top)
    return scores | {"RR@10": {query: values["recip_rank"] for query, values in reciprocal.items()}}


RANX_SCRIPT = """
import json, sys
from ranx import Qrels, Run, evaluate
qrels, run, names = json.load(sys.stdin)
run = Run(run)
evaluate(Qrels(qrels), run, names, return_mean=False, make_comparable=True)
print(json.dumps({name: {q: float(s) for q, s in scores.items()} for name, scores in run.scores.items()}))
"""


def by_ranx(run: Mapping[str, Mapping[str, float]], qrels: Grades) -> Scores:
    """measure -> query -> score. A process of its own, because ranx takes a minute to compile unless told not to."""
    names = [RANX[name] for name in NAMES]
    outcome = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RANX_SCRIPT],
        input=json.dumps([qrels, run, names]),
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    scores = json.loads(outcome.stdout)
    return {name: scores[RANX[name]] for name in NAMES}


def by_definition(passages: Sequence[str], grades: Mapping[str, int]) -> dict[str, float]:
    """The textbook formulas: nDCG with the grade as gain and log2(rank + 1) as discount; relevant is grade >= 1."""
    gains = [max(grades.get(passage, 0), 0) for passage in passages]
    ideal = sorted((max(grade, 0) for grade in grades.values()), reverse=True)
    hits = [gain > 0 for gain in gains]
    relevant = sum(gain > 0 for gain in ideal)
    if not relevant:
        return dict.fromkeys(NAMES, 0.0)
    dcg, best = (sum(gain / math.log2(i + 2) for i, gain in enumerate(row[:10])) for row in (gains, ideal))
    return {
        "nDCG@10": dcg / best,
        "RR@10": next((1 / (i + 1) for i, hit in enumerate(hits[:10]) if hit), 0.0),
        "R@100": sum(hits[:100]) / relevant,
        "AP": sum(sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit) / relevant,
        "P@5": sum(hits[:5]) / 5,
    }


def assert_equal(ours: Scores, theirs: Scores) -> None:
    assert set(ours) == set(theirs) == set(NAMES)
    for name in NAMES:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-12), name


# Names


@pytest.mark.parametrize("name", [*NAMES, "nDCG@100", "RR", "Success@1", "RR(rel=2)@10", "Rprec"])
def test_a_rank_measure_keeps_its_name(name: str) -> None:
    measure = parse(name)
    assert isinstance(measure, RankMeasure)
    assert (measure.name, measure.needs) == (name, "qrels")


@pytest.mark.parametrize(
    ("name", "tokens"),
    [("R@2kt", 2000), ("R@5kt", 5000), ("R@0.5kt", 500), ("R@0.001kt", 1), ("R@100kt", 100_000), ("R@1.001kt", 1001)],
)
def test_kt_counts_thousands_of_tokens(name: str, tokens: int) -> None:
    assert parse(name) == AnswerRecall(name, tokens, needs="answers")


@pytest.mark.parametrize("name", ["R@100", "R@2", "R@5"])
def test_recall_at_passages_is_not_mistaken_for_recall_at_tokens(name: str) -> None:
    assert parse(name) == RankMeasure(name, cutoff=int(name.removeprefix("R@")))


@pytest.mark.parametrize(
    ("name", "cutoff"),
    [
        *(("nDCG@10", 10), ("RR@100", 100), ("MRR@7", 7), ("Success@1", 1), ("RR(rel=2)@10", 10), ("R@1000", 1000)),
        *(("AP", 0), ("RR", 0), ("nDCG", 0), ("Rprec", 0), ("R@2kt", 0), ("R@100kt", 0)),
    ],
)
def test_a_measure_knows_how_many_ranks_it_looks_at(name: str, cutoff: int) -> None:
    assert parse(name).cutoff == cutoff


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "foo", "nDCG@", "@10", "nDCG@ten", "nDCG@-3", "nDCG@10,RR@10", "RR(", "1", "None", "os"),
        *("r@100", "p@5", "ndcg@10", "ap"),  # names keep their case
        *(
            "r@2kt",
            "R@2KT",
            "R@2Kt",
            "R@2k",
            "R@kt",
            "R@-2kt",
            "R@.5kt",
            "R@2.kt",
            "R@2 kt",
            "R@2kt ",
            " R@2kt",
            "R@2e3kt",
        ),
        *("R@0kt", "R@0.0004kt"),  # no token at all
        "nDCG(foo=1)@10",
    ],
)
def test_a_name_that_is_no_measure_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(name)
    assert f"'{name}'" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("R@0", "P@0", "nDCG@0", "Success@0"),  # a cut-off of 0 aborts the whole process inside pytrec_eval
        *("nDCG@10.5", "R@1e3", "R", "P", "SDCG@10"),  # parameters that are wrong or lacking
        "RBP(p=0.8)",  # no installed tool computes it
        pytest.param(f"R@{'9' * 400}kt", id="a budget beyond all numbers"),
    ],
)
def test_a_measure_that_cannot_be_computed_is_refused_before_anything_is_encoded(name: str) -> None:
    with pytest.raises(InvalidParameter):
        parse(name)


@pytest.mark.parametrize("name", ["MRR@10", "MAP", "Recall@100", "NDCG@10"])
def test_a_card_may_call_a_measure_by_another_of_its_names(name: str, write_task: TaskWriter) -> None:
    folder = write_task(card={"measures": f'["{name}"]', "main_measure": f'"{name}"'})
    card = read_card(folder / "small.toml")
    scores = score([parse(measure) for measure in card.measures], {}, Judgements({"q": {"a": 1}}), {})
    assert tuple(scores) == card.measures
    assert card.main_measure in scores


# Values


def test_graded_judgements_give_what_the_hand_computes() -> None:
    # ranks: d (grade 0), a (3), x (unjudged), b (1); c (2) is not found
    # nDCG = (3/log2(3) + 1/log2(5)) / (3/log2(2) + 2/log2(3) + 1/log2(4)) = 2.323466 / 4.761860 = 0.487932
    # RR = 1/2; R = 2/3; AP = (1/2 + 2/4) / 3 = 1/3; P@5 = 2/5
    scores = scored({"q": ranking("d", "a", "x", "b")}, {"q": {"a": 3, "b": 1, "c": 2, "d": 0}})
    assert {name: values["q"] for name, values in scores.items()} == pytest.approx(
        {"nDCG@10": 0.487932, "RR@10": 1 / 2, "R@100": 2 / 3, "AP": 1 / 3, "P@5": 2 / 5}, abs=1e-6
    )


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        # 1/log2(6); 1/5; all; 1/5; 1/5
        (5, {"nDCG@10": 0.386853, "RR@10": 0.2, "R@100": 1.0, "AP": 0.2, "P@5": 0.2}),
        # 1/log2(7); 1/6; all; 1/6; below the fifth rank
        (6, {"nDCG@10": 0.356207, "RR@10": 1 / 6, "R@100": 1.0, "AP": 1 / 6, "P@5": 0.0}),
        # 1/log2(11); 1/10; all; 1/10
        (10, {"nDCG@10": 0.289065, "RR@10": 0.1, "R@100": 1.0, "AP": 0.1, "P@5": 0.0}),
        (11, {"nDCG@10": 0.0, "RR@10": 0.0, "R@100": 1.0, "AP": 1 / 11, "P@5": 0.0}),
        (100, {"nDCG@10": 0.0, "RR@10": 0.0, "R@100": 1.0, "AP": 0.01, "P@5": 0.0}),
        (101, {"nDCG@10": 0.0, "RR@10": 0.0, "R@100": 0.0, "AP": 1 / 101, "P@5": 0.0}),
    ],
)
def test_each_measure_looks_as_deep_as_its_name_says(position: int, expected: dict[str, float]) -> None:
    passages = [f"p{i}" for i in range(1, 121)]
    scores = scored({"q": ranking(*passages)}, {"q": {f"p{position}": 1}})
    assert {name: values["q"] for name, values in scores.items()} == pytest.approx(expected, abs=1e-6)


def test_a_negative_grade_is_not_relevant() -> None:
    # b stands at rank 2 of one relevant passage: 1/log2(3)
    scores = scored({"q": ranking("a", "b")}, {"q": {"a": -2, "b": 1}})
    assert scores["nDCG@10"]["q"] == pytest.approx(0.630930, abs=1e-6)
    assert scores["RR@10"]["q"] == 0.5


POOL = [f"p{i:02}" for i in range(14)]
QUERIES = [f"q{i}" for i in range(4)]


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    """Passages in our order: by score, falling, then by id; three possible scores make ties the rule."""
    drawn = draw(st.dictionaries(st.sampled_from(POOL), st.sampled_from([0.25, 0.5, 0.75]), max_size=len(POOL)))
    ordered = sorted(drawn, key=lambda passage: (-drawn[passage], passage))
    return Ranking(tuple(ordered), np.array([drawn[passage] for passage in ordered], dtype=np.float64))


grades = st.dictionaries(st.sampled_from(POOL), st.integers(-1, 3), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    run=st.dictionaries(st.sampled_from(QUERIES), rankings()),
    qrels=st.dictionaries(st.sampled_from(QUERIES), grades, min_size=1),
)
def test_any_run_scores_what_the_definitions_and_pytrec_eval_say(run: Run, qrels: Grades) -> None:
    ours = scored(run, qrels)
    definition = {
        query: by_definition(run[query].passage_ids if query in run else (), judged) for query, judged in qrels.items()
    }
    assert_equal(ours, {name: {query: values[name] for query, values in definition.items()} for name in NAMES})
    for name, found in by_pytrec_eval({q: r.rank_scores() for q, r in run.items()}, qrels).items():
        assert {query: ours[name][query] for query in found} == found


def assert_every_tool_agrees(run: Run, qrels: Grades) -> None:
    """Ours is ranx's on every judged query, and pytrec_eval's on those that it reports."""
    ours = scored(run, qrels)
    strict = {query: found.rank_scores() for query, found in run.items()}
    assert_equal(ours, by_ranx(strict, qrels))
    trec = by_pytrec_eval(strict, qrels)
    assert set(trec["AP"]) == set(run) & set(qrels)
    assert_equal({name: {q: s for q, s in values.items() if q in run} for name, values in ours.items()}, trec)
    assert len({value for values in ours.values() for value in values.values()}) > 20  # nothing degenerate


def test_deep_graded_runs_score_the_same_in_every_tool() -> None:
    rng = np.random.default_rng(7)
    pool = [f"p{i:03}" for i in range(200)]
    qrels = {
        f"q{i}": {"p000": 1}
        | {str(p): int(g) for p, g in zip(rng.choice(pool, 40), rng.integers(0, 4, 40), strict=True)}
        for i in range(20)
    }
    run = {
        f"q{i}": tied(*map(str, rng.permutation(pool)[:150])) for i in range(4, 24)
    }  # 4 missing, 4 without judgements
    assert_every_tool_agrees(run, qrels)


def test_real_judgements_score_the_same_in_every_tool(shared: Path) -> None:
    qrels: dict[str, dict[str, int]] = {}
    for line in (shared / "miracl" / "qrels.miracl-v1.0-ko-dev.tsv").read_text(encoding="utf-8").splitlines():
        query, _, passage, grade = line.split("\t")
        qrels.setdefault(query, {})[passage] = int(grade)
    assert len(qrels) == 213  # MIRACL's own count of Korean development queries
    pool = sorted({passage for judged in qrels.values() for passage in judged})
    rng = np.random.default_rng(11)
    run: dict[str, Ranking] = {}
    for query, judged in list(qrels.items())[::2]:  # every other query is missing from the run
        found = dict.fromkeys([*judged, *map(str, rng.choice(pool, 60))])
        run[query] = tied(*map(str, rng.permutation(list(found))))
    assert_every_tool_agrees(run, qrels)


# Ties


def test_tied_passages_are_scored_in_our_order() -> None:
    run, qrels = {"q": tied("a", "b", "c")}, {"q": {"a": 1}}
    raw = {"q": dict(zip(run["q"].passage_ids, run["q"].scores.tolist(), strict=True))}
    assert by_pytrec_eval(raw, qrels)["AP"]["q"] == pytest.approx(1 / 3)  # trec_eval itself takes ties from z to a
    assert scored(run, qrels)["AP"]["q"] == 1.0
    assert by_ranx({"q": run["q"].rank_scores()}, qrels)["AP"]["q"] == 1.0


def test_scores_closer_than_single_precision_keep_their_order() -> None:
    # trec_eval keeps scores as 32-bit floats, where these two are one number
    scores = np.array([0.9 + 1e-12, 0.9])
    assert np.float32(scores[0]) == np.float32(scores[1])
    assert scored({"q": Ranking(("a", "b"), scores)}, {"q": {"a": 1}})["RR@10"]["q"] == 1.0


def test_rank_scores_fall_strictly_and_keep_the_order() -> None:
    passages = [f"p{i}" for i in range(1000)]
    values = tied(*passages).rank_scores()
    assert list(values) == passages
    assert all(np.float32(values[a]) > np.float32(values[b]) for a, b in itertools.pairwise(passages))


# What is not in both run and judgements


def test_a_judged_query_that_the_run_lacks_scores_zero_and_stays() -> None:
    scores = scored({"q1": ranking("a")}, {"q1": {"a": 1}, "q2": {"a": 1}})
    for name in NAMES:
        assert set(scores[name]) == {"q1", "q2"}
        assert scores[name]["q1"] > 0
        assert scores[name]["q2"] == 0


def test_a_query_without_judgements_is_ignored() -> None:
    alone = scored({"q1": ranking("b", "a")}, {"q1": {"a": 1}})
    assert scored({"q1": ranking("b", "a"), "other": ranking("a")}, {"q1": {"a": 1}}) == alone


@pytest.mark.parametrize("run", [{}, {"q": ranking()}, {"other": ranking("a")}], ids=["nothing", "no passage", "other"])
def test_an_empty_run_scores_zero_everywhere(run: Run) -> None:
    assert scored(run, {"q": {"a": 1}}) == {name: {"q": 0.0} for name in NAMES}


@pytest.mark.parametrize("judged", [{}, {"a": 0}, {"a": -1, "b": 0}])
def test_a_query_without_a_relevant_passage_scores_zero_and_stays(judged: dict[str, int]) -> None:
    scores = scored({"q1": ranking("a", "b"), "q2": ranking("a")}, {"q1": judged, "q2": {"a": 1}})
    for name in NAMES:
        assert scores[name]["q1"] == 0
        assert scores[name]["q2"] > 0


def test_no_judgements_give_no_scores() -> None:
    assert scored({"q": ranking("a")}, {}) == {name: {} for name in NAMES}


# Both families at once


def test_scores_come_in_the_order_of_the_measures() -> None:
    names = ["R@5kt", "nDCG@10", "R@2kt", "RR@10"]
    judgements = Judgements({"q": {"a": 1}}, {"q": ("Oulu",), "unasked": ("Kemi",), "closed": ("yes",)})
    scores = score([parse(n) for n in names], {"q": ranking("b", "a")}, judgements, {"q": FirstHit(30, 2001)})
    assert list(scores) == names
    assert scores["R@2kt"] == {"q": 0.0, "unasked": 0.0}
    assert scores["R@5kt"] == {"q": 1.0, "unasked": 0.0}
    assert scores["RR@10"] == {"q": 0.5}
    assert scores["nDCG@10"] == pytest.approx({"q": 1 / math.log2(3)})


def test_hits_are_looked_for_as_deep_as_the_largest_budget() -> None:
    run, answers = {"q": ranking("a", "b")}, {"q": ("Oulu",)}
    texts = {"a": "word " * 1500, "b": "word " * 1499 + "Oulu"}
    judgements = Judgements(answers=answers)
    measures = {name: parse(name) for name in ("R@2kt", "R@3kt", "R@5kt", "RR@10")}
    assert answer_hits([measures["R@2kt"]], run, judgements, texts) == {}
    for budgets in (["R@3kt"], ["R@2kt", "R@5kt"], ["R@5kt", "R@2kt"]):
        assert answer_hits([measures[b] for b in budgets], run, judgements, texts) == {"q": FirstHit(2, 3000)}
    assert answer_hits([measures["RR@10"]], run, judgements, {}) == {}


QRELS, ANSWERS = {"q": {"a": 1}}, {"q": ("yes",), "r": ("Oulu", "yes")}


@pytest.mark.parametrize(
    ("judgements", "names"),
    [
        (Judgements(QRELS, ANSWERS), []),
        (Judgements(qrels=QRELS), ["R@2kt", "R@5kt"]),
        (Judgements(answers=ANSWERS), ["nDCG@10"]),
        (Judgements(QRELS, {"q": ("yes",), "r": ("no",), "s": ()}), ["R@2kt", "R@5kt"]),
        (Judgements(), ["R@2kt", "nDCG@10", "R@5kt"]),
    ],
)
def test_measures_that_can_judge_no_query_are_named(judgements: Judgements, names: list[str]) -> None:
    measures = [parse(name) for name in ("R@2kt", "nDCG@10", "R@5kt")]
    assert unjudged(measures, judgements) == names
    scores = score(measures, {}, judgements, {})
    assert [name for name, values in scores.items() if not values] == names
