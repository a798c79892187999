"""TREC's files: judgements ``query iteration passage grade``, topics ``query<TAB>text`` or ``<top>`` elements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xqgbench.errors import DataError
from xqgbench.formats import jsonl
from xqgbench.formats.repairs import Repairs
from xqgbench.formats.task import Question
from xqgbench.types import Query

_GRADE = re.compile(r"-?[0-9]{1,9}")


def read_qrels(path: Path, header: bool = False) -> dict[str, dict[str, int]]:
    """Query id -> passage id -> grade, in file order.

    Args:
        header: the file is BEIR's, ``query-id corpus-id score`` under a line that says so, split at tabs.

    Raises:
        DataError: a line without its fields, a grade that is no whole number, or a pair judged twice differently.
    """
    qrels: dict[str, dict[str, int]] = {}
    repairs = Repairs(path)
    fields = ("query-id", "corpus-id", "score") if header else ("query", "0", "passage", "grade")
    for number, (line, raw) in enumerate(jsonl.lines(path)):
        text = jsonl.decoded(raw, path, line)
        found = text.split("\t") if header and "\t" in text else text.split()
        if len(found) != len(fields):
            what = {4: "four", 3: "three"}[len(fields)]
            raise DataError(f"{len(found)} fields where '{' '.join(fields)}' has {what}.", path, line)
        if header and number == 0:
            if _GRADE.fullmatch(found[-1].strip()):
                raise DataError(f"the first line must be a header, '{' '.join(fields)}'; {found} is none.", path, line)
            continue
        query, passage, grade = (repairs.identifier(part.strip(), line) for part in (found[0], found[-2], found[-1]))
        if not _GRADE.fullmatch(grade):
            raise DataError(f"grade '{grade}' is no whole number.", path, line)
        if qrels.setdefault(query, {}).setdefault(passage, int(grade)) != int(grade):
            raise DataError(f"query '{query}' and passage '{passage}' are judged twice, differently.", path, line)
    repairs.tell()
    return qrels


def read_topics(path: Path, language: str) -> Iterator[Question]:
    """Topics of one language: ``.xml`` and ``.trec`` files hold ``<top>`` elements, any other ``id<TAB>text`` lines.

    Raises:
        DataError: a line without a tab, an empty id or text, an element without number or title.
    """
    suffixes = path.suffixes
    if ".xml" in suffixes or ".trec" in suffixes:
        yield from _elements(path, language)
        return
    repairs = Repairs(path)
    for line, raw in jsonl.lines(path):
        text = jsonl.decoded(raw, path, line)
        id_, tab, query = text.partition("\t")
        if not tab or not query.strip():
            raise DataError("a topic is 'id<TAB>text', and this has no text after a tab.", path, line)
        id_ = repairs.identifier(id_.strip(), line)
        if id_.split() != [id_]:
            raise DataError(f"topic id '{id_}' is empty or holds white space.", path, line)
        yield Question(Query(id_, repairs.one_line(query, line), language), (), path, line)
    repairs.tell()


def _elements(path: Path, language: str) -> Iterator[Question]:
    """``<top>`` elements, whose tags TREC does not always close, as ir_datasets reads them."""
    from ir_datasets.formats import TrecQueries
    from ir_datasets.util import LocalDownload

    try:
        topics = list(TrecQueries(LocalDownload(path), namespace=str(path)).queries_iter())
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"no TREC topics: {type(error).__name__}: {error}.", path) from None
    if not topics:
        raise DataError("no <top> element in it.", path)
    for topic in topics:
        if not topic.query_id.strip() or not topic.title.strip():
            raise DataError(f"topic '{topic.query_id}' lacks its number or its title.", path)
        yield Question(Query(topic.query_id.strip(), " ".join(topic.title.split()), language), (), path, 0)
