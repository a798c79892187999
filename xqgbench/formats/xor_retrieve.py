"""The XOR-Retrieve format: questions in several languages, one collection of passages, short answers.

Sources of a card:
    questions   JSON lines ``id, question, answers, lang, split`` (XOR-TyDi's own files)
    passages    JSON lines ``docid, title, text``, optionally ``generated_queries: {language: [query, ...]}``
                (the records of the published data set ielab/xor-tydi-xqg-augmented), or ``.tsv`` files with the
                columns id, text, title (the official enwiki_20190201_w100.tsv)
    qrels       optional TREC judgements ``query 0 passage grade``; question ids must then differ across languages
    training    optional further questions, for ``xqgbench tasks stats`` alone

Answers are kept to the letter, odd spaces and all, because the official measure compares them so.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence

from xqgbench.errors import DataError
from xqgbench.formats import records, trec
from xqgbench.formats.records import Fields
from xqgbench.formats.task import FileTask, Judged, Question, Reading, settings, single, sources
from xqgbench.types import Files, TaskCard

FIELDS = Fields(exact=True)


def open_task(card: TaskCard, files: Files) -> FileTask:
    """A task in XOR-Retrieve format."""
    sources(card, ("questions", "passages"), ("qrels", "training"))
    settings(card, {})
    shared = _Shared(files)
    return FileTask(
        card,
        Reading(
            questions=lambda language: [q for q in shared.questions if q.query.language == language],
            passages=lambda language: records.passages(files.paths("passages"), FIELDS),
            collection=lambda language: "passages",
            place=lambda language: files.paths("passages")[0],
            qrels=shared.of_language if "qrels" in files else None,
            generated=(lambda language: records.generated(files.paths("passages"), FIELDS))
            if card.generated_languages
            else None,
            training=(lambda: records.questions(files.paths("training"), FIELDS)) if "training" in files else None,
        ),
    )


class _Shared:
    """Files that hold all languages, read once, also what they say of languages of no interest."""

    def __init__(self, files: Files) -> None:
        self._files = files

    @functools.cached_property
    def questions(self) -> Sequence[Question]:
        return list(records.questions(self._files.paths("questions"), FIELDS))

    def of_language(self, language: str) -> Judged:
        ids = {q.query.id for q in self.questions if q.query.language == language}
        return Judged({id_: own for id_, own in self._qrels.qrels.items() if id_ in ids}, self._qrels.path)

    @functools.cached_property
    def _qrels(self) -> Judged:
        path = single(self._files, "qrels")
        qrels = trec.read_qrels(path)
        languages = Counter(q.query.id for q in self.questions)
        for query in qrels:
            if languages[query] != 1:
                reason = "which is no question" if not languages[query] else "which is a question in several languages"
                raise DataError(f"query '{query}' is judged, {reason}.", path)
        return Judged(qrels, path)
