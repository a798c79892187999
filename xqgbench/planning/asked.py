"""What an evaluation will ask for: collections, passes over them, and generated queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xqgbench.errors import MissingData
from xqgbench.evaluation import served
from xqgbench.types import (
    Augmentation,
    Chunk,
    GeneratedChunk,
    Judgements,
    Passage,
    Query,
    Task,
    TaskCard,
    TaskVectors,
    Vectors,
)


class Asked:
    """An evaluation's languages, the collections that they are searched in, and what the augmentation wants there."""

    def __init__(self, task: Task, augmentation: Augmentation, languages: Sequence[str]) -> None:
        self.task = task
        self.label = augmentation.label
        self.languages = tuple(languages)
        #: collection -> its languages
        self.searched: dict[str, list[str]] = {}
        #: (collection, index) -> languages that the augmented retriever searches there in one pass
        self.groups: dict[tuple[str, str], list[str]] = {}
        #: collection -> language of generated queries -> how many of each passage
        self.wanted: dict[str, dict[str, int]] = {}
        for language in self.languages:
            name = task.collection(language)
            self.searched.setdefault(name, []).append(language)
            wanted = self.wanted.setdefault(name, {})
            described = _Described(task)
            if self.label and served(described, augmentation, language):
                self.groups.setdefault((name, augmentation.index(described, language)), []).append(language)
                for _ in augmentation.passages(_Recorder(described, wanted), language):
                    pass


@dataclass
class _Described(Task):
    """A task as its card describes it, without its texts: a plan can be made before they are here."""

    of: Task

    @property
    def card(self) -> TaskCard:
        return self.of.card

    def collection(self, language: str) -> str:
        return self.of.collection(language)

    def queries(self, language: str) -> Sequence[Query]:
        return ()

    def judgements(self, language: str) -> Judgements:
        return Judgements()

    def passages(self, language: str) -> Iterator[Passage]:
        return iter(())

    def generated_queries(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        return iter(())


@dataclass
class _Recorder(TaskVectors):
    """Notes the generated queries that an augmentation asks for, and has no vector."""

    of: Task
    wanted: dict[str, int]

    @property
    def task(self) -> Task:
        return self.of

    def queries(self, language: str) -> Vectors:
        return np.zeros((0, 0), dtype=np.float32)

    def passages(self, language: str) -> Iterator[Chunk]:
        return iter(())

    def generated(self, language: str, languages: Sequence[str], per_language: int) -> Iterator[GeneratedChunk]:
        for wanted in languages:
            self.wanted[wanted] = max(self.wanted.get(wanted, 0), per_language)
        return iter(())


def expected_queries(task: Task, language: str) -> int:
    """How many queries there are in a language; 0 where the card does not say and the files are not here."""
    expected = task.card.expected_queries.get(language, 0)
    try:
        return expected or len(task.queries(language))
    except MissingData:
        return 0
