"""R@<N>kt: is an accepted answer within the first N x 1000 tokens of the retrieved text?

Definition (XOR-Retrieve's official evaluation script, github.com/AkariAsai/XORQA): walk down the ranking, tokenise
each passage's text (without its title), collect tokens until the budget is reached, cut there, join with single
spaces; the question is a hit if any accepted answer is a case-sensitive substring of that string. Answers "yes" and
"no" do not count, and a question left without answers is not scored.

A hit within a budget is a hit within every larger one, so one walk that notes where the first answer ends gives every
budget.
"""

from __future__ import annotations

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
    cutoff: int = 0
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
    run: Run,
    answers: Mapping[str, tuple[str, ...]],
    texts: Mapping[str, str],
    limit: int,
    tokenised: dict[str, str] | None = None,
) -> dict[str, FirstHit]:
    """First hits within ``limit`` tokens: query id -> hit; queries without one are left out.

    Args:
        texts: passage id -> text, for every passage in the run.
        tokenised: passage id -> its tokens joined by spaces, filled as needed; pass one dictionary for all runs over
            a collection, and each of its passages is tokenised once.
    """
    tokenize = word_tokenizer()
    tokenised = {} if tokenised is None else tokenised
    found: dict[str, FirstHit] = {}
    for query, ranking in run.items():
        accepted = countable(answers.get(query, ()))
        overlap = max(map(len, accepted), default=0)
        joined, count = "", 0
        for rank, passage in enumerate(ranking.passage_ids if accepted else (), 1):
            if passage not in tokenised:
                tokenised[passage] = " ".join(tokenize(texts[passage]))
            start = max(0, len(joined) - overlap)  # an answer may begin in one passage and end in the next
            joined = " ".join(filter(None, (joined, tokenised[passage])))
            end = _first_end(joined, accepted, start)
            count = joined.count(" ", 0, end or len(joined)) + bool(joined)  # no token holds a space
            if end and count <= limit:
                found[query] = FirstHit(rank, count)
            if end or count >= limit:
                break
    return found


def _first_end(joined: str, answers: tuple[str, ...], start: int) -> int:
    """The smallest offset at which an answer that begins at ``start`` or later ends; 0 if there is none."""
    starts = ((joined.find(answer, start), len(answer)) for answer in answers)
    return min((place + length for place, length in starts if place >= 0), default=0)
