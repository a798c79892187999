"""Is a paired difference real, and how large may it be? The only module that draws random numbers.

The unit is the cluster: queries that share a fact are not independent, so their signs are flipped, and they are
resampled, together, also across languages. ``strata`` are languages; the statistic is the unweighted mean over strata
of the mean difference in each, so that one function serves a single language (one stratum) and the macro average
(several).

- Two-sided paired randomisation test (Fisher's sign flips): exact over all 2**clusters sign patterns where these can
  be enumerated, else Monte Carlo with p = (b + 1) / (B + 1) (Phipson and Smyth 2010; Davison and Hinkley 1997,
  section 4.2).
- Percentile bootstrap over clusters (Efron and Tibshirani 1993, chapter 13), not corrected for multiple comparisons.
- Holm's step-down correction (Holm 1979).
- Smallest detectable difference: the usual normal approximation for a two-sided paired test (Cohen 1988, section 2).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES = 99_999
BOOTSTRAP = 9_999
LEVEL = 0.95
#: Power that the smallest detectable difference is stated for.
POWER = 0.8
#: Up to this many clusters that differ at all, every sign pattern is looked at.
EXACT_CLUSTERS = 18
#: Sums that differ by less than this share of their scale are the same sum, rounded differently.
TOLERANCE = 1e-9
BLOCK = 8_192


@dataclass(frozen=True, slots=True)
class RandomisationTest:
    """Outcome of a randomisation test.

    Attributes:
        p: two-sided p-value.
        exact: every sign pattern was looked at.
        resamples: how many sign patterns were looked at.
        clusters: independent units in the data.
        smallest_p: the smallest p that so many clusters could ever give, 2 / 2**clusters.
    """

    p: float
    exact: bool
    resamples: int
    clusters: int
    smallest_p: float


def random_generator(seed: int, *names: str) -> np.random.Generator:
    """A generator for one purpose: the same for the same seed and names, whatever else is computed beside it."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def contributions(differences: Floats, clusters: Ints, strata: Ints | None = None) -> Floats:
    """What each cluster adds to the statistic; their sum is the statistic itself.

    Args:
        differences: (n,) paired differences.
        clusters: (n,) cluster of each query, numbered from 0 without gaps (see ``numbered``).
        strata: (n,) stratum of each query; None for a single one.

    Returns:
        float64 (number of clusters,).
    """
    groups = np.zeros(len(differences), np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    sizes = np.bincount(groups)
    parts: Floats = np.bincount(clusters, weights=differences / (sizes[groups] * len(sizes))).astype(np.float64)
    return parts


def randomisation_tests(parts: Floats, rng: np.random.Generator, resamples: int = RESAMPLES) -> list[RandomisationTest]:
    """Two-sided paired randomisation tests of several differences over the same clusters, sharing their sign patterns.

    Args:
        parts: float64 (clusters, tests), one column of ``contributions`` per test.
        resamples: Monte Carlo sign patterns, where there are too many to look at all.

    Returns:
        One test per column. No difference in any cluster gives p = 1.
    """
    clusters = len(parts)
    smallest = min(1.0, 2.0 ** (1 - clusters))
    observed = np.abs(parts.sum(axis=0))
    limits = observed - TOLERANCE * np.abs(parts).sum(axis=0)
    active = np.flatnonzero((parts != 0).any(axis=1))
    exact = len(active) <= EXACT_CLUSTERS
    count = 2 ** max(len(active) - 1, 0) if exact else resamples
    beyond = np.zeros(parts.shape[1], dtype=np.int64)
    block = max(1, min(BLOCK, 2**24 // max(parts.shape)))  # bounds memory
    for start in range(0, count, block):
        rows = min(block, count - start)
        signs = _patterns(start, rows, len(active)) if exact else _draw(rng, rows, len(active))
        beyond += (np.abs(signs @ parts[active]) >= limits).sum(axis=0)
    p = beyond / count if exact else (beyond + 1) / (count + 1)
    return [RandomisationTest(float(value), exact, count, clusters, smallest) for value in p]


def randomisation_test(
    differences: Floats, clusters: Ints, strata: Ints | None, rng: np.random.Generator, resamples: int = RESAMPLES
) -> RandomisationTest:
    """One clustered paired randomisation test; see ``randomisation_tests``."""
    return randomisation_tests(contributions(differences, clusters, strata)[:, None], rng, resamples)[0]


def _patterns(start: int, rows: int, clusters: int) -> Floats:
    """Sign patterns number ``start`` to ``start + rows``.

    The first cluster keeps its sign, as the test is two-sided.
    """
    bits = (np.arange(start, start + rows)[:, None] >> np.arange(max(clusters - 1, 0))) & 1
    return np.hstack([np.ones((rows, min(clusters, 1))), 1.0 - 2.0 * bits])


def _draw(rng: np.random.Generator, rows: int, clusters: int) -> Floats:
    """Random signs, one bit each, so that a block of them costs next to nothing."""
    raw = np.frombuffer(rng.bytes(rows * ((clusters + 7) // 8)), dtype=np.uint8).reshape(rows, -1)
    return 1.0 - 2.0 * np.unpackbits(raw, axis=1, count=clusters).astype(np.float64)


def bootstrap_interval(
    differences: Floats,
    clusters: Ints,
    strata: Ints | None,
    rng: np.random.Generator,
    resamples: int = BOOTSTRAP,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile interval of the statistic, clusters drawn with replacement.

    A stratum's mean is the ratio of drawn sum to drawn count; in the rare draw that misses a stratum altogether, the
    mean is over the others.

    Returns:
        (low, high); (0, 0) where nothing differs.
    """
    groups = np.zeros(len(differences), np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    shape = (int(clusters.max()) + 1, int(groups.max()) + 1)
    cells = clusters * shape[1] + groups
    sums = np.bincount(cells, weights=differences, minlength=shape[0] * shape[1]).reshape(shape)
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    statistics = np.empty(resamples)
    block = max(1, min(BLOCK, 2**24 // shape[0]))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.multinomial(shape[0], np.full(shape[0], 1.0 / shape[0]), size=rows).astype(np.float64)
        drawn_counts = drawn @ counts
        present = drawn_counts > 0
        means = np.divide(drawn @ sums, drawn_counts, out=np.zeros_like(drawn_counts), where=present)
        statistics[start : start + rows] = means.sum(axis=1) / present.sum(axis=1)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(statistics, [tail, 1.0 - tail])
    return float(low), float(high)


def smallest_detectable(parts: Floats, tests: int = 1, power: float = POWER, level: float = LEVEL) -> float:
    """The true difference that the test would find with this power, given how much the clusters vary.

    (z(1 - a/2) + z(power)) x standard error, a = (1 - level) / tests: the correction is that of Holm's strictest step,
    so in a family with other findings somewhat smaller differences are found as well. The standard error comes from
    the clusters of the two systems compared; another pair of systems has another one.

    Args:
        parts: float64 (clusters,), see ``contributions``.
        tests: size of the family that is corrected for.

    Returns:
        A difference of means, in the units of the measure; NaN where clusters that do not vary, or a single one, leave
        it unknown. Where few clusters differ at all, it is too small: others may yet vary.
    """
    error = np.sqrt(len(parts) * parts.var(ddof=1)) if len(parts) > 1 else 0.0
    if not error > TOLERANCE * np.abs(parts).sum():
        return float("nan")
    normal = NormalDist()
    return float((normal.inv_cdf(1 - (1 - level) / (2 * tests)) + normal.inv_cdf(power)) * error)


def deal(items: int, folds: int, seed: int) -> Ints:
    """Fold of each item, numbered from 0; fold sizes differ by one at most.

    Returns:
        int64 (items,), shuffled from the seed.
    """
    return random_generator(seed, "folds").permutation(np.arange(items, dtype=np.int64) % folds)


def numbered(labels: Ints) -> Ints:
    """Clusters renumbered from 0 in the order in which they first occur, so that resampling depends on nothing else."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]


def holm(p_values: Sequence[float], family: int | None = None) -> list[float]:
    """Holm-adjusted p-values, in the order given.

    Args:
        family: size of the family, if some of its tests were not made (each then counts as one more comparison).
    """
    size = len(p_values) if family is None else family
    if size < len(p_values):
        raise ValueError(f"a family of {size} cannot hold {len(p_values)} tests")
    adjusted = [1.0] * len(p_values)
    running = 0.0
    for step, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (size - step) * p_values[place]))
        adjusted[place] = running
    return adjusted


def paired_t_test(differences: Floats) -> float:
    """p-value of the paired t-test (the paper's test), by scipy; 1 where nothing differs or there is one query."""
    if len(differences) < 2 or not differences.any():
        return 1.0
    if np.ptp(differences) <= TOLERANCE * np.abs(differences).max():
        return 0.0
    from scipy import stats

    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def clusters_of(members: Sequence[Sequence[str]]) -> Ints:
    """Cluster of each query, numbered from 0: queries joined, directly or by a chain, by a shared member.

    Args:
        members: per query what it may share with others (judged passages); a query without any stands alone.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers: dict[str, int] = {}
    rows = [query for query, own in enumerate(members) for _ in own]
    columns = [numbers.setdefault(member, len(members) + len(numbers)) for own in members for member in own]
    size = len(members) + len(numbers)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(members)]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
