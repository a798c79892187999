"""The checks of augmentations, on the first passages of a task and vectors that are made from hashes of its texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xqgbench import registry
from xqgbench.conformance.asking import TOLERANCE, apart
from xqgbench.conformance.report import Check, Finding, Outcome, run
from xqgbench.conformance.sample import PASSAGES, First, HashedVectors
from xqgbench.evaluation import served
from xqgbench.types import Augmentation, Task, Vectors

#: Passages per chunk: few, so that there are several chunks and the last is shorter.
FEW = 7


@dataclass(frozen=True)
class Subject:
    """An augmentation and what it is tried on."""

    augmentation: Augmentation
    vectors: HashedVectors
    languages: tuple[str, ...]


def check_augmentation(augmentation: Augmentation, task: Task) -> Iterator[Outcome]:
    """Run an augmentation through every check.

    Raises:
        XqgbenchError: the task lacks what the augmentation needs.
    """
    languages = tuple(language for language in task.card.query_languages if served(task, augmentation, language))
    return run(CHECKS, Subject(augmentation, HashedVectors(First(task), FEW), languages))


def _searched(subject: Subject, language: str, chunk: int = FEW) -> tuple[list[str], Vectors]:
    """Ids and vectors that the augmentation gives to search in."""
    vectors = HashedVectors(subject.vectors.task, chunk)
    ids: list[str] = []
    parts = []
    for chunk_ids, part in subject.augmentation.passages(vectors, language):
        if len(chunk_ids) != len(part):
            raise ValueError(f"{language}: a chunk has {len(chunk_ids)} ids and {len(part)} vectors")
        ids += chunk_ids
        parts.append(part)
    return ids, np.concatenate(parts)


def it_can_be_written_down(subject: Subject) -> Finding:
    label, description = subject.augmentation.label, subject.augmentation.description
    if "name" not in description:
        return "failed", f"description {dict(description)} lacks 'name'"
    json.dumps(dict(description))  # it goes into results; raises where it cannot
    return "passed", f"label '{label}', {dict(description)}"


def its_label_names_it(subject: Subject) -> Finding:
    """The label stands in the command that a result records."""
    label = subject.augmentation.label
    again = registry.augmentation(label or "none")
    if (again.label, again.description) != (label, subject.augmentation.description):
        return "failed", f"--augment {label} gives '{again.label}', {dict(again.description)}"
    return "passed", f"--augment {label or 'none'}"


def languages_are_grouped_steadily(subject: Subject) -> Finding:
    task, index = subject.vectors.task, subject.augmentation.index
    groups = {language: index(task, language) for language in subject.languages}
    if groups != {language: index(task, language) for language in reversed(subject.languages)}:
        return "failed", "index gives a language another group when asked again"
    return "passed", f"languages: {len(groups)}, groups that are searched in one pass: {len(set(groups.values()))}"


def a_group_has_the_same_passages(subject: Subject) -> Finding:
    """Only the first language of a group is asked for passages."""
    first: dict[tuple[str, str], tuple[str, Vectors]] = {}
    for language in subject.languages:
        task = subject.vectors.task
        key = task.collection(language), subject.augmentation.index(task, language)
        _, vectors = _searched(subject, language)
        other, expected = first.setdefault(key, (language, vectors))
        if apart(vectors, expected) > 0:
            return "failed", f"{other} and {language} have one index, but other vectors to search in"
    return "passed", f"{len(first)} looked at"


def queries_have_a_vector_each(subject: Subject) -> Finding:
    for language in subject.languages:
        count = len(subject.vectors.task.queries(language))
        found, (_, passages) = subject.augmentation.queries(subject.vectors, language), _searched(subject, language)
        if found.shape != (count, passages.shape[1]) or not np.isfinite(found).all():
            wanted = f"({count}, {passages.shape[1]})"
            return "failed", f"{language}: shape {found.shape} or not finite, where {wanted} is needed"
    return "passed", ", ".join(subject.languages)


def passages_have_a_vector_each(subject: Subject) -> Finding:
    for language in subject.languages:
        wanted = [passage.id for passage in subject.vectors.task.passages(language)]
        ids, vectors = _searched(subject, language)
        if ids != wanted:
            return "failed", f"{language}: other passages, or in another order, than the task has"
        if vectors.dtype != np.float32 or not np.isfinite(vectors).all():
            return "failed", f"{language}: {vectors.dtype} vectors, or some that are not finite"
    return "passed", f"the first {PASSAGES} of each collection, in order, float32 and finite"


def chunks_do_not_matter(subject: Subject) -> Finding:
    moved = 0.0
    for language in subject.languages:
        moved = max(moved, apart(_searched(subject, language)[1], _searched(subject, language, PASSAGES)[1]))
    if moved > TOLERANCE:
        return "failed", f"vectors move by {moved:.2g} of their length with the size of the chunks"
    return "passed", f"{FEW} or {PASSAGES} passages in a chunk move a vector by {moved:.1g} of its length"


def weight_zero_changes_nothing(subject: Subject) -> Finding:
    name = subject.augmentation.description["name"]
    if "alpha" not in subject.augmentation.description:
        return "passed", "it has no alpha"
    without = Subject(registry.augmentation(f"{name}:alpha=0"), subject.vectors, subject.languages)
    plain = Subject(registry.augmentation("none"), subject.vectors, subject.languages)
    for language in subject.languages:
        moved = apart(_searched(without, language)[1], _searched(plain, language)[1])
        if moved > TOLERANCE:
            return "failed", f"{language}: {name}:alpha=0 moves vectors by {moved:.2g} of their length"
    return "passed", f"{name}:alpha=0"


CHECKS: tuple[Check[Subject], ...] = (
    it_can_be_written_down,
    its_label_names_it,
    languages_are_grouped_steadily,
    a_group_has_the_same_passages,
    queries_have_a_vector_each,
    passages_have_a_vector_each,
    chunks_do_not_matter,
    weight_zero_changes_nothing,
)
