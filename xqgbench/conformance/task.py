"""The checks of tasks: whether one keeps what ``types.Task`` promises. ``validation`` reads the texts themselves."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xqgbench.conformance.report import Check, Finding, Outcome, run
from xqgbench.errors import MissingData
from xqgbench.types import Countable, Judgements, Passage, Task

#: How many passages of a collection are looked at, the first ones.
PASSAGES = 5_000


@dataclass(frozen=True)
class Subject:
    """A task, and its languages whose questions, judgements and passages are here."""

    task: Task
    languages: tuple[str, ...]

    def collections(self) -> Iterator[tuple[str, list[Passage], bool]]:
        """Of each collection a language, its first passages, and whether these are all."""
        for language in {self.task.collection(language): language for language in self.languages}.values():
            first = list(itertools.islice(self.task.passages(language), PASSAGES + 1))
            yield language, first[:PASSAGES], len(first) <= PASSAGES


def check_task(task: Task) -> Iterator[Outcome]:
    """Run a task through every check. Languages whose files are not here are left out, and named.

    Raises:
        MissingData: there is no language whose files are here.
    """
    here, missing = [], None
    for language in task.card.query_languages:
        try:
            task.queries(language), _judged(task, language), next(task.passages(language), None)
            here.append(language)
        except MissingData as error:
            missing = missing or error
    if missing and not here:
        raise missing
    return run(CHECKS, Subject(task, tuple(here)))


def _judged(task: Task, language: str) -> Judgements:
    """Judgements, without reading millions of passages to see whether every judged one exists."""
    return task.filed_judgements(language) if isinstance(task, Countable) else task.judgements(language)


def _looked_at(count: int, whole: bool, what: str = "passages") -> str:
    return f"{count:,} {what}{'' if whole else ', the first of more'}"


def languages_are_here(subject: Subject) -> Finding:
    task = subject.task
    here = subject.languages
    missing = [language for language in task.card.query_languages if language not in here]
    if missing:
        hint = f"'xqgbench tasks show {task.card.name}' says where they come from"
        return "note", f"files are missing for {', '.join(missing)}, so that nothing is said of these; {hint}"
    return "passed", ", ".join(here)


def questions_are_sound(subject: Subject) -> Finding:
    task = subject.task
    total = 0
    for language in subject.languages:
        queries = task.queries(language)
        repeated = [id_ for id_, count in Counter(query.id for query in queries).items() if count > 1]
        if repeated:
            return "failed", f"{language}: the id '{repeated[0]}' occurs more than once"
        for query in queries:
            if query.language != language or not query.text.strip():
                return "failed", f"{language}: question '{query.id}' is in '{query.language}', or empty"
        expected = task.card.expected_queries.get(language, len(queries))
        if len(queries) != expected or not queries:
            return "failed", f"{language}: {len(queries)} questions, where the card expects {expected or 'some'}"
        if list(task.queries(language)) != list(queries):
            return "failed", f"{language}: the questions are others, or in another order, when asked for again"
        total += len(queries)
    return "passed", f"{total:,}, with distinct ids in each language"


def judgements_are_of_questions(subject: Subject) -> Finding:
    task = subject.task
    judged = 0
    for language in subject.languages:
        found, ids = _judged(task, language), {query.id for query in task.queries(language)}
        unknown = [id_ for id_ in (*found.qrels, *found.answers) if id_ not in ids]
        if unknown:
            return "failed", f"{language}: '{unknown[0]}' is judged, which is no question"
        relevant = {query for query, grades in found.qrels.items() if max(grades.values(), default=0) > 0}
        judged += len(relevant | set(found.answers))
        if not relevant and not found.answers:
            return "failed", f"{language}: no question has a relevant passage or an accepted answer"
    return "passed", f"{judged:,} questions have a relevant passage or an accepted answer"


def judged_passages_exist(subject: Subject) -> Finding:
    task = subject.task
    cut, found, missing = False, 0, 0
    for language, passages, whole in subject.collections():
        ids = {passage.id for passage in passages}
        own = [other for other in subject.languages if task.collection(other) == task.collection(language)]
        judged = [task.judgements(other) if whole else _judged(task, other) for other in own]
        qrels = [grades for judgements in judged for grades in judgements.qrels.values()]
        wanted = {passage for grades in qrels for passage, grade in grades.items() if grade > 0}
        if whole and wanted - ids:
            return "failed", f"{language}: passage '{min(wanted - ids)}' is relevant, but not in the collection"
        cut, found, missing = cut or not whole, found + len(wanted & ids), missing + len(wanted - ids)
    if cut:
        return "note", f"{missing:,} relevant passages are not among the first {PASSAGES:,}, and were not looked for"
    return "passed", f"all {found:,}"


def passages_are_sound(subject: Subject) -> Finding:
    task = subject.task
    total, complete = 0, True
    for language, passages, whole in subject.collections():
        repeated = [id_ for id_, count in Counter(passage.id for passage in passages).items() if count > 1]
        if repeated:
            return "failed", f"{language}: the id '{repeated[0]}' occurs more than once"
        empty = [passage.id for passage in passages if not passage.text.strip()]
        if empty:
            return "failed", f"{language}: passage '{empty[0]}' has no text"
        expected = task.card.passages_in(language) or len(passages)
        if not passages or (whole and len(passages) != expected):
            return "failed", f"{language}: {len(passages)} passages, where the card expects {expected or 'some'}"
        total, complete = total + len(passages), complete and whole
    return "passed", f"{_looked_at(total, complete)}, with distinct ids in each collection"


def passages_come_again(subject: Subject) -> Finding:
    task = subject.task
    total, complete = 0, True
    for language, passages, whole in subject.collections():
        if list(itertools.islice(task.passages(language), PASSAGES)) != passages:
            return "failed", f"{language}: the passages are others, or in another order, when read again"
        total, complete = total + len(passages), complete and whole
    return "passed", _looked_at(total, complete)


def generated_queries_are_aligned(subject: Subject) -> Finding:
    task = subject.task
    total, complete = 0, True
    if not task.card.generated_languages:
        return "passed", "there are none"
    for language, passages, whole in subject.collections():
        rows = _generated(task, language)
        if len(rows) != len(passages):
            return "failed", f"{language}: generated queries of {len(rows)} passages, where there are {len(passages)}"
        if _generated(task, language) != rows:
            return "failed", f"{language}: the generated queries are others when read again"
        for passage, row in zip(passages, rows, strict=True):
            if not all(text.strip() for texts in row.values() for text in texts):
                return "failed", f"passage '{passage.id}' has an empty generated query"
            total += sum(map(len, row.values()))
        complete = complete and whole
    return "passed", f"{_looked_at(total, complete, 'generated queries')}, one row a passage"


def _generated(task: Task, language: str) -> list[Mapping[str, Sequence[str]]]:
    """Of the first passages, in the languages of the card whose files are here; a record may hold more of them."""
    first = next(task.generated_queries(language), {})
    here = []
    for name in task.card.generated_languages:
        with contextlib.suppress(MissingData):  # some formats read a language when it is asked for
            first.get(name)
            here.append(name)
    rows = itertools.islice(task.generated_queries(language), PASSAGES)
    return [{name: list(row.get(name, ())) for name in here} for row in rows]


CHECKS: tuple[Check[Subject], ...] = (
    languages_are_here,
    questions_are_sound,
    judgements_are_of_questions,
    judged_passages_exist,
    passages_are_sound,
    passages_come_again,
    generated_queries_are_aligned,
)
