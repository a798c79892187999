"""A task with the generated queries of another file: ``--generated-queries FILE``.

The records are those of the published xQG data set: ``docid``, ``generated_queries: {language: [query, ...]}``.
Passages stream, and the records beside them: a record is kept only until its passage comes, so that files in the order
of the collection, however large, take no memory.
"""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xqgbench.errors import DataError, InvalidParameter, MissingData, UnknownName
from xqgbench.files import sha256_of_content
from xqgbench.registry import import_object
from xqgbench.types import Judgements, Passage, Query, Task, TaskCard

#: Records that may wait for their passages. Beyond it the file has to be sorted like the collection.
WAITING = 500_000
#: What reads a file: path -> (line, docid, language -> queries).
_RECORDS = "xqgbench.formats.records:generated_records"

Generated = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _File:
    """A file of records, and the sorted hashes of the passages that it has records of."""

    path: Path
    hashes: np.ndarray[tuple[int], np.dtype[np.int64]]
    languages: frozenset[str]

    def has(self, id_: str) -> bool:
        hashed = hash(id_)
        place = int(np.searchsorted(self.hashes, hashed))
        return place < len(self.hashes) and int(self.hashes[place]) == hashed


def joined(task: Task, files: Path | Mapping[str, Path]) -> Task:
    """The task with the generated queries of a file instead of its own.

    Args:
        files: the file, or language -> file where languages have passages of their own; languages without a file have
            no generated queries then.

    Raises:
        MissingData: there is no such file.
        UnknownName: a language that the task does not have.
        DataError: a record is malformed, an id recurs, or no record has a generated query.
    """
    given = {"": files} if isinstance(files, Path) else files
    for language in given:
        if language and language not in task.card.query_languages:
            raise UnknownName(f"language of {task.card.name}", language, task.card.query_languages)
    read = {language: _read(path) for language, path in given.items()}
    languages = tuple(sorted(frozenset().union(*(own.languages for own in read.values()))))
    named = ",".join(
        f"{language}{'=' if language else ''}{own.path.name}#{sha256_of_content(own.path)[:8]}"
        for language, own in read.items()
    )
    card = dataclasses.replace(task.card, generated_languages=languages, generated_by=named)
    return Joined(card, task, read)


def _read(path: Path) -> _File:
    if not path.is_file():
        raise MissingData(f"--generated-queries {path} is no file.")
    ids, languages = array("q"), set[str]()
    lines = array("q")
    for line, docid, generated in import_object(_RECORDS)(path):
        ids.append(hash(docid))
        lines.append(line)
        languages.update(language for language, queries in generated.items() if queries)
    if not languages:
        raise DataError("no record has a generated query.", path)
    hashes = np.array(ids, dtype=np.int64)
    order = np.argsort(hashes, kind="stable")
    again = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    if len(again):
        first, second = lines[int(order[again[0]])], lines[int(order[again[0] + 1])]
        raise DataError(f"the passage of line {first} has a second record.", path, second)
    return _File(path, hashes[order], frozenset(languages))


@dataclass
class Joined:
    """A task whose generated queries come from files; implements ``types.Task``."""

    card: TaskCard
    task: Task
    files: Mapping[str, _File]
    _collections: set[str] = field(default_factory=set)

    def collection(self, language: str) -> str:
        return self.task.collection(language)

    def queries(self, language: str) -> Sequence[Query]:
        return self.task.queries(language)

    def judgements(self, language: str) -> Judgements:
        return self.task.judgements(language)

    def passages(self, language: str) -> Iterator[Passage]:
        return self.task.passages(language)

    def generated_queries(self, language: str) -> Iterator[Generated]:
        if "" not in self.files:
            file = self.files.get(language)
            return self._streamed(language, file) if file else ({} for _ in self.task.passages(language))
        self._collections.add(self.collection(language))
        if len(self._collections) > 1:
            raise InvalidParameter(
                f"generated queries of {self.files[''].path}: a file is for one collection, as ids recur in another. "
                f"Give one for each language of '{self.card.name}', LANGUAGE=FILE, or name those that search the same "
                f"one with --languages."
            )
        return self._streamed(language, self.files[""])

    def _streamed(self, language: str, file: _File) -> Iterator[Generated]:
        records = import_object(_RECORDS)(file.path)
        waiting: dict[str, Generated] = {}
        matched = 0
        for passage in self.task.passages(language):
            id_ = passage.id
            if id_ not in waiting and not file.has(id_):
                yield {}
                continue
            while id_ not in waiting:
                record = next(records, None)
                if record is None:
                    break  # two ids of one hash: this one has no record
                line, docid, generated = record
                waiting[docid] = generated
                if len(waiting) > WAITING:
                    raise DataError(
                        f"its order differs too much from that of the passages: {WAITING:,} records came before their "
                        f"passages. Sort it like the collection of '{self.card.name}'.",
                        file.path,
                        line,
                    )
            matched += id_ in waiting
            yield waiting.pop(id_, {})
        if not matched:
            raise DataError(f"none of its records is of a passage of '{self.card.name}'.", file.path)
