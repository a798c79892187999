"""``xqgbench tasks show`` and ``xqgbench tasks stats``."""

from __future__ import annotations

from pathlib import Path

import click

from xqgbench.cli.commands import AS_JSON, DATA_DIR, DEBUG, LANGUAGES, TASKS_DIR

FETCH = click.option("--fetch", is_flag=True, help="Let ir_datasets fetch what is not here.")


@click.command("show", epilog="\b\nExample:\n  xqgbench tasks show xor-tydi")
@click.argument("name")
@TASKS_DIR
@DATA_DIR
@AS_JSON
@DEBUG
def show_(name: str, tasks_dir: Path | None, data_dir: Path | None, as_json: bool, debug: bool) -> None:
    """Show what the card of a task says, and which of its files are here. Nothing is opened or fetched.

    NAME may also be ir_datasets:ID.
    """
    from xqgbench.cli import show_facts
    from xqgbench.inventory import availability, stock
    from xqgbench.tasks import card, data_folder

    folder, found = data_folder(data_dir), card(name, tasks_dir)
    show_facts.card(found, availability(found, folder), stock(found, folder), as_json)


@click.command("stats", epilog="\b\nExample:\n  xqgbench tasks stats xor-tydi --languages fi,ja")
@click.argument("name")
@LANGUAGES
@click.option(
    "--passages",
    type=click.IntRange(min=1),
    default=10_000,  # census.PASSAGES, which is not imported here for its weight
    show_default=True,
    help="How many passages of a collection are looked at for lengths and generated queries.",
)
@TASKS_DIR
@DATA_DIR
@FETCH
@AS_JSON
@DEBUG
def stats(
    name: str,
    languages: tuple[str, ...],
    passages: int,
    tasks_dir: Path | None,
    data_dir: Path | None,
    fetch: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Count the questions, judgements and passages of a task, per language and split.

    Files that are not here are shown as missing; numbers from the card then stand in brackets.
    """
    from xqgbench.census import census
    from xqgbench.cli import show_facts
    from xqgbench.cli.show import progress
    from xqgbench.tasks import open_task

    with progress(hidden=as_json) as report:
        found = census(open_task(name, tasks_dir, data_dir, fetch=fetch), languages, passages, report)
    show_facts.stats(found, as_json)
