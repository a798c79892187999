"""TREC judgements: ``query iteration passage grade``, separated by white space."""

from __future__ import annotations

import re
from pathlib import Path

from xqgbench.errors import DataError
from xqgbench.formats import jsonl


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id -> passage id -> grade, in file order.

    Raises:
        DataError: a line without four fields, a grade that is no whole number, or a pair judged twice differently.
    """
    qrels: dict[str, dict[str, int]] = {}
    for line, raw in jsonl.lines(path):
        try:
            fields = raw.decode("utf-8").split()
        except UnicodeDecodeError as error:
            raise DataError(f"not UTF-8: {error}.", path, line) from None
        if not fields:
            continue
        if len(fields) != 4:
            raise DataError(f"{len(fields)} fields where 'query 0 passage grade' has four.", path, line)
        query, _, passage, grade = fields
        if not re.fullmatch(r"-?[0-9]{1,9}", grade):
            raise DataError(f"grade '{grade}' is no whole number.", path, line)
        if qrels.setdefault(query, {}).setdefault(passage, int(grade)) != int(grade):
            raise DataError(f"query '{query}' and passage '{passage}' are judged twice, differently.", path, line)
    return qrels
