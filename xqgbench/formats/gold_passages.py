"""Questions with the passage that answers each, as AfriQA's ``gold_passages``; the distinct passages are searched.

Sources of a card:
    questions   per language, JSON lines ``id, question_lang, title, context, answer_pivot: {text: [...]}``

A row without a question or a context is left out, and counted. All passages of the card's files are one collection,
each once; its id is a hash of title and text. So the files of all languages are needed, whichever are evaluated.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xqgbench.errors import DataError, MissingData
from xqgbench.formats import jsonl
from xqgbench.formats.records import accepted
from xqgbench.formats.repairs import Repairs
from xqgbench.formats.task import FileTask, Judged, Located, Question, Reading, settings, sources
from xqgbench.types import Files, Passage, Query, TaskCard


class Row(NamedTuple):
    """A question and its passage."""

    question: Question
    passage: Located


def open_task(card: TaskCard, files: Files) -> FileTask:
    """A task in AfriQA's format."""
    sources(card, ("questions",))
    settings(card, {})
    gold = _Gold(card, files)
    return FileTask(
        card,
        Reading(
            questions=lambda language: [row.question for row in gold.rows[language]],
            passages=lambda language: gold.passages(),
            collection=lambda language: "passages",
            place=lambda language: card.name,
            qrels=gold.qrels,
        ),
    )


class _Gold:
    def __init__(self, card: TaskCard, files: Files) -> None:
        self._card, self._files = card, files

    @functools.cached_property
    def rows(self) -> Mapping[str, Sequence[Row]]:
        """All languages at once: the collection is made of all their passages."""
        lacking = [lang for lang in self._card.query_languages if not self._files.here("questions", lang)]
        if lacking:
            raise MissingData(
                f"task '{self._card.name}' needs the files of all its languages, whose passages are one collection; "
                f"those of {', '.join(lacking)} are not here. Fetch them with 'xqgbench tasks download "
                f"{self._card.name}', or name the folder that holds them with --data-dir DIR."
            )
        return {
            language: [row for path in self._files.paths("questions", language) for row in _rows(path, language)]
            for language in self._card.query_languages
        }

    def passages(self) -> Iterator[Located]:
        seen: set[str] = set()
        for language in self._card.query_languages:
            for _, located in self.rows[language]:
                if located.passage.id not in seen:
                    seen.add(located.passage.id)
                    yield located

    def qrels(self, language: str) -> Judged:
        path = self._files.paths("questions", language)[0]
        return Judged({row.question.query.id: {row.passage.passage.id: 1} for row in self.rows[language]}, path)


def _rows(path: Path, language: str) -> Iterator[Row]:
    repairs = Repairs(path)
    for line, record in jsonl.records(path):
        if any(not str(record.get(field) or "").strip() for field in ("question_lang", "context")):
            repairs.note("row without a question or a context, left out", line)
            continue
        title, text = (jsonl.optional_text(record, field, path, line) for field in ("title", "context"))
        id_ = jsonl.identifier(record, "id", path, line, repairs)
        query = Query(id_, jsonl.text(record, "question_lang", path, line), language)
        answers = accepted(_answers(record, path, line), False, repairs, line)
        name = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()[:16]
        yield Row(Question(query, answers, path, line), Located(path, line, Passage(name, title, text)))
    repairs.tell()


def _answers(record: Mapping[str, Any], path: Path, line: int) -> tuple[str, ...]:
    pivot = record.get("answer_pivot")
    if not isinstance(pivot, dict):
        raise DataError("'answer_pivot' must be an object with 'text', a list of answers.", path, line)
    answers = jsonl.texts(pivot, "text", path, line)
    if not all(answer.strip() for answer in answers):
        raise DataError("an answer is empty, which every text would hold.", path, line)
    return answers
