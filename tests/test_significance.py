"""Significance against enumeration by other means, scipy, statsmodels and Fisher's own example."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from xqgbench import significance
from xqgbench.significance import (
    bootstrap_interval,
    clusters_of,
    contributions,
    holm,
    numbered,
    paired_t_test,
    random_generator,
    randomisation_test,
    randomisation_tests,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SEEDS = st.integers(0, 2**32 - 1)

# Darwin's heights of 15 pairs of maize plants (Zea mays), in inches: cross-fertilised and self-fertilised. Fisher, The
# Design of Experiments (1935), chapter III; also data(ZeaMays) in R's HistData.
CROSSED = np.array([23.5, 12, 21, 22, 19.125, 21.5, 22.125, 20.375, 18.25, 21.625, 23.25, 21, 22.125, 23, 12])
SELFED = np.array([17.375, 20.375, 20, 20, 18.375, 18.625, 18.625, 15.25, 16.5, 18, 16.25, 18, 12.75, 15.5, 18])


def rng(*names: str, seed: int = 1) -> np.random.Generator:
    return random_generator(seed, *names)


def each(n: int) -> Ints:
    """Every query its own cluster."""
    return np.arange(n, dtype=np.int64)


def ints(values: Sequence[int]) -> Ints:
    return np.array(values, dtype=np.int64)


def floats(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def macro(values: Sequence[Fraction], strata: Sequence[int]) -> Fraction:
    """Unweighted mean over strata of the mean in each."""
    groups: dict[int, list[Fraction]] = {}
    for value, stratum in zip(values, strata, strict=True):
        groups.setdefault(stratum, []).append(value)
    return sum((sum(own, Fraction()) / len(own) for own in groups.values()), Fraction()) / len(groups)


def enumerated_p(values: Sequence[int], clusters: Sequence[int], strata: Sequence[int]) -> Fraction:
    """Exact two-sided p in rational arithmetic: every cluster flipped or not, the macro mean taken again each time."""
    exact = [Fraction(value) for value in values]
    observed = abs(macro(exact, strata))
    names = sorted(set(clusters))
    beyond = 0
    for signs in itertools.product((1, -1), repeat=len(names)):
        sign = dict(zip(names, signs, strict=True))
        flipped = [value * sign[cluster] for value, cluster in zip(exact, clusters, strict=True)]
        beyond += abs(macro(flipped, strata)) >= observed
    return Fraction(beyond, 2 ** len(names))


def convolved_p(values: Sequence[int]) -> float:
    """Exact two-sided p of whole-number differences, however many: the distribution of the sum, one by one."""
    distribution = {0: 1}
    for value in values:
        following: dict[int, int] = {}
        for total, ways in distribution.items():
            for step in (value, -value):
                following[total + step] = following.get(total + step, 0) + ways
        distribution = following
    observed = abs(sum(values))
    return float(Fraction(sum(w for t, w in distribution.items() if abs(t) >= observed), 2 ** len(values)))


@st.composite
def clustered(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    """Differences, clusters (numbered from 0, all used) and strata of up to 12 queries in up to 6 clusters."""
    size = draw(st.integers(1, 12))
    values = draw(st.lists(st.integers(-5, 5), min_size=size, max_size=size))
    labels = draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))
    strata = draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    compact = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return values, [compact[label] for label in labels], strata


# Randomisation tests: exact.


def test_fisher_s_maize_gives_fisher_s_p_value() -> None:
    # The Design of Experiments, section 21: 863 of the 32,768 sign patterns give a sum of 314 eighths of an inch or
    # more, hence 2 x 863 / 32768 = 0.05267 two-sided. The enumeration is made again here, in whole numbers.
    differences = CROSSED - SELFED
    eighths = [round(8 * d) for d in differences]
    assert sum(eighths) == 314
    sums = [sum(s * e for s, e in zip(signs, eighths, strict=True)) for signs in itertools.product((1, -1), repeat=15)]
    assert sum(total >= 314 for total in sums) == 863
    test = randomisation_test(differences, each(15), None, rng())
    assert test.p == 1726 / 32768 == pytest.approx(0.05267, abs=5e-6)
    assert test.exact
    assert test.clusters == 15
    assert test.smallest_p == 2 / 32768


def test_fisher_s_maize_gives_fisher_s_t_test() -> None:
    # Ibidem, section 17: t = 2.148 on 14 degrees of freedom, just beyond the 5 per cent point; in R,
    # 2 * pt(-2.148, 14) is 0.0497.
    assert paired_t_test(CROSSED - SELFED) == pytest.approx(0.0497, abs=5e-5)


@given(values=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=9))
@settings(max_examples=60, deadline=None)
def test_the_exact_test_is_scipy_s_for_independent_queries(values: list[tuple[int, int]]) -> None:
    before, after = (floats(side) for side in zip(*values, strict=True))
    theirs = stats.permutation_test(
        (after, before),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert randomisation_test(after - before, each(len(values)), None, rng()).p == pytest.approx(theirs.pvalue)


@given(case=clustered(), tenths=st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_exact_test_is_the_enumeration_of_clusters_over_strata(
    case: tuple[list[int], list[int], list[int]], tenths: bool
) -> None:
    values, clusters, strata = case
    # Tenths are no binary fractions: sums that are equal must count as equal although they are rounded differently.
    differences = floats(values) / (10 if tenths else 1)
    test = randomisation_test(differences, ints(clusters), ints(strata), rng())
    assert test.exact
    assert test.clusters == len(set(clusters))
    assert test.p == pytest.approx(float(enumerated_p(values, clusters, strata)), abs=1e-12)


@pytest.mark.parametrize("clusters", [1, 2, 14, 17, 18])
def test_the_exact_test_is_exact_up_to_its_largest_size(clusters: int) -> None:
    values = np.random.default_rng(clusters).integers(1, 9, size=clusters) * (-1) ** (np.arange(clusters) % 4 == 0)
    test = randomisation_test(values.astype(float), each(clusters), None, rng())
    assert test.exact
    assert test.p == convolved_p(values.tolist())


@given(case=clustered(), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_order_sign_and_names_do_not_matter(case: tuple[list[int], list[int], list[int]], seed: int) -> None:
    values, clusters, strata = floats(case[0]) / 10, ints(case[1]), ints(case[2])
    p = randomisation_test(values, clusters, strata, rng()).p
    shuffle = np.random.default_rng(seed)
    order = shuffle.permutation(len(values))
    renamed = shuffle.permutation(clusters.max() + 1)[clusters]
    assert randomisation_test(-values, clusters, strata, rng()).p == p
    assert randomisation_test(values[order], clusters[order], strata[order], rng()).p == p
    assert randomisation_test(values, renamed, 7 - 3 * strata, rng()).p == p


def test_queries_of_one_cluster_flip_together() -> None:
    # Four queries, all better by one. Apart: 2 of 2**4 sign patterns are as extreme, p = 1/8. In two clusters of two:
    # 2 of 2**2, p = 1/2. All in one: the sign of one coin, p = 1.
    differences = np.ones(4)
    assert randomisation_test(differences, each(4), None, rng()).p == 2 / 16
    assert randomisation_test(differences, ints([0, 0, 1, 1]), None, rng()).p == 2 / 4
    assert randomisation_test(differences, ints([0, 0, 0, 0]), None, rng()).p == 1.0


def test_a_cluster_flips_in_all_its_languages_at_once() -> None:
    # Two languages of 1 and 2 queries: macro = (3 + (1 + 1) / 2) / 2 = 2. Apart, |+-3 +-0.5 +-0.5| / 2 >= 2 in 2 of 8
    # patterns. With the first query of both languages in one cluster (worth 3 / 2 + 1 / 4 = 7/4, the other 1/4):
    # |+-7/4 +-1/4| >= 2 in 2 of 4.
    differences, strata = floats([3, 1, 1]), ints([0, 1, 1])
    assert contributions(differences, each(3), strata).tolist() == [1.5, 0.25, 0.25]
    assert contributions(differences, ints([0, 0, 1]), strata).tolist() == [1.75, 0.25]
    assert randomisation_test(differences, each(3), strata, rng()).p == 2 / 8
    assert randomisation_test(differences, ints([0, 0, 1]), strata, rng()).p == 2 / 4


def test_a_language_weighs_the_same_however_many_queries_it_has() -> None:
    # Stratum 0: one query, +1. Stratum 1: 99 queries, 0 each. Pooled the mean is 0.01, macro 0.5.
    differences = floats([1.0] + [0.0] * 99)
    strata = ints([0] + [1] * 99)
    assert contributions(differences, each(100), strata).sum() == pytest.approx(0.5)
    assert contributions(differences, each(100)).sum() == pytest.approx(0.01)


@given(case=clustered())
@settings(max_examples=100, deadline=None)
def test_contributions_add_up_to_the_macro_mean(case: tuple[list[int], list[int], list[int]]) -> None:
    values, clusters, strata = case
    parts = contributions(floats(values), ints(clusters), ints(strata))
    assert parts.shape == (len(set(clusters)),)
    assert parts.sum() == pytest.approx(float(macro([Fraction(v) for v in values], strata)), abs=1e-12)


@pytest.mark.parametrize("size", [1, 5, 40])
def test_no_difference_at_all_gives_p_1_and_an_interval_of_nothing(size: int) -> None:
    nothing, strata = np.zeros(size), each(size) % 2
    test = randomisation_test(nothing, each(size), strata, rng())
    assert test.p == 1.0
    assert test.exact
    assert bootstrap_interval(nothing, each(size), strata, rng()) == (0.0, 0.0)


def test_differences_that_cancel_out_give_p_1_however_they_are_rounded() -> None:
    assert 0.1 + 0.2 - 0.3 != 0  # the trap
    assert randomisation_test(floats([0.1, 0.2, -0.3]), each(3), None, rng()).p == 1.0


@pytest.mark.parametrize(
    ("clusters", "smallest"), [(1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125), (10, 2 / 1024), (25, 2.0**-24)]
)
def test_the_smallest_p_is_what_the_clearest_outcome_gives(clusters: int, smallest: float) -> None:
    test = randomisation_test(np.ones(clusters), each(clusters), None, rng())
    assert test.smallest_p == smallest
    if test.exact:
        assert test.p == smallest


def test_clusters_without_a_difference_count_as_clusters_and_cost_nothing() -> None:
    # 3 of 1,000 clusters differ, all in one direction: 2 of 2**3 patterns, whatever the other 997 do.
    differences = np.zeros(1_000)
    differences[[10, 500, 999]] = [1, 2, 3]
    test = randomisation_test(differences, each(1_000), None, rng())
    assert test.exact
    assert test.p == 0.25
    assert test.clusters == 1_000
    assert 0.0 <= test.smallest_p < 1e-300


def test_several_tests_at_once_are_the_tests_one_by_one() -> None:
    draws = np.random.default_rng(3).integers(-4, 5, size=(12, 5)).astype(float)
    draws[:, 3] = 0
    draws[:6, 4] = 0
    together = randomisation_tests(draws, rng())
    assert [t.p for t in together] == [randomisation_tests(draws[:, [i]], rng())[0].p for i in range(5)]
    assert together[3].p == 1.0


# Randomisation tests: Monte Carlo.


@pytest.mark.parametrize("clusters", [19, 20, 23, 24, 25, 60, 200])
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_monte_carlo_agrees_with_the_exact_distribution(clusters: int, shift: int) -> None:
    values = np.random.default_rng([clusters, shift]).integers(-4, 5, size=clusters)
    values = np.where(values == 0, 1, values) + shift * (np.arange(clusters) % 3 == 0)
    values = np.where(values == 0, 1, values)  # a cluster without a difference is no coin to flip
    exact = convolved_p(values.tolist())
    resamples = 40_000
    test = randomisation_test(values.astype(float), each(clusters), None, rng("agreement"), resamples)
    assert not test.exact
    assert test.resamples == resamples
    assert test.p == pytest.approx(exact, abs=4.5 * math.sqrt(exact * (1 - exact) / resamples) + 2 / resamples)


def test_the_two_ways_to_count_an_exact_p_agree() -> None:
    values = [3, -1, 4, 1, -5, 9, 2, 6, -5, 3]
    assert convolved_p(values) == float(enumerated_p(values, list(range(10)), [0] * 10))


@pytest.mark.parametrize("resamples", [1, 99, 8_192, 20_000])
def test_a_monte_carlo_p_is_never_zero(resamples: int) -> None:
    # 64 clusters, all better: the exact p is 2**-63, no draw comes near, and p = (0 + 1) / (B + 1).
    test = randomisation_test(np.ones(64), each(64), None, rng(), resamples)
    assert not test.exact
    assert test.p == 1 / (resamples + 1)


def test_a_monte_carlo_p_is_a_count_over_the_number_of_patterns() -> None:
    values = np.random.default_rng(4).normal(0.1, 1, size=50)
    test = randomisation_test(values, each(50), None, rng(), 999)
    assert test.p * 1_000 == pytest.approx(round(test.p * 1_000), abs=1e-9)
    assert 1 / 1_000 < test.p < 1


def test_eighteen_clusters_are_enumerated_and_nineteen_are_drawn() -> None:
    assert randomisation_test(np.ones(18), each(18), None, rng()).exact
    assert not randomisation_test(np.ones(19), each(19), None, rng(), 99).exact


def test_monte_carlo_p_values_do_not_change_with_the_sign() -> None:
    values = np.random.default_rng(5).normal(0.2, 1, size=70)
    strata = each(70) % 3
    first = randomisation_test(values, each(70), strata, rng("sign"), 5_000)
    assert randomisation_test(-values, each(70), strata, rng("sign"), 5_000) == first


def test_a_seed_gives_its_p_value_again_and_another_seed_another_one() -> None:
    values = np.random.default_rng(6).normal(0.2, 1, size=70)
    ps = [randomisation_test(values, each(70), None, rng(seed=seed), 5_000).p for seed in (1, 1, 2)]
    assert ps[0] == ps[1] != ps[2]
    assert ps[2] == pytest.approx(ps[0], abs=6 * math.sqrt(0.25 / 5_000))


def test_under_the_null_p_values_are_uniform() -> None:
    # 2,000 outcomes of 15 clusters without any effect: p <= 0.05 must come out in 5 % of them, give or take 4 standard
    # errors. Were each cluster two equal queries, a test that takes these as independent would find far more.
    draws = np.random.default_rng(7).normal(size=(15, 2_000))
    clusterwise = np.array([test.p for test in randomisation_tests(draws, rng())])
    assert stats.kstest(clusterwise, "uniform").pvalue > 0.001
    assert (clusterwise <= 0.05).mean() == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 2_000))
    naive = [paired_t_test(np.repeat(column, 2)) for column in draws.T]
    assert np.mean(np.array(naive) <= 0.05) > 0.1


def test_streams_of_random_numbers_differ_by_seed_and_by_name() -> None:
    names = [(), ("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",), ("nDCG@10", "fi"), ("nDCG@10", "ja"), ("R@2kt", "fi")]
    first = [rng(*own, seed=seed).bytes(16) for seed in (0, 1, 20230723) for own in names]
    assert len(set(first)) == len(first)
    assert first == [rng(*own, seed=seed).bytes(16) for seed in (0, 1, 20230723) for own in names]


def test_a_stream_does_not_depend_on_what_was_drawn_before() -> None:
    alone = rng("randomisation", "fi").bytes(64)
    np.random.seed(0)  # numpy's global state is of no account
    rng("randomisation", "ja").bytes(1_000)
    assert rng("randomisation", "fi").bytes(64) == alone


# The bootstrap.


def mc_tolerance(values: Floats) -> float:
    """Five Monte Carlo standard errors of a 2.5 % quantile of the mean, from 9,999 draws against 9,999 others.

    The standard error of a quantile is sqrt(q (1 - q) / B) / density; for the normal this is 0.027 standard errors of
    the mean.
    """
    density = float(stats.norm.pdf(stats.norm.ppf(0.025)))
    error = math.sqrt(0.025 * 0.975 / 9_999) / density * float(stats.sem(values))
    return 5 * math.sqrt(2) * error


@pytest.mark.parametrize("size", [20, 200, 1_000])
def test_the_interval_is_scipy_s_for_independent_queries(size: int) -> None:
    values = np.random.default_rng(size).exponential(size=size) - 0.7
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=9_999, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    low, high = bootstrap_interval(values, each(size), None, rng())
    assert low == pytest.approx(theirs.low, abs=mc_tolerance(values))
    assert high == pytest.approx(theirs.high, abs=mc_tolerance(values))


@pytest.mark.parametrize("level", [0.4, 0.6, 0.9])
@pytest.mark.parametrize(
    ("clusters", "strata"),
    [
        ([0, 1, 2, 3], [0, 0, 0, 0]),
        ([0, 0, 1, 2], [0, 0, 0, 0]),  # clusters of unequal size: the mean is a ratio
        ([0, 0, 1, 2], [0, 1, 1, 0]),  # a cluster in two strata
        ([0, 1, 2, 2], [0, 0, 1, 1]),  # stratum 1 is missing from 8 of 27 draws
    ],
)
def test_the_interval_is_that_of_all_possible_draws(clusters: list[int], strata: list[int], level: float) -> None:
    values = [1, -2, 5, 4]
    size = max(clusters) + 1
    outcomes = []
    for drawn in itertools.product(range(size), repeat=size):
        rows = [i for cluster in drawn for i, own in enumerate(clusters) if own == cluster]
        outcomes.append(macro([Fraction(values[i]) for i in rows], [strata[i] for i in rows]))
    outcomes.sort()
    low, high = bootstrap_interval(floats(values), ints(clusters), ints(strata), rng(), level=level)
    # The share of all draws below an end must be the tail, up to the Monte Carlo error of 9,999 draws; a draw is one
    # of few values, so that the share jumps there: the tail lies between the share below and the share up to it.
    tail, error = (1 - level) / 2, 5 * math.sqrt(0.25 / 9_999)
    for end, share in ((low, tail), (high, 1 - tail)):
        below = sum(float(o) < end - 1e-9 for o in outcomes) / len(outcomes)
        up_to = sum(float(o) <= end + 1e-9 for o in outcomes) / len(outcomes)
        assert below - error <= share <= up_to + error


def test_one_cluster_gives_an_interval_of_one_point() -> None:
    assert bootstrap_interval(floats([1, 2, 6]), ints([0, 0, 0]), None, rng()) == (3.0, 3.0)


def test_a_wider_level_gives_a_wider_interval_around_the_mean() -> None:
    values = np.random.default_rng(8).normal(0.3, 1, size=80)
    ends = [bootstrap_interval(values, each(80), None, rng(), level=level) for level in (0.5, 0.8, 0.95, 0.99)]
    lows, highs = zip(*ends, strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)
    assert lows[0] < values.mean() < highs[0]


def test_negated_differences_give_the_mirrored_interval() -> None:
    values, clusters, strata = np.random.default_rng(9).normal(0.3, 1, size=60), each(60) // 2, each(60) % 3
    low, high = bootstrap_interval(values, clusters, strata, rng())
    assert bootstrap_interval(-values, clusters, strata, rng()) == pytest.approx((-high, -low))


def test_an_interval_comes_again_with_its_seed_alone() -> None:
    values = np.random.default_rng(10).normal(size=60)
    first, again, other = (bootstrap_interval(values, each(60), None, rng(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_the_interval_covers_the_truth_where_queries_share_clusters() -> None:
    # 400 collections of 40 clusters of 4 queries that share most of their difference, true mean 0.2. Percentile
    # intervals of 40 units cover a little less than 95 %; taking the 160 queries as independent covers about 70 %.
    draws = np.random.default_rng(11)
    clusters = np.repeat(each(40), 4)
    covered, naive = 0, 0
    for _ in range(400):
        values = 0.2 + np.repeat(draws.normal(size=40), 4) + 0.3 * draws.normal(size=160)
        low, high = bootstrap_interval(values, clusters, None, draws, resamples=400)
        covered += low <= 0.2 <= high
        low, high = bootstrap_interval(values, each(160), None, draws, resamples=200)
        naive += low <= 0.2 <= high
    assert 0.90 <= covered / 400 <= 0.98
    assert naive / 400 < 0.80


# Corrections, the t-test, clusters.


def test_holm_by_hand() -> None:
    # In order: 0.01 x 4 = 0.04, 0.02 x 3 = 0.06, 0.03 x 2 = 0.06, 0.04 x 1 = 0.04, which may not fall below 0.06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    # The same four in a family of seven: x 7, x 6, x 5, x 4.
    assert holm([0.04, 0.01, 0.03, 0.02], 7) == pytest.approx([0.16, 0.07, 0.15, 0.12])


@given(
    ps=st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.01, 0.05, 1.0])), min_size=1, max_size=12),
    unmade=st.integers(0, 10),
)
@settings(max_examples=15, deadline=None)  # statsmodels takes a tenth of a second each
def test_holm_is_that_of_statsmodels_with_tests_not_made_counted_as_ones(ps: list[float], unmade: int) -> None:
    theirs = multipletests([*ps, *[1.0] * unmade], method="holm")[1][: len(ps)]
    np.testing.assert_allclose(holm(ps, len(ps) + unmade), theirs, rtol=1e-12, atol=0)


@given(ps=st.lists(st.floats(0, 1), min_size=1, max_size=10), more=st.integers(0, 10))
@settings(max_examples=100, deadline=None)
def test_a_correction_never_makes_a_p_value_smaller(ps: list[float], more: int) -> None:
    own, larger = holm(ps), holm(ps, len(ps) + more)
    assert all(p <= a <= b <= 1 for p, a, b in zip(ps, own, larger, strict=True))


def test_one_test_needs_no_correction_and_none_gives_none() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@pytest.mark.parametrize("size", [2, 3, 15, 300])
def test_the_t_test_is_scipy_s(size: int) -> None:
    before, after = np.random.default_rng(size).normal(size=(2, size))
    assert paired_t_test(after - before) == pytest.approx(stats.ttest_rel(after, before).pvalue, rel=1e-9)


@pytest.mark.parametrize("differences", [[], [0.7], [0.0, 0.0], [0.0] * 50])
def test_the_t_test_says_1_where_it_can_say_nothing(differences: list[float]) -> None:
    assert paired_t_test(floats(differences)) == 1.0


@pytest.mark.parametrize("differences", [[0.5, 0.5, 0.5], [0.3 - 0.2, 0.1, 0.1], [1 / 3, 1 - 2 / 3]])
def test_one_and_the_same_difference_everywhere_is_no_noise_at_all(differences: list[float]) -> None:
    # ... also where rounding makes it differ in the last bit; a warning about that is not for users to see.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired_t_test(floats(differences)) == pytest.approx(0, abs=1e-9)


def test_queries_are_joined_by_shared_passages_directly_and_by_a_chain() -> None:
    members = [["p1"], ["p2", "p3"], [], ["p3", "p4"], ["p1", "p5"], ["p4"], [], ["p9"]]
    # 0-4 by p1; 1-3 by p3 and 3-5 by p4; 2, 6 and 7 stand alone.
    clusters = clusters_of(members)
    assert clusters.dtype == np.int64
    groups: dict[int, list[int]] = {}
    for query, cluster in enumerate(clusters.tolist()):
        groups.setdefault(cluster, []).append(query)
    assert sorted(groups.values()) == [[0, 4], [1, 3, 5], [2], [6], [7]]


@pytest.mark.parametrize(
    ("members", "expected"), [([], []), ([[]], [0]), ([["p"]], [0]), ([["p"], ["p"]], [0, 0]), ([["p", "p"]], [0])]
)
def test_the_smallest_inputs_have_their_clusters(members: list[list[str]], expected: list[int]) -> None:
    assert clusters_of(members).tolist() == expected


def test_queries_that_share_nothing_have_a_cluster_each() -> None:
    assert sorted(clusters_of([[], [], []]).tolist()) == [0, 1, 2]
    assert sorted(clusters_of([["a"], ["b"], ["c"]]).tolist()) == [0, 1, 2]


def joined(members: Sequence[Sequence[str]]) -> list[set[int]]:
    """The same by merging sets of queries until no two of them share a member."""
    groups = [({query}, set(own)) for query, own in enumerate(members)]
    merged = True
    while merged:
        merged = False
        for first, second in itertools.combinations(groups, 2):
            if first[1] & second[1]:
                groups = [group for group in groups if group is not first and group is not second]
                groups.append((first[0] | second[0], first[1] | second[1]))
                merged = True
                break
    return sorted((queries for queries, _ in groups), key=min)


@given(members=st.lists(st.lists(st.integers(0, 25).map(str), max_size=3), max_size=20))
@settings(max_examples=150, deadline=None)
def test_clusters_are_those_of_merging_sets_numbered_from_0(members: list[list[str]]) -> None:
    clusters = clusters_of(members).tolist()
    assert sorted(set(clusters)) == list(range(len(set(clusters))))
    found = [{query for query, own in enumerate(clusters) if own == cluster} for cluster in set(clusters)]
    assert sorted(found, key=min) == joined(members)


def test_clusters_are_renumbered_in_the_order_of_their_first_query() -> None:
    assert numbered(ints([7, 2, 7, 9, 2, 0])).tolist() == [0, 1, 0, 2, 1, 3]
    assert numbered(ints([])).tolist() == []


@given(labels=st.lists(st.integers(0, 9), min_size=1, max_size=30), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_renumbered_clusters_depend_on_who_shares_one_and_on_nothing_else(labels: list[int], seed: int) -> None:
    own = numbered(ints(labels))
    assert own.dtype == np.int64
    assert own.tolist() == [list(dict.fromkeys(labels)).index(label) for label in labels]
    other_names = np.random.default_rng(seed).permutation(1_000)[ints(labels)]
    assert np.array_equal(numbered(other_names), own)


def test_the_settings_are_as_published() -> None:
    # B >= 99,999 for p-values that are reported, 9,999 for intervals of 95 %.
    assert (significance.RESAMPLES, significance.BOOTSTRAP, significance.LEVEL) == (99_999, 9_999, 0.95)
    assert randomisation_test(np.ones(30), each(30), None, rng()).resamples == 99_999


# Smallest detectable difference


@pytest.mark.parametrize("tests", [1, 7])
def test_the_smallest_detectable_difference_is_found_as_often_as_it_says(tests: int) -> None:
    """400 experiments of 80 clusters whose true difference is the one stated for their population: 80 % find it."""
    rng = np.random.default_rng(11)
    spread = rng.standard_normal((80, 400)) * 0.3
    population = np.where(np.arange(80) % 2, 1.0, -1.0) * 0.3 * np.sqrt(79 / 80)  # its deviation is 0.3, as theirs
    stated = significance.smallest_detectable(population / 80, tests)
    found = significance.randomisation_tests((spread + stated) / 80, rng, 20_000)
    power = np.mean([test.p <= 0.05 / tests for test in found])
    assert power == pytest.approx(0.8, abs=0.06)


def test_the_smallest_detectable_difference_is_the_formula() -> None:
    """By statsmodels 0.15: TTestPower().solve_power(nobs=10_000, alpha=0.05, power=0.8) gives an effect of 0.028018.

    With so many observations t and normal agree; the effect is in standard deviations of a cluster.
    """
    values = np.tile([1.0, -1.0], 5_000)
    stated = significance.smallest_detectable(values / 10_000)
    assert stated / values.std(ddof=1) == pytest.approx(0.028018, abs=2e-5)


def test_clusters_that_do_not_vary_leave_the_smallest_detectable_difference_unknown() -> None:
    assert np.isnan(significance.smallest_detectable(np.array([0.5])))
    assert np.isnan(significance.smallest_detectable(np.zeros(9)))
    assert np.isnan(significance.smallest_detectable(np.full(9, 0.1)))


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(2, 20))
def test_correction_and_power_make_the_smallest_detectable_difference_larger(parts: list[float], tests: int) -> None:
    own = np.array(parts)
    alone = significance.smallest_detectable(own)
    if np.isnan(alone):
        return
    assert significance.smallest_detectable(own, tests) >= alone
    assert significance.smallest_detectable(own, power=0.9) >= alone
    assert significance.smallest_detectable(-own) == pytest.approx(alone)
