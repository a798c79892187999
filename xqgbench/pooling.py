"""What nobody has judged yet, though it may matter: the pool of a task, in TREC's sense.

A passage that a system ranks high and nobody judged counts as wrong, whatever it says; so does one that holds an
accepted answer. Both are listed, by query and without naming a system, so that whoever judges them cannot favour one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xqgbench import results
from xqgbench.errors import MissingData
from xqgbench.measures import countable
from xqgbench.types import Passage, Query, Task


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A query, its accepted answers, the passages judged relevant, and those to be read, in the order of their ids."""

    query: Query
    answers: tuple[str, ...]
    relevant: tuple[str, ...]
    passages: tuple[str, ...]


def pool(task: Task, folder: Path, depth: int) -> Iterator[Unjudged]:
    """Every query that has something unjudged.

    Args:
        folder: every result of the task anywhere below it is looked at.
        depth: how many passages of each ranking.

    Raises:
        MissingData: there is no result of the task below the folder.
        ResultError: a result cannot be read.
    """
    ranked = _ranked(task.card.name, folder, depth)
    collections: dict[str, list[Passage]] = {}
    ids: dict[str, set[str]] = {}
    for language in task.card.query_languages:
        name = task.collection(language)
        passages = collections.get(name)
        if passages is None:
            passages = collections[name] = list(task.passages(language))
            ids[name] = {passage.id for passage in passages}
        judged = task.judgements(language)
        for query in task.queries(language):
            grades, answers = judged.qrels.get(query.id, {}), judged.answers.get(query.id, ())
            holding = _holding(countable(answers), passages)
            # A run made elsewhere may hold passages that the collection lacks, or texts that have no id there.
            found = (ranked.get((language, query.id), set()) & ids[name] | holding) - set(grades)
            if found:
                relevant = tuple(p for p, grade in grades.items() if grade > 0)
                yield Unjudged(query, answers, relevant, tuple(sorted(found)))


def _ranked(name: str, folder: Path, depth: int) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    paths = [path.parent for path in sorted(folder.rglob("result.json"))]
    paths = [path for path in paths if results.read_summary(path)["task"]["name"] == name]
    if not paths:
        raise MissingData(f"there is no result of '{name}' below {folder}; 'xqgbench eval' writes one.")
    for path in paths:
        for language, query, passage in results.read_rankings(path, depth):
            found.setdefault((language, query), set()).add(passage)
    return found


def _holding(answers: tuple[str, ...], passages: Iterable[Passage]) -> set[str]:
    return {passage.id for passage in passages if any(answer in passage.text for answer in answers)}
