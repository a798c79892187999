"""The vectors of a task that were made elsewhere, read from a folder in the place of encoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench.encode import CHUNK, batched, generated_ids
from xqgbench.errors import DataError
from xqgbench.fusion import reduce_queries
from xqgbench.precomputed.layout import DESCRIPTION, described, generated_in, passages_in, queries_in
from xqgbench.precomputed.table import Reader, Table
from xqgbench.provenance import identity_hash
from xqgbench.types import Chunk, GeneratedChunk, Progress, RetrieverInfo, Task, Vectors, silent


class Precomputed:
    """Vectors of ``task`` from a folder; implements ``types.TaskVectors``. See ``layout`` for what the folder holds.

    Attributes:
        info: what ``vectors.json`` says of the retriever.
        encoded, seconds: nothing is encoded here.
        source: what results say of how their scores came about.

    Raises:
        MissingData: there is no such folder, or no vectors in it.
        DataError: ``vectors.json`` cannot be used, or is for another task.
    """

    encoded = 0
    seconds = 0.0
    source = "from vectors"

    def __init__(self, folder: Path, task: Task, progress: Progress = silent) -> None:
        self.task = task
        self._folder = folder
        self._progress = progress
        self._tables: dict[str, Table] = {}
        self._digests: dict[str, str] = {}
        fields = described(folder, task.card)
        self._dim_from = DESCRIPTION
        if "dim" not in fields:
            path = next(iter(sorted(folder.glob("queries/*.npy"))), folder / f"{queries_in('LANGUAGE')}.npy")
            self._dim_from, fields["dim"] = str(path.relative_to(folder)), Table(path).dim
        self.info = RetrieverInfo(**fields)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What distinguishes these vectors from others: what ``vectors.json`` says, and their hashes.

        Hashes are those of all vectors read so far, in the order of the task and as they are compared, so that neither
        the order of rows in a file nor its type of numbers makes a difference.
        """
        info, digests = self.info, dict(sorted(self._digests.items()))
        return {
            "name": info.name,
            "revision": info.revision or f"vectors:{identity_hash(digests)[:40]}",
            "dim": info.dim,
            "similarity": info.similarity,
            "prompts": [info.query_prompt, info.passage_prompt],
            "vectors": digests,
        }

    def queries(self, language: str) -> Vectors:
        name = queries_in(language)
        reader = self._reader(name, "query")
        vectors = reader.take([query.id for query in self.task.queries(language)])
        self._finish(name, reader)
        return vectors

    def passages(self, language: str) -> Iterator[Chunk]:
        name = passages_in(self.task.collection(language))
        reader = self._reader(name, "passage")
        total, done = self.task.card.passages_in(language) or None, 0
        for chunk in batched(self.task.passages(language), CHUNK):
            ids = [passage.id for passage in chunk]
            yield ids, reader.take(ids)
            done += len(ids)
            self._progress("passages", done, total)
        self._finish(name, reader)

    def generated(self, language: str, languages: Sequence[str], per_language: int) -> Iterator[GeneratedChunk]:
        collection = self.task.collection(language)
        readers: dict[str, Reader] = {}
        aligned = zip(self.task.passages(language), self.task.generated_queries(language), strict=True)
        for chunk in batched(aligned, CHUNK):
            means, counts = {}, {}
            for wanted in languages:
                found = [(passage.id, len(own.get(wanted, ()))) for passage, own in chunk]
                ids = [id_ for passage, count in found for id_ in generated_ids(passage, wanted, count)]
                counts[wanted] = np.array([min(count, per_language) for _, count in found], dtype=np.int64)
                if ids and wanted not in readers:  # no file is needed where there are none
                    readers[wanted] = self._reader(generated_in(collection, wanted), "generated query")
                vectors = readers[wanted].take(ids) if ids else np.zeros((0, self.info.dim), np.float32)
                first = [number < per_language for _, count in found for number in range(count)]
                means[wanted] = reduce_queries(vectors[first], counts[wanted])
            yield GeneratedChunk(means, counts)
        for wanted, reader in readers.items():
            self._finish(generated_in(collection, wanted), reader)

    def _reader(self, name: str, what: str) -> Reader:
        if name not in self._tables:
            table = Table(self._folder / f"{name}.npy")
            if table.dim != self.info.dim:
                reason = f"its vectors have {table.dim} dimensions, but {self._dim_from} says {self.info.dim}."
                raise DataError(reason, table.path)
            self._tables[name] = table
        return Reader(self._tables[name], self.info, what)

    def _finish(self, name: str, reader: Reader) -> None:
        digest = reader.finish()
        if self._digests.setdefault(name, digest) != digest:
            raise DataError("its vectors have changed while they were read.", self._tables[name].path)
