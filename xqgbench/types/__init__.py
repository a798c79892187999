"""The records and protocols that every other module speaks in.

Nothing here computes. Arrays are C-contiguous float32 of shape (rows, dimensions) unless a docstring says otherwise.
Queries, judgements, runs and scores are kept per language, because query ids recur across the languages of a task.
"""

from __future__ import annotations

from xqgbench.types.retrievers import Domain, Dtype, Loading, ModelCard, Retriever, RetrieverInfo, Similarity, Vectors
from xqgbench.types.runs import Ranking, Run, RunFile
from xqgbench.types.tasks import Countable, Files, Source, SourceFile, Task, TaskCard
from xqgbench.types.texts import Judgements, Passage, Progress, Query, silent
from xqgbench.types.vectors import Augmentation, Chunk, GeneratedChunk, StoreDtype, TaskVectors

__all__ = [
    "Augmentation",
    "Chunk",
    "Countable",
    "Domain",
    "Dtype",
    "Files",
    "GeneratedChunk",
    "Judgements",
    "Loading",
    "ModelCard",
    "Passage",
    "Progress",
    "Query",
    "Ranking",
    "Retriever",
    "RetrieverInfo",
    "Run",
    "RunFile",
    "Similarity",
    "Source",
    "SourceFile",
    "StoreDtype",
    "Task",
    "TaskCard",
    "TaskVectors",
    "Vectors",
    "silent",
]
