"""One evaluation, from names to results: a retriever, plain and augmented, on the languages of a task."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench import measures as known_measures
from xqgbench import provenance, registry, results, scoring, tasks
from xqgbench.comparison import DEFAULT_SEED, Comparison, compare
from xqgbench.encode import Encoder
from xqgbench.errors import UnknownName, UsageError
from xqgbench.files import folder_name
from xqgbench.precomputed import Precomputed
from xqgbench.results import Result
from xqgbench.search import search
from xqgbench.types import (
    Augmentation,
    Loading,
    Progress,
    Run,
    StoreDtype,
    Task,
    TaskCard,
    silent,
)

DEFAULT_DEPTH = 100
#: What gives the vectors of a task: a retriever, or a folder of those that were made elsewhere.
Provider = Encoder | Precomputed


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

    def save(self, output: Path) -> list[tuple[Path, str]]:
        """Write ``<output>/<task>/<system>/`` for each system.

        Returns:
            Each folder, and what became of it (see ``results.write``).
        """
        written = []
        for result in filter(None, (self.plain, self.augmented)):
            folder = Path(output) / result.task / results.folder_name(result, DEFAULT_DEPTH)
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
    model: str | object | None = None,
    task: str | Task = tasks.DEFAULT_TASK,
    augment: str | Augmentation = "none",
    *,
    languages: Sequence[str] | None = None,
    depth: int = DEFAULT_DEPTH,
    seed: int = DEFAULT_SEED,
    store: Path | None = None,
    tasks_dir: Path | None = None,
    data_dir: Path | None = None,
    generated_queries: Path | Mapping[str, Path] | None = None,
    loading: Loading | None = None,
    vectors: Path | None = None,
    progress: Progress = silent,
    named: str | None = None,
    store_dtype: StoreDtype = "float32",
) -> Evaluation:
    """Evaluate a retriever on a task, plain and with an augmentation; both share every vector.

    Args:
        model: a retriever object, a model of beir, mteb or sentence-transformers (docs/plugins.md), or a name as
            ``--model`` takes it; None where there are ``vectors``.
        task: a task object, or the name of a card.
        augment: an augmentation object, or ``NAME`` or ``NAME:parameters``.
        languages: some of the card's languages; the result is then incomplete and has no macro average. Control
            languages are evaluated where they are named, and whenever all the others are.
        depth: passages retrieved per query.
        seed: for the significance tests.
        store: root folder of the vector store; by default ``$XQGBENCH_STORE`` or the user's cache folder.
        tasks_dir: a folder of task cards that are looked at before the bundled ones.
        data_dir: a folder with copies of the task's files.
        generated_queries: a file whose generated queries take the place of the task's own, or language -> file.
        loading: how a checkpoint is loaded: from which folder, on which devices, in which precision ...
        vectors: a folder of vectors that were made elsewhere, of the texts that ``precomputed.export`` wrote; in the
            place of a retriever.
        named: what the recorded command says behind ``--model``, where ``model`` is the object.
        store_dtype: ``float16`` halves the store; vectors are rounded to it, so that scores can change a little.

    Raises:
        XqgbenchError: see ``xqgbench.errors``; nothing is left half-written.
    """
    if (model is None) == (vectors is None):
        raise UsageError("either a retriever (--model) or vectors made elsewhere (--vectors) must be given, not both.")
    if vectors is not None and (loading not in (None, Loading()) or store_dtype != "float32"):
        raise UsageError(
            "vectors made elsewhere (--vectors) are neither loaded from a model nor kept in the store: leave out "
            "loading and --store-dtype."
        )
    opened = tasks.open_task(task, tasks_dir, data_dir, generated_queries) if isinstance(task, str) else task
    augmentation = registry.augmentation(augment)
    chosen = check(opened, augmentation, languages, depth)
    provider: Provider
    if vectors is not None:
        provider, named = Precomputed(Path(vectors), opened, progress), shlex.quote(folder_name(Path(vectors)))
        _looked_at(provider, augmentation, chosen)
    else:
        assert model is not None  # as there are no vectors
        provider = Encoder(registry.retriever(model, loading), opened, store, progress, store_dtype)
        named = named or provenance.named_model(model if isinstance(model, str) else provider.info.name, loading)
    usual = {"depth": DEFAULT_DEPTH, "seed": DEFAULT_SEED, "store-dtype": "float32"}
    given = {"depth": depth, "seed": seed, "store-dtype": store_dtype}
    command = provenance.command(
        named,
        tasks.named(opened.card),
        augmentation.label or "none",
        () if chosen == opened.card.query_languages else chosen,
        {name: value for name, value in given.items() if value != usual[name]},
        by="--model" if vectors is None else "--vectors",
    )
    for file in filter(None, opened.card.generated_by.split(",")):
        command += f" --generated-queries {file.rpartition('#')[0]}"
    prepared = prepare(provider, chosen, depth, command, progress)
    plain = prepared.result(registry.augmentation("none"))
    if not augmentation.label:
        return Evaluation(plain, None, {})
    augmented = prepared.result(augmentation)
    return Evaluation(plain, augmented, {m: compare(plain, augmented, m, seed) for m in opened.card.measures})


def _looked_at(vectors: Precomputed, augmentation: Augmentation, languages: Sequence[str]) -> None:
    """Read the first of everything, so that a file that is missing or wrong is told before an hour has gone."""
    for language in languages:
        if served(vectors.task, augmentation, language):
            augmentation.queries(vectors, language)
            next(augmentation.passages(vectors, language), None)


def prepare(
    vectors: Provider, languages: tuple[str, ...], depth: int, command: str, progress: Progress = silent
) -> Prepared:
    """What evaluations of the same vectors share; each augmentation is then a ``result``.

    Args:
        languages: what ``check`` returned.
        command: goes into the results.
    """
    task = vectors.task
    return Prepared(task, vectors, languages, scoring.clusters(task, languages), depth, command, progress)


def check(
    task: Task, augmentation: Augmentation, languages: Sequence[str] | None = None, depth: int = DEFAULT_DEPTH
) -> tuple[str, ...]:
    """Whether an evaluation can be made, before anything long starts; returns its languages, in the card's order.

    Raises:
        UnknownName: a language that the task does not have.
        InvalidParameter: a depth that a measure of the task looks beyond.
        MissingError: the task lacks what the augmentation needs.
        DataError: questions or judgements that cannot be used.
    """
    card = task.card
    chosen = chosen_languages(card, languages)
    measures = [known_measures.parse(name) for name in card.measures]
    scoring.deep_enough(measures, depth)
    for language in chosen:
        served(task, augmentation, language)
        scoring.usable(task, language, measures, task.judgements(language))
        next(task.passages(language), None)  # a collection that is not here is missed now, not after an hour
    return chosen


def chosen_languages(card: TaskCard, languages: Sequence[str] | None) -> tuple[str, ...]:
    """The languages that are evaluated where these are asked for, in the card's order; see ``evaluate``.

    Raises:
        UnknownName: a language that the task does not have.
    """
    for language in languages or ():
        if language not in card.query_languages:
            raise UnknownName(f"language of {card.name}", language, card.query_languages)
    wanted = card.query_languages if not languages or set(card.languages) <= set(languages) else languages
    return tuple(language for language in card.query_languages if language in wanted)


@dataclass(frozen=True)
class Prepared:
    """What the evaluations of one retriever on one task have in common; see ``prepare``."""

    task: Task
    vectors: Provider
    languages: tuple[str, ...]
    clusters: Mapping[str, Mapping[str, int]]
    depth: int
    command: str
    progress: Progress
    tokenised: dict[str, dict[str, str]] = field(default_factory=dict)

    def result(self, augmentation: Augmentation) -> Result:
        """Evaluate with an augmentation; what was encoded before is taken from the store."""
        card, vectors = self.task.card, self.vectors
        started, encoded_before, encoding_before = time.perf_counter(), vectors.encoded, vectors.seconds
        asked = tuple(language for language in self.languages if served(self.task, augmentation, language))
        runs = self._runs(augmentation, asked)
        measures = [known_measures.parse(name) for name in card.measures]
        texts = scoring.texts_of(self.task, runs) if any(m.needs == "answers" for m in measures) else {}
        judgements = {language: self.task.judgements(language) for language in asked}
        scores, hits = scoring.score(self.task, measures, runs, judgements, texts, self.tokenised, self.progress)
        identity, (label, described) = vectors.identity, _described(augmentation, card)
        details = provenance.describe(card, vectors.info, identity, described, self.command, vectors.source)
        details["timings"] = {
            "seconds": round(time.perf_counter() - started, 2),
            "encoding_seconds": round(vectors.seconds - encoding_before, 2),
            "texts_encoded": vectors.encoded - encoded_before,
        }
        return scoring.result(
            card,
            system="+".join(filter(None, (_system(vectors.info.name, identity), label))),
            measures=card.measures,
            depth=self.depth,
            scores=scores,
            signature=provenance.signature(card, asked, identity, described, self.depth),
            details=details,
            clusters=self.clusters,
            runs=runs,
            hits=hits,
        )

    def _runs(self, augmentation: Augmentation, languages: Sequence[str]) -> dict[str, Run]:
        """Rankings per language; languages that search the same vectors do it in one pass."""
        groups: dict[tuple[str, str], list[str]] = {}
        for language in languages:
            key = (self.task.collection(language), augmentation.index(self.task, language))
            groups.setdefault(key, []).append(language)
        runs: dict[str, Run] = {}
        for group in groups.values():
            queries = [augmentation.queries(self.vectors, language) for language in group]
            chunks = augmentation.passages(self.vectors, group[0])
            rankings = iter(search(np.concatenate(queries), chunks, self.depth))
            for language in group:
                runs[language] = {query.id: next(rankings) for query in self.task.queries(language)}
        return {language: runs[language] for language in languages}


def _system(name: str, identity: Mapping[str, Any]) -> str:
    """A retriever's name; rounded vectors are another system than its own."""
    return f"{name}_{identity['stored']}-store" if "stored" in identity else name


def _described(augmentation: Augmentation, card: TaskCard) -> tuple[str, Mapping[str, Any]]:
    """Label and description of an augmentation; both say so if the generated queries are not the task's own."""
    label, described = augmentation.label, augmentation.description
    if not label or not card.generated_by:
        return label, described
    return f"{label}{',' if ':' in label else ':'}queries={card.generated_by}", {
        **described,
        "queries": card.generated_by,
    }


def served(task: Task, augmentation: Augmentation, language: str) -> bool:
    """Whether the augmentation can be evaluated there; a control language may lack what it needs, others not."""
    try:
        augmentation.index(task, language)
    except UnknownName:
        if language in task.card.languages:
            raise
        return False
    return True
