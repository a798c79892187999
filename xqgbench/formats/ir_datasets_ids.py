"""Data sets of ir_datasets (https://ir-datasets.com), by their ids; it fetches and caches its files itself.

A card names an id with ``{language}`` in it (setting ``id = "miracl/{language}/dev"``); without a card, any id that
has queries and judgements is a task: ``--task ir_datasets:neuclir/1/ru/trec-2023``.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError, MissingData, UnknownName
from xqgbench.files import DAMAGED
from xqgbench.formats.repairs import Repairs
from xqgbench.formats.task import FileTask, Judged, Located, Question, Reading, known, settings, sources
from xqgbench.types import Files, Passage, Query, TaskCard

#: ISO 639-2's code for a language that nobody states.
UNDETERMINED = "und"


def open_task(card: TaskCard, files: Files) -> FileTask:
    """A task made of one id of ir_datasets, or of one per language."""
    sources(card, ())
    chosen = settings(card, {"id": "", "collection": ""})
    if not chosen["id"]:
        raise DataError("format ir_datasets needs the setting 'id'.", card.file)
    return FileTask(card, reading_of(chosen["id"]))


def card_of(id_: str) -> TaskCard:
    """The card of an id that has none: nDCG@10 over all its queries, in the language that ir_datasets states.

    Raises:
        UnknownName: ir_datasets has no such id.
        MissingData: the id has no queries or no judgements.
    """
    dataset = _load(id_)
    for what, has in (
        ("passages", dataset.has_docs()),
        ("queries", dataset.has_queries()),
        ("qrels", dataset.has_qrels()),
    ):
        if not has:
            raise MissingData(f"ir_datasets' '{id_}' has no {what}; {_suggestion(id_)}")
    for what, records in (("passages", dataset.docs_cls()), ("queries", dataset.queries_cls())):
        if not hasattr(records, "default_text") and "text" not in records._fields:
            raise MissingData(f"the {what} of ir_datasets' '{id_}' are no texts: {', '.join(records._fields)}.")
    language = dataset.queries_lang() or _language(dataset.queries_cls()._fields)
    described = dataset.documentation() or {}
    name = id_.replace("/", "-")
    content = f"ir_datasets:{id_}"
    return TaskCard(
        name=f"ir_datasets-{name}",
        title=described.get("pretty_name", id_),
        description=f"{id_} of ir_datasets, as it is.",
        version="ir_datasets",
        format="ir_datasets",
        languages=(language,),
        generated_languages=(),
        split=id_.rpartition("/")[2],
        sources={},
        measures=("nDCG@10", "RR@10", "R@100"),
        main_measure="nDCG@10",
        cluster="query",
        license="see ir_datasets",
        citation=_citation(dataset),
        origin=(id_.partition("/")[0],),
        expected_passages=0,
        expected_queries={},
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        folder=Path(),
        passage_language=dataset.docs_lang() or "",
        settings={"id": id_},
        homepage=f"https://ir-datasets.com/{id_.partition('/')[0]}.html#{id_}",
    )


def _language(fields: Iterable[str]) -> str:
    """The language of queries that ir_datasets states none for.

    HC4's and NeuCLIR's hold human and machine translations (``ht_title``, ``mt_title``) beside the English title.
    """
    return "en" if {"ht_title", "mt_title"} & set(fields) else UNDETERMINED


def reading_of(pattern: str) -> Reading:
    """How the data sets of an id are read; ``{language}`` in it stands for the language."""

    def id_of(language: str) -> str:
        return pattern.replace("{language}", language)

    return Reading(
        questions=lambda language: _questions(id_of(language), language),
        passages=lambda language: _passages(id_of(language)),
        collection=lambda language: f"ir_datasets:{id_of(language)}",
        place=id_of,
        qrels=lambda language: _qrels(id_of(language), language),
        judged_only=False,
    )


def _no_retries(record: logging.LogRecord) -> bool:
    """Leaves out what ir_datasets says at every failed attempt; what it raises at the end says the same."""
    return not record.getMessage().startswith(("download error:", "Download failed:"))


@functools.cache
def _load(id_: str) -> Any:
    import ir_datasets

    logging.getLogger("ir_datasets").addFilter(_no_retries)  # a filter stands there once, however often it is added
    try:
        return ir_datasets.load(id_)
    except KeyError:
        raise UnknownName("id of ir_datasets", id_, _near(id_)) from None


def _near(id_: str) -> list[str]:
    import ir_datasets

    first = id_.partition("/")[0]
    names = [name for name in ir_datasets.registry if name.startswith(f"{first}/")]
    return names or [name for name in ir_datasets.registry if "/" not in name]


def _suggestion(id_: str) -> str:
    import ir_datasets

    below = [n for n in ir_datasets.registry if n.startswith(f"{id_}/") and ir_datasets.load(n).has_qrels()]
    return f"these below it have: {', '.join(sorted(below)[:5])}." if below else "name one that has."


def _fetched(id_: str, iterate: str) -> Iterator[Any]:
    """Records of a data set; whatever keeps ir_datasets from getting them is said with what to do about it."""
    try:
        yield from getattr(_load(id_), iterate)()
    except (*DAMAGED, RuntimeError, ValueError, LookupError, TypeError, AssertionError) as error:
        raise MissingData(
            f"ir_datasets cannot provide {iterate.partition('_')[0]} of '{id_}': {_reason(error)}. It fetches its "
            f"files at first use, into the folder that IR_DATASETS_HOME names; a damaged one there has to be deleted."
        ) from None


def _reason(error: BaseException) -> str:
    """Why, in short: of several sources that failed the first, of a failed request its address."""
    if len(error.args) > 1 and isinstance(error.args[1], list) and error.args[1]:
        return _reason(error.args[1][0][1])
    url = getattr(getattr(error, "request", None), "url", "")
    return f"{url} cannot be had ({type(error).__name__})" if url else f"{type(error).__name__}: {str(error)[:300]}"


def _questions(id_: str, language: str) -> Iterator[Question]:
    for query in _fetched(id_, "queries_iter"):
        text = " ".join(str(query.default_text() if hasattr(query, "default_text") else query.text).split("\t"))
        if not text.strip():
            raise DataError(f"query '{query.query_id}' is empty.", id_)
        yield Question(Query(query.query_id, text, language), (), id_, 0)


def _passages(id_: str) -> Iterator[Located]:
    """Passages with title and text; of records that have other fields, what ir_datasets takes for their text."""
    repairs = Repairs(id_)
    for number, doc in enumerate(_fetched(id_, "docs_iter"), 1):
        title, text = getattr(doc, "title", ""), getattr(doc, "text", None)
        if not isinstance(title, str) or not isinstance(text, str):
            title, text = "", doc.default_text()  # which holds the title, if there is one
        if not text.strip():
            title, text = repairs.bare(title, number)
        yield Located(id_, number, Passage(doc.doc_id, title, text))
    repairs.tell()


def _qrels(id_: str, language: str) -> Judged:
    """Grades; where a passage is judged for several subtopics or parts of it, the highest."""
    qrels: dict[str, dict[str, int]] = {}
    for qrel in _fetched(id_, "qrels_iter"):
        grades, grade = qrels.setdefault(qrel.query_id, {}), int(qrel.relevance)
        grades[qrel.doc_id] = max(grade, grades.get(qrel.doc_id, grade))
    ids = {question.query.id for question in _questions(id_, language)}
    return known(Judged({query: own for query, own in qrels.items() if query in ids}, id_), ids)


def _citation(dataset: Any) -> str:
    bib = dataset.documentation().get("bibtex", "") if dataset.documentation() else ""
    return str(bib).strip() or "see https://ir-datasets.com"
