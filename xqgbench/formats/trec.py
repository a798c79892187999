"""TREC judgements: ``query iteration passage grade``, separated by white space."""

from __future__ import annotations

from pathlib import Path

from xqgbench.errors import DataError


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id -> passage id -> grade, in file order.

    Raises:
        DataError: a line without four fields, a grade that is no whole number, or a pair judged twice differently.
    """
    qrels: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8-sig") as stream:
        for line, raw in enumerate(stream, 1):
            fields = raw.split()
            if not fields:
                continue
            if len(fields) != 4:
                raise DataError(f"{len(fields)} fields where 'query 0 passage grade' has four.", path, line)
            query, _, passage, grade = fields
            if not grade.lstrip("-").isdigit():
                raise DataError(f"grade '{grade}' is no whole number.", path, line)
            if qrels.setdefault(query, {}).setdefault(passage, int(grade)) != int(grade):
                raise DataError(f"query '{query}' and passage '{passage}' are judged twice, differently.", path, line)
    return qrels
