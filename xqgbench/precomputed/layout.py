"""What lies where in a folder of texts and vectors, and ``vectors.json``, which says what made the vectors.

    vectors.json
    queries/<language>.jsonl                  id, text
    passages/<collection>.jsonl               id, title, text
    generated/<collection>.<language>.jsonl   id, text; an id is <passage id>/<language>/<number from 1>

Beside each ``.jsonl`` stands a ``.npy`` with one row per line. Where rows are in another order, or more, a ``.txt``
with an id per line names them instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError, MissingData, UnknownName
from xqgbench.registry import is_plain_name
from xqgbench.results import plain_name
from xqgbench.types import TaskCard

DESCRIPTION = "vectors.json"
#: Fields of ``vectors.json``: those of ``types.RetrieverInfo``, and the task whose texts were encoded.
_FIELDS: Mapping[str, type] = {
    "name": str,
    "similarity": str,
    "dim": int,
    "revision": str,
    "query_prompt": str,
    "passage_prompt": str,
    "query_length": int,
    "passage_length": int,
    "title_join": str,
    "pooling": str,
    "license": str,
    "trained_on": list,
    "notes": str,
    "task": str,
}
#: What an export leaves to be filled in; null stands for what is not known.
TEMPLATE: Mapping[str, Any] = {
    "name": None,
    "similarity": "cosine",
    "revision": None,
    "query_prompt": "",
    "passage_prompt": "",
    "license": None,
    "trained_on": None,
    "notes": None,
}


def queries_in(language: str) -> str:
    """Path of the queries of a language in the folder, without its ending; as the next two."""
    return f"queries/{plain_name(language)}"


def passages_in(collection: str) -> str:
    return f"passages/{plain_name(collection)}"


def generated_in(collection: str, language: str) -> str:
    return f"generated/{plain_name(collection)}.{plain_name(language)}"


def texts_of(card: TaskCard) -> str:
    """Which texts: the task, its version, the hash of its card, and whose generated queries if not its own."""
    return "+".join(filter(None, (f"{card.name}@{card.version}#{card.sha256[:8]}", card.generated_by)))


def described(folder: Path, card: TaskCard) -> dict[str, Any]:
    """What ``vectors.json`` says, without what it leaves open.

    Raises:
        MissingData: it is not there.
        DataError: it cannot be used, or the vectors are of the texts of another task.
    """
    path = folder / DESCRIPTION
    found = {name: value for name, value in _content(path).items() if value is not None}
    for name, value in found.items():
        if name not in _FIELDS:
            raise DataError(str(UnknownName("field", name, _FIELDS)), path)
        if type(value) is not _FIELDS[name]:
            raise DataError(f"{name} = {value!r} must be of type {_FIELDS[name].__name__}.", path)
    if not all(isinstance(name, str) for name in found.get("trained_on", ())):
        raise DataError(f"trained_on = {found['trained_on']!r} must be a list of names of data sets.", path)
    if not is_plain_name(found.get("name", "")):
        raise DataError(
            "name, which says what the retriever is called and becomes part of file names, must be there and be of "
            "letters, digits and . _ - alone.",
            path,
        )
    if found.get("similarity") not in ("dot", "cosine"):
        raise DataError("similarity must be there, and 'dot' or 'cosine'.", path)
    if found.get("dim", 1) < 1:
        raise DataError(f"dim = {found['dim']} must be at least 1.", path)
    of_task(found.pop("task", None), card, path)
    return found


def of_task(texts: str | None, card: TaskCard, path: Path) -> None:
    """Whether a folder is of this task.

    Args:
        texts: what its ``vectors.json`` says; None if nothing.

    Raises:
        DataError: it is of another one, or of another version.
    """
    if texts not in (None, texts_of(card)):
        raise DataError(
            f"the folder is for the texts of {texts}, not of {texts_of(card)}. Export the task into another folder and "
            f"encode that; only where the very same texts were encoded, correct 'task' here.",
            path,
        )


def task_in(path: Path) -> str | None:
    """The task that a ``vectors.json`` names; None if it names none."""
    return _content(path).get("task")


def _content(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise MissingData(
            f"there is no {path}; 'xqgbench tasks export TASK DIR' writes one to fill in, beside the texts to encode."
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as JSON: {error}.", path) from None
    if not isinstance(found, dict):
        raise DataError(f"a JSON object is needed, not {type(found).__name__}.", path)
    return found
