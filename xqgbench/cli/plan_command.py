"""``xqgbench plan``."""

from __future__ import annotations

from pathlib import Path

import click

from xqgbench.cli.commands import (
    AS_JSON,
    DATA_DIR,
    DEBUG,
    GENERATED,
    LANGUAGES,
    MODEL,
    STORE,
    TASKS_DIR,
)
from xqgbench.cli.loading_options import chosen_loading, loading_options
from xqgbench.cli.task_facts import FETCH


@click.command(epilog="\b\nExample:\n  xqgbench plan --model e5-small --task xor-tydi --augment xqg")
@MODEL
@click.option("--task", default="xqg-mini", show_default=True, help="Task.")
@click.option("--augment", default="none", show_default=True, help="none, xqg, or xqg with parameters, as for eval.")
@LANGUAGES
@click.option("--depth", type=click.IntRange(min=1), default=100, show_default=True, help="Passages per query.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=64,  # planning.SAMPLE, which is not imported here for its weight
    show_default=True,
    help="Texts of each kind that are timed. A GPU shows its speed in large batches: 512.",
)
@TASKS_DIR
@DATA_DIR
@GENERATED
@loading_options
@STORE
@FETCH
@AS_JSON
@DEBUG
def plan(
    model: str,
    task: str,
    augment: str,
    languages: tuple[str, ...],
    depth: int,
    sample: int,
    tasks_dir: Path | None,
    data_dir: Path | None,
    generated_queries: Path | dict[str, Path],
    store: Path | None,
    fetch: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Estimate what an evaluation will take on this machine: texts, hours, disk and memory.

    Encodes a small sample of the task, some twenty seconds at most, or of the bundled task where the files of the
    task are not here. Nothing is written.
    """
    from xqgbench import planning, registry
    from xqgbench.cli import show_plan
    from xqgbench.cli.show import progress
    from xqgbench.tasks import open_task

    augmentation = registry.augmentation(augment)
    opened = open_task(task, tasks_dir, data_dir, generated_queries, fetch=fetch)
    retriever = registry.retriever(model, chosen_loading())
    with progress(hidden=as_json) as report:
        found = planning.plan(
            retriever, opened, augmentation, languages, depth=depth, store=store, sample=sample, progress=report
        )
    show_plan.plan(found, as_json)
