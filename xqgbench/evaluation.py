"""One evaluation, from names to results: a retriever, plain and augmented, on the languages of a task."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xqgbench import measures as known_measures
from xqgbench import provenance, registry, results, tasks
from xqgbench.comparison import DEFAULT_SEED, Comparison, compare
from xqgbench.encode import Encoder
from xqgbench.errors import DataError, InvalidParameter, UnknownName
from xqgbench.measures import FirstHit
from xqgbench.results import Result
from xqgbench.search import search
from xqgbench.significance import clusters_of
from xqgbench.store import default_root
from xqgbench.types import (
    Augmentation,
    Judgements,
    Progress,
    Ranking,
    Retriever,
    Run,
    Task,
    TaskCard,
    silent,
)

DEFAULT_DEPTH = 100


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation found.

    Attributes:
        plain: the retriever as it is.
        augmented: the same with the augmentation; None without one.
        comparisons: measure -> augmented against plain; empty without an augmentation.
    """

    plain: Result
    augmented: Result | None
    comparisons: Mapping[str, Comparison]

    def save(self, output: Path) -> list[tuple[Path, bool]]:
        """Write ``<output>/<task>/<system>/`` for each system: (folder.

        Whether it was written or stood there already).
        """
        written = []
        for result in filter(None, (self.plain, self.augmented)):
            folder = output / result.task / results.folder_name(result, DEFAULT_DEPTH)
            described = None
            if result is self.augmented:
                described = {
                    "against": self.plain.system,
                    "seed": self.comparisons[result.main_measure].seed,
                    "measures": {measure: c.describe() for measure, c in self.comparisons.items()},
                }
            written.append((folder, results.write(result, folder, described)))
        return written


def evaluate(
    model: str | Retriever,
    task: str | Task = tasks.DEFAULT_TASK,
    augment: str | Augmentation = "none",
    *,
    languages: Sequence[str] | None = None,
    depth: int = DEFAULT_DEPTH,
    seed: int = DEFAULT_SEED,
    store: Path | None = None,
    tasks_dir: Path | None = None,
    model_path: Path | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Evaluate a retriever on a task, plain and with an augmentation; both share every vector.

    Args:
        model: a retriever object, or a name as ``--model`` takes it.
        task: a task object, or the name of a card.
        augment: an augmentation object, or ``NAME`` or ``NAME:parameters``.
        languages: a subset of the card's languages; the result is then incomplete and has no macro average.
        depth: passages retrieved per query.
        seed: for the significance tests.
        store: root folder of the vector store; by default ``$XQGBENCH_STORE`` or the user's cache folder.
        tasks_dir: a folder of task cards that are looked at before the bundled ones.
        model_path: local checkpoint folder for a name whose weights are on the hub.

    Raises:
        XqgbenchError: see ``xqgbench.errors``; nothing is left half-written.
    """
    if depth < 1:
        raise InvalidParameter(f"depth={depth} must be at least 1.")
    augmentation = registry.augmentation(augment)
    opened = tasks.open_task(task, tasks_dir) if isinstance(task, str) else task
    chosen = _languages(opened.card, languages)
    for language in chosen:
        augmentation.index(opened, language)
    retriever = registry.retriever(model, model_path)
    encoder = Encoder(retriever, opened, store or default_root(), progress)
    judgements = {language: _judgements(opened, language) for language in chosen}
    usual = {"depth": DEFAULT_DEPTH, "seed": DEFAULT_SEED}
    command = provenance.command(
        model if isinstance(model, str) else retriever.info.name,
        opened.card.name,
        augmentation.label or "none",
        () if chosen == opened.card.languages else chosen,
        {name: value for name, value in {"depth": depth, "seed": seed}.items() if value != usual[name]},
    )
    shared = _Shared(opened, retriever, encoder, chosen, judgements, depth, command, progress)
    plain = shared.result(registry.augmentation("none"))
    if not augmentation.label:
        return Evaluation(plain, None, {})
    augmented = shared.result(augmentation)
    family = len(opened.card.languages)
    comparisons = {m: compare(plain, augmented, m, family, seed) for m in opened.card.measures}
    return Evaluation(plain, augmented, comparisons)


@dataclass(frozen=True)
class _Shared:
    """What plain and augmented evaluation have in common."""

    task: Task
    retriever: Retriever
    encoder: Encoder
    languages: tuple[str, ...]
    judgements: Mapping[str, Judgements]
    depth: int
    command: str
    progress: Progress
    tokenised: dict[str, dict[str, str]] = field(default_factory=dict)

    def result(self, augmentation: Augmentation) -> Result:
        card, info = self.task.card, self.retriever.info
        started, encoded_before, encoding_before = time.perf_counter(), self.encoder.encoded, self.encoder.seconds
        runs = self._runs(augmentation)
        measures = [known_measures.parse(name) for name in card.measures]
        hits: dict[str, dict[str, FirstHit]] = {}
        scores: dict[str, dict[str, dict[str, float]]] = {}
        texts = self._texts(runs) if any(m.needs == "answers" for m in measures) else {}
        for language in self.languages:
            self.progress("scoring", len(scores), len(self.languages))
            judged = self.judgements[language]
            own = texts.get(self.task.collection(language), {})
            seen = self.tokenised.setdefault(self.task.collection(language), {})
            hits[language] = known_measures.answer_hits(measures, runs[language], judged, own, seen)
            scores[language] = known_measures.score(measures, runs[language], judged, hits[language])
        revision, described = str(self.encoder.identity["revision"]), augmentation.description
        return Result(
            task=card.name,
            task_version=card.version,
            system="+".join(filter(None, (info.name, augmentation.label))),
            languages=self.languages,
            complete=self.languages == card.languages,
            main_measure=card.main_measure,
            measures=card.measures,
            depth=self.depth,
            scores=scores,
            signature=provenance.signature(card, self.languages, info, revision, described, self.depth),
            details={
                **provenance.describe(card, info, revision, described, self.command),
                "timings": {
                    "seconds": round(time.perf_counter() - started, 2),
                    "encoding_seconds": round(self.encoder.seconds - encoding_before, 2),
                    "texts_encoded": self.encoder.encoded - encoded_before,
                },
            },
            clusters=_clusters(self.task, self.judgements),
            runs=runs,
            hits=hits,
        )

    def _runs(self, augmentation: Augmentation) -> dict[str, Run]:
        """Rankings per language; languages that search the same vectors do it in one pass."""
        groups: dict[tuple[str, str], list[str]] = {}
        for language in self.languages:
            key = (self.task.collection(language), augmentation.index(self.task, language))
            groups.setdefault(key, []).append(language)
        runs: dict[str, Run] = {}
        for group in groups.values():
            queries = [augmentation.queries(self.encoder, language) for language in group]
            chunks = augmentation.passages(self.encoder, group[0])
            rankings = iter(search(np.concatenate(queries), chunks, self.depth))
            for language in group:
                runs[language] = {query.id: next(rankings) for query in self.task.queries(language)}
        return {language: runs[language] for language in self.languages}

    def _texts(self, runs: Mapping[str, Run]) -> dict[str, dict[str, str]]:
        """collection -> passage id -> text, for all retrieved passages, from one more pass over each collection."""
        wanted: dict[str, set[str]] = {}
        for language in self.languages:
            wanted.setdefault(self.task.collection(language), set()).update(_retrieved(runs[language].values()))
        one = {self.task.collection(language): language for language in self.languages}
        return {
            collection: {p.id: p.text for p in self.task.passages(one[collection]) if p.id in ids}
            for collection, ids in wanted.items()
        }


def _retrieved(rankings: Iterable[Ranking]) -> set[str]:
    return {passage for ranking in rankings for passage in ranking.passage_ids}


def _languages(card: TaskCard, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The languages to evaluate, in the card's order."""
    if not wanted:
        return card.languages
    for language in wanted:
        if language not in card.languages:
            raise UnknownName(f"language of {card.name}", language, card.languages)
    return tuple(language for language in card.languages if language in wanted)


def _judgements(task: Task, language: str) -> Judgements:
    """Judgements of a language, by which every measure of the card can judge at least one of its queries."""
    judgements, card = task.judgements(language), task.card
    if not task.queries(language):
        raise DataError(f"there is no query in '{language}', which is a language of the card.", card.name)
    unjudged = known_measures.unjudged([known_measures.parse(name) for name in card.measures], judgements)
    if unjudged:
        raise DataError(f"{unjudged[0]} judges no query in '{language}': relevant data are missing.", card.name)
    return judgements


def _clusters(task: Task, judgements: Mapping[str, Judgements]) -> dict[str, dict[str, int]]:
    """language -> query id -> cluster, over all languages evaluated."""
    keys = [(language, query.id) for language in judgements for query in task.queries(language)]
    if task.card.cluster == "query":
        numbers = list(range(len(keys)))
    else:
        collection = {language: task.collection(language) for language in judgements}
        relevant = [
            [f"{collection[lang]}\t{p}" for p, grade in judgements[lang].qrels.get(query, {}).items() if grade > 0]
            for lang, query in keys
        ]
        numbers = clusters_of(relevant).tolist()
    clusters: dict[str, dict[str, int]] = {language: {} for language in judgements}
    for (language, query), number in zip(keys, numbers, strict=True):
        clusters[language][query] = number
    for language, judged in judgements.items():
        stray = (judged.qrels.keys() | judged.answers.keys()) - clusters[language].keys()
        if stray:
            raise DataError(f"judgements name query '{min(stray)}' ({language}), which is no query.", task.card.name)
    return clusters
