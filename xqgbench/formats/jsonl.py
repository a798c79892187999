"""JSON lines, read one by one, every complaint with file and line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xqgbench.errors import DataError
from xqgbench.files import DAMAGED, decompressed
from xqgbench.formats.repairs import Repairs

MARK = b"\xef\xbb\xbf"


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) for every line that is not blank; compressed files are opened as such.

    Raises:
        DataError: a line that is not valid UTF-8 or not a JSON object.
    """
    import orjson

    loads, repairs = orjson.loads, Repairs(path)
    for line, raw in lines(path):
        try:
            record = loads(raw)
        except orjson.JSONDecodeError as error:
            record = _without_nan(raw)
            if record is None:
                raise DataError(f"not a JSON object in UTF-8: {error}.", path, line) from None
            repairs.note("NaN, which is not JSON, read as null", line)
        if not isinstance(record, dict):
            raise DataError(f"a JSON object is needed, not {type(record).__name__}.", path, line)
        yield line, record
    repairs.tell()


def _without_nan(raw: bytes) -> Any:
    """What pandas and Python write for an absent value; None if that is not all that is wrong with a line."""
    import orjson

    if b"NaN" not in raw:
        return None

    def null(constant: str) -> None:
        if constant != "NaN":
            raise ValueError(constant)

    try:
        return orjson.loads(orjson.dumps(json.loads(raw, parse_constant=null)))  # which refuses lone surrogates
    except (ValueError, TypeError, RecursionError):
        return None


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line with its end) for every line that is not blank, without a byte order mark.

    Raises:
        DataError: a damaged archive.
    """
    blank = windows = 0
    with decompressed(path) as stream:
        numbered = enumerate(stream, 1)
        while True:
            try:
                line, raw = next(numbered)
            except StopIteration:
                break
            except DAMAGED as error:
                raise DataError(f"damaged archive: {error}. Fetch the file again.", path) from None
            if line == 1 and raw.startswith(MARK):
                raw = raw[len(MARK) :]
            if raw.endswith(b"\r\n"):
                windows = windows or line
            if raw.isspace() or not raw:
                blank = blank or line
                continue
            yield line, raw
    found = Repairs(path)
    if windows:
        found.note("Windows line ends, read as line ends", windows)
    if blank:
        found.note("blank lines, skipped", blank)
    found.tell()


def decoded(raw: bytes, path: Path, line: int) -> str:
    """A line as text, without its end.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: {error}.", path, line) from None


def identifier(record: dict[str, Any], field: str, path: Path, line: int, repairs: Repairs) -> str:
    """An id: a number, or a string without white space or control characters, which no TREC file could hold."""
    number = record.get(field)
    if isinstance(number, int) and not isinstance(number, bool):
        repairs.note("number as an id, read as a string", line)
        return str(number)
    value = text(record, field, path, line)
    if value.split() != [value] or not value.isprintable():
        raise DataError(f"'{field}' {value!r} holds white space or control characters.", path, line)
    return value if value.isascii() else repairs.identifier(value, line)


def text(record: dict[str, Any], field: str, path: Path, line: int, *, empty: bool = False) -> str:
    """A string field of a record.

    Raises:
        DataError: it is missing, no string, or (unless ``empty``) without a visible character.
    """
    value = record.get(field)
    if not isinstance(value, str):
        found = "missing" if value is None else f"{type(value).__name__}, not a string"
        raise DataError(f"'{field}' is {found} (record {_label(record)}).", path, line)
    if not empty and (not value or value.isspace()):
        raise DataError(f"'{field}' is empty (record {_label(record)}).", path, line)
    return value


def optional_text(record: dict[str, Any], field: str, path: Path, line: int) -> str:
    """A string field that may be absent, null or empty."""
    return "" if record.get(field) is None else text(record, field, path, line, empty=True)


def texts(record: dict[str, Any], field: str, path: Path, line: int) -> tuple[str, ...]:
    """A list of strings."""
    value = record.get(field)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError(f"'{field}' must be a list of strings (record {_label(record)}).", path, line)
    return tuple(value)


def _label(record: dict[str, Any]) -> str:
    names = ("docid", "id", "_id", "query_id")
    return repr(next((record[name] for name in names if name in record), "without an id"))
