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

from xqgbench.measures.parallel import tokeniser
from xqgbench.types import Run

#: Ranks that all questions together walk at a time, at most, where workers want to be kept busy.
MOST_RANKS = 8


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

    All questions walk down their rankings together, so that there are always passages enough to tokenise on all cores
    where there is much to do. One core takes a rank at a time and tokenises no passage that the definition would not;
    several take a few ranks at a time, and tokenise some passages in vain.

    Args:
        texts: passage id -> text, for every passage in the run.
        tokenised: passage id -> its tokens joined by spaces, filled as needed; pass one dictionary for all runs over
            a collection, and each of its passages is tokenised once.
    """
    tokenised = {} if tokenised is None else tokenised
    walks: dict[str, _Walk] = {}
    for query, ranking in run.items():
        if accepted := countable(answers.get(query, ())):
            walks[query] = _Walk(ranking.passage_ids, accepted)
    ahead_of_all = {passage for walk in walks.values() for passage in walk.passages}
    with tokeniser(len(ahead_of_all - tokenised.keys())) as tokenise:
        going = list(walks.values())
        while going:
            ranks = max(1, min(MOST_RANKS, tokenise.batch // len(going)))
            ahead = dict.fromkeys(passage for walk in going for passage in walk.ahead(ranks))
            new = [passage for passage in ahead if passage in texts and passage not in tokenised]
            tokenised.update(zip(new, tokenise([texts[passage] for passage in new]), strict=True))
            going = [walk for walk in going if walk.go(ranks, tokenised, limit)]
    return {query: walk.hit for query, walk in walks.items() if walk.hit}


@dataclass(slots=True)
class _Walk:
    """One question's way down its ranking, as far as it has come.

    Attributes:
        rank: ranks behind it.
        tail: the last characters of their joined tokens, in which an answer may begin that ends further down.
        passed: how many characters stand before the tail.
        spaces: how many of these are spaces. No token holds a space, so spaces count tokens.
    """

    passages: tuple[str, ...]
    answers: tuple[str, ...]
    hit: FirstHit | None = None
    rank: int = 0
    tail: str = ""
    passed: int = 0
    spaces: int = 0

    def ahead(self, ranks: int) -> tuple[str, ...]:
        return self.passages[self.rank : self.rank + ranks]

    def go(self, ranks: int, tokenised: Mapping[str, str], limit: int) -> bool:
        """Walk on; whether it goes on from there: there are more passages, no answer so far, and tokens left."""
        for passage in self.ahead(ranks):
            self.rank += 1
            tokens = tokenised[passage]
            begun = bool(self.passed or self.tail)
            joined = f"{self.tail} {tokens}" if begun and tokens else self.tail + tokens
            end = _first_end(joined, self.answers)
            found = end >= 0 and self.passed + end > 0
            count = self.spaces + joined.count(" ", 0, end if found else len(joined)) + bool(begun or tokens)
            if found and count <= limit:
                self.hit = FirstHit(self.rank, count)
            if found or count >= limit:
                return False
            cut = max(0, len(joined) - max(map(len, self.answers)))
            self.spaces += joined.count(" ", 0, cut)
            self.passed, self.tail = self.passed + cut, joined[cut:]
        return self.rank < len(self.passages)


def _first_end(joined: str, answers: tuple[str, ...]) -> int:
    """The smallest offset at which an answer ends; -1 if there is none."""
    places = ((joined.find(answer), len(answer)) for answer in answers)
    return min((place + length for place, length in places if place >= 0), default=-1)
