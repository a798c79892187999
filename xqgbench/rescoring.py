"""Runs made elsewhere (BM25, ColBERT, a run of a paper), scored like those of a retriever evaluated here.

Judged queries that a run lacks score 0. ``denominator="official"`` counts as XOR-Retrieve's script does instead: only
the queries that are in the run. Such results are kept apart from the others everywhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xqgbench import results, tasks
from xqgbench.comparison import DEFAULT_SEED, Comparison, compare
from xqgbench.errors import InvalidParameter, UnknownName
from xqgbench.evaluation import DEFAULT_DEPTH
from xqgbench.registry import is_plain_name
from xqgbench.results import Result
from xqgbench.scored_runs import details_of, scored
from xqgbench.submitted import Runs, Submitted, files_of, name_of, submitted
from xqgbench.types import Progress, Task, TaskCard, silent

DENOMINATORS = ("strict", "official")


@dataclass(frozen=True)
class Rescored:
    """What scoring a run found.

    Attributes:
        result: its scores.
        against: what it was compared with, or None.
        comparisons: measure -> ``result`` against ``against``, of the measures that both have.
        against_files: name -> sha256 of the run files of ``against``; empty if it was a result folder.
    """

    result: Result
    against: Result | None
    comparisons: Mapping[str, Comparison]
    against_files: Mapping[str, str]

    def save(self, output: Path) -> list[tuple[Path, str]]:
        """Write ``<output>/<task>/<system>/``.

        Returns:
            The folder, and what became of it (see ``results.write``).

        Raises:
            ResultError: see ``results.write``.
        """
        result, described = self.result, None
        folder = Path(output) / result.task / results.folder_name(result, DEFAULT_DEPTH)
        if self.against:
            described = {
                "against": self.against.system,
                "seed": self.comparisons[result.main_measure].seed,
                "measures": {measure: c.describe() for measure, c in self.comparisons.items()},
                **({"files": dict(self.against_files)} if self.against_files else {}),
            }
        return [(folder, results.write(result, folder, described))]


def score(
    task: str | Task,
    runs: Runs,
    *,
    name: str | None = None,
    against: Runs | Result | None = None,
    denominator: str = "strict",
    depth: int = DEFAULT_DEPTH,
    seed: int = DEFAULT_SEED,
    trained_on: Sequence[str] | None = None,
    tasks_dir: Path | None = None,
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> Rescored:
    """Score a run that was made elsewhere: a TREC run, one of ranx, or an official XOR-Retrieve prediction file.

    Args:
        task: a task object, or the name of a card. The collection is read only if a measure needs its texts.
        runs: the file, or language -> file where query ids recur across the languages of the task.
        name: what the system is called; by default as its file.
        against: a result folder, a result, or another run: what to compare with.
        denominator: ``strict``, or ``official``: queries that the run lacks are not counted.
        depth: passages looked at per query; rankings are cut there.
        seed: for the significance tests.
        trained_on: data sets that the system was trained on; None if unknown, an empty one if on none.
        tasks_dir: a folder of task cards that are looked at before the bundled ones.
        data_dir: a folder with copies of the task's files.

    Raises:
        XqgbenchError: see ``xqgbench.errors``; nothing is written.
    """
    if denominator not in DENOMINATORS:
        raise UnknownName("denominator", denominator, DENOMINATORS)
    opened = tasks.open_task(task, tasks_dir, data_dir) if isinstance(task, str) else task
    files = files_of(runs, opened.card)
    system = name or name_of(files)
    if not is_plain_name(system):
        raise InvalidParameter(
            f"the name '{system}' becomes part of file names; give one of letters, digits and . _ - with --name."
        )
    run = submitted(opened, files, depth)
    options: dict[str, int | str] = {
        "denominator": denominator,
        "depth": depth,
        "seed": seed,
        "trained-on": "" if trained_on is None else ",".join(trained_on) or "none",
    }
    command = _command(opened.card, run, system, against, options)
    details = details_of(opened.card, run, system, trained_on, command)
    found = scored(opened, run, system, denominator, depth, details, progress)
    if against is None:
        return Rescored(found, None, {}, {})
    other, other_files = _other(opened, against, denominator, depth, progress)
    if other.system == found.system:
        raise InvalidParameter(f"both systems are called '{found.system}'; call the run otherwise with --name.")
    compared = [m for m in found.measures if m == found.main_measure or m in other.measures]
    return Rescored(found, other, {m: compare(other, found, m, seed) for m in compared}, other_files)


def _other(
    task: Task, against: Runs | Result, denominator: str, depth: int, progress: Progress
) -> tuple[Result, Mapping[str, str]]:
    """What a run is compared with, and the hashes of its run files if it is a run itself."""
    if isinstance(against, Result):
        return against, {}
    if isinstance(against, (str, Path)) and Path(against).is_dir():
        return results.read_result(Path(against)), {}
    files = files_of(against, task.card)
    run = submitted(task, files, depth)
    return scored(task, run, name_of(files), denominator, depth, {}, progress), run.files


def _command(
    card: TaskCard, run: Submitted, system: str, against: Runs | Result | None, options: Mapping[str, int | str]
) -> str:
    """The command that makes the result, without what cannot change it, such as local folders."""
    usual = {"denominator": "strict", "depth": DEFAULT_DEPTH, "seed": DEFAULT_SEED, "trained-on": ""}
    words = ["xqgbench", "score", "--task", card.name]
    words += [word for name in run.files for word in ("--run", name)]
    words += ["--name", system]
    for word in _named(against):
        words += ["--against", word]
    for option, value in options.items():
        words += [f"--{option}", str(value)] if value != usual[option] else []
    return shlex.join(words)


def _named(against: Runs | Result | None) -> list[str]:
    """What a run is compared with, as on the command line; of a result folder also the folders that say its task."""
    if against is None:
        return []
    if isinstance(against, Result):
        return [f"results/{against.task}/{results.folder_name(against, DEFAULT_DEPTH)}"]
    if isinstance(against, Mapping):
        return [f"{language}={Path(path).name}" for language, path in against.items()]
    path = Path(against)
    return ["/".join(path.resolve().parts[-3:]) if path.is_dir() else path.name]
