"""The XOR-Retrieve format: questions in several languages, one collection of passages, short answers.

Sources of a card:
    questions   JSON lines ``id, question, answers, lang, split`` (XOR-TyDi's own files)
    passages    JSON lines ``docid, title, text``, optionally ``generated_queries: {language: [query, ...]}``
                (the records of the published data set ielab/xor-tydi-xqg-augmented)
    qrels       optional TREC judgements ``query 0 passage grade``; question ids must then differ across languages
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError, UnknownName
from xqgbench.formats import jsonl, trec
from xqgbench.types import Judgements, Passage, Query, TaskCard


class XorRetrieve:
    """A task in XOR-Retrieve format; passages are streamed from disk at every call."""

    def __init__(self, card: TaskCard, files: Mapping[str, Path]) -> None:
        lacking = {"questions", "passages"} - set(files)
        if lacking:
            raise DataError(
                f"format xor-retrieve needs the source '{min(lacking)}'.", card.folder / f"{card.name}.toml"
            )
        self.card = card
        self._files = files

    def collection(self, language: str) -> str:
        return "passages"

    def queries(self, language: str) -> Sequence[Query]:
        return self._questions(language)[0]

    def judgements(self, language: str) -> Judgements:
        queries, answers = self._questions(language)
        if "qrels" not in self._files:
            return Judgements(answers=answers)
        return Judgements({query.id: self._qrels[query.id] for query in queries if query.id in self._qrels}, answers)

    def passages(self, language: str) -> Iterator[Passage]:
        path = self._files["passages"]
        seen: dict[str, int] = {}
        for line, record in jsonl.records(path):
            docid = jsonl.text(record, "docid", path, line)
            if docid in seen:
                raise DataError(
                    f"passage id '{docid}' stands on line {seen[docid]} already; ids must be unique.", path, line
                )
            seen[docid] = line
            title = jsonl.text(record, "title", path, line, empty=True) if record.get("title") is not None else ""
            yield Passage(docid, title, jsonl.text(record, "text", path, line))
        if self.card.expected_passages and len(seen) != self.card.expected_passages:
            raise DataError(f"{len(seen)} passages, but the card expects {self.card.expected_passages}.", path)

    def generated_queries(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        path = self._files["passages"]
        for line, record in jsonl.records(path):
            yield _generated(record, path, line)

    @functools.cached_property
    def _qrels(self) -> Mapping[str, Mapping[str, int]]:
        path = self._files["qrels"]
        qrels = trec.read_qrels(path)
        passages = {passage.id for passage in self.passages(self.card.languages[0])}
        for query, grades in qrels.items():
            unknown = [passage for passage in grades if passage not in passages]
            if unknown:
                raise DataError(f"query '{query}' judges passage '{unknown[0]}', which is not in the collection.", path)
        return qrels

    @functools.cache  # noqa: B019 (one entry per language, and tasks live as long as the process)
    def _questions(self, language: str) -> tuple[tuple[Query, ...], Mapping[str, tuple[str, ...]]]:
        if language not in self.card.languages:
            raise UnknownName(f"language of {self.card.name}", language, self.card.languages)
        path = self._files["questions"]
        queries: dict[str, Query] = {}
        answers: dict[str, tuple[str, ...]] = {}
        for line, record in jsonl.records(path):
            if jsonl.text(record, "lang", path, line).strip() != language:
                continue
            query = Query(jsonl.text(record, "id", path, line), jsonl.text(record, "question", path, line), language)
            if query.id in queries:
                raise DataError(f"question id '{query.id}' occurs twice in language '{language}'.", path, line)
            queries[query.id] = query
            answers[query.id] = jsonl.texts(record, "answers", path, line)
        expected = self.card.expected_queries.get(language, len(queries))
        if len(queries) != expected:
            raise DataError(f"{len(queries)} questions in '{language}', but the card expects {expected}.", path)
        return tuple(queries.values()), answers


def _generated(record: Mapping[str, Any], path: Path, line: int) -> Mapping[str, Sequence[str]]:
    generated = record.get("generated_queries") or {}
    if not isinstance(generated, dict):
        raise DataError("'generated_queries' must map languages to lists of queries.", path, line)
    for language, queries in generated.items():
        if not isinstance(queries, list) or not all(isinstance(q, str) and q.strip() for q in queries):
            docid = record.get("docid")
            raise DataError(
                f"passage '{docid}': generated queries in '{language}' must be non-empty strings.", path, line
            )
    return generated
