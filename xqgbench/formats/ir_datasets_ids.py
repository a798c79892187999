"""Data sets of ir_datasets (https://ir-datasets.com), by their ids; it fetches and caches its files itself.

A card names an id with ``{language}`` in it (setting ``id = "miracl/{language}/dev"``); without a card, any id that
has queries and judgements is a task: ``--task ir_datasets:neuclir/1/ru/trec-2023``.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError, MissingData, UnknownName
from xqgbench.formats.task import FileTask, Judged, Located, Question, Reading, known, settings, sources
from xqgbench.types import Files, Passage, Query, TaskCard

#: What a code of two or three letters is called where a data set does not say which language its queries are in.
UNDETERMINED = "und"


def open_task(card: TaskCard, files: Files) -> FileTask:
    """A task made of one id of ir_datasets, or of one per language."""
    sources(card, ())
    chosen = settings(card, {"id": "", "collection": ""})
    if not chosen["id"]:
        raise DataError("format ir_datasets needs the setting 'id'.", card.folder / f"{card.name}.toml")
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
    language = dataset.queries_lang() or UNDETERMINED
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


@functools.cache
def _load(id_: str) -> Any:
    import ir_datasets

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
    except (OSError, RuntimeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise MissingData(
            f"ir_datasets cannot provide {iterate.partition('_')[0]} of '{id_}': {reason[:200]} ... It "
            f"fetches its files at first use, into the folder that IR_DATASETS_HOME names (https://ir-datasets.com)."
        ) from None


def _questions(id_: str, language: str) -> Iterator[Question]:
    for query in _fetched(id_, "queries_iter"):
        text = " ".join(query.default_text().split("\t"))
        if not text.strip():
            raise DataError(f"query '{query.query_id}' is empty.", id_)
        yield Question(Query(query.query_id, text, language), (), id_, 0)


def _passages(id_: str) -> Iterator[Located]:
    for number, doc in enumerate(_fetched(id_, "docs_iter"), 1):
        title = getattr(doc, "title", "") or ""
        text = doc.text if title and isinstance(getattr(doc, "text", None), str) else doc.default_text()
        yield Located(id_, number, Passage(doc.doc_id, title, text if text.strip() else title or "-"))


def _qrels(id_: str, language: str) -> Judged:
    qrels: dict[str, dict[str, int]] = {}
    for qrel in _fetched(id_, "qrels_iter"):
        qrels.setdefault(qrel.query_id, {})[qrel.doc_id] = int(qrel.relevance)
    ids = {question.query.id for question in _questions(id_, language)}
    return known(Judged({query: own for query, own in qrels.items() if query in ids}, id_), ids)


def _citation(dataset: Any) -> str:
    bib = dataset.documentation().get("bibtex", "") if dataset.documentation() else ""
    return str(bib).strip() or "see https://ir-datasets.com"
