"""The XOR-Retrieve format: questions in several languages, one collection of passages, short answers.

Sources of a card:
    questions   JSON lines ``id, question, answers, lang, split`` (XOR-TyDi's own files)
    passages    JSON lines ``docid, title, text``, optionally ``generated_queries: {language: [query, ...]}``
                (the records of the published data set ielab/xor-tydi-xqg-augmented)
    qrels       optional TREC judgements ``query 0 passage grade``; question ids must then differ across languages
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError, UnknownName
from xqgbench.formats import jsonl, trec
from xqgbench.types import Judgements, Passage, Query, TaskCard


class XorRetrieve:
    """A task in XOR-Retrieve format; passages are streamed from disk at every call."""

    def __init__(self, card: TaskCard, files: Mapping[str, Path]) -> None:
        place = card.folder / f"{card.name}.toml"
        for lacking in sorted({"questions", "passages"} - set(files)):
            raise DataError(f"format xor-retrieve needs the source '{lacking}'.", place)
        for unknown in sorted(set(files) - {"questions", "passages", "qrels"}):
            raise DataError(f"format xor-retrieve knows no source '{unknown}'; did you mean 'qrels'?", place)
        self.card = card
        self._files = files

    def collection(self, language: str) -> str:
        return "passages"

    def queries(self, language: str) -> Sequence[Query]:
        if language not in self.card.query_languages:
            raise UnknownName(f"language of {self.card.name}", language, self.card.query_languages)
        found = tuple(query for query, _ in self._questions.values() if query.language == language)
        expected = self.card.expected_queries.get(language, max(len(found), 1))
        if len(found) != expected:
            message = f"{len(found)} questions in '{language}', where the card expects at least one."
            if language in self.card.expected_queries:
                message = f"{len(found)} questions in '{language}', but the card expects {expected}."
            raise DataError(message, self._files["questions"])
        return found

    def judgements(self, language: str) -> Judgements:
        ids = [query.id for query in self.queries(language)]
        answers = {id_: self._questions[language, id_][1] for id_ in ids}
        if "qrels" not in self._files:
            return Judgements(answers=answers)
        qrels = {id_: self._qrels[id_] for id_ in ids if id_ in self._qrels}
        if not qrels:
            raise DataError(f"no question in '{language}' is judged.", self._files["qrels"])
        return Judgements(qrels, answers)

    def passages(self, language: str) -> Iterator[Passage]:
        path = self._files["passages"]
        seen: dict[str, int] = {}
        for line, record in jsonl.records(path):
            docid = jsonl.identifier(record, "docid", path, line)
            if docid in seen:
                raise DataError(f"passage id '{docid}' stands on line {seen[docid]} already.", path, line)
            seen[docid] = line
            title = jsonl.text(record, "title", path, line, empty=True) if record.get("title") is not None else ""
            yield Passage(docid, title, jsonl.text(record, "text", path, line))
        if not seen or (self.card.expected_passages and len(seen) != self.card.expected_passages):
            expected = self.card.expected_passages or "at least one"
            raise DataError(f"{len(seen)} passages, but the card expects {expected}.", path)

    def generated_queries(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        path = self._files["passages"]
        for line, record in jsonl.records(path):
            yield _generated(record, path, line)

    @functools.cached_property
    def _qrels(self) -> Mapping[str, Mapping[str, int]]:
        path = self._files["qrels"]
        qrels = trec.read_qrels(path)
        languages = Counter(id_ for _, id_ in self._questions)
        passages = {passage.id for passage in self.passages(self.card.languages[0])}
        for query, grades in qrels.items():
            if languages[query] != 1:
                reason = "which is no question" if not languages[query] else "which is a question in several languages"
                raise DataError(f"query '{query}' is judged, {reason}.", path)
            unknown = [passage for passage in grades if passage not in passages]
            if unknown:
                raise DataError(f"query '{query}' judges passage '{unknown[0]}', which is not in the collection.", path)
        return qrels

    @functools.cached_property
    def _questions(self) -> Mapping[tuple[str, str], tuple[Query, tuple[str, ...]]]:
        """(language, id) -> question and answers, for every line of the file, also in languages of no interest."""
        path = self._files["questions"]
        found: dict[tuple[str, str], tuple[Query, tuple[str, ...]]] = {}
        for line, record in jsonl.records(path):
            language = jsonl.text(record, "lang", path, line).strip()
            id_ = jsonl.identifier(record, "id", path, line)
            if (language, id_) in found:
                raise DataError(f"question id '{id_}' occurs twice in language '{language}'.", path, line)
            question = Query(id_, jsonl.text(record, "question", path, line), language)
            answers = jsonl.texts(record, "answers", path, line)
            if not all(answer.strip() for answer in answers):
                raise DataError(f"question '{id_}' has an empty answer, which every text would hold.", path, line)
            found[language, id_] = question, answers
        return found


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
