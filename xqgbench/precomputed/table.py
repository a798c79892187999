"""Vectors in a ``.npy`` file, found by the ids of their rows, and read stretch by stretch."""

from __future__ import annotations

import functools
import hashlib
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xqgbench.errors import DataError, MissingData, Repaired, RetrieverError
from xqgbench.registry import import_object
from xqgbench.types import RetrieverInfo, Vectors
from xqgbench.vectors import checked

Rows = slice | npt.NDArray[np.int64]


class Table:
    """A ``.npy`` file and the ids of its rows: the lines of a ``.txt`` beside it, else of a ``.jsonl``.

    Attributes:
        path: the ``.npy`` file.
        names: the file of the ids.
        rows, dim: the shape of the array.

    Raises:
        MissingData: one of the two is not here.
        DataError: it holds no array that can be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        array = self._mapped()
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise DataError(
                f"its values are of type {array.dtype}; convert them to float32 or float16 (bfloat16, which numpy does "
                f"not know, to float32).",
                path,
            )
        if array.ndim != 2:
            raise DataError(f"it is of shape {array.shape}; one row per text, (rows, dim), is needed.", path)
        if not array.flags.c_contiguous:
            raise DataError("it is in Fortran order; write it with numpy.save(path, numpy.ascontiguousarray(x)).", path)
        self.rows, self.dim = array.shape
        text, lines = path.with_suffix(".txt"), path.with_suffix(".jsonl")
        self.names = text if text.is_file() else lines
        if not self.names.is_file():
            raise MissingData(f"{path}: its rows have no ids; there is neither {text.name} nor {lines.name} beside it.")

    def ids(self) -> Iterator[tuple[int, str]]:
        """Line and id of every row, in their order."""
        found: Iterator[tuple[int, str]] = import_object("xqgbench.formats.records:ids")(self.names)
        return found

    @functools.cached_property
    def index(self) -> Mapping[str, int]:
        """Id -> row, for rows in another order than they are wanted; about 150 bytes each.

        Raises:
            DataError: an id recurs, or there are not as many as rows.
        """
        found: dict[str, int] = {}
        for row, (line, id_) in enumerate(self.ids()):
            if id_ in found:
                raise DataError(f"row {row} is '{id_}', as row {found[id_]} is (counted from 0).", self.names, line)
            found[id_] = row
        if len(found) != self.rows:
            raise DataError(f"it has {len(found):,} ids, but {self.path.name} has {self.rows:,} rows.", self.names)
        return found

    def at(self, rows: Rows) -> npt.NDArray[Any]:
        """Some rows. What was read for them leaves the memory with them: the file is mapped anew each time."""
        found: npt.NDArray[Any] = self._mapped()[rows]
        return found

    def _mapped(self) -> npt.NDArray[Any]:
        try:
            return np.lib.format.open_memmap(self.path, mode="r")
        except (FileNotFoundError, NotADirectoryError):
            raise MissingData(f"there is no {self.path}; docs/vectors.md says what must be there.") from None
        except (ValueError, EOFError, OSError) as error:
            raise DataError(f"it is no whole .npy file of numbers: {error}", self.path) from None


class Reader:
    """One pass over a table by ids that come in the order of a task; rows in the same order are streamed.

    Args:
        what: what was encoded ("passage" ...), for messages.
    """

    def __init__(self, table: Table, info: RetrieverInfo, what: str) -> None:
        self._table, self._info, self._what = table, info, what
        self._ids = table.ids()
        self._ordered = True
        self._taken = 0
        self._digest = hashlib.sha256()

    def take(self, ids: Sequence[str]) -> Vectors:
        """Vectors of the next ids, (len(ids), dim), checked as those of a retriever are.

        Raises:
            DataError: there is no row for one of them, or it is not what it must be; or the ids of the table are wrong.
        """
        rows = self._places(ids)
        found = self._table.at(rows)
        try:
            vectors = checked(found, ids, self._info, self._what)
        except RetrieverError:
            numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
            named = [f"{id_}', row '{row}" for id_, row in zip(ids, numbers, strict=True)]
            try:
                checked(found, named, self._info, self._what)
            except RetrieverError as error:
                raise DataError(str(error), self._table.path) from None
        self._digest.update(vectors.data)
        return vectors

    def finish(self) -> str:
        """Sha256 of all vectors taken; to be called at the end, when rows that were not wanted are counted and noted.

        Raises:
            DataError: the ids of the rest of the table are wrong.
        """
        table = self._table
        if self._ordered and (self._taken != table.rows or next(self._ids, None)):
            len(table.index)  # which looks at the rest
        if self._taken < table.rows:
            warnings.warn(
                f"{table.names.name}: {table.rows - self._taken:,} of {table.rows:,} rows are of no {self._what} of "
                f"the task and left out.",
                Repaired,
                stacklevel=2,
            )
        return self._digest.hexdigest()

    def _places(self, ids: Sequence[str]) -> Rows:
        start, stop = self._taken, self._taken + len(ids)
        self._taken = stop
        if self._ordered:
            found = [id_ for _, id_ in itertools.islice(self._ids, len(ids))]
            self._ordered = found == list(ids) and stop <= self._table.rows
        if self._ordered:
            return slice(start, stop)
        index = self._table.index
        for id_ in ids:
            if id_ not in index:
                reason = f"it has no {self._what} '{id_}', which the task has. Each needs a vector."
                raise DataError(reason, self._table.names)
        return np.array([index[id_] for id_ in ids], dtype=np.int64)
