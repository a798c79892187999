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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError
from xqgbench.files import DAMAGED, decompressed
from xqgbench.formats.records import accepted
from xqgbench.formats.repairs import Repairs
from xqgbench.formats.task import FileTask, Judged, Located, Question, Reading, settings, single, sources
from xqgbench.types import Files, Passage, Query, TaskCard


def open_task(card: TaskCard, files: Files) -> FileTask:
    """A task made of SQuAD files."""
    sources(card, ("questions",), ("paragraphs",))
    chosen = settings(card, {"merge": False, "generated": ""})
    if chosen["generated"] not in ("", "odd"):
        raise DataError(f"setting generated = '{chosen['generated']}' must be 'odd' or ''.", card.file)
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
        return single(self.files, key, language)

    def asked(self, language: str) -> Iterator[tuple[Paragraph, Question]]:
        """Every question of a language that is a test, with its paragraph."""
        path = single(self.files, "questions", language)
        for paragraph in _paragraphs(path):
            for position, (id_, text, answers) in enumerate(paragraph.questions):
                if not (self.odd and position % 2):
                    yield paragraph, Question(Query(id_, text, language), answers, path, 0)

    def questions(self, language: str) -> Iterator[Question]:
        """The test questions; a text that recurs is the query of its first occurrence, if they are merged."""
        place = self.place(language)
        known = {id_: (paragraph.id, own) for paragraph in _paragraphs(place) for id_, _, own in paragraph.questions}
        repairs = Repairs(place)
        first: set[str] = set()
        for paragraph, question in self.asked(language):
            query = question.query
            if query.id not in known:
                raise DataError(f"question '{query.id}' is not in {place.name}.", question.path)
            there, answers = known[query.id]  # the answers are in the language of the passages
            if there != paragraph.id:
                reason = f"question '{query.id}' is about paragraph {paragraph.id}, but in {place.name} about {there}."
                raise DataError(reason, question.path)
            if not (self.merge and query.text in first):
                first.add(query.text)
                yield question._replace(answers=accepted(answers, False, repairs, 0))
        repairs.tell()

    def qrels(self, language: str) -> Judged:
        """A question's own paragraph is relevant, and that of every question with its text if they are merged."""
        merged = self.questions(language) if self.merge else ()
        ids = {question.query.text: question.query.id for question in merged}
        qrels: dict[str, dict[str, int]] = {}
        for paragraph, question in self.asked(language):
            id_ = ids[question.query.text] if self.merge else question.query.id
            qrels.setdefault(id_, {})[paragraph.id] = 1
        return Judged(qrels, single(self.files, "questions", language))

    def passages(self, language: str) -> Iterator[Located]:
        path = self.place(language)
        for paragraph in _paragraphs(path):
            yield Located(path, 0, Passage(paragraph.id, "", paragraph.text))

    def generated(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        """Questions at odd positions, in every language of generated queries that is asked for."""
        odd = functools.cache(self._odd)
        for paragraph in _paragraphs(self.place(language)):
            yield _Odd(paragraph.id, self.card.generated_languages, odd)

    def _odd(self, language: str) -> Mapping[str, Sequence[str]]:
        """Paragraph id -> its questions at odd positions."""
        found = _paragraphs(single(self.files, "questions", language))
        return {paragraph.id: [text for _, text, _ in paragraph.questions[1::2]] for paragraph in found}


@dataclass(frozen=True, slots=True)
class _Odd(Mapping[str, Sequence[str]]):
    """Generated queries of one paragraph, read when asked for: a language that is wanted must be here, no other."""

    paragraph: str
    languages: tuple[str, ...]
    of_language: Callable[[str], Mapping[str, Sequence[str]]]

    def __getitem__(self, language: str) -> Sequence[str]:
        if language not in self.languages:
            raise KeyError(language)
        return self.of_language(language).get(self.paragraph, ())

    def __iter__(self) -> Iterator[str]:
        return iter(self.languages)

    def __len__(self) -> int:
        return len(self.languages)


def _paragraphs(path: Path) -> tuple[Paragraph, ...]:
    """All paragraphs of a file, read once as long as it does not change."""
    state = path.stat()
    return _read(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> tuple[Paragraph, ...]:
    """A SQuAD file is one JSON object, so it is in memory anyway.

    Raises:
        DataError: not the shape of SQuAD's files.
    """
    import orjson

    repairs = Repairs(path)
    try:
        with decompressed(path) as stream:
            data = orjson.loads(stream.read().removeprefix(b"\xef\xbb\xbf"))
        found = [
            _paragraph(article["title"], number, entry, repairs)
            for article in data["data"]
            for number, entry in enumerate(article["paragraphs"])
        ]
    except DAMAGED as error:
        raise DataError(f"damaged archive: {error}. Fetch the file again.", path) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"not SQuAD's JSON (data, paragraphs, context, qas ...): {type(error).__name__}: {error}."
        raise DataError(reason, path) from None
    repairs.tell()
    return tuple(found)


def _paragraph(title: str, number: int, entry: Mapping[str, Any], repairs: Repairs) -> Paragraph:
    text, name = entry["context"].strip(), "_".join(title.split())
    if not text or not name:
        raise ValueError(f"paragraph {number} of '{title}' has no text, or its article no title")
    questions = []
    for qa in entry["qas"]:
        answers = [answer["text"] for answer in qa["answers"]]
        if qa.get("is_impossible"):  # SQuAD 2.0: the paragraph does not answer it
            repairs.note("question that its paragraph does not answer, left out", 0)
            continue
        asked, id_ = qa["question"].strip(), str(qa["id"])
        if not asked or not all(answer.strip() for answer in answers):
            raise ValueError(f"question '{id_}' or an answer of it is empty")
        if id_.split() != [id_] or not id_.isprintable():
            raise ValueError(f"question id '{id_}' is empty, or holds white space or control characters")
        questions.append((id_, asked, tuple(answers)))
    return Paragraph(f"{name}#{number}", text, tuple(questions))
