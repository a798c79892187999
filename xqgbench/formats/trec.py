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
#: A topic, which ends where the next begins if its tag is not closed. CLEF and FIRE name its language in the tag.
_TOPIC = re.compile(r"<top(?:\s[^>]*)?>(.*?)(?=<top[\s>]|</top>|\Z)", re.DOTALL | re.IGNORECASE)
#: A field of a topic, up to the next tag, without the label that TREC put before it.
_NUMBER, _TITLE = (
    re.compile(rf"<{tag}>(?:\s*{label}:)?(.*?)(?=</?[a-z]+>|\Z)", re.DOTALL | re.IGNORECASE)
    for tag, label in (("num", "Number"), ("title", "Topic"))
)


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
        id_ = jsonl.identifier({"topic id": id_.strip()}, "topic id", path, line, repairs)
        yield Question(Query(id_, repairs.one_line(query, line), language), (), path, line)
    repairs.tell()


def _elements(path: Path, language: str) -> Iterator[Question]:
    """``<top>`` elements with ``<num>`` and ``<title>``, whose tags TREC does not always close."""
    numbered = [(line, jsonl.decoded(raw, path, line)) for line, raw in jsonl.lines(path)]
    whole = "\n".join(text for _, text in numbered)
    repairs = Repairs(path)
    topics = list(_TOPIC.finditer(whole))
    if not topics:
        raise DataError("no <top> element in it.", path)
    for topic in topics:
        line = numbered[whole.count("\n", 0, topic.start())][0]
        number, title = _NUMBER.search(topic[1]), _TITLE.search(topic[1])
        if not number or not title or not title[1].strip():
            raise DataError("a <top> needs its <num> and its <title>.", path, line)
        id_ = jsonl.identifier({"num": number[1].strip()}, "num", path, line, repairs)
        yield Question(Query(id_, " ".join(title[1].split()), language), (), path, line)
    repairs.tell()
