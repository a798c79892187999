"""The plan of an evaluation: time, disk and memory put together."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xqgbench import measures as known_measures
from xqgbench import tasks
from xqgbench.encode import CHUNK, identity
from xqgbench.evaluation import DEFAULT_DEPTH, chosen_languages
from xqgbench.planning.asked import Asked, expected_queries
from xqgbench.planning.sample import Collection, looked_at, texts_of
from xqgbench.planning.timing import WARM_UP, Work, pair_seconds, work_of
from xqgbench.search import QUERIES
from xqgbench.store import Store, default_root
from xqgbench.types import Augmentation, Progress, Retriever, Task, silent

#: Texts of each kind that are timed, unless told otherwise.
SAMPLE = 64
#: Bytes that checking a collection for repeated ids takes per passage: a hash, room to grow, a mark where two agree.
ID_BYTES = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What an evaluation will take.

    Attributes:
        passages: how many, in all collections; 0 where nobody knows.
        known_from: ``card``, ``about`` (roughly, from the card), ``counted`` or ``unknown``.
        work: what is encoded.
        reading: seconds of reading passages and generated queries, all passes together; None if it was not timed.
        passes: how often a passage is read.
        disk: bytes that the store will take; ``free`` there are at its place, and ``stored`` hold vectors of this
            retriever already (of this task or others).
        memory: part -> bytes.
        warnings: what stands in the way.
        notes: how far the numbers go.
    """

    task: str
    version: str
    system: str
    languages: tuple[str, ...]
    passages: int
    known_from: str
    queries: int
    generated: int
    work: tuple[Work, ...]
    reading: float | None
    passes: float
    searching: float
    store: Path
    disk: int
    free: int
    stored: int
    memory: Mapping[str, int]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def seconds(self) -> tuple[float, float, float]:
        """All of it: at median rates, at the fastest, at the slowest."""
        rest = (self.reading or 0.0) + self.searching
        usual, least, most = (sum(column) for column in zip(*(work.seconds for work in self.work), strict=True))
        return usual + rest, least + rest, most + rest

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        names = ("usual", "least", "most")
        work = [
            asdict(own) | {"tokens": own.tokens, "seconds": dict(zip(names, own.seconds, strict=True))}
            for own in self.work
        ]
        seconds = dict(zip(names, self.seconds, strict=True))
        return asdict(self) | {"store": str(self.store), "work": work, "seconds": seconds}


def plan(
    retriever: Retriever,
    task: Task,
    augmentation: Augmentation,
    languages: Sequence[str] | None = None,
    *,
    depth: int = DEFAULT_DEPTH,
    store: Path | None = None,
    sample: int = SAMPLE,
    progress: Progress = silent,
) -> Plan:
    """Plan an evaluation of a retriever, plain and with an augmentation; arguments as for ``evaluation.evaluate``.

    Args:
        sample: texts of each kind that are timed.

    Raises:
        UnknownName: a language that the task does not have.
        MissingError: the task lacks what the augmentation needs. Files that are not here are no error.
        RetrieverError: the retriever fails on the sample.
    """
    asked = Asked(task, augmentation, chosen_languages(task.card, languages))
    collections = [looked_at(asked, name, progress) for name in asked.searched]
    queries = sum(expected_queries(task, language) for language in asked.languages)
    texts, bundled = texts_of(asked, collections, sample + WARM_UP)
    work = work_of(retriever, texts, collections, queries, progress)
    return _put_together(retriever, asked, collections, queries, work, bundled, depth, store)


def _put_together(
    retriever: Retriever,
    asked: Asked,
    collections: Sequence[Collection],
    queries: int,
    work: tuple[Work, ...],
    bundled: bool,
    depth: int,
    store: Path | None,
) -> Plan:
    root, dim, card = Path(store) if store else default_root(), retriever.info.dim, asked.task.card
    passages = sum(own.passages for own in collections)
    disk = 4 * dim * (queries + sum(own.passages * (1 + len(own.wanted)) for own in collections))
    free = shutil.disk_usage(
        next(place for place in (root.absolute(), *root.absolute().parents) if place.exists())
    ).free
    seconds, passes = _reading(asked, collections)
    stored = _stored(Store(root, retriever.info.name, identity(retriever)).folder)
    memory = _memory(asked, collections, work, queries, dim, depth)
    return Plan(
        task=card.name,
        version=card.version,
        system="+".join(filter(None, (retriever.info.name, asked.label))),
        languages=asked.languages,
        passages=passages,
        known_from=_surest([own.known_from for own in collections]),
        queries=queries,
        generated=sum(own.queries for own in collections),
        work=work,
        reading=seconds if any(own.first for own in collections) else None,
        passes=passes,
        searching=_pairs(asked, collections) * pair_seconds(dim, queries, depth),
        store=root,
        disk=disk,
        free=free,
        stored=stored,
        memory=memory,
        warnings=_warnings(disk, free, sum(memory.values())),
        notes=_notes(collections, bundled),
    )


def _surest(sources: Sequence[str]) -> str:
    """How the sum of numbers is known: as well as the worst of them."""
    return max(sources, key=("counted", "card", "about", "unknown").index)


def _reading(asked: Asked, collections: Sequence[Collection]) -> tuple[float, float]:
    """Seconds of reading, and how often a passage is read: to check judgements, to encode, and for answers' texts."""
    needs = {known_measures.parse(name).needs for name in asked.task.card.measures}
    systems = 1 + bool(asked.label)
    seconds = total = 0.0
    for own in collections:
        groups = sum(name == own.name for name, _ in asked.groups)
        passes = ("qrels" in needs) + 1 + groups * (1 + bool(own.wanted)) + systems * ("answers" in needs)
        seconds += own.passages * (passes * own.passage_seconds + groups * own.generated_seconds)
        total += own.passages * passes
    return seconds, total / max(sum(own.passages for own in collections), 1)


def _pairs(asked: Asked, collections: Sequence[Collection]) -> float:
    """Pairs of query and passage that are compared, plain and augmented."""
    size = {own.name: own.passages for own in collections}
    searches = [*asked.searched.items(), *((name, own) for (name, _), own in asked.groups.items())]
    return sum(size[name] * sum(expected_queries(asked.task, language) for language in own) for name, own in searches)


def _memory(
    asked: Asked, collections: Sequence[Collection], work: Sequence[Work], queries: int, dim: int, depth: int
) -> dict[str, int]:
    """Part -> bytes at the peak."""
    languages = max((len(own.wanted) for own in collections), default=0)
    most = max((most for own in collections for most in own.wanted.values()), default=0)
    largest = max((own.passages for own in collections), default=0)
    characters = {own.what: own.rate.characters for own in work}
    per_passage = max((own.per_passage for own in collections), default=0.0)
    body = characters["passages"] + per_passage * characters.get("generated queries", 0.0)
    found = {
        "process with the model": _resident(),
        "vectors of a chunk": CHUNK * dim * 4 * (2 + languages + most),
        "texts of a chunk": round(CHUNK * body * 2),
        "queries and candidates": queries * (dim * 4 + depth * 100) + min(queries, QUERIES) * CHUNK * 5,
        "passage ids": largest * ID_BYTES,
    }
    if any(known_measures.parse(name).needs == "answers" for name in asked.task.card.measures):
        texts = min(queries * depth, sum(own.passages for own in collections))
        found["retrieved texts"] = round(texts * characters["passages"] * 4)
    return found


def _resident() -> int:
    """Bytes of memory that this process has now, or had at most where the system does not say."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.npy")) if folder.is_dir() else 0


def _warnings(disk: int, free: int, memory: int) -> tuple[str, ...]:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return tuple(
        f"{what} {needed / 1e9:,.1f} GB are needed, {has / 1e9:,.1f} GB are {kind}."
        for what, needed, has, kind in (
            ("The disk of the store is too small:", disk, free, "free (another place: --store DIR)"),
            ("Memory may be too small:", memory, there, "built in"),
        )
        if needed > has
    )


def _notes(collections: Sequence[Collection], bundled: bool) -> tuple[str, ...]:
    notes = []
    if bundled:
        notes.append(
            f"Texts of the task that are not here were replaced by those of {tasks.DEFAULT_TASK} in the sample."
        )
    if not any(own.first for own in collections):
        notes.append("The collection is not here: reading it could not be timed and is not in the total.")
        if any(own.wanted for own in collections):
            notes.append("Generated queries: as many per passage and language as are used at most.")
    if any(own.known_from == "unknown" for own in collections):
        notes.append("Nobody says how many passages there are: totals are without them.")
    return tuple(notes)
