"""A task made of files: queries and judgements in memory, passages as a stream.

A format says how its files are read (``Reading``); what all of them have in common stands here: languages, expected
counts, ids that must be distinct, judgements of passages that must exist.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xqgbench.errors import DataError, MissingData, UnknownName
from xqgbench.types import Files, Judgements, Passage, Query, TaskCard


class Question(NamedTuple):
    """A query, its accepted answers, and where it stands."""

    query: Query
    answers: tuple[str, ...]
    path: Path | str
    line: int


class Located(NamedTuple):
    """A passage and where it stands."""

    path: Path | str
    line: int
    passage: Passage


class Judged(NamedTuple):
    """Judgements (query id -> passage id -> grade) and the file they stand in."""

    qrels: Mapping[str, Mapping[str, int]]
    path: Path | str


@dataclass(frozen=True, slots=True)
class Reading:
    """How a format reads its files.

    Attributes:
        questions: language -> its questions, in file order.
        passages: language -> the passages it is searched in, as a stream.
        collection: language -> name of that collection.
        place: language -> what to name where the collection as a whole is wrong.
        qrels: language -> its judgements, of known questions alone; None if there are only answers.
        generated: language -> generated queries per passage, aligned with ``passages``; None if there are none.
        judged_only: questions without a relevant passage are left out, as where one file holds all splits.
        sample: the collection is a sample; judgements of passages that it lacks are left out. Goes with judged_only.
        training: training questions of all languages; None if the card has none.
    """

    questions: Callable[[str], Iterable[Question]]
    passages: Callable[[str], Iterator[Located]]
    collection: Callable[[str], str]
    place: Callable[[str], Path | str]
    qrels: Callable[[str], Judged] | None = None
    generated: Callable[[str], Iterator[Mapping[str, Sequence[str]]]] | None = None
    judged_only: bool = False
    sample: bool = False
    training: Callable[[], Iterable[Question]] | None = None


class FileTask:
    """A card and a reading; implements ``types.Task`` and ``types.Countable``. Passages are read at every call."""

    def __init__(self, card: TaskCard, reading: Reading) -> None:
        self.card = card
        self._reading = reading
        self._questions: dict[str, Mapping[str, Question]] = {}
        self._qrels: dict[str, Judged] = {}
        #: collection -> judged passages that it lacks; a collection that stands here has been read whole and is sound
        self._absent: dict[str, set[str]] = {}

    def collection(self, language: str) -> str:
        return self._reading.collection(language)

    def queries(self, language: str) -> Sequence[Query]:
        return tuple(question.query for question in self._own(language).values())

    def judgements(self, language: str) -> Judgements:
        return self._judgements(language, self._judged)

    def filed_judgements(self, language: str) -> Judgements:
        """As ``judgements``, without reading the collection to see that every judged passage exists."""
        return self._judgements(language, self._judged if self._reading.sample else self._file_qrels)

    def training(self) -> Iterator[tuple[Query, tuple[str, ...]]]:
        for question in self._reading.training() if self._reading.training else ():
            yield question.query, question.answers

    def _judgements(self, language: str, judged_in: Callable[[str], Judged]) -> Judgements:
        questions = self._own(language)
        answers = {id_: question.answers for id_, question in questions.items() if question.answers}
        if self._reading.qrels is None:
            return Judgements(answers={id_: question.answers for id_, question in questions.items()})
        judged = judged_in(language)
        qrels = {id_: grades for id_, grades in judged.qrels.items() if id_ in questions}
        if not qrels:
            raise DataError(f"no question in '{language}' is judged.", judged.path)
        return Judgements(qrels, answers)

    def passages(self, language: str) -> Iterator[Passage]:
        if self.collection(language) in self._absent:  # read whole before, and found sound
            yield from (passage for _, _, passage in self._reading.passages(language))
            return
        ids = array("q")
        append = ids.append
        for _, _, passage in self._reading.passages(language):
            append(hash(passage.id))  # eight bytes a passage, where a set of all ids would take a hundred
            yield passage
        self._sound(language, ids)

    def generated_queries(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        if self._reading.generated is None:
            return (_NONE for _ in self._reading.passages(language))
        return self._reading.generated(language)

    def _own(self, language: str) -> Mapping[str, Question]:
        """Question id -> question; read once."""
        if language not in self.card.query_languages:
            raise UnknownName(f"language of {self.card.name}", language, self.card.query_languages)
        if language not in self._questions:
            self._questions[language] = self._read(language)
        return self._questions[language]

    def _read(self, language: str) -> Mapping[str, Question]:
        found: dict[str, Question] = {}
        path: Path | str = _asked_in(self.card)
        for question in self._reading.questions(language):
            path, id_ = question.path, question.query.id
            if id_ in found:
                reason = f"question id '{id_}' occurs twice in language '{language}'."
                raise DataError(reason, question.path, question.line)
            found[id_] = question
        if self._reading.judged_only:
            qrels = self._judged(language).qrels if self._reading.sample else self._file_qrels(language).qrels
            found = {id_: q for id_, q in found.items() if any(grade > 0 for grade in qrels.get(id_, {}).values())}
        expected = self.card.expected_queries.get(language, max(len(found), 1))
        if len(found) != expected:
            message = f"{len(found)} questions in '{language}', where the card expects at least one."
            if language in self.card.expected_queries:
                message = f"{len(found)} questions in '{language}', but the card expects {expected}."
            raise DataError(message, path)
        return found

    def _judged(self, language: str) -> Judged:
        """The judgements of a language, of passages that exist."""
        judged, name = self._file_qrels(language), self.collection(language)
        if name not in self._absent:
            try:
                self._survey(language)
            except MissingData:  # runs made elsewhere can be scored without the collection
                if self._reading.sample:
                    raise
                return judged
        absent = self._absent[name]
        if not absent:
            return judged
        if not self._reading.sample:
            for query, grades in judged.qrels.items():
                for passage in grades:
                    if passage in absent:
                        reason = f"query '{query}' judges passage '{passage}', which is not in the collection."
                        raise DataError(reason, judged.path)
        kept = {q: {p: g for p, g in grades.items() if p not in absent} for q, grades in judged.qrels.items()}
        return Judged({query: grades for query, grades in kept.items() if grades}, judged.path)

    def _file_qrels(self, language: str) -> Judged:
        assert self._reading.qrels is not None  # callers have looked
        if language not in self._qrels:
            self._qrels[language] = self._reading.qrels(language)
        return self._qrels[language]

    def _survey(self, language: str) -> None:
        """Read a collection once, for all languages that are searched in it and whose files are here."""
        name, wanted = self.collection(language), set[str]()
        for other in self.card.query_languages:
            if self.collection(other) == name:
                try:
                    judged = self._file_qrels(other)
                except MissingData:
                    continue
                wanted.update(passage for grades in judged.qrels.values() for passage in grades)
        for passage in self.passages(language):
            wanted.discard(passage.id)
        self._absent[name] = wanted

    def _sound(self, language: str, ids: array[int]) -> None:
        """Whether a collection that was read to its end has distinct ids and as many as expected."""
        hashes = np.frombuffer(ids, dtype=np.int64)
        hashes.sort()  # in place: a copy would double the memory
        repeated = np.flatnonzero(hashes[1:] == hashes[:-1])
        if len(repeated):
            self._refuse_repeated(language, set(hashes[repeated].tolist()))
        expected = self.card.passages_in(language)
        if not len(ids) or (expected and len(ids) != expected):
            raise DataError(
                f"{len(ids)} passages, but the card expects {expected or 'at least one'}.",
                self._reading.place(language),
            )
        if self._reading.qrels is None:
            self._absent[self.collection(language)] = set()

    def _refuse_repeated(self, language: str, hashes: set[int]) -> None:
        """Name the passage id that recurs; two ids of one hash are no repetition."""
        seen: dict[str, int] = {}
        for path, line, passage in self._reading.passages(language):
            if hash(passage.id) in hashes:
                if passage.id in seen:
                    first = f"stands on line {seen[passage.id]} already" if line else "occurs twice"
                    raise DataError(f"passage id '{passage.id}' {first}.", path, line)
                seen[passage.id] = line


def _asked_in(card: TaskCard) -> str:
    """What to name where a language has no question at all."""
    asked = (source.files[0].path for key, source in card.sources.items() if key in ("questions", "queries", "topics"))
    return next(asked, card.name)


_NONE: Mapping[str, Sequence[str]] = {}


def known(judged: Judged, ids: Iterable[str]) -> Judged:
    """Judgements, checked to be of questions that exist.

    Raises:
        DataError: a query is judged that is no question; a misspelt id would take its question out of every mean.
    """
    questions = set(ids)
    for query in judged.qrels:
        if query not in questions:
            raise DataError(f"query '{query}' is judged, which is no question.", judged.path)
    return judged


def single(files: Files, key: str, language: str = "") -> Path:
    """The file of a source that has one, or one per language.

    Raises:
        DataError: it has several, all but the first of which would be left unread.
    """
    found = files.paths(key, language)
    if len(found) > 1:
        reason = f"source '{key}' must be one file, or one per language, and has {len(found)}."
        raise DataError(reason, found[1])
    return found[0]


def settings(card: TaskCard, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The card's settings over the format's defaults, which also say what settings there are and of what type.

    Raises:
        DataError: a setting that the format does not know, or of another type.
    """
    for name, value in card.settings.items():
        if name not in defaults:
            raise DataError(f"format {card.format} has no setting '{name}'; it has {', '.join(defaults)}.", card.file)
        if not isinstance(value, type(defaults[name])):
            raise DataError(f"setting {name} = {value!r} must look like {defaults[name]!r}.", card.file)
    return {**defaults, **card.settings}


def sources(card: TaskCard, needed: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Whether a card has the sources that its format needs, and no other.

    Raises:
        DataError: one is missing or unknown.
    """
    needed, all_ = set(needed), {*needed, *optional}
    for lacking in sorted(needed - set(card.sources)):
        raise DataError(f"format {card.format} needs the source '{lacking}'.", card.file)
    for unknown in sorted(set(card.sources) - all_):
        names = ", ".join(sorted(all_))
        raise DataError(f"format {card.format} knows no source '{unknown}'; it has {names}.", card.file)
