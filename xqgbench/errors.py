"""Every error xqgbench raises on purpose, and the exit code the command line gives it.

    XqgbenchError                      1   anything that went wrong while the work was done
    ├── UsageError                     2   the call was wrong; nothing was started
    │   ├── UnknownName                    no model, task, language ... of that name
    │   └── InvalidParameter               a known option with an impossible value
    ├── MissingError                   3   something needed is not here
    │   ├── MissingExtra                   an optional dependency is not installed
    │   ├── MissingWeights                 a checkpoint is neither cached nor reachable
    │   ├── MissingData                    a file of a task is not here
    │   └── MissingSpace                   the disk has no room for the files of a task
    ├── DataError                      1   a data-set file holds something that cannot be used
    ├── RetrieverError                 1   a retriever returned what no retriever may return
    ├── StoreError                     1   the vector store cannot be read or written
    └── ResultError                    1   a result folder is unreadable or contradicts itself

Messages are one paragraph: the culprit first (file, line, id), then the reason, then the way out.

``Repaired`` and ``Damaged`` are no errors but warnings: something odd in a data-set file that has one certain meaning,
and a damaged file of the vector store that is made again. What they have in common is ``Note``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class XqgbenchError(Exception):
    """Base of every deliberate error; catch this to catch them all."""

    exit_code = 1


class Note(UserWarning):
    """Something that was dealt with, and that the user should know of."""


class Repaired(Note):
    """A data-set file held something odd whose meaning is certain; it was read as meant, and counted."""


class Damaged(Note):
    """A chunk of the vector store was not what had been written; its texts are encoded again."""


class UsageError(XqgbenchError):
    """The call itself was wrong."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing is registered under; suggests the nearest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(set(known))
        near = _nearest(name, names)
        nearest = " or ".join(f"'{n}'" for n in near)
        text = f"unknown {kind} '{name}'."
        if nearest:
            text += f" Did you mean {nearest}?"
        elif names:
            text += f" Known: {', '.join(names)}."
        super().__init__(f"{text} {hint}".rstrip())
        self.kind, self.name, self.suggestions = kind, name, near


def _nearest(name: str, names: list[str]) -> list[str]:
    """Up to three similar names, whatever their case; those in the case that was typed come first."""

    def likeness(other: str) -> tuple[float, float]:
        folded = difflib.SequenceMatcher(None, name.casefold(), other.casefold()).ratio()
        return folded, difflib.SequenceMatcher(None, name, other).ratio()

    ranked = sorted(((likeness(other), other) for other in names), reverse=True)
    return [other for (folded, _), other in ranked[:3] if folded >= 0.5]


class InvalidParameter(UsageError):
    """A parameter has a value it cannot have."""


class MissingError(XqgbenchError):
    """Something needed is not on this machine."""

    exit_code = 3


class MissingExtra(MissingError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, package: str, extra: str, hint: str = "") -> None:
        text = (
            f"{what} needs the Python package '{package}', which is not installed. "
            f"Install it with: pip install 'xqgbench[{extra}]' (in a checkout: pip install -e '.[{extra}]'). {hint}"
        )
        super().__init__(text.rstrip())
        self.package, self.extra = package, extra


class MissingWeights(MissingError):
    """A checkpoint is neither in the local cache nor reachable."""


class MissingData(MissingError):
    """A file that a task card names is not here."""


class MissingSpace(MissingError):
    """The disk has no room for the files of a task."""


class DataError(XqgbenchError):
    """A data-set file holds something that cannot be used.

    Args:
        reason: what is wrong and what to do about it.
        path: the file.
        line: the line in it, counted from 1; 0 where the whole file is meant.
    """

    def __init__(self, reason: str, path: Path | str, line: int = 0) -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {reason}")
        self.path, self.line = Path(path), line


class RetrieverError(XqgbenchError):
    """A retriever returned something that is not one finite vector per text."""


class StoreError(XqgbenchError):
    """The vector store cannot be read or written."""


class ResultError(XqgbenchError):
    """A result folder cannot be read, or its files contradict each other."""
