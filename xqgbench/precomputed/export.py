"""The texts of a task as JSON lines, for whoever encodes them elsewhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from xqgbench.encode import generated_ids
from xqgbench.errors import DataError, MissingData
from xqgbench.files import appended, discard, locked, take_place, write_atomically
from xqgbench.precomputed import layout
from xqgbench.types import Progress, Task, silent

#: Passages between two reports of progress.
STEP = 1_000


@dataclass(frozen=True, slots=True)
class Exported:
    """A file of texts.

    Attributes:
        name: its path in the folder.
        texts: how many it holds.
        missing: why it was not written; empty if it was.
    """

    name: str
    texts: int
    missing: str = ""


def export(task: Task, folder: Path, languages: Sequence[str], progress: Progress = silent) -> list[Exported]:
    """Write the texts of a task, and a ``vectors.json`` to fill in; see ``layout``. Passages stream.

    A ``vectors.json`` that is there already stays as it is. Generated queries whose files are not here are left out,
    and said to be missing.

    Args:
        languages: of the queries; passages and generated queries are those that they are searched in.

    Raises:
        MissingData: queries or passages are not here.
        DataError: they cannot be used; or the folder holds the texts of another task, or cannot be written.
    """
    for language in languages:
        task.queries(language)
        next(task.passages(language), None)  # what is not here is missed now, not after an hour
    try:
        return _written(task, folder, languages, progress)
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror or error}.", error.filename or folder) from None


def _written(task: Task, folder: Path, languages: Sequence[str], progress: Progress) -> list[Exported]:
    template = folder / layout.DESCRIPTION
    # Two that write into one folder at once would write into each other's parts.
    with locked(folder / ".export.lock", partial(progress, "waiting for another export", 0, None)):
        if template.exists():
            layout.of_task(layout.task_in(template), task.card, template)
        written = [_queries(task, folder, language) for language in languages]
        collections = {task.collection(language): language for language in reversed(languages)}
        for language in reversed(collections.values()):
            written += _collection(task, folder, language, progress)
        if not template.exists():
            content = {**layout.TEMPLATE, "task": layout.texts_of(task.card)}
            write_atomically(template, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
    return written


def _queries(task: Task, folder: Path, language: str) -> Exported:
    name = f"{layout.queries_in(language)}.jsonl"
    with _lines(folder / name) as lines:
        for query in task.queries(language):
            lines.add({"id": query.id, "text": query.text})
    return Exported(name, lines.count)


def _collection(task: Task, folder: Path, language: str, progress: Progress) -> Iterator[Exported]:
    """Passages and generated queries of the collection that a language is searched in, in one pass over it."""
    collection, total = task.collection(language), task.card.passages_in(language) or None
    here, missing = _generated(task, language)
    files = {"": f"{layout.passages_in(collection)}.jsonl"}
    files |= {other: f"{layout.generated_in(collection, other)}.jsonl" for other in (*here, *missing)}
    with contextlib.ExitStack() as stack:
        lines = {other: stack.enter_context(_lines(folder / files[other])) for other in ("", *here)}
        aligned = zip(task.passages(language), task.generated_queries(language), strict=True)
        for count, (passage, own) in enumerate(aligned, 1):
            lines[""].add({"id": passage.id, "title": passage.title, "text": passage.text})
            for other in here:
                queries = own.get(other, ())
                for id_, text in zip(generated_ids(passage.id, other, len(queries)), queries, strict=True):
                    lines[other].add({"id": id_, "text": text})
            if count % STEP == 0:
                progress(f"passages {collection}", count, total)
    for other, found in lines.items():
        if found.count:
            yield Exported(files[other], found.count)
        else:
            discard(folder / files[other])  # nothing to encode
    for other, reason in missing.items():
        yield Exported(files[other], 0, reason)


def _generated(task: Task, language: str) -> tuple[list[str], dict[str, str]]:
    """Languages whose generated queries are here, and those whose are not, with the reason."""
    here: list[str] = []
    missing: dict[str, str] = {}
    first = next(iter(task.generated_queries(language)), {})
    for other in task.card.generated_languages:
        try:
            first.get(other)
            here.append(other)
        except MissingData as error:
            missing[other] = str(error)
    return here, missing


class _Lines:
    """JSON lines as they are written, counted."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def add(self, record: Mapping[str, str]) -> None:
        import orjson

        self._stream.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        self.count += 1


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[_Lines]:
    """A file of JSON lines that stands whole at the end of the block, or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        with appended(part, 0) as stream:
            yield _Lines(stream)
    except BaseException:
        discard(part)
        raise
    take_place(part, path)
