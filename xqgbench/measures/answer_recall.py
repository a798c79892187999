"""R@<N>kt: is an accepted answer within the first N x 1000 tokens of the retrieved text?

Definition (XOR-Retrieve's official evaluation script, github.com/AkariAsai/XORQA): walk down the ranking, tokenise
each passage's text (without its title), collect tokens until the budget is reached, cut there, join with single
spaces; the question is a hit if any accepted answer is a case-sensitive substring of that string. Answers "yes" and
"no" do not count, and a question left without answers is not scored.

A hit within a budget is a hit within every larger one, so one walk that notes where the first answer ends gives every
budget.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from xqgbench.measures.tokens import word_tokenizer
from xqgbench.types import Run


@dataclass(frozen=True, slots=True)
class FirstHit:
    """Where the first accepted answer of a ranking ends.

    Attributes:
        rank: rank, from 1, of the passage that completes it.
        tokens: how many tokens of the ranking hold it, the smallest budget that makes it a hit.
    """

    rank: int
    tokens: int


@dataclass(frozen=True, slots=True)
class AnswerRecall:
    """R@<N>kt with a budget of ``tokens`` tokens."""

    name: str
    tokens: int
    needs: str = "answers"

    def score(self, answers: Mapping[str, tuple[str, ...]], hits: Mapping[str, FirstHit]) -> dict[str, float]:
        """Query id -> 1.0 or 0.0 for every query with a countable answer, whether the run has it or not."""
        return {
            query: float(query in hits and hits[query].tokens <= self.tokens)
            for query, accepted in answers.items()
            if countable(accepted)
        }


def countable(answers: tuple[str, ...]) -> tuple[str, ...]:
    """Answers that the measure looks for: all but "yes" and "no"."""
    return tuple(answer for answer in answers if answer not in ("yes", "no"))


def first_hits(
    run: Run, answers: Mapping[str, tuple[str, ...]], texts: Mapping[str, str], limit: int
) -> dict[str, FirstHit]:
    """First hits within ``limit`` tokens: query id -> hit; queries without one are left out.

    Args:
        texts: passage id -> text, for every passage in the run; each distinct passage is tokenised once.
    """
    tokenize = word_tokenizer()
    tokenised: dict[str, list[str]] = {}
    found: dict[str, FirstHit] = {}
    for query, ranking in run.items():
        accepted = countable(answers.get(query, ()))
        if not accepted:
            continue
        tokens: list[str] = []
        ends: list[int] = []  # tokens collected after each passage
        for passage in ranking.passage_ids:
            if passage not in tokenised:
                tokenised[passage] = tokenize(texts[passage])
            tokens += tokenised[passage]
            ends.append(len(tokens))
            if len(tokens) >= limit:
                break
        position = _first_end(tokens[:limit], accepted)
        if position:
            found[query] = FirstHit(bisect_left(ends, position) + 1, position)
    return found


def _first_end(tokens: list[str], answers: tuple[str, ...]) -> int:
    """The smallest number of leading tokens whose join holds an answer; 0 if there is none."""
    joined = " ".join(tokens)
    starts = ((joined.find(answer), len(answer)) for answer in answers)
    end = min((start + length for start, length in starts if start >= 0), default=-1)
    if end < 0:
        return 0
    reach, count = -1, 0
    while reach < end and count < len(tokens):
        reach += len(tokens[count]) + 1
        count += 1
    return count
