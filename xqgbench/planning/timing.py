"""How fast a retriever encodes and this machine searches, from a few batches of each."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from xqgbench.encode import BATCH, CHUNK, called
from xqgbench.measures.tokens import word_tokenizer
from xqgbench.planning.sample import Collection, Texts
from xqgbench.search import QUERIES, search
from xqgbench.types import Chunk, Passage, Progress, Retriever, Vectors

T = TypeVar("T")

#: Texts that are encoded before the clock starts: the first half loads the model, the second tells how large a batch
#: may be.
WARM_UP = 8
#: Batches that the sample is cut into, so that its spread can be told.
BATCHES = 4
#: Texts that make a batch at least: one by one, they would be slower than an evaluation encodes them.
SMALLEST = 4
#: Seconds that the sample of one kind may take; a slow retriever gets a smaller one.
PATIENCE = 4.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Texts per second, and how long they were.

    Attributes:
        median, low, high: of the batches.
        texts: how many.
        characters, tokens: in the mean; tokens are NLTK's English word tokens, as R@kt counts them, which a retriever
            cuts into more of its own, and which say little where words are written together.
    """

    median: float
    low: float
    high: float
    texts: int
    characters: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Work:
    """Texts of one kind to be encoded."""

    what: str
    texts: int
    rate: Rate

    @property
    def tokens(self) -> int:
        """Tokens of all the texts, if they are as long as those timed."""
        return round(self.texts * self.rate.tokens)

    @property
    def seconds(self) -> tuple[float, float, float]:
        """At the median rate, at the fastest, at the slowest."""
        return self.texts / self.rate.median, self.texts / self.rate.high, self.texts / self.rate.low


def work_of(
    retriever: Retriever, texts: Texts, collections: Sequence[Collection], queries: int, progress: Progress
) -> tuple[Work, ...]:
    """What is to be encoded, each kind with its rate on the sample.

    Raises:
        RetrieverError: the retriever fails, or returns what no retriever may return.
    """
    info = retriever.info
    passages = sum(own.passages for own in collections)
    generated = sum(own.queries for own in collections)

    def passage_vectors(part: Sequence[Passage]) -> Vectors:
        return called(retriever.encode_passages, part, [passage.id for passage in part], info, "passage")

    def query_vectors(part: Sequence[str]) -> Vectors:
        return called(retriever.encode_queries, part, part, info, "query")

    bodies = [passage.joined(info.title_join) for passage in texts.passages]
    progress("timing passages", 0, None)
    work = [Work("passages", passages, _timed(passage_vectors, texts.passages, bodies))]
    progress("timing queries", 0, None)
    work.append(Work("queries", queries, _timed(query_vectors, texts.queries, texts.queries)))
    if texts.generated:
        progress("timing generated queries", 0, None)
        rate = _timed(query_vectors, texts.generated, texts.generated)
        work.append(Work("generated queries", generated, rate))
    return tuple(work)


def _timed(encode: Callable[[Sequence[T]], object], items: Sequence[T], texts: Sequence[str]) -> Rate:
    """Rates of a few batches, after a warm-up."""
    encode(items[: WARM_UP // 2])
    started = time.perf_counter()
    encode(items[WARM_UP // 2 : WARM_UP])
    rate = (WARM_UP - WARM_UP // 2) / max(time.perf_counter() - started, 1e-9)
    size = max(SMALLEST, min(BATCH, (len(items) - WARM_UP) // BATCHES, int(rate * PATIENCE / BATCHES)))
    rates: list[float] = []
    began, done = time.perf_counter(), WARM_UP
    while done < len(items) and (not rates or time.perf_counter() - began < PATIENCE):
        part = items[done : done + size]
        started = time.perf_counter()
        encode(part)
        rates.append(len(part) / max(time.perf_counter() - started, 1e-9))
        done += len(part)
    timed = texts[WARM_UP:done]
    tokenize = word_tokenizer()
    return Rate(
        statistics.median(rates),
        min(rates),
        max(rates),
        len(timed),
        statistics.fmean(map(len, timed)),
        statistics.fmean(len(tokenize(text)) for text in timed),
    )


def pair_seconds(dim: int, queries: int, depth: int) -> float:
    """Seconds that one pair of query and passage takes to search, on vectors of no meaning but the right shape."""
    rows = min(max(queries, 1), QUERIES)
    base = np.cos(np.arange(1, CHUNK * dim + 1, dtype=np.float64) ** 1.5).reshape(CHUNK, dim).astype(np.float32)
    asked = np.resize(np.ascontiguousarray(base[:, ::-1]), (rows, dim))
    moments: list[float] = []

    def chunks() -> Iterator[Chunk]:
        for number in range(4):
            vectors = base * np.float32(0.9**number)
            moments.append(time.perf_counter())
            yield [f"{number}-{row:05d}" for row in range(CHUNK)], vectors

    search(asked, chunks(), depth)
    later = [b - a for a, b in itertools.pairwise(moments)][1:]  # the first chunk has every passage as a candidate
    return statistics.median(later) / (rows * CHUNK)
