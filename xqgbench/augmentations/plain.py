"""No augmentation: the retriever as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xqgbench.errors import InvalidParameter
from xqgbench.types import Chunk, Task, TaskVectors, Vectors


class Plain:
    """The baseline that every augmentation is compared with."""

    label = ""
    description: Mapping[str, Any] = {"name": "none"}

    @classmethod
    def parse(cls, parameters: str) -> Plain:
        if parameters:
            raise InvalidParameter(f"augmentation 'none' takes no parameters, but got '{parameters}'.")
        return cls()

    def index(self, task: Task, language: str) -> str:
        return ""

    def queries(self, vectors: TaskVectors, language: str) -> Vectors:
        return vectors.queries(language)

    def passages(self, vectors: TaskVectors, language: str) -> Iterator[Chunk]:
        return vectors.passages(language)
