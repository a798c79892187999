"""Measures as values: ``parse("nDCG@10")`` gives an object that scores runs and prints as its name.

Two families are known: rank measures, computed by ir-measures from relevance judgements, and R@<N>kt, the share of
questions whose answer stands within the first N x 1000 tokens of the retrieved text (XOR-Retrieve's measure).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from xqgbench.errors import InvalidParameter
from xqgbench.measures.answer_recall import AnswerRecall, FirstHit, countable, first_hits
from xqgbench.measures.ranked import RankMeasure, score_ranked
from xqgbench.types import Judgements, Run

__all__ = ["AnswerRecall", "FirstHit", "RankMeasure", "answer_hits", "countable", "parse", "score", "unjudged"]

_ANSWER_RECALL = re.compile(r"R@(\d{1,9}(?:\.\d{1,9})?)kt", re.ASCII)


@functools.cache  # a rank measure is tried when it is parsed, and every evaluation parses its card's measures again
def parse(name: str) -> RankMeasure | AnswerRecall:
    """A measure from its name: any ir-measures name (nDCG@10, RR@100, R@100 ...), or R@<N>kt (R@2kt, R@0.5kt).

    Raises:
        InvalidParameter: the name is not a measure.
    """
    match = _ANSWER_RECALL.fullmatch(name)
    if match:
        tokens = Decimal(match[1]) * 1000
        if tokens < 1 or tokens != int(tokens):
            raise InvalidParameter(
                f"measure '{name}' must look at a whole number of tokens; the smallest is R@0.001kt."
            )
        return AnswerRecall(f"R@{Decimal(match[1]).normalize():f}kt", int(tokens))
    return RankMeasure.parse(name)


def score(
    measures: Sequence[RankMeasure | AnswerRecall], run: Run, judgements: Judgements, hits: Mapping[str, FirstHit]
) -> dict[str, dict[str, float]]:
    """Per-query scores of one language: measure name -> query id -> score.

    The judgements set the denominator: a judged query that the run lacks scores 0.

    Args:
        hits: first hits from ``first_hits``; needed by answer measures only.
    """
    ranked = [m for m in measures if isinstance(m, RankMeasure)]
    scores = score_ranked(ranked, run, judgements.qrels) if ranked else {}
    for measure in measures:
        if isinstance(measure, AnswerRecall):
            scores[measure.name] = measure.score(judgements.answers, hits)
    return {measure.name: scores[measure.name] for measure in measures}


def unjudged(measures: Sequence[RankMeasure | AnswerRecall], judgements: Judgements) -> list[str]:
    """Names of the measures that could judge no query of a language, and so would have no mean there."""
    judged = {"qrels": bool(judgements.qrels), "answers": any(map(countable, judgements.answers.values()))}
    return [measure.name for measure in measures if not judged[measure.needs]]


def answer_hits(
    measures: Sequence[RankMeasure | AnswerRecall],
    run: Run,
    judgements: Judgements,
    texts: Mapping[str, str],
    tokenised: dict[str, str] | None = None,
) -> dict[str, FirstHit]:
    """First hits of every query, as deep as the largest budget among ``measures`` looks; see ``first_hits``."""
    budgets = [m.tokens for m in measures if isinstance(m, AnswerRecall)]
    return first_hits(run, judgements.answers, texts, max(budgets), tokenised) if budgets else {}
