"""Rank measures (nDCG@k, RR@k, R@k, AP ...), computed by ir-measures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xqgbench.errors import InvalidParameter
from xqgbench.types import Run

_UNKNOWN = (
    "'{}' is no measure that can be computed; use one of ir-measures (nDCG@10, RR@10, R@100 ...) or R@<N>kt (R@2kt)."
)


@dataclass(frozen=True, slots=True)
class RankMeasure:
    """A measure of ir-measures, by its name there."""

    name: str
    cutoff: int = 0  # ranks it looks at; 0 for all
    needs: str = "qrels"

    @classmethod
    def parse(cls, name: str) -> RankMeasure:
        """The measure, under the name that ir-measures itself gives it (MRR@10 is RR@10).

        It is computed once on a ranking of one passage, so that what cannot be computed is refused here and not at
        the end of a long evaluation.

        Raises:
            InvalidParameter: ir-measures does not know the name, or cannot compute it.
        """
        import ir_measures

        try:
            measure = ir_measures.parse_measure(name)
            cutoff = measure.params.get("cutoff", 1)
            if not isinstance(cutoff, int) or cutoff < 1:  # 0 would abort the process inside pytrec_eval
                raise ValueError(f"its cut-off is {cutoff}")
            tried = list(ir_measures.iter_calc([measure], {"q": {"p": 1}}, {"q": {"p": 1.0}}))
        except Exception as error:  # whatever parsers and providers raise for a measure they do not have
            raise InvalidParameter(f"{_UNKNOWN.format(name)} ({type(error).__name__}: {error})") from None
        if len(tried) != 1 or not math.isfinite(tried[0].value):
            raise InvalidParameter(_UNKNOWN.format(name))
        return cls(str(measure), measure.params.get("cutoff", 0))


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
