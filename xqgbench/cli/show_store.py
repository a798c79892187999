"""What the commands about the store print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from xqgbench.cli import figures
from xqgbench.cli.show import new_console, new_table

if TYPE_CHECKING:
    from xqgbench.store.upkeep import Fault, Shelf


def shelves(root: Path, found: Sequence[Shelf], as_json: bool) -> None:
    """One row per retriever's folder."""
    if as_json:
        print(json.dumps([shelf.describe() for shelf in found], ensure_ascii=False, indent=1))
        return
    console = new_console()
    if not found:
        console.print(Text(f"No vectors are kept in {root}."), soft_wrap=True)
        return
    roles = ("queries", "passages", "generated")
    table = new_table(
        ("name", "left"),
        ("key", "left"),
        ("kept as", "left"),
        ("chunks", "right"),
        *((role, "right") for role in roles),
        ("size", "right"),
        ("last used", "right"),
    )
    for shelf in found:
        table.add_row(
            shelf.name,
            shelf.key,
            str(shelf.identity.get("stored", "float32")),
            f"{sum(shelf.chunks.values()):,}",
            *(f"{shelf.vectors[role]:,}" for role in roles),
            figures.size(shelf.bytes),
            f"{shelf.used.astimezone():%Y-%m-%d %H:%M}",
        )
    console.print(table)
    console.print(Text(f"{figures.size(sum(shelf.bytes for shelf in found))} in {root}"), soft_wrap=True)
    leftovers = sum(len(shelf.leftovers) for shelf in found)
    if leftovers:
        console.print(f"leftovers of killed processes: {leftovers}; xqgbench store prune shows them")


def faults(found: Sequence[Shelf], wrong: Sequence[Fault]) -> None:
    """Every damaged file, and what comes of it."""
    console = new_console()
    for fault in wrong:
        console.print(Text(f"damaged: {fault.path}: {fault.reason}"), soft_wrap=True)
    chunks = sum(sum(shelf.chunks.values()) for shelf in found)
    if wrong:
        console.print(
            f"{len(wrong)} damaged of {chunks:,} chunks. The next evaluation that needs one of them encodes its texts "
            f"again; until then they only take room.",
            soft_wrap=True,
        )
    else:
        console.print(f"{chunks:,} chunks, all of them as they were written.")


def doomed(shelf: Shelf, whole: bool, deleted: bool | None) -> None:
    """What is deleted of a folder, was deleted, or was not because it is in use."""
    console = new_console()
    if whole:
        what = f"{shelf.folder}: {sum(shelf.chunks.values()):,} chunks, {figures.size(shelf.bytes)}"
        what += f", last used {shelf.used.astimezone():%Y-%m-%d}"
    else:
        what = f"{shelf.folder}: leftovers of killed processes"
    state = {None: "would delete", True: "deleted", False: "in use by another process, kept"}[deleted]
    console.print(Text(f"{state}: {what}"), soft_wrap=True)
    for path in () if whole else shelf.leftovers:
        console.print(Text(f"  {path}"), soft_wrap=True)


def pruned(root: Path, some: bool, deleted: bool) -> None:
    """The last line."""
    if not some:
        new_console().print(Text(f"Nothing to delete in {root}."), soft_wrap=True)
    elif not deleted:
        new_console().print("Nothing was deleted; --yes deletes it.")
