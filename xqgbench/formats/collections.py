"""Topics, judgements and passages in files of their own: the formats ``trec``, ``beir`` and ``jsonl``.

Sources of a card (one file for all languages, or one per language with ``{language}`` in its path):
    trec    topics (``id<TAB>text``; ``<top>`` elements in .xml and .trec), qrels, passages (docid, title, text)
    beir    queries.jsonl (_id, text), corpus.jsonl (_id, title, text), qrels/<split>.tsv under a header
    jsonl   queries (id, text, language, answers), passages (id, title, text), optional qrels in TREC's format

Settings of a card:
    language_field  field of queries that names their language; "" where a file has one language (beir)
                    A record without it is in the language of its file, or of the card if it has but one
    sample          the passages are a sample of the collection: queries without a relevant passage among them, and
                    judgements of other passages, are left out
    judged_only     queries without a relevant passage are left out (beir: always, as one file holds all splits)
    fields          other names of fields: { query_id, query, answers, passage_id, title, text }
    ir_datasets     id with {language}, for languages whose files are not here (trec)

A passage without a text is its title; in BEIR's collections some have neither and are kept, as "-".

Passages may carry ``generated_queries: {language: [query, ...]}`` in each of them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError, MissingData
from xqgbench.formats import records, trec
from xqgbench.formats.ir_datasets_ids import reading_of
from xqgbench.formats.records import Fields
from xqgbench.formats.task import FileTask, Judged, Located, Question, Reading, known, settings, single, sources
from xqgbench.types import Files, TaskCard

SETTINGS = {"language_field": "", "sample": False, "judged_only": False, "fields": {}, "ir_datasets": ""}
BEIR = Fields(query_id="_id", query="text", language="", passage_id="_id", bare=True)
JSONL = Fields(query="text", language="language", passage_id="id", bare=True)
TREC = Fields(language="", bare=True)


def open_beir(card: TaskCard, files: Files) -> FileTask:
    """A folder in BEIR's format, read as a stream."""
    sources(card, ("queries", "corpus", "qrels"))
    chosen = settings(card, {**SETTINGS, "judged_only": True})
    return _open(card, _Collections(card, files, _fields(BEIR, chosen, card), "queries", "corpus", True), chosen)


def open_jsonl(card: TaskCard, files: Files) -> FileTask:
    """Queries and passages in JSON lines, with answers, TREC judgements or both."""
    sources(card, ("queries", "passages"), ("qrels",))
    chosen = settings(card, {**SETTINGS, "language_field": JSONL.language})
    return _open(card, _Collections(card, files, _fields(JSONL, chosen, card), "queries", "passages"), chosen)


def open_trec(card: TaskCard, files: Files) -> FileTask:
    """TREC topics and judgements beside passages in JSON lines; MIRACL and Mr.TyDi come so."""
    sources(card, ("topics", "qrels", "passages"))
    chosen = settings(card, SETTINGS)
    return _open(card, _Collections(card, files, _fields(TREC, chosen, card), "topics", "passages"), chosen)


def _fields(usual: Fields, chosen: Mapping[str, Any], card: TaskCard) -> Fields:
    names = set(chosen["fields"])
    allowed = {"query_id", "query", "answers", "passage_id", "title", "text"}
    if not names <= allowed or not all(isinstance(value, str) for value in chosen["fields"].values()):
        names_allowed = ", ".join(sorted(allowed))
        raise DataError(f"setting fields = {chosen['fields']!r} must name some of {names_allowed}.", card.file)
    return replace(usual, language=chosen["language_field"], **chosen["fields"])


def _open(card: TaskCard, own: _Collections, chosen: Mapping[str, Any]) -> FileTask:
    if not (own.fields.language or own.file_per_language or len(card.query_languages) == 1):
        reason = f"nothing says which query is in which language: give {own.topics_key} {{language}} in their path"
        raise DataError(f"{reason}, or name their field, language_field.", card.file)
    reading = Reading(
        questions=own.questions,
        passages=own.passages,
        collection=own.collection,
        place=own.place,
        qrels=own.qrels if "qrels" in own.files else None,
        generated=own.generated if card.generated_languages else None,
        judged_only=chosen["judged_only"] or chosen["sample"],
        sample=chosen["sample"],
    )
    if not chosen["ir_datasets"]:
        return FileTask(card, reading)
    return FileTask(card, _either(own, reading, reading_of(chosen["ir_datasets"])))


def _either(own: _Collections, local: Reading, elsewhere: Reading) -> Reading:
    """The local files of a language where they are here; else what ir_datasets has, which it fetches itself."""

    def asked(language: str) -> Reading:
        return local if all(own.files.here(key, language) for key in (own.topics_key, "qrels")) else elsewhere

    def searched(language: str) -> Reading:
        return local if own.files.here(own.passages_key, language) else elsewhere

    def told(key: str, language: str, stream: Iterable[Any]) -> Iterator[Any]:
        """What lacks locally is said as well, where ir_datasets cannot provide it either."""
        try:
            yield from stream
        except MissingData as error:
            if own.files.here(key, language):
                raise
            raise MissingData(f"{_lack(own.files, key, language)} Besides, {error}") from None

    return replace(
        local,
        questions=lambda language: told(own.topics_key, language, asked(language).questions(language)),
        passages=lambda language: told(own.passages_key, language, searched(language).passages(language)),
        place=lambda language: searched(language).place(language),
        qrels=lambda language: _qrels_of(asked(language), language),
    )


def _lack(files: Files, key: str, language: str) -> str:
    try:
        files.paths(key, language)
    except MissingData as error:
        return str(error)
    return ""


def _qrels_of(reading: Reading, language: str) -> Judged:
    assert reading.qrels is not None  # both have them
    return reading.qrels(language)


@dataclass(frozen=True, eq=False)
class _Collections:
    card: TaskCard
    files: Files
    fields: Fields
    topics_key: str
    passages_key: str
    header: bool = False

    def questions(self, language: str) -> Sequence[Question]:
        return [question for question in self._all(language) if question.query.language == language]

    @property
    def file_per_language(self) -> bool:
        """Whether every language has files of queries of its own."""
        return any(file.language for file in self.card.sources[self.topics_key].files)

    def _all(self, language: str) -> Sequence[Question]:
        """Everything in the files of a language, also in other languages."""
        usual = language if self.file_per_language or len(self.card.query_languages) == 1 else ""
        return _questions(self, tuple(self.files.paths(self.topics_key, language)), usual)

    def collection(self, language: str) -> str:
        own = any(file.language for file in self.card.sources[self.passages_key].files)
        return f"passages-{language}" if own else "passages"

    def place(self, language: str) -> Path:
        return self.files.paths(self.passages_key, language)[0]

    def passages(self, language: str) -> Iterator[Located]:
        return records.passages(self.files.paths(self.passages_key, language), self.fields)

    def generated(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        return records.generated(self.files.paths(self.passages_key, language), self.fields)

    def qrels(self, language: str) -> Judged:
        """Judgements of the questions of a language, all of which must exist in the files of questions."""
        path = single(self.files, "qrels", language)
        everything = self._all(language)
        judged = known(Judged(_qrels(self, path), path), (q.query.id for q in everything))
        of_files: dict[str, set[str]] = {}
        for question in everything:
            of_files.setdefault(question.query.id, set()).add(question.query.language)
        own_file = any(file.language for file in self.card.sources["qrels"].files)
        for id_ in judged.qrels:
            if not own_file and len(of_files[id_]) > 1:
                raise DataError(f"query '{id_}' is judged, which is a question in several languages.", path)
        kept = {id_: own for id_, own in judged.qrels.items() if language in of_files[id_]}
        return Judged(kept, path)


@functools.lru_cache(maxsize=64)
def _qrels(own: _Collections, path: Path) -> Mapping[str, Mapping[str, int]]:
    return trec.read_qrels(path, own.header)


@functools.lru_cache(maxsize=64)
def _questions(own: _Collections, paths: tuple[Path, ...], language: str) -> Sequence[Question]:
    if own.topics_key == "topics":
        return [question for path in paths for question in trec.read_topics(path, language)]
    return list(records.questions(paths, own.fields, language))
