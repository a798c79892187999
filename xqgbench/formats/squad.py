"""SQuAD's JSON: articles of paragraphs with questions, as XQuAD has them in several languages with shared ids.

Sources of a card:
    questions   one file per language
    paragraphs  the file whose paragraphs are the passages; left out where each language has its own

Settings of a card:
    merge       identical question texts are one query, with all their paragraphs relevant (MTEB's XQuADRetrieval)
    generated   "odd": of each paragraph, questions at odd positions (counted from 0) serve as its generated queries,
                those at even positions are the test; "" (the usual): all are the test

The id of a passage is its article's title and its place in it (``Super_Bowl_50#0``); files agree in both. White space
around a text is no part of it, as in the data sets made from these files on the hub; passages have no title, as there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError
from xqgbench.files import DAMAGED, decompressed
from xqgbench.formats.records import accepted
from xqgbench.formats.repairs import Repairs
from xqgbench.formats.task import FileTask, Judged, Located, Question, Reading, settings, sources
from xqgbench.types import Files, Passage, Query, TaskCard


def open_task(card: TaskCard, files: Files) -> FileTask:
    """A task made of SQuAD files."""
    sources(card, ("questions",), ("paragraphs",))
    chosen = settings(card, {"merge": False, "generated": ""})
    if chosen["generated"] not in ("", "odd"):
        place = card.folder / f"{card.name}.toml"
        raise DataError(f"setting generated = '{chosen['generated']}' must be 'odd' or ''.", place)
    squad = _Squad(card, files, chosen["merge"], chosen["generated"] == "odd")
    return FileTask(
        card,
        Reading(
            questions=squad.questions,
            passages=squad.passages,
            collection=lambda language: "paragraphs" if "paragraphs" in files else f"paragraphs-{language}",
            place=squad.place,
            qrels=squad.qrels,
            generated=squad.generated if squad.odd else None,
        ),
    )


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph and its questions: (id, text, answers), in file order."""

    id: str
    text: str
    questions: tuple[tuple[str, str, tuple[str, ...]], ...]


@dataclass(frozen=True, eq=False)
class _Squad:
    card: TaskCard
    files: Files
    merge: bool
    odd: bool

    def place(self, language: str) -> Path:
        """The file of the passages that a language is searched in."""
        key = "paragraphs" if "paragraphs" in self.files else "questions"
        return self.files.paths(key, language)[0]

    def asked(self, language: str) -> Iterator[tuple[Paragraph, int, Question]]:
        """Every question of a language that is a test, with its paragraph and position."""
        path = self.files.paths("questions", language)[0]
        for paragraph in _paragraphs(path):
            for position, (id_, text, answers) in enumerate(paragraph.questions):
                if not (self.odd and position % 2):
                    yield paragraph, position, Question(Query(id_, text, language), answers, path, 0)

    def questions(self, language: str) -> Iterator[Question]:
        """The test questions; a text that recurs is the query of its first occurrence, if they are merged."""
        answers = self._answers(language)
        first: set[str] = set()
        for _, _, question in self.asked(language):
            query = question.query
            if self.merge and query.text in first:
                continue
            first.add(query.text)
            if query.id not in answers:
                raise DataError(f"question '{query.id}' is not in {self.place(language).name}.", question.path)
            yield question._replace(answers=answers[query.id])

    def _answers(self, language: str) -> Mapping[str, tuple[str, ...]]:
        """Accepted answers in the language of the passages."""
        return _accepted(self.place(language))

    def qrels(self, language: str) -> Judged:
        """A question's own paragraph is relevant, and that of every question with its text if they are merged."""
        ids = {question.query.text: question.query.id for question in self.questions(language)}
        qrels: dict[str, dict[str, int]] = {}
        for paragraph, _, question in self.asked(language):
            id_ = ids[question.query.text] if self.merge else question.query.id
            qrels.setdefault(id_, {})[paragraph.id] = 1
        return Judged(qrels, self.files.paths("questions", language)[0])

    def passages(self, language: str) -> Iterator[Located]:
        path = self.place(language)
        for paragraph in _paragraphs(path):
            yield Located(path, 0, Passage(paragraph.id, "", paragraph.text))

    def generated(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        """Per paragraph, its questions at odd positions in every language of generated queries."""
        return (_AtOddPositions(self, paragraph.id) for paragraph in _paragraphs(self.place(language)))

    def at_odd_positions(self, language: str) -> Mapping[str, Sequence[str]]:
        """Paragraph id -> its questions at odd positions.

        Raises:
            MissingData: the file of that language is not here.
        """
        return _odd(self.files.paths("questions", language)[0])


class _AtOddPositions(Mapping[str, Sequence[str]]):
    """Language -> the questions of one paragraph at odd positions; only asking for a language needs its file."""

    def __init__(self, squad: _Squad, id_: str) -> None:
        self._squad, self._id = squad, id_

    def __getitem__(self, language: str) -> Sequence[str]:
        if language not in self._squad.card.generated_languages:
            raise KeyError(language)
        return self._squad.at_odd_positions(language).get(self._id, ())

    def __iter__(self) -> Iterator[str]:
        return (own for own in self._squad.card.generated_languages if self._squad.files.here("questions", own))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@functools.lru_cache(maxsize=16)
def _odd(path: Path) -> Mapping[str, Sequence[str]]:
    return {paragraph.id: [text for _, text, _ in paragraph.questions[1::2]] for paragraph in _paragraphs(path)}


@functools.lru_cache(maxsize=16)
def _paragraphs(path: Path) -> tuple[Paragraph, ...]:
    """All paragraphs of a file; a SQuAD file is one JSON object, so it is in memory anyway.

    Raises:
        DataError: not the shape of SQuAD's files.
    """
    import orjson

    try:
        with decompressed(path) as stream:
            data = orjson.loads(stream.read().removeprefix(b"\xef\xbb\xbf"))
        found = [
            _paragraph(article["title"], number, entry)
            for article in data["data"]
            for number, entry in enumerate(article["paragraphs"])
        ]
    except DAMAGED as error:
        raise DataError(f"damaged archive: {error}. Fetch the file again.", path) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"not SQuAD's JSON (data, paragraphs, context, qas ...): {type(error).__name__}: {error}."
        raise DataError(reason, path) from None
    return tuple(found)


@functools.lru_cache(maxsize=16)
def _accepted(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Question id -> answers as measures look for them."""
    repairs = Repairs(path)
    found = {
        id_: accepted(answers, False, repairs, 0)
        for paragraph in _paragraphs(path)
        for id_, _, answers in paragraph.questions
    }
    repairs.tell()
    return found


def _paragraph(title: str, number: int, entry: Mapping[str, Any]) -> Paragraph:
    text, name = entry["context"].strip(), "_".join(title.split())
    if not text or not name:
        raise ValueError(f"paragraph {number} of '{title}' has no text, or its article no title")
    questions = []
    for qa in entry["qas"]:
        answers = [answer["text"] for answer in qa["answers"]]
        if not str(qa["question"]).strip() or not all(answer.strip() for answer in answers):
            raise ValueError(f"question '{qa['id']}' or an answer of it is empty")
        questions.append((str(qa["id"]), str(qa["question"]).strip(), tuple(answers)))
    return Paragraph(f"{name}#{number}", text, tuple(questions))
