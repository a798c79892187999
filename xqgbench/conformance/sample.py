"""The first passages of a task, and vectors for them that need no model: what augmentations are checked with."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xqgbench.encode import batched
from xqgbench.fusion import reduce_queries
from xqgbench.types import Chunk, GeneratedChunk, Judgements, Passage, Query, Task, TaskCard, Vectors

#: How many passages there are.
PASSAGES = 50


@dataclass(frozen=True)
class First:
    """The first passages of each collection of a task, and all else of it; implements ``types.Task``."""

    task: Task

    @property
    def card(self) -> TaskCard:
        return self.task.card

    def collection(self, language: str) -> str:
        return self.task.collection(language)

    def queries(self, language: str) -> Sequence[Query]:
        return self.task.queries(language)

    def judgements(self, language: str) -> Judgements:
        return self.task.judgements(language)

    def passages(self, language: str) -> Iterator[Passage]:
        return itertools.islice(self.task.passages(language), PASSAGES)

    def generated_queries(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        return itertools.islice(self.task.generated_queries(language), PASSAGES)


@dataclass(frozen=True)
class HashedVectors:
    """A vector of unit length for every text, made from its hash; implements ``types.TaskVectors``.

    Attributes:
        chunk: passages per chunk.
    """

    task: Task
    chunk: int

    def queries(self, language: str) -> Vectors:
        return hashed([query.text for query in self.task.queries(language)])

    def passages(self, language: str) -> Iterator[Chunk]:
        for passages in batched(self.task.passages(language), self.chunk):
            yield [passage.id for passage in passages], hashed([passage.joined(" ") for passage in passages])

    def generated(self, language: str, languages: Sequence[str], per_language: int) -> Iterator[GeneratedChunk]:
        for rows in batched(self.task.generated_queries(language), self.chunk):
            own = {name: [list(row.get(name, ()))[:per_language] for row in rows] for name in languages}
            counts = {name: np.array([len(texts) for texts in lists], np.int64) for name, lists in own.items()}
            means = {
                name: reduce_queries(hashed(list(itertools.chain.from_iterable(lists))), counts[name])
                for name, lists in own.items()
            }
            yield GeneratedChunk(means, counts)


def hashed(texts: Sequence[str]) -> Vectors:
    """A vector of 64 dimensions and unit length per text, (texts, 64)."""
    digests = b"".join(hashlib.blake2b(text.encode()).digest() for text in texts)
    vectors = np.frombuffer(digests, np.uint8).reshape(len(texts), 64).astype(np.float32) - 127.5
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
