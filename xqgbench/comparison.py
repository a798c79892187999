"""Two results of one task, compared query by query."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xqgbench import significance
from xqgbench.errors import InvalidParameter, ResultError
from xqgbench.results import Result
from xqgbench.significance import LEVEL, contributions

#: Differences, clusters numbered from 0, strata: (queries,) each.
Paired = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64]]

DEFAULT_SEED = 20230723  # first day of SIGIR 2023
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison: a language, ``macro``, or a control language.

    Attributes:
        before, after: means of the two systems; ``difference`` is after - before.
        low, high: 95 % bootstrap interval of the difference, not corrected for the number of languages.
        p: two-sided clustered randomisation test.
        p_corrected: Holm over the card's languages; for ``macro``, the one primary test, the same as ``p``; Holm over
            the control languages for one of them.
        significant: ``p_corrected`` is at most 0.05.
        attainable: so few clusters could still give a corrected p <= 0.05, were all other languages more significant;
            never where the card says that a language has too few queries for a test.
        detectable: the smallest true difference that would be found with 80 % power after correction; see
            ``significance.smallest_detectable``. None where the clusters do not say.
        t_test_p: the paired t-test over queries, the paper's test, which takes all queries to be independent; None for
            ``macro``, which is no mean over queries.
    """

    language: str
    queries: int
    clusters: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    p_corrected: float
    significant: bool
    attainable: bool
    exact: bool
    resamples: int
    detectable: float | None
    t_test_p: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """``after`` against ``before`` on one measure: a row per language, and the macro row of a complete result.

    ``clusters`` counts the independent units over all languages. ``controls`` are the rows of control languages, a
    Holm family of their own.
    """

    before: str
    after: str
    measure: str
    seed: int
    rows: tuple[Row, ...]
    macro: Row | None
    clusters: int
    controls: tuple[Row, ...] = ()

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        macro = [self.macro] if self.macro else []
        rows = {row.language: asdict(row) for row in (*self.rows, *macro, *self.controls)}
        for row in rows.values():
            del row["language"]
        return rows


def compare(before: Result, after: Result, measure: str, seed: int = DEFAULT_SEED) -> Comparison:
    """Test ``after - before`` in every language and, for complete results, their macro average.

    All languages of the card are one Holm family, also where only some were evaluated.

    Raises:
        ResultError: the two results are not about the same queries, or were not made in the same way.
        InvalidParameter: a measure that the task does not have.
    """
    values, clusters, strata = paired(before, after, measure)
    macro = None
    if before.complete and after.complete:
        whole = _row("macro", before, after, measure, (values, clusters, strata), seed)
        macro = _finished(whole, whole["p"])
    controls = tuple(language for language in before.controls if language in after.controls)
    return Comparison(
        before.system,
        after.system,
        measure,
        seed,
        _family(before, after, measure, seed, before.languages, len(before.card_languages)),
        macro,
        len(np.unique(clusters)),
        _family(before, after, measure, seed, controls, len(controls)),
    )


def _family(
    before: Result, after: Result, measure: str, seed: int, languages: Sequence[str], size: int
) -> tuple[Row, ...]:
    """A row per language, corrected over a family of ``size`` tests, of which some may not have been made."""
    rows = []
    for language in languages:
        values, clusters, _ = paired(before, after, measure, (language,))
        untested = size - len(languages) + 1
        rows.append(_row(language, before, after, measure, (values, clusters, None), seed, size, untested))
    corrected = significance.holm([row["p"] for row in rows], size)
    finished = (_finished(row, p) for row, p in zip(rows, corrected, strict=True))
    return tuple(
        replace(row, significant=False, attainable=False) if row.language in before.untested else row
        for row in finished
    )


def paired(before: Result, after: Result, measure: str, languages: Sequence[str] | None = None) -> Paired:
    """Differences, clusters and strata (languages, in order) of all queries that the measure judges.

    Args:
        languages: some of the languages scored; by default all but the controls.

    Raises:
        ResultError: another card, other languages, another depth or other queries.
        InvalidParameter: a measure that the task does not have.
    """
    first_kind, second_kind = (
        (r.task, r.task_version, r.card_sha256, r.languages, r.depth, r.denominator) for r in (before, after)
    )
    if first_kind != second_kind:
        raise ResultError(
            f"{before.system} and {after.system} cannot be compared: task, version of its card, languages, depth and "
            f"denominator must agree, but are {_kind(before)} and {_kind(after)}."
        )
    for result in (before, after):
        if measure not in result.measures:
            raise InvalidParameter(f"'{measure}' is no measure of {result.task}; it has {', '.join(result.measures)}.")
    values, clusters, strata = [], [], []
    for stratum, language in enumerate(before.languages if languages is None else languages):
        first, second = before.scores[language][measure], after.scores[language][measure]
        if first.keys() != second.keys():
            odd = sorted(first.keys() ^ second.keys())[0]
            raise ResultError(f"query '{odd}' ({language}) is scored in one of {before.system}, {after.system} alone.")
        for query in first:
            values.append(second[query] - first[query])
            clusters.append(before.clusters[language][query])
            strata.append(stratum)
    return np.array(values), significance.numbered(np.array(clusters, dtype=np.int64)), np.array(strata, dtype=np.int64)


def _kind(result: Result) -> str:
    languages = "all languages" if result.complete else "+".join(result.languages)
    counted = "" if result.denominator == "strict" else f", {result.denominator} denominator"
    return f"{result.task} {result.task_version}#{result.card_sha256[:8]}, {languages}, depth {result.depth}{counted}"


def ranks(results: Sequence[Result], measure: str, seed: int = DEFAULT_SEED) -> list[int]:
    """Rank of each complete result: 1 + how many are significantly better (macro tests, Holm over all pairs).

    Two systems of different rank may still not differ significantly from each other.
    """
    pairs = [(i, j) for i in range(len(results)) for j in range(i + 1, len(results))]
    betters = [0] * len(results)
    if pairs:
        columns = [contributions(*paired(results[i], results[j], measure)) for i, j in pairs]
        rng = significance.random_generator(seed, "ranks", measure)
        # Enough sign patterns that the smallest p survives a correction over all pairs.
        resamples = max(significance.RESAMPLES, 2 * round(len(pairs) / ALPHA))
        tests = significance.randomisation_tests(np.stack(columns, axis=1), rng, resamples)
        for (i, j), column, p in zip(pairs, columns, significance.holm([t.p for t in tests]), strict=True):
            if p <= ALPHA:
                betters[i if column.sum() > 0 else j] += 1
    return [1 + count for count in betters]


def p_text(p: float) -> str:
    """A p-value in four decimals; what they would show as zero is given as a bound."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _row(
    language: str,
    before: Result,
    after: Result,
    measure: str,
    of_queries: tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.int64] | None],
    seed: int,
    family: int = 1,
    untested: int = 1,
) -> dict[str, Any]:
    """A row but for the correction. Each part has its own random stream, so no language depends on another."""
    values, clusters, strata = of_queries
    if not len(values):
        raise ResultError(f"{measure} judges no query in '{language}': it has no mean there to compare.")
    test = significance.randomisation_test(
        values, clusters, strata, significance.random_generator(seed, "randomisation", measure, language)
    )
    low, high = significance.bootstrap_interval(
        values, clusters, strata, significance.random_generator(seed, "bootstrap", measure, language), level=LEVEL
    )
    detectable = significance.smallest_detectable(contributions(values, clusters, strata), family)
    first, second = ((r.macro(measure) if language == "macro" else r.mean(language, measure)) for r in (before, after))
    return {
        "language": language,
        "queries": len(values),
        "clusters": test.clusters,
        "before": first,
        "after": second,
        "difference": second - first,
        "low": low,
        "high": high,
        "p": test.p,
        "attainable": test.smallest_p * untested <= ALPHA,
        "exact": test.exact,
        "resamples": test.resamples,
        "detectable": None if math.isnan(detectable) else detectable,
        "t_test_p": None if language == "macro" else significance.paired_t_test(values),
    }


def _finished(row: dict[str, Any], corrected: float) -> Row:
    return Row(**row, p_corrected=corrected, significant=corrected <= ALPHA)
