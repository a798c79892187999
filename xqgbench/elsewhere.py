"""What a card leaves to ir_datasets, fetched by it into its own folder (``IR_DATASETS_HOME``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError
from xqgbench.registry import import_object
from xqgbench.sources import CardFiles
from xqgbench.types import Progress, TaskCard, silent

#: Passages between two reports of reading a collection.
REPORTED = 10_000


def id_of(card: TaskCard) -> str:
    """The id of ir_datasets that has what the card's own files leave out; empty if there is none."""
    return str(card.settings.get("id" if card.format == "ir_datasets" else "ir_datasets", ""))


def fetch(
    card: TaskCard, languages: Sequence[str] = (), data_dir: Path | None = None, progress: Progress = silent
) -> list[str]:
    """Have ir_datasets fetch what a card leaves to it, by reading all of it once.

    A look at the first passage would fetch the first file of a collection, not the others.

    Returns:
        What was read: the id, with the number of passages if those were read.

    Raises:
        MissingData: ir_datasets cannot get something.
        DataError: there are more or fewer passages than the card expects.
    """
    pattern = id_of(card)
    if not pattern:
        return []
    reading = import_object("xqgbench.formats.ir_datasets_ids:reading_of")(pattern)
    files, read = CardFiles(card, data_dir), dict[str, str]()
    for language in languages or card.query_languages:
        name = pattern.replace("{language}", language)
        if _lacking(files, [key for key in card.sources if key != "passages"], language):
            reading.qrels(language)  # and the questions, which have to be those that are judged
            read.setdefault(name, name)
        if (
            _lacking(files, [key for key in card.sources if key == "passages"], language)
            and read.get(name, name) == name
        ):
            read[name] = f"{name}, {_read_passages(card, reading, language, name, progress):,} passages"
    return list(read.values())


def _lacking(files: CardFiles, keys: Sequence[str], language: str) -> bool:
    return not keys or not all(files.here(key, language) for key in keys)


def _read_passages(card: TaskCard, reading: Any, language: str, name: str, progress: Progress) -> int:
    count, expected = 0, card.passages_in(language)
    for count, _ in enumerate(reading.passages(language), 1):
        if count % REPORTED == 0:
            progress(f"reading {name}", count, expected or None)
    if expected and count != expected:
        raise DataError(f"{count} passages, but the card of '{card.name}' expects {expected}.", name)
    return count
