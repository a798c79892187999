"""JSON lines, read one by one, every complaint with file and line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) for every line that is not blank; ``.gz`` is opened as such.

    Raises:
        DataError: a line that is not valid UTF-8 or not a JSON object.
    """
    import orjson

    for line, raw in lines(path):
        if not raw.strip():
            continue
        try:
            record = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise DataError(f"not a JSON object in UTF-8: {error}.", path, line) from None
        if not isinstance(record, dict):
            raise DataError(f"a JSON object is needed, not {type(record).__name__}.", path, line)
        yield line, record


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line) of a file, without a byte order mark; ``.gz`` is opened as such.

    Raises:
        DataError: a damaged archive.
    """
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        numbered = enumerate(stream, 1)
        while True:
            try:
                line, raw = next(numbered)
            except StopIteration:
                return
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise DataError(f"damaged archive: {error}. Fetch the file again.", path) from None
            yield line, raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw


def identifier(record: dict[str, Any], field: str, path: Path, line: int) -> str:
    """An id: a string without white space or control characters, which no TREC judgements or runs could hold."""
    value = text(record, field, path, line)
    if value.split() != [value] or not value.isprintable():
        raise DataError(f"'{field}' {value!r} holds white space or control characters.", path, line)
    return value


def text(record: dict[str, Any], field: str, path: Path, line: int, *, empty: bool = False) -> str:
    """A string field of a record.

    Raises:
        DataError: it is missing, no string, or (unless ``empty``) without a visible character.
    """
    value = record.get(field)
    if not isinstance(value, str):
        found = "missing" if value is None else f"{type(value).__name__}, not a string"
        raise DataError(f"'{field}' is {found} (record {_label(record)}).", path, line)
    if not empty and not value.strip():
        raise DataError(f"'{field}' is empty (record {_label(record)}).", path, line)
    return value


def texts(record: dict[str, Any], field: str, path: Path, line: int) -> tuple[str, ...]:
    """A list of strings."""
    value = record.get(field)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError(f"'{field}' must be a list of strings (record {_label(record)}).", path, line)
    return tuple(value)


def _label(record: dict[str, Any]) -> str:
    return repr(record.get("docid", record.get("id", "without an id")))
