"""The first texts of a task: what its collections look like, and what a retriever is timed on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from xqgbench import tasks
from xqgbench.census import likely_passages
from xqgbench.errors import MissingData
from xqgbench.planning.asked import Asked
from xqgbench.types import Passage, Progress, Task

T = TypeVar("T")

#: Passages that reading speed, and the number of generated queries per passage, come from.
LOOK = 2_000


@dataclass
class Collection:
    """A collection as far as it was looked at.

    Attributes:
        first: the first passages; empty if they are not here.
        wanted: language of generated queries -> how many of each passage.
        passages, known_from: how many there are, and how that is known; see ``census.Collection``.
        generated: the first generated queries, of every wanted language.
        per_passage: how many generated queries a passage has, in all wanted languages.
        passage_seconds, generated_seconds: what reading one passage, or the generated queries of one, takes.
    """

    name: str
    wanted: Mapping[str, int]
    passages: int
    known_from: str
    per_passage: float
    first: list[Passage] = field(default_factory=list)
    generated: list[str] = field(default_factory=list)
    passage_seconds: float = 0.0
    generated_seconds: float = 0.0

    @property
    def queries(self) -> int:
        """Generated queries that will be encoded."""
        return round(self.passages * self.per_passage)


def looked_at(asked: Asked, name: str, progress: Progress) -> Collection:
    """A collection and its first passages; one whose number of passages nobody says is counted, if it is here."""
    language, wanted = asked.searched[name][0], asked.wanted[name]
    passages, known_from = likely_passages(asked.task.card, language)
    found = Collection(name, wanted, passages, known_from if passages else "unknown", sum(wanted.values()))
    try:
        progress("looking at passages", 0, None)  # the first of a large file waits for its hash
        found.first, found.passage_seconds = _first(asked.task.passages(language))
        if wanted:
            rows, found.generated_seconds = _first(asked.task.generated_queries(language))
            cut = [[own.get(other, ())[:most] for other, most in wanted.items()] for own in rows]
            found.generated = [query for own in cut for queries in own for query in queries]
            found.per_passage = len(found.generated) / max(len(rows), 1)
        if not passages:
            found.passages, found.known_from = _number(asked.task.passages(language), progress), "counted"
    except MissingData:
        pass  # planned with what the card says
    return found


def _first(stream: Iterator[T]) -> tuple[list[T], float]:
    """The first items, and the seconds that one takes; opening the file and checking its hash is left out."""
    found = list(itertools.islice(stream, 1))
    started = time.perf_counter()
    found += itertools.islice(stream, LOOK - 1)
    return found, (time.perf_counter() - started) / max(len(found) - 1, 1)


def _number(passages: Iterator[Passage], progress: Progress) -> int:
    count = 0
    for count, _ in enumerate(passages, 1):
        if count % LOOK == 0:
            progress("counting passages", count, None)
    return count


@dataclass(frozen=True)
class Texts:
    """What is timed; each list has as many as were asked for, some of them repeated if there are fewer."""

    passages: Sequence[Passage]
    queries: Sequence[str]
    generated: Sequence[str]


def texts_of(asked: Asked, collections: Sequence[Collection], number: int) -> tuple[Texts, bool]:
    """Texts to time, spread over collections and languages, and whether some are the bundled task's."""
    wanted = any(own.wanted for own in collections)
    passages = _spread([own.first for own in collections], number)
    queries = _spread([_queries(asked.task, language) for language in asked.languages], number)
    generated = _spread([own.generated for own in collections], number) if wanted else []
    if passages and queries and (generated or not wanted):
        return Texts(passages, queries, generated), False
    other = tasks.open_task(tasks.DEFAULT_TASK)
    language = other.card.languages[0]
    made = [[q for own in other.generated_queries(language) for queries in own.values() for q in queries]]
    return Texts(
        passages or _spread([list(other.passages(language))], number),
        queries or _spread([_queries(other, own) for own in other.card.languages], number),
        generated or (_spread(made, number) if wanted else []),
    ), True


def _queries(task: Task, language: str) -> list[str]:
    try:
        return [query.text for query in task.queries(language)]
    except MissingData:
        return []


def _spread(lists: Sequence[Sequence[T]], number: int) -> list[T]:
    """``number`` items, the first ones of every list in turns; again from the start where there are not so many."""
    turns = [
        item for row in itertools.zip_longest(*(own[:number] for own in lists)) for item in row if item is not None
    ]
    return list(itertools.islice(itertools.cycle(turns), number)) if turns else []
