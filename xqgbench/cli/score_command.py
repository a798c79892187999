"""``xqgbench score``: runs made elsewhere."""

from __future__ import annotations

import warnings
from pathlib import Path

import click

from xqgbench.cli.commands import DATA_DIR, DEBUG, FOLDER, SEED, TASKS_DIR, files, names


@click.command(
    epilog="\b\nExample:\n  xqgbench score --task miracl --run sw=bm25.sw.trec --run te=bm25.te.trec --name bm25"
)
@click.option("--task", required=True, help="Task.")
@click.option(
    "--run",
    "runs",
    metavar="[LANG=]FILE",
    callback=files,
    multiple=True,
    required=True,
    help="TREC run, run saved by ranx, or XOR-Retrieve prediction file; one per language where query ids recur.",
)
@click.option("--name", help="What to call the system.  [default: the file's name without its ending]")
@click.option(
    "--against",
    metavar="FOLDER|[LANG=]FILE",
    callback=files,
    multiple=True,
    help="A result folder of the same task, or another run, to compare with.",
)
@click.option(
    "--denominator",
    type=click.Choice(["strict", "official"]),
    default="strict",
    show_default=True,
    help="strict: a judged query that the run lacks scores 0; official: it is not counted (XOR-Retrieve's script).",
)
@click.option(
    "--depth", type=click.IntRange(min=1), default=100, show_default=True, help="Passages looked at per query."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=SEED, show_default=True, help="Seed of the significance tests."
)
@click.option(
    "--trained-on",
    metavar="NAME[,NAME...]",
    callback=names,
    multiple=True,
    help="Data sets that the system was trained on; 'none' if on none.  [default: unknown]",
)
@TASKS_DIR
@DATA_DIR
@click.option("--output", type=FOLDER, default="results", show_default=True, help="Where results are written.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of a table.")
@click.option("--quiet", is_flag=True, help="No progress bars and no notes; only the table.")
@DEBUG
def score(
    task: str,
    runs: Path | dict[str, Path],
    name: str | None,
    against: Path | dict[str, Path],
    denominator: str,
    depth: int,
    seed: int,
    trained_on: tuple[str, ...],
    tasks_dir: Path | None,
    data_dir: Path | None,
    output: Path,
    as_json: bool,
    quiet: bool,
    debug: bool,
) -> None:
    """Score a run that was made elsewhere, by any kind of system, and write the result.

    Passages are ranked by score, equal scores by the rank in the file. The result stands on the leaderboard as
    "re-scored". A prediction file holds texts without ids: only R@<N>kt can be computed from it.
    """
    from xqgbench.cli import show
    from xqgbench.errors import Repaired
    from xqgbench.rescoring import score as run

    if quiet:
        warnings.simplefilter("ignore", Repaired)
    with show.progress(hidden=quiet or as_json) as report:
        found = run(
            task,
            runs,
            name=name,
            against=against or None,
            denominator=denominator,
            depth=depth,
            seed=seed,
            trained_on=() if trained_on == ("none",) else trained_on or None,
            tasks_dir=tasks_dir,
            data_dir=data_dir,
            progress=report,
        )
    written = found.save(output)
    if as_json:
        show.json_of(written)
        return
    show.rescored(found)
    if not quiet:
        show.rescored_written(found, written)
