"""From rankings to a result: what the runs of a retriever and those made elsewhere have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from xqgbench import measures as known_measures
from xqgbench.errors import DataError, InvalidParameter, MissingData
from xqgbench.measures import AnswerRecall, FirstHit, RankMeasure
from xqgbench.results import Result, Scores
from xqgbench.significance import clusters_of
from xqgbench.types import Judgements, Progress, Query, Ranking, Run, Task, TaskCard, silent

Measures = Sequence[RankMeasure | AnswerRecall]
#: collection -> passage id -> text
Texts = Mapping[str, Mapping[str, str]]


def deep_enough(measures: Measures, depth: int) -> None:
    """Whether rankings of ``depth`` passages serve all measures.

    Raises:
        InvalidParameter: one looks beyond them.
    """
    deepest = max(measures, key=lambda measure: measure.cutoff)
    if depth < max(deepest.cutoff, 1):
        raise InvalidParameter(f"depth={depth} is too small: {deepest.name} needs at least {max(deepest.cutoff, 1)}.")


def usable(task: Task, language: str, measures: Measures, judgements: Judgements) -> None:
    """Whether the queries of a language can be scored.

    Raises:
        DataError: there are none, or a measure, or the clusters, lack judgements.
    """
    card = task.card
    if not task.queries(language):
        raise DataError(f"there is no query in '{language}', which is a language of the card.", card.name)
    for name in known_measures.unjudged(measures, judgements):
        raise DataError(f"{name} judges no query in '{language}': relevant data are missing.", card.name)
    if card.cluster == "passage" and not judgements.qrels:
        raise DataError("cluster = 'passage' needs judged passages (qrels); say cluster = 'query'.", card.name)


def score(
    task: Task,
    measures: Measures,
    runs: Mapping[str, Run],
    judgements: Mapping[str, Judgements],
    texts: Texts,
    tokenised: dict[str, dict[str, str]],
    progress: Progress = silent,
) -> tuple[Scores, dict[str, dict[str, FirstHit]]]:
    """Scores, and first hits, of every language in ``runs``.

    Args:
        texts: of all passages in the runs; needed by answer measures alone.
        tokenised: collection -> what ``measures.answer_hits`` remembers of its passages.
    """
    hits: dict[str, dict[str, FirstHit]] = {}
    scores: dict[str, dict[str, dict[str, float]]] = {}
    for language, run in runs.items():
        progress("scoring", len(scores), len(runs))
        own = texts.get(task.collection(language), {})
        seen = tokenised.setdefault(task.collection(language), {})
        hits[language] = known_measures.answer_hits(measures, run, judgements[language], own, seen)
        scores[language] = known_measures.score(measures, run, judgements[language], hits[language])
    return scores, hits


def texts_of(task: Task, runs: Mapping[str, Run]) -> dict[str, dict[str, str]]:
    """Texts of all passages in the runs that exist, from one pass over each collection."""
    wanted: dict[str, set[str]] = {}
    for language, run in runs.items():
        wanted.setdefault(task.collection(language), set()).update(_retrieved(run.values()))
    one = {task.collection(language): language for language in runs}
    return {
        collection: {p.id: p.text for p in task.passages(one[collection]) if p.id in ids}
        for collection, ids in wanted.items()
    }


def _retrieved(rankings: Iterable[Ranking]) -> set[str]:
    return {passage for ranking in rankings for passage in ranking.passage_ids}


def result(
    card: TaskCard,
    system: str,
    measures: tuple[str, ...],
    depth: int,
    scores: Scores,
    signature: str,
    details: Mapping[str, Any],
    clusters: Mapping[str, Mapping[str, int]],
    runs: Mapping[str, Run],
    hits: Mapping[str, Mapping[str, FirstHit]],
    denominator: str = "strict",
) -> Result:
    """The result of all languages in ``scores``, in their order."""
    languages = tuple(language for language in scores if language in card.languages)
    return Result(
        task=card.name,
        task_version=card.version,
        card_sha256=card.sha256,
        card_languages=card.languages,
        system=system,
        languages=languages,
        controls=tuple(language for language in scores if language in card.control_languages),
        complete=languages == card.languages,
        main_measure=card.main_measure,
        measures=measures,
        depth=depth,
        scores=scores,
        signature=signature,
        details=details,
        clusters=clusters,
        runs=runs,
        hits=hits,
        denominator=denominator,
    )


def clusters(
    task: Task, languages: Sequence[str], judged: Callable[[str], Judgements] | None = None
) -> dict[str, dict[str, int]]:
    """language -> query id -> cluster, so that a subset of languages has the same clusters as all of them.

    Other languages of the card join in where they share a collection with those evaluated and their files are here.
    Control languages are clustered apart, so that their judgements join no clusters of the others.

    Args:
        judged: where judgements come from, if not from ``task.judgements``.
    """
    judged = judged or task.judgements
    found = _clustered(task, judged, task.card.languages, languages, 0)
    first = 1 + max((number for own in found.values() for number in own.values()), default=-1)
    return found | _clustered(task, judged, task.card.control_languages, languages, first)


def _clustered(
    task: Task, judged: Callable[[str], Judgements], among: Sequence[str], evaluated: Sequence[str], first: int
) -> dict[str, dict[str, int]]:
    """Clusters of the queries in some languages, numbered from ``first``."""
    searched = {task.collection(language) for language in evaluated}
    queries: dict[str, Sequence[Query]] = {}
    qrels: dict[str, Mapping[str, Mapping[str, int]]] = {}
    for language in among:
        if task.collection(language) in searched:
            try:
                queries[language] = task.queries(language)
                qrels[language] = judged(language).qrels if task.card.cluster == "passage" else {}
            except MissingData:
                if language in evaluated:
                    raise
    keys = [(language, query.id) for language in qrels for query in queries[language]]
    numbers = list(range(len(keys)))
    if task.card.cluster == "passage":
        relevant = [
            [f"{task.collection(lang)}\t{p}" for p, grade in qrels[lang].get(query, {}).items() if grade > 0]
            for lang, query in keys
        ]
        numbers = clusters_of(relevant).tolist()
    found: dict[str, dict[str, int]] = {language: {} for language in qrels}
    for (language, query), number in zip(keys, numbers, strict=True):
        found[language][query] = first + number
    return found
