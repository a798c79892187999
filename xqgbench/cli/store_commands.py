"""``xqgbench store`` and what stands below it."""

from __future__ import annotations

from pathlib import Path

import click

from xqgbench.cli.commands import AS_JSON, DEBUG, STORE


@click.group(epilog="\b\nExample:\n  xqgbench store ls")
def store() -> None:
    """Look after the vectors that were encoded: list, check and delete them."""


@store.command("path", epilog="\b\nExample:\n  xqgbench store path")
@STORE
@DEBUG
def path(store: Path | None, debug: bool) -> None:
    """Print where vectors are kept."""
    from xqgbench.store import default_root

    click.echo(store or default_root())


@store.command("ls", epilog="\b\nExample:\n  xqgbench store ls --json")
@STORE
@AS_JSON
@DEBUG
def ls(store: Path | None, as_json: bool, debug: bool) -> None:
    """List the retrievers whose vectors are kept.

    A retriever has several folders where something that can change its vectors was changed: weights, prompts, lengths
    or the version of a library. The key tells them apart, and --json says what it stands for.
    """
    from xqgbench.cli import show_store as show
    from xqgbench.store import default_root
    from xqgbench.store.upkeep import shelves

    root = store or default_root()
    show.shelves(root, shelves(root), as_json)


@store.command("verify", epilog="\b\nExample:\n  xqgbench store verify e5-small")
@click.argument("name", default="")
@STORE
@DEBUG
@click.pass_context
def verify(context: click.Context, name: str, store: Path | None, debug: bool) -> None:
    """Read every chunk and compare it with its checksum; exits 1 if one is damaged.

    NAME is that of a retriever, or a key of 'xqgbench store ls'; by default all are checked. Nothing has to be done
    about a damaged chunk: the next evaluation that needs it encodes its texts again.
    """
    from xqgbench.cli import show_store as show
    from xqgbench.cli.show import progress
    from xqgbench.store import default_root
    from xqgbench.store.upkeep import shelves
    from xqgbench.store.upkeep import verify as faults

    found = shelves(store or default_root(), name)
    with progress(hidden=False) as report:
        wrong = []
        for done, shelf in enumerate(found):
            report("checking", done, len(found))
            wrong += list(faults(shelf))
    show.faults(found, wrong)
    context.exit(1 if wrong else 0)


@store.command("prune", epilog="\b\nExample:\n  xqgbench store prune --model mine --older-than 30 --yes")
@click.option("--model", default="", metavar="NAME", help="The vectors of a retriever, by its name or key.")
@click.option(
    "--older-than",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Vectors not used for that long; with --model, of that retriever alone.",
)
@click.option("--yes", is_flag=True, help="Delete. Without it, only show what would be deleted.")
@STORE
@DEBUG
def prune(model: str, older_than: int | None, yes: bool, store: Path | None, debug: bool) -> None:
    """Delete what killed processes left half-written, and the vectors that are named.

    Nothing is deleted where another process encodes, and no file that is not the store's.
    """
    from datetime import UTC, datetime, timedelta

    from xqgbench.cli import show_store as show
    from xqgbench.store import default_root
    from xqgbench.store.upkeep import prune as delete
    from xqgbench.store.upkeep import shelves

    root = store or default_root()
    before = None if older_than is None else datetime.now(UTC) - timedelta(days=older_than)
    named = {shelf.folder for shelf in shelves(root, model) if before is None or shelf.used <= before}
    some = bool(model) or before is not None
    found = [(shelf, some and shelf.folder in named) for shelf in shelves(root)]
    for shelf, whole in found:
        if whole or shelf.leftovers:
            show.doomed(shelf, whole, delete(shelf, whole) if yes else None)
    show.pruned(root, any(whole or shelf.leftovers for shelf, whole in found), yes)
