"""The vectors of a retriever on a task, and what augmentations make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from xqgbench.types.retrievers import Vectors
from xqgbench.types.tasks import Task

#: How the store keeps vectors.
StoreDtype = Literal["float32", "float16"]


#: A stretch of a collection: passage ids and their vectors, row for row. The vectors are read-only, and may be a file
#: mapped into memory: whoever keeps them longer than needed keeps their memory.
Chunk = tuple[Sequence[str], Vectors]


@dataclass(frozen=True, slots=True)
class GeneratedChunk:
    """Generated queries of a stretch of passages, reduced while they streamed.

    Attributes:
        means: language -> float32 (passages, dim), the mean of the passage's generated-query vectors.
        counts: language -> int64 (passages,), how many there were; where 0 the mean is a row of zeros.
    """

    means: Mapping[str, Vectors]
    counts: Mapping[str, npt.NDArray[np.int64]]


class TaskVectors(Protocol):
    """The vectors of one retriever on one task, encoded when asked for and kept in the store. Augmentations use it."""

    @property
    def task(self) -> Task: ...

    def queries(self, language: str) -> Vectors:
        """Vectors of the queries of a language, (queries, dim), in the order of ``task.queries``."""
        ...

    def passages(self, language: str) -> Iterator[Chunk]:
        """Vectors of the collection of a language, chunk by chunk."""
        ...

    def generated(self, language: str, languages: Sequence[str], per_language: int) -> Iterator[GeneratedChunk]:
        """Reduced vectors of the first ``per_language`` generated queries in ``languages``.

        Aligned with ``passages``.
        """
        ...


class Augmentation(Protocol):
    """A way to change retrieval without changing the retriever; ``none`` and ``xqg`` are built in.

    ``label`` stands in system names (empty for none); ``description`` goes into results and signatures.
    """

    @property
    def label(self) -> str: ...

    @property
    def description(self) -> Mapping[str, Any]: ...

    def index(self, task: Task, language: str) -> str:
        """Languages of one collection with an equal ``index`` are searched in one pass.

        Raises:
            XqgbenchError: if the task lacks what the augmentation needs. Called for every language before anything
                is encoded.
        """
        ...

    def queries(self, vectors: TaskVectors, language: str) -> Vectors:
        """Query vectors to search with, (queries, dim)."""
        ...

    def passages(self, vectors: TaskVectors, language: str) -> Iterator[Chunk]:
        """Passage vectors to search in."""
        ...
