"""Two results compared, and several ranked: differences known by hand, p-values that can be counted on fingers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tests.test_results import MEASURE, made
from xqgbench import comparison as comparisons
from xqgbench.comparison import DEFAULT_SEED, Comparison, paired, ranks
from xqgbench.errors import InvalidParameter, ResultError
from xqgbench.results import Result


def pair(
    differences: dict[str, Sequence[float]], clusters: dict[str, Sequence[int]] | None = None, *, complete: bool = True
) -> tuple[Result, Result]:
    """Two results with these differences per query."""
    before = made({language: [0.5] * len(own) for language, own in differences.items()}, "plain", clusters)
    after = made({language: [0.5 + d for d in own] for language, own in differences.items()}, "plain+xqg", clusters)
    return replace(before, complete=complete), replace(after, complete=complete)


def compare(before: Result, after: Result, measure: str, family: int, seed: int = DEFAULT_SEED) -> Comparison:
    """As if the card had ``family`` languages."""
    absent = tuple(f"x{i}" for i in range(family - len(before.languages)))
    card = {"card_languages": (*before.languages, *absent)}
    return comparisons.compare(replace(before, **card), replace(after, **card), measure, seed)


# Differences


def test_differences_are_after_minus_before_in_each_language() -> None:
    before = made({"fi": [0.0, 1.0], "ja": [1.0, 0.5]}, "one")
    after = made({"fi": [0.5, 1.0], "ja": [0.5, 0.5]}, "two")
    comparison = compare(before, after, MEASURE, family=2)
    assert (comparison.before, comparison.after, comparison.measure) == ("one", "two", MEASURE)
    fi, ja = comparison.rows
    assert (fi.language, fi.queries, fi.before, fi.after, fi.difference) == ("fi", 2, 0.5, 0.75, 0.25)
    assert (ja.language, ja.queries, ja.before, ja.after, ja.difference) == ("ja", 2, 0.75, 0.5, -0.25)


def test_macro_is_the_unweighted_mean_over_languages() -> None:
    # fi: +1/4 over 2 queries; ja: 0 over 8. Macro (1/4 + 0) / 2 = 1/8; over all ten queries it would be 1/20.
    comparison = compare(*pair({"fi": [0.25, 0.25], "ja": [0.0] * 8}), MEASURE, family=2)
    assert comparison.macro is not None
    assert comparison.macro.difference == 0.125
    assert (comparison.macro.before, comparison.macro.after) == (0.5, 0.625)
    assert (comparison.macro.language, comparison.macro.queries) == ("macro", 10)


def test_an_incomplete_result_is_compared_in_its_languages_without_a_macro_row() -> None:
    comparison = compare(*pair({"fi": [0.25, 0.25]}, complete=False), MEASURE, family=7)
    assert comparison.macro is None
    assert [row.language for row in comparison.rows] == ["fi"]


def test_one_incomplete_result_is_enough_to_lose_the_macro_row() -> None:
    before, after = pair({"fi": [0.25, 0.25]})
    assert compare(before, replace(after, complete=False), MEASURE, family=1).macro is None
    assert compare(replace(before, complete=False), after, MEASURE, family=1).macro is None


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["fi", "ja", "te"]),
        st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
        min_size=1,
    )
)
def test_the_macro_difference_is_the_difference_of_macro_averages(scores: dict[str, list[tuple[float, float]]]) -> None:
    before = made({language: [a for a, _ in own] for language, own in scores.items()})
    after = made({language: [b for _, b in own] for language, own in scores.items()})
    comparison = compare(before, after, MEASURE, family=len(scores))
    assert comparison.macro is not None
    by_hand = np.mean([np.mean([b - a for a, b in own]) for own in scores.values()])
    assert comparison.macro.difference == pytest.approx(by_hand, abs=1e-12)
    back = compare(after, before, MEASURE, family=len(scores))
    assert back.macro is not None
    assert back.macro.difference == -comparison.macro.difference
    assert [row.p for row in back.rows] == [row.p for row in comparison.rows]


# p-values


@pytest.mark.parametrize(("queries", "p"), [(1, 1.0), (2, 2 / 4), (3, 2 / 8), (5, 2 / 32), (6, 2 / 64), (10, 2 / 1024)])
def test_equal_gains_everywhere_have_the_p_value_of_two_sign_patterns(queries: int, p: float) -> None:
    # All n differences are 1/4: only + + ... + and - - ... - reach the mean, 2 of 2**n patterns.
    comparison = compare(*pair({"fi": [0.25] * queries}), MEASURE, family=1)
    for row in (*comparison.rows, comparison.macro):
        assert row is not None
        assert (row.p, row.exact, row.clusters) == (p, True, queries)
        assert row.attainable == (queries >= 6)  # 2 / 2**6 = 0.03125 is the first below 0.05
        assert row.significant == (queries >= 6)
        assert (row.low, row.high) == (0.25, 0.25)


def test_a_mixed_outcome_has_the_p_value_that_counting_gives() -> None:
    # Differences 3, 2, 1, -1 (eighths): the sum is 5. Sign patterns with |sum| >= 5:
    # +3+2+1+1 = 7, +3+2+1-1 = 5, +3+2-1+1 = 5 and their opposites; +3+2-1-1 = 3 and +3-2+1+1 = 3 fall short. 6 / 16.
    differences = [3 / 8, 2 / 8, 1 / 8, -1 / 8]
    (row,) = compare(*pair({"fi": differences}), MEASURE, family=1).rows
    assert (row.p, row.exact) == (6 / 16, True)


def test_scipys_permutation_test_finds_the_same_p_values() -> None:
    rng = np.random.default_rng(7)
    differences = rng.integers(-4, 6, 11) / 16
    (row,) = compare(*pair({"fi": differences.tolist()}), MEASURE, family=1).rows
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert row.exact
    assert row.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert row.t_test_p == pytest.approx(stats.ttest_rel(differences + 0.5, np.full(11, 0.5)).pvalue, abs=1e-12)


def test_systems_that_never_differ_have_p_1_and_an_interval_of_zero() -> None:
    result = made({"fi": [0.1, 0.7, 0.3], "ja": [1 / 3]})
    comparison = compare(result, result, MEASURE, family=2)
    for row in (*comparison.rows, comparison.macro):
        assert row is not None
        assert (row.p, row.p_corrected, row.significant) == (1.0, 1.0, False)
        assert row.t_test_p == (None if row is comparison.macro else 1.0)
        assert (row.difference, row.low, row.high) == (0.0, 0.0, 0.0)


def test_the_macro_average_has_no_t_test_as_it_is_no_mean_over_queries() -> None:
    comparison = compare(*pair({"fi": [0.25, 0.5, 0.0], "ja": [0.125, 0.25]}), MEASURE, family=2)
    assert comparison.macro is not None
    assert comparison.macro.t_test_p is None
    assert comparison.describe()["macro"]["t_test_p"] is None
    assert all(isinstance(row.t_test_p, float) for row in comparison.rows)


def test_queries_of_one_cluster_move_together_within_a_language() -> None:
    # Eight queries about four passages: 2 / 2**4, where eight free ones would give 2 / 2**8.
    (row,) = compare(*pair({"fi": [0.25] * 8}, {"fi": [0, 0, 1, 1, 2, 2, 3, 3]}), MEASURE, family=1).rows
    assert (row.p, row.clusters, row.queries, row.attainable) == (2 / 16, 4, 8, False)


def test_queries_of_one_cluster_move_together_across_languages() -> None:
    # Each of five facts is asked in both languages: the macro test has five units, not ten.
    clusters = {"fi": [10, 11, 12, 13, 14], "ja": [14, 13, 12, 11, 10]}
    comparison = compare(*pair({"fi": [0.25] * 5, "ja": [0.25] * 5}, clusters), MEASURE, family=2)
    assert comparison.macro is not None
    assert (comparison.macro.clusters, comparison.macro.p) == (5, 2 / 32)
    assert [row.clusters for row in comparison.rows] == [5, 5]
    assert comparison.clusters == 5


def test_clusters_are_counted_over_all_languages_also_where_there_is_no_macro_row() -> None:
    # fi asks about facts 4, 5 and 6, ja about 6, 6 and 9: four facts in all.
    clusters = {"fi": [4, 5, 6], "ja": [6, 6, 9]}
    results = pair({"fi": [0.25] * 3, "ja": [0.25] * 3}, clusters, complete=False)
    comparison = compare(*results, MEASURE, family=7)
    assert comparison.macro is None
    assert comparison.clusters == 4
    assert [row.clusters for row in comparison.rows] == [3, 2]


def test_gains_and_losses_on_the_same_facts_cancel_out() -> None:
    clusters = {"fi": [0, 1, 2], "ja": [0, 1, 2]}
    comparison = compare(*pair({"fi": [0.25] * 3, "ja": [-0.25] * 3}, clusters), MEASURE, family=2)
    assert comparison.macro is not None
    assert (comparison.macro.difference, comparison.macro.p) == (0.0, 1.0)


def test_the_macro_test_weighs_languages_alike_and_not_queries() -> None:
    # Differences in eighths: fi -2; ja +1 four times. Per language halved: fi -1, ja +1/8 each; their sum is -1/2.
    # Whatever the signs, |1 + s/8| >= 1/2 for s = 4, 2, 0, -2, -4: p = 1. Were all queries alike, |2 + s| >= 2 would
    # hold in 12 of 16 patterns only.
    comparison = compare(*pair({"fi": [-2 / 8], "ja": [1 / 8] * 4}), MEASURE, family=2)
    assert comparison.macro is not None
    assert (comparison.macro.p, comparison.macro.exact) == (1.0, True)


# Corrections


def test_languages_are_one_holm_family_and_macro_stands_alone() -> None:
    # p: fi 2/64, ja 2/256, te 1. Sorted: ja * 3, fi * 2, te * 1.
    comparison = compare(*pair({"fi": [0.25] * 6, "ja": [0.25] * 8, "te": [0.0] * 4}), MEASURE, family=3)
    fi, ja, te = comparison.rows
    assert (fi.p, ja.p, te.p) == (2 / 64, 2 / 256, 1.0)
    assert (fi.p_corrected, ja.p_corrected, te.p_corrected) == (4 / 64, 6 / 256, 1.0)
    assert (fi.significant, ja.significant, te.significant) == (False, True, False)
    assert comparison.macro is not None
    assert comparison.macro.p_corrected == comparison.macro.p
    theirs = multipletests([2 / 64, 2 / 256, 1.0], method="holm")[1]
    assert [row.p_corrected for row in comparison.rows] == pytest.approx(theirs.tolist(), abs=1e-15)


def test_languages_of_the_card_that_were_not_evaluated_count_in_the_family() -> None:
    # Choosing the two best languages afterwards must not make their p-values smaller: 2/256 * 7 and 2/64 * 6.
    results = pair({"fi": [0.25] * 6, "ja": [0.25] * 8}, complete=False)
    fi, ja = compare(*results, MEASURE, family=7).rows
    assert (ja.p_corrected, fi.p_corrected) == (14 / 256, 12 / 64)
    assert not ja.significant
    fi, ja = compare(*results, MEASURE, family=2).rows
    assert (ja.p_corrected, fi.p_corrected) == (4 / 256, 2 / 64)
    assert ja.significant


@pytest.mark.parametrize(
    ("queries", "family", "attainable"),
    [
        (6, 1, True),  # 2 / 2**6 = 0.03125
        (6, 2, False),  # a second language, not tested, counts as less significant: 0.03125 * 2
        (7, 3, True),  # 2 / 2**7 * 3 = 0.047
        (7, 4, False),  # 0.0625
        (9, 12, True),  # 2 / 2**9 * 12 = 0.047
        (9, 13, False),  # 0.051
    ],
)
def test_a_language_can_reach_significance_only_if_it_survives_the_languages_not_tested(
    queries: int, family: int, attainable: bool
) -> None:
    results = pair({"fi": [0.25] * queries}, complete=False)
    (row,) = compare(*results, MEASURE, family=family).rows
    assert row.attainable == attainable
    assert row.significant == attainable  # equal gains everywhere have the smallest p that there is


def test_a_language_tested_beside_others_may_be_the_last_that_holm_looks_at() -> None:
    # All seven tested: the least significant is multiplied by 1. Six of seven: by 2.
    seven = {f"l{i}": [0.25] * (6 if i == 0 else 12) for i in range(7)}
    whole = compare(*pair(seven), MEASURE, family=7)
    assert (whole.rows[0].attainable, whole.rows[0].significant, whole.rows[0].p_corrected) == (True, True, 2 / 64)
    part = compare(*pair(dict(list(seven.items())[:6]), complete=False), MEASURE, family=7)
    assert (part.rows[0].attainable, part.rows[0].significant, part.rows[0].p_corrected) == (False, False, 4 / 64)
    assert all(row.attainable and row.significant for row in part.rows[1:])


def test_no_language_depends_on_the_others_that_are_compared() -> None:
    rng = np.random.default_rng(3)
    differences = {"fi": (rng.normal(0.02, 0.1, 40)).tolist(), "ja": (rng.normal(0.0, 0.1, 40)).tolist()}
    both = compare(*pair(differences), MEASURE, family=2)
    alone = compare(*pair({"ja": differences["ja"]}), MEASURE, family=2)
    assert not both.rows[1].exact
    assert (both.rows[1].p, both.rows[1].low, both.rows[1].high) == (
        alone.rows[0].p,
        alone.rows[0].low,
        alone.rows[0].high,
    )


# Seeds


def test_the_seed_settles_every_drawn_number() -> None:
    rng = np.random.default_rng(11)
    results = pair({"fi": rng.normal(0.03, 0.1, 30).tolist()})
    first, again = (compare(*results, MEASURE, family=1) for _ in range(2))
    other = compare(*results, MEASURE, family=1, seed=DEFAULT_SEED + 1)
    assert first == again
    assert first.seed == DEFAULT_SEED
    assert (first.rows[0].exact, first.rows[0].resamples) == (False, 99_999)
    assert first.rows[0].p != other.rows[0].p
    assert first.rows[0].p == pytest.approx(other.rows[0].p, abs=0.01)
    assert first.rows[0].low <= first.rows[0].difference <= first.rows[0].high


def test_a_description_is_json_and_says_all() -> None:
    comparison = compare(*pair({"fi": [0.25] * 6, "ja": [0.0] * 2}), MEASURE, family=2)
    described = json.loads(json.dumps(comparison.describe()))
    assert list(described) == ["fi", "ja", "macro"]
    assert described["fi"]["p"] == 2 / 64
    assert described["macro"]["difference"] == 0.125
    assert "language" not in described["fi"]


# What cannot be compared

BASE = made({"fi": [0.1, 0.2], "ja": [0.3]}, "base")


@pytest.mark.parametrize(
    "other",
    [
        made({"fi": [0.1, 0.2], "ja": [0.3]}, "other", task="another"),
        made({"fi": [0.1, 0.2], "ja": [0.3]}, "other", version="2"),
        made({"fi": [0.1, 0.2]}, "other"),
        made({"ja": [0.3], "fi": [0.1, 0.2]}, "other"),
        replace(made({"fi": [0.1, 0.2], "ja": [0.3]}, "other"), card_sha256="d" * 64),
        made({"fi": [0.1, 0.2], "ja": [0.3]}, "other", depth=10),
    ],
    ids=["task", "version", "languages", "order of languages", "card", "depth"],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_results_that_are_not_about_the_same_thing_are_refused(other: Result, swapped: bool) -> None:
    first, second = (other, BASE) if swapped else (BASE, other)
    said = rf"{first.system} and {second.system} cannot be compared: .* but are "
    with pytest.raises(ResultError, match=said) as caught:
        comparisons.compare(first, second, MEASURE)
    assert "small 1#cccccccc, all languages, depth 100" in str(caught.value)  # what BASE is


def test_the_card_and_the_depth_that_differ_are_named() -> None:
    other = replace(made({"fi": [0.1, 0.2], "ja": [0.3]}, "other", depth=10), card_sha256="d" * 64)
    with pytest.raises(ResultError, match=r"and small 1#dddddddd, all languages, depth 10\."):
        comparisons.compare(BASE, other, MEASURE)


@pytest.mark.parametrize("measure", ["RR@10", "nDCG", ""])
def test_a_measure_that_the_task_does_not_have_is_refused_with_those_that_it_has(measure: str) -> None:
    with pytest.raises(InvalidParameter, match=rf"'{measure}' is no measure of small; it has nDCG@10"):
        comparisons.compare(BASE, BASE, measure)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_query_that_only_one_of_them_scored_is_named(swapped: bool) -> None:
    other = made({"fi": [0.1], "ja": [0.3]}, "other")
    first, second = (other, BASE) if swapped else (BASE, other)
    with pytest.raises(ResultError, match=r"query 'q1' \(fi\) is scored in one of"):
        compare(first, second, MEASURE, family=2)


def test_a_language_without_judged_queries_is_refused() -> None:
    empty = made({"fi": [0.5], "ja": []})
    with pytest.raises(ResultError, match="judges no query in 'ja'"):
        compare(empty, empty, MEASURE, family=2)


def test_pairs_are_made_by_id_and_not_by_place() -> None:
    before = made({"fi": [0.25, 0.75]})
    turned = {"fi": {MEASURE: {"q1": 0.75, "q0": 0.25}}}
    values, _, _ = paired(before, replace(before, scores=turned), MEASURE)
    assert values.tolist() == [0.0, 0.0]


# Ranks


def systems(*levels: float, queries: int = 12) -> list[Result]:
    """Systems that differ by the same amount in every query."""
    return [made({"fi": [level] * queries, "ja": [level] * queries}, f"s{i}") for i, level in enumerate(levels)]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([0.5], [1]),
        ([0.5, 0.5], [1, 1]),
        ([0.9, 0.5, 0.1], [1, 2, 3]),
        ([0.1, 0.5, 0.9], [3, 2, 1]),
        ([0.9, 0.5, 0.5], [1, 2, 2]),
        ([0.9, 0.9, 0.5], [1, 1, 3]),
        ([0.9, 0.5, 0.5, 0.1], [1, 2, 2, 4]),
    ],
)
def test_a_rank_is_one_more_than_the_number_of_better_systems(levels: list[float], expected: list[int]) -> None:
    assert ranks(systems(*levels), MEASURE) == expected


def test_no_systems_have_no_ranks() -> None:
    assert ranks([], MEASURE) == []


def test_a_higher_mean_that_may_be_chance_shares_the_rank() -> None:
    # Two queries can never give p <= 0.05: 2 / 2**2.
    few = [made({"fi": [level] * 2}, f"s{level}") for level in (0.9, 0.1)]
    assert ranks(few, MEASURE) == [1, 1]


def test_ranks_are_corrected_over_all_pairs() -> None:
    # Six clusters: each of the three pairs has p = 2 / 64; Holm makes the smallest 6 / 64, so nobody is better.
    six = [made({"fi": [level] * 6}, f"s{level}") for level in (0.9, 0.5, 0.1)]
    assert ranks(six, MEASURE) == [1, 1, 1]
    assert ranks(six[:2], MEASURE) == [1, 2]
    # Eight clusters: 2 / 256 * 3 = 0.0234.
    eight = [made({"fi": [level] * 8}, f"s{level}") for level in (0.9, 0.5, 0.1)]
    assert ranks(eight, MEASURE) == [1, 2, 3]


def test_a_hundred_systems_and_more_can_still_be_told_apart() -> None:
    # 102 systems make 5151 pairs. 99,999 sign patterns could give no p below 1 / 100,000, and Holm would make it
    # 0.0515: all would rank 1. The number of patterns must grow with the pairs.
    levels = [place / 128 for place in range(102)]
    assert ranks(systems(*levels), MEASURE) == list(range(102, 0, -1))


def test_ranks_go_by_the_macro_average() -> None:
    # 60 questions gain 0.1 and 8 lose 0.5: per question +2/68, but macro (0.1 - 0.5) / 2 = -0.2.
    base = made({"fi": [0.5] * 60, "ja": [0.5] * 8}, "base")
    wide = made({"fi": [0.6] * 60, "ja": [0.0] * 8}, "wide")
    comparison = compare(base, wide, MEASURE, family=2)
    assert comparison.macro is not None
    assert math.isclose(comparison.macro.difference, -0.2)
    assert ranks([base, wide], MEASURE) == [1, 2]


def test_ranks_follow_their_systems_whatever_the_order() -> None:
    first, second, third = systems(0.9, 0.5, 0.5)
    assert ranks([second, first, third], MEASURE) == [2, 1, 2]


def test_results_about_other_questions_are_not_ranked_together() -> None:
    with pytest.raises(ResultError, match="cannot be compared"):
        ranks([BASE, made({"fi": [0.1, 0.2]}, "other")], MEASURE)


def test_a_language_that_the_card_calls_too_small_is_never_marked() -> None:
    before, after = pair({"fi": [0.25] * 30, "ja": [0.25] * 30})
    details = {**before.details, "task": {**before.details["task"], "untested": ["ja"]}}
    fi, ja = compare(replace(before, details=details), replace(after, details=details), MEASURE, family=2).rows
    assert (fi.significant, fi.attainable) == (True, True)
    assert (ja.significant, ja.attainable) == (False, False)
    assert fi.p_corrected == ja.p_corrected
