"""Task cards: found, read, checked, and opened into tasks.

A card is one TOML file. Cards are looked for in the folder given, then among the ones that come with xqgbench, then in
installed packages: an entry point in the group ``xqgbench.tasks`` names a package whose folder holds cards.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from xqgbench.cards import read_card
from xqgbench.errors import DataError, MissingData, UnknownName
from xqgbench.generated import joined
from xqgbench.registry import import_object, task_format
from xqgbench.sources import CardFiles
from xqgbench.types import Judgements, Passage, Query, Task, TaskCard

__all__ = ["DEFAULT_TASK", "bundled_folder", "card", "cards", "installed_cards", "open_task", "read_card"]

DEFAULT_TASK = "xqg-mini"
#: ``--task ir_datasets:ID`` needs no card.
IR_DATASETS = "ir_datasets:"


def bundled_folder() -> Path:
    """Folder of the bundled cards: inside an installed package, or ``tasks/`` of a source checkout."""
    package = Path(__file__).parent
    installed = package / "_tasks"
    return installed if installed.is_dir() else package.parent / "tasks"


def cards(folder: Path | None = None) -> dict[str, Path]:
    """Card files by task name: those in ``folder``, and the bundled and installed ones that it does not replace.

    Raises:
        MissingData: there is no such folder.
    """
    if folder is not None and not folder.is_dir():
        raise MissingData(f"there is no folder {folder} to look for task cards in.")
    found = installed_cards()[0]
    return found | _cards_in(folder) if folder else found


def installed_cards() -> tuple[dict[str, Path], list[DataError]]:
    """Card files by task name, the bundled ones and those of installed packages; and what of the latter is no use.

    No package can take the name of a bundled task, nor of another package's.
    """
    found, wrong = _cards_in(bundled_folder()), []
    for point in metadata.entry_points(group="xqgbench.tasks"):
        try:
            own = _cards_in(_package_folder(point))
        except Exception as error:  # a package may raise anything when it is imported
            where = f"entry point '{point.name} = {point.value}' in xqgbench.tasks"
            wrong.append(DataError(f"it must name a package whose folder holds task cards ({error}).", where))
            continue
        for name, path in own.items():
            if name in found:
                wrong.append(DataError(f"there is a task '{name}' already, in {found[name]}; rename this one.", path))
            else:
                found[name] = path
    return found, wrong


def _cards_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _package_folder(point: metadata.EntryPoint) -> Path:
    package = importlib.util.find_spec(point.value)  # imports what is above it, if anything, and not the package
    folders = package.submodule_search_locations if package else None
    if not folders:
        raise ModuleNotFoundError(f"there is no package '{point.value}'")
    return Path(next(iter(folders)))


def card(name: str, folder: Path | None = None) -> TaskCard:
    """The card of a task; that of ``ir_datasets:ID`` is made from what ir_datasets says of it.

    Raises:
        UnknownName: there is no such card; suggests the nearest.
        DataError: the card is malformed; names the file and the field.
    """
    if name.startswith(IR_DATASETS):
        made: TaskCard = import_object("xqgbench.formats.ir_datasets_ids:card_of")(name.removeprefix(IR_DATASETS))
        return made
    known = cards(folder)
    if name not in known:
        raise UnknownName("task", name, known, "'xqgbench tasks' lists them.")
    return read_card(known[name])


def data_folder(path: Path | None) -> Path | None:
    """The folder that ``--data-dir`` names.

    Raises:
        MissingData: it is no folder.
    """
    if path is not None and not path.is_dir():
        raise MissingData(f"--data-dir {path} is not a folder.")
    return path


def named(card: TaskCard) -> str:
    """What ``--task`` calls a task: the name of its card, or the id of ir_datasets that the card was made from."""
    made = card.format == "ir_datasets" and card.folder == Path()  # a card that was read has the folder of its file
    return f"{IR_DATASETS}{card.settings['id']}" if made else card.name


def open_task(
    name: str,
    folder: Path | None = None,
    data_dir: Path | None = None,
    generated_queries: Path | Mapping[str, Path] | None = None,
    *,
    fetch: bool = True,
) -> Task:
    """Open a task by name; each of its files is checked against the hash in its card before it is read.

    Args:
        folder: a folder of task cards that are looked at before the bundled ones.
        data_dir: a folder with copies of the task's files; see ``sources``.
        generated_queries: JSON lines ``docid, generated_queries`` that take the place of the task's own; language ->
            file where languages have passages of their own.
        fetch: ir_datasets may fetch what is not here; without it, that is missing like any other file.

    Raises:
        UnknownName: no such task.
        MissingData: a file of the task is not here; one that does not come with the card may be missed later.
        DataError: the card is malformed, or a file is not the one that the card describes.
    """
    data_folder(data_dir)
    found = card(name, folder)
    files = CardFiles(found, data_dir)
    for key, source in found.sources.items():
        if all(not file.url and not file.archive and not file.language for file in source.files):
            files.paths(key)  # beside the card: whatever is wrong with them is said at once
    if not fetch:
        found = dataclasses.replace(found, settings={k: v for k, v in found.settings.items() if k != "ir_datasets"})
    opened = task_format(found.format)(found, files)
    task = opened if fetch or found.format != "ir_datasets" else Unfetched(opened)
    return joined(task, generated_queries) if generated_queries else task


class Unfetched:
    """A task of ir_datasets that must not fetch anything: all of its texts are missing. Implements ``types.Task``."""

    def __init__(self, task: Task) -> None:
        self.card = task.card
        self._task = task

    def collection(self, language: str) -> str:
        return self._task.collection(language)

    def queries(self, language: str) -> Sequence[Query]:
        self._missing()

    def judgements(self, language: str) -> Judgements:
        self._missing()

    def passages(self, language: str) -> Iterator[Passage]:
        self._missing()

    def generated_queries(self, language: str) -> Iterator[Mapping[str, Sequence[str]]]:
        self._missing()

    def _missing(self) -> NoReturn:
        raise MissingData(f"the texts of '{self.card.name}' come from ir_datasets, which may fetch them with --fetch.")
