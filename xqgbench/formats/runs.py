"""Runs that were made elsewhere, in the three kinds of file that the field passes around.

    trec         ``query Q0 passage rank score tag``, split at white space
    ranx         what ``ranx.Run.save`` writes: JSON ``{query: {passage: score}}``, Parquet with the columns q_id,
                 doc_id, score, or LZ4, a packing of its own
    predictions  XOR-Retrieve's official format: a JSON list of ``{id, lang, ctxs: [text, ...]}``, best text first

The kind is told from the content. Text files may be compressed (.gz, .bz2, .xz). JSON and Parquet are read here: ranx
keeps the last of two scores of one passage without a word, loses the order of ties, and takes seconds to be imported.

Passages are ranked by score, highest first; equal scores by the rank that the file gives (the rank of a TREC run, the
order in any other), and then by id.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xqgbench.errors import DataError
from xqgbench.files import DAMAGED, decompressed
from xqgbench.formats import jsonl
from xqgbench.formats.repairs import Repairs
from xqgbench.types import Ranking, RunFile

PARQUET, LZ4 = b"PAR1", b"\x04\x22\x4d\x18"
COLUMNS = ("q_id", "doc_id", "score")
#: Of the hash of a text, what makes an id: 80 bits.
DIGITS = 20

#: Line or row, query, passage, score, rank in the file.
Row = tuple[int, str, str, float, int]
Kind = Literal["trec", "ranx", "predictions"]


def read_run(path: Path) -> RunFile:
    """A run file of any kind.

    Raises:
        DataError: it is empty, malformed, lacks a column, scores a passage twice for one query, or has a score that is
            no finite number.
    """
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic == PARQUET:
        return _run("ranx", _parquet(path), path)
    if magic == LZ4:
        return _ranx(_lz4(path), path)
    first = next((raw.lstrip()[:1] for _, raw in jsonl.lines(path)), b"")
    if first == b"[":
        return _predictions(_json(_content(path), path), path)
    if first == b"{":
        return _ranx(_json(_content(path), path), path)
    return _run("trec", _trec(path), path)


def _run(kind: Kind, rows: Iterable[Row], path: Path) -> RunFile:
    """Rankings from rows in any order."""
    found: dict[str, dict[str, tuple[float, int, int]]] = {}
    for place, query, passage, score, rank in rows:
        own = found.setdefault(query, {})
        if passage in own:
            line = place if kind == "trec" else 0
            first = f"{'line' if line else 'row'} {own[passage][2]}"
            row = "" if line else f" in row {place}"
            raise DataError(
                f"passage '{passage}' stands twice for query '{query}',{row} and first on {first}.", path, line
            )
        own[passage] = (score, rank, place)
    if not found:
        raise DataError("there is no ranking in it.", path)
    return RunFile(kind, {("", query): _ranked(own) for query, own in found.items()})


def _ranked(rows: Mapping[str, tuple[float, int, int]]) -> Ranking:
    ids = sorted(rows, key=lambda passage: (-rows[passage][0], rows[passage][1], passage))
    return Ranking(tuple(ids), np.array([rows[passage][0] for passage in ids], dtype=np.float64))


def _trec(path: Path) -> Iterator[Row]:
    repairs = Repairs(path)
    for line, raw in jsonl.lines(path):
        fields = jsonl.decoded(raw, path, line).split()
        if len(fields) != 6:
            reason = f"{len(fields)} columns where a TREC run, 'query Q0 passage rank score tag', has six."
            raise DataError(reason, path, line)
        query, passage = (_identifier(fields[i], path, line, repairs) for i in (0, 2))
        yield line, query, passage, _number(fields[4], query, passage, path, line), _rank(fields[3], path, line)
    repairs.tell()


def _rank(text: str, path: Path, line: int) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"rank '{text}' is no whole number.", path, line) from None


def _number(value: Any, query: str, passage: str, path: Path, line: int = 0) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        reason = f"query '{query}', passage '{passage}': the score {value!r} is no finite number."
        raise DataError(reason, path, line)
    return number


def _identifier(value: Any, path: Path, line: int, repairs: Repairs) -> str:
    """An id that the files of a task could hold too, in the form that they are read in."""
    if not isinstance(value, str) or value.split() != [value] or not value.isprintable():
        raise DataError(f"the id {value!r} is no string without white space and control characters.", path, line)
    return repairs.identifier(value, line)


# ranx


class _Object(list[tuple[str, Any]]):
    """A JSON object as it stands in the file: keys that recur are not lost."""


def _content(path: Path) -> bytes:
    try:
        with decompressed(path) as stream:
            return stream.read()
    except DAMAGED as error:
        raise DataError(f"damaged archive: {error}. Fetch the file again.", path) from None


def _lz4(path: Path) -> Any:
    from ranx.io import load_lz4

    try:
        content = load_lz4(path)
    except Exception as error:  # whatever LZ4 and CBOR raise for what ranx did not write
        raise DataError(f"no LZ4 file of ranx, or a damaged one: {error}. Save it again.", path) from None
    if not isinstance(content, dict):
        return content
    return _Object((key, _Object(own.items()) if isinstance(own, dict) else own) for key, own in content.items())


def _json(content: bytes, path: Path) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        raise DataError(f"malformed JSON: {error.msg}, column {error.colno}.", path, error.lineno) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"malformed JSON: {error}.", path) from None


def _ranx(content: Any, path: Path) -> RunFile:
    if not isinstance(content, _Object) or not all(isinstance(scores, _Object) for _, scores in content):
        raise DataError("no run of ranx, which maps query ids to objects {passage: score}.", path)
    repairs = Repairs(path)
    rankings: dict[tuple[str, str], Ranking] = {}
    for name, scores in content:
        query = _identifier(name, path, 0, repairs)
        if ("", query) in rankings:
            raise DataError(f"query '{query}' stands there twice.", path)
        own: dict[str, tuple[float, int, int]] = {}
        for rank, (key, value) in enumerate(scores):
            passage = _identifier(key, path, 0, repairs)
            if passage in own:
                raise DataError(f"passage '{passage}' stands twice for query '{query}'.", path)
            own[passage] = (_number(value, query, passage, path), rank, 0)
        rankings["", query] = _ranked(own)
    repairs.tell()
    if not rankings:
        raise DataError("there is no ranking in it.", path)
    return RunFile("ranx", rankings)


def _parquet(path: Path) -> Iterator[Row]:
    import pandas as pd
    import pyarrow as pa

    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"no readable Parquet file: {error}.", path) from None
    lacking = [name for name in COLUMNS if name not in frame.columns]
    if lacking:
        reason = f"it lacks the column '{lacking[0]}'; a run of ranx has {', '.join(COLUMNS)}."
        raise DataError(reason, path)
    repairs = Repairs(path)
    for row, (name, key, value) in enumerate(zip(*(frame[column].tolist() for column in COLUMNS), strict=True), 1):
        query, passage = (_identifier(_text(part, repairs), path, 0, repairs) for part in (name, key))
        yield row, query, passage, _number(value, query, passage, path), row
    repairs.tell()


def _text(value: Any, repairs: Repairs) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        repairs.note("number as an id, read as a string", 0)
        return str(value)
    return value


# XOR-Retrieve's predictions


def _predictions(content: Any, path: Path) -> RunFile:
    repairs = Repairs(path)
    rankings: dict[tuple[str, str], Ranking] = {}
    texts: dict[str, str] = {}
    for number, entry in enumerate(content, 1):
        language, query, own = _prediction(entry, f"prediction {number}", path, repairs)
        if (language, query) in rankings:
            raise DataError(f"prediction {number}: question '{query}' ({language}) stands there twice.", path)
        ids = list(_ids(own))
        texts.update(zip(ids, own, strict=True))
        scores = np.arange(len(ids), 0, -1, dtype=np.float64)  # no scores are given, so ranks stand in for them
        rankings[language, query] = Ranking(tuple(ids), scores)
    repairs.tell()
    if not rankings:
        raise DataError("there is no prediction in it.", path)
    return RunFile("predictions", rankings, texts)


def _prediction(entry: Any, where: str, path: Path, repairs: Repairs) -> tuple[str, str, list[str]]:
    """Language, id and texts of one entry."""
    if not isinstance(entry, _Object):
        raise DataError(f"{where}: an object with id, lang and ctxs is needed, not {type(entry).__name__}.", path)
    fields = dict(entry)
    for name in ("id", "lang", "ctxs"):
        if name not in fields:
            raise DataError(f"{where}: it lacks '{name}'; a prediction has id, lang and ctxs.", path)
    query = _identifier(_text(fields["id"], repairs), path, 0, repairs)
    language, own = fields["lang"], fields["ctxs"]
    if not isinstance(language, str) or not language.strip():
        raise DataError(f"{where} ('{query}'): lang {language!r} is no language.", path)
    if not isinstance(own, list) or isinstance(own, _Object) or not all(isinstance(text, str) for text in own):
        raise DataError(f"{where} ('{query}'): ctxs must be a list of texts.", path)
    return repairs.code(language, 0), query, own


def _ids(texts: Iterable[str]) -> Iterator[str]:
    """An id per text, made from its hash; a text that recurs in a ranking has its number in the id, since it counts."""
    seen: dict[str, int] = {}
    for text in texts:
        digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()[:DIGITS]
        seen[digest] = seen.get(digest, 0) + 1
        yield f"text-{digest}" + (f"-{seen[digest]}" if seen[digest] > 1 else "")
