"""Rank measures (nDCG@k, RR@k, R@k, AP ...), computed by ir-measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xqgbench.errors import InvalidParameter
from xqgbench.types import Run


@dataclass(frozen=True, slots=True)
class RankMeasure:
    """A measure of ir-measures, by its name there."""

    name: str
    needs: str = "qrels"

    @classmethod
    def parse(cls, name: str) -> RankMeasure:
        """Raises InvalidParameter if ir-measures does not know the name."""
        import ir_measures

        try:
            return cls(str(ir_measures.parse_measure(name)))
        except (NameError, ValueError, SyntaxError, AssertionError, TypeError):
            raise InvalidParameter(
                f"'{name}' is no measure; use a name of ir-measures (nDCG@10, RR@10, R@100 ...) or R@<N>kt (R@2kt)."
            ) from None


def score_ranked(
    measures: Sequence[RankMeasure], run: Run, qrels: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, float]]:
    """Measure name -> query id -> score, for every judged query; one that the run lacks scores 0.

    Evaluation tools see strictly decreasing scores derived from the ranks, because each breaks ties in its own way.
    """
    import ir_measures

    parsed = {ir_measures.parse_measure(m.name): m.name for m in measures}
    scores = {m.name: dict.fromkeys(qrels, 0.0) for m in measures}
    ranked = {query: ranking.rank_scores() for query, ranking in run.items() if query in qrels}
    if ranked:
        judged = {query: dict(qrels[query]) for query in ranked}
        for value in ir_measures.iter_calc(list(parsed), judged, ranked):
            scores[parsed[value.measure]][value.query_id] = float(value.value)
    return scores
