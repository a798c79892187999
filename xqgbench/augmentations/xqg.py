"""xQG: passage vectors fused with the vectors of queries generated for them in other languages (SIGIR 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xqgbench.errors import MissingData, UnknownName
from xqgbench.fusion import Fusion, fuse, pool
from xqgbench.types import Chunk, GeneratedChunk, Task, TaskVectors, Vectors


class XQG:
    """xQG with the parameters of ``fusion.Fusion``; ``xqg`` alone is the paper's setting."""

    def __init__(self, fusion: Fusion | None = None) -> None:
        self.fusion = fusion or Fusion()

    @classmethod
    def parse(cls, parameters: str) -> XQG:
        return cls(Fusion.parse(parameters))

    @property
    def label(self) -> str:
        """``xqg``, and whatever differs from the paper's setting."""
        default = Fusion().describe()
        changed = {name: value for name, value in self.fusion.describe().items() if value != default[name]}
        if "renormalise" in changed:
            changed["renormalise"] = "true"
        return ":".join(filter(None, ("xqg", ",".join(f"{name}={value}" for name, value in changed.items()))))

    @property
    def description(self) -> Mapping[str, Any]:
        return {"name": "xqg", **self.fusion.describe()}

    def index(self, task: Task, language: str) -> str:
        languages = self._languages(task, language)
        generated = next(iter(task.generated_queries(language)), {})
        for name in languages:
            generated.get(name)  # one whose file is not here is missed now, not after the passages are encoded
        return "+".join(languages)

    def queries(self, vectors: TaskVectors, language: str) -> Vectors:
        return vectors.queries(language)

    def passages(self, vectors: TaskVectors, language: str) -> Iterator[Chunk]:
        languages = self._languages(vectors.task, language)
        generated = vectors.generated(language, languages, self.fusion.per_language)
        for ids, base in vectors.passages(language):
            yield ids, self._fused(base, next(generated), languages)
            del base  # a mapped file is given back before the next one is asked for; zip would keep it and its mate
        if next(generated, None) is not None:  # asked to its end, where vectors made elsewhere are known whole
            raise ValueError("there are generated queries beyond the last passage")

    def _fused(self, base: Vectors, chunk: GeneratedChunk, languages: Sequence[str]) -> Vectors:
        means, counts = pool(chunk.means, chunk.counts, languages)
        return fuse(base, means, counts, self.fusion, len(languages))

    def _languages(self, task: Task, language: str) -> tuple[str, ...]:
        known = task.card.generated_languages
        if not known:
            raise MissingData(
                f"task '{task.card.name}' has no generated queries, which --augment xqg needs. Give them with "
                f"--generated-queries FILE (JSON lines: docid, generated_queries: {{language: [query, ...]}}), made by "
                f"any generator for the passages of the task, or evaluate it with --augment none."
            )
        if self.fusion.languages == "all":
            return known
        wanted = (language,) if self.fusion.languages == "query" else self.fusion.languages
        for name in wanted:
            if name not in known:
                raise UnknownName(f"language of generated queries in {task.card.name}", name, known)
        return wanted
