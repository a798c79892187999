"""One parameter of an augmentation over several values, and what choosing it on other questions would have given.

A value chosen on the very questions that it is then scored on looks better than it is. So the questions' clusters are
dealt into folds; the value for a fold is the one with the best macro average on the other folds, and every question
is scored at the value chosen without it. The cross-validated scores are compared with the plain retriever like those
of any other system. The test takes them as given: that the folds share most of what they choose by is left out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench import provenance, registry, results, tasks
from xqgbench.comparison import DEFAULT_SEED, Comparison, compare
from xqgbench.encode import Encoder
from xqgbench.errors import InvalidParameter, ResultError
from xqgbench.evaluation import DEFAULT_DEPTH, check, prepare
from xqgbench.files import write_atomically
from xqgbench.results import Result
from xqgbench.significance import deal
from xqgbench.types import Loading, Progress, Retriever, StoreDtype, silent

FOLDS = 5


@dataclass(frozen=True)
class Sweep:
    """What a sweep found.

    Attributes:
        parameter, values: what was varied.
        plain: the retriever without the augmentation.
        points: one result per value, in order.
        chosen: the value chosen for each fold.
        cross_validated: every question at the value chosen without it.
        comparison: ``cross_validated`` against ``plain``, main measure.
        signature: that of the points, with what was varied in the place of its value.
    """

    augment: str
    parameter: str
    values: tuple[str, ...]
    plain: Result
    points: tuple[Result, ...]
    chosen: tuple[str, ...]
    cross_validated: Result
    comparison: Comparison
    signature: str

    def describe(self) -> dict[str, Any]:
        """JSON-ready: means of every measure at every value, the choices, the comparison, and the provenance."""
        plain = self.plain
        return {
            "signature": self.signature,
            "task": plain.details["task"],
            "retriever": plain.details["retriever"],
            "provenance": plain.details["provenance"],
            "augment": self.augment,
            "parameter": self.parameter,
            "main_measure": plain.main_measure,
            "plain": means(plain),
            "points": [{"value": value} | means(point) for value, point in zip(self.values, self.points, strict=True)],
            "cross_validated": {
                "folds": len(self.chosen),
                "seed": self.comparison.seed,
                "chosen": list(self.chosen),
                **means(self.cross_validated),
                "comparison": self.comparison.describe(),
            },
        }

    def save(self, output: Path) -> Path:
        """Write ``<output>/<task>/sweeps/<name>.json``, see ``file_name``, and return its path.

        A file that holds this very curve is left as it is, whatever its date and platform.

        Raises:
            ResultError: it cannot be written.
        """
        folds, seed, depth = len(self.chosen), self.comparison.seed, self.plain.depth
        name = file_name(self.plain.system, self.augment, self.parameter, self.values, folds, seed, depth)
        path = Path(output) / self.plain.task / "sweeps" / name
        text = json.dumps(self.describe(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        if _holds(path, json.loads(text)):
            return path
        try:
            write_atomically(path, text.encode())
        except OSError as error:
            raise ResultError(
                f"the curve cannot be written to {path}: {error.strerror or error}. Name another place with "
                f"--output DIR."
            ) from None
        return path


def _holds(path: Path, described: Mapping[str, Any]) -> bool:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        libraries = [content["provenance"]["libraries"] for content in (kept, described)]
        return bool(libraries[0] == libraries[1] and {**kept, "provenance": {}} == {**described, "provenance": {}})
    except (OSError, ValueError, KeyError, TypeError):
        return False


def file_name(
    system: str,
    augment: str,
    parameter: str,
    values: Sequence[str],
    folds: int = FOLDS,
    seed: int = DEFAULT_SEED,
    depth: int = DEFAULT_DEPTH,
) -> str:
    """Name of a curve's file: system, augmentation, values, and what else makes its numbers other than the usual ones.

    A long list of values is shortened to its ends and a hash of them all.
    """
    listed = ",".join(values)
    if len(listed) > 100:
        listed = f"{values[0]}..{values[-1]}-{hashlib.sha256(listed.encode()).hexdigest()[:8]}"
    parts = [results.plain_name(f"{system}+{augment}"), results.plain_name(f"{parameter}={listed}")]
    parts += [f"{name}={value}" for name, value in _unusual(folds, seed, depth).items()]
    return "@".join(parts) + ".json"


def _unusual(folds: int, seed: int, depth: int) -> dict[str, int]:
    """The settings that differ from their defaults."""
    usual = {"folds": FOLDS, "seed": DEFAULT_SEED, "depth": DEFAULT_DEPTH}
    given = {"folds": folds, "seed": seed, "depth": depth}
    return {name: value for name, value in given.items() if value != usual[name]}


def means(result: Result) -> dict[str, Any]:
    """Measure -> macro average and mean per language."""
    return {
        "measures": {
            measure: {
                "macro": result.macro(measure),
                "languages": {language: result.mean(language, measure) for language in result.languages},
            }
            for measure in result.measures
        }
    }


def sweep(
    model: str | Retriever,
    parameter: str,
    values: Sequence[str],
    task: str = tasks.DEFAULT_TASK,
    augment: str = "xqg",
    *,
    folds: int = FOLDS,
    depth: int = DEFAULT_DEPTH,
    seed: int = DEFAULT_SEED,
    store: Path | None = None,
    tasks_dir: Path | None = None,
    data_dir: Path | None = None,
    generated_queries: Path | Mapping[str, Path] | None = None,
    loading: Loading | None = None,
    progress: Progress = silent,
    store_dtype: StoreDtype = "float32",
) -> Sweep:
    """Evaluate an augmentation at several values of one parameter; texts are encoded once.

    Args:
        parameter, values: as they would stand in ``--augment``: ``alpha`` and ``0.1``, ``0.2``.
        augment: the augmentation and its other parameters.
        folds: into how many parts the clusters are dealt, from ``seed``.

    Raises:
        InvalidParameter: fewer than two values or folds, or a value that the augmentation refuses.
        XqgbenchError: see ``evaluation.evaluate``.
    """
    if len(dict.fromkeys(values)) != len(values) or len(values) < 2:
        raise InvalidParameter(f"a sweep needs at least two distinct values of {parameter}, not {', '.join(values)}.")
    opened = tasks.open_task(task, tasks_dir, data_dir, generated_queries)
    specs = [f"{augment}{',' if ':' in augment else ':'}{parameter}={value}" for value in values]
    augmentations = [registry.augmentation(spec) for spec in specs]
    for augmentation in augmentations:  # whatever is wrong with the last is found before the first is evaluated
        languages = check(opened, augmentation, None, depth)
    retriever = registry.retriever(model, loading)
    named = provenance.named_model(model if isinstance(model, str) else retriever.info.name, loading)
    command = provenance.command(named, tasks.named(opened.card), augment, (), _unusual(folds, seed, depth), "sweep")
    command += f" --over {parameter}={','.join(values)}"
    command += "" if store_dtype == "float32" else f" --store-dtype {store_dtype}"
    encoder = Encoder(retriever, opened, store, progress, store_dtype)
    prepared = prepare(encoder, languages, depth, command, progress)
    dealt = deal_clusters(prepared.clusters, opened.card.languages, folds, seed)
    plain = prepared.result(registry.augmentation("none"))
    points: list[Result] = []
    for augmentation in augmentations:
        progress(f"{parameter}", len(points), len(values))
        points.append(prepared.result(augmentation))
    chosen, validated = cross_validate(points, dealt)
    varied = {"name": f"{augment} over {parameter}"}
    return Sweep(
        augment,
        parameter,
        tuple(values),
        plain,
        tuple(points),
        tuple(values[i] for i in chosen),
        validated,
        compare(plain, validated, plain.main_measure, seed),
        provenance.signature(opened.card, languages, encoder.identity, varied, depth),
    )


def deal_clusters(
    clusters: Mapping[str, Mapping[str, int]], languages: Sequence[str], folds: int, seed: int
) -> dict[str, dict[str, int]]:
    """language -> query id -> fold, numbered from 0; queries of one cluster are never apart.

    Raises:
        InvalidParameter: fewer than two folds, or fewer clusters than folds.
    """
    numbers = sorted({number for language in languages for number in clusters[language].values()})
    if not 2 <= folds <= len(numbers):
        raise InvalidParameter(f"{folds} folds cannot be made of {len(numbers)} clusters; give 2 to {len(numbers)}.")
    fold_of = dict(zip(numbers, deal(len(numbers), folds, seed).tolist(), strict=True))
    return {lang: {query: fold_of[number] for query, number in clusters[lang].items()} for lang in languages}


def cross_validate(points: Sequence[Result], folded: Mapping[str, Mapping[str, int]]) -> tuple[list[int], Result]:
    """The point chosen for each fold, and a result that scores every query with the point chosen without it.

    Args:
        folded: language -> query id -> fold, from ``deal_clusters``.
    """
    first = points[0]
    folds = 1 + max(fold for own in folded.values() for fold in own.values())
    chosen = [int(np.argmax([_macro_without(point, fold, folded) for point in points])) for fold in range(folds)]
    scores = {
        language: {
            measure: {
                query: points[chosen[folded[language][query]]].scores[language][measure][query] for query in queries
            }
            for measure, queries in first.scores[language].items()
        }
        for language in first.languages
    }
    system = f"{first.system.split(':')[0]}, cross-validated"
    return chosen, dataclasses.replace(first, scores=scores, system=system, controls=(), runs={}, hits={})


def _macro_without(point: Result, fold: int, folded: Mapping[str, Mapping[str, int]]) -> float:
    """Macro average of the main measure over the queries outside a fold; languages left without any drop out."""
    means_ = []
    for language in point.languages:
        own = point.scores[language][point.main_measure]
        kept = [score for query, score in own.items() if folded[language][query] != fold]
        if kept:
            means_.append(sum(kept) / len(kept))
    return sum(means_) / len(means_)
