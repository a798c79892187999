"""``xqgbench check``: the conformance suite on a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from xqgbench.cli.commands import AS_JSON, DATA_DIR, DEBUG, MODELS, TASKS_DIR
from xqgbench.cli.loading_options import chosen_loading, loading_options


@click.command(epilog="\b\nExample:\n  xqgbench check --model mine.py:MyRetriever")
@click.option("--model", help=f"A retriever: {MODELS[0].lower()}{MODELS[1:]}")
@click.option("--task", help="A task.")
@click.option("--augment", help="An augmentation, with parameters or without; tried on --task, else on xqg-mini.")
@TASKS_DIR
@DATA_DIR
@loading_options
@AS_JSON
@DEBUG
@click.pass_context
def check(
    context: click.Context,
    model: str | None,
    task: str | None,
    augment: str | None,
    tasks_dir: Path | None,
    data_dir: Path | None,
    as_json: bool,
    debug: bool,
) -> None:
    """Check that a retriever, a task or an augmentation keeps its contract; exits 1 if it does not.

    Runs the suite that the built-in ones pass, on texts that come with it: shapes, equal vectors in any batch and
    order, odd texts, titles, prompts and lengths as stated; streams that come again; vectors in line with passages. A
    note is no fault, but something to know. Nothing is fetched. The texts of a task: xqgbench tasks check.
    """
    from xqgbench import registry, tasks
    from xqgbench.cli import show_check
    from xqgbench.conformance import check_augmentation, check_retriever, check_task, passed

    if not (model or task or augment):
        raise click.UsageError("Name what is to be checked, with --model, --task or --augment.")
    # Whatever does not exist is found before the first check takes its time.
    subjects = []
    if model:
        loading = chosen_loading()
        retriever = registry.retriever(model, loading)
        again = check_retriever(retriever, lambda: registry.retriever(model, loading))
        subjects.append(("retriever", retriever.info.name, again))
    if task or augment:
        opened = tasks.open_task(task or tasks.DEFAULT_TASK, tasks_dir, data_dir, fetch=False)
        if task:
            subjects.append(("task", task, check_task(opened)))
        if augment:
            subjects.append(("augmentation", augment, check_augmentation(registry.augmentation(augment), opened)))
    found = [(kind, name, show_check.outcomes(kind, name, run, as_json, debug)) for kind, name, run in subjects]
    if as_json:
        show_check.as_json(found)
    if not all(passed(outcomes) for _, _, outcomes in found):
        context.exit(1)
