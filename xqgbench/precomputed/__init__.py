"""Vectors that were made elsewhere: the texts of a task are handed out, and what others made of them is evaluated."""

from xqgbench.precomputed.export import Exported, export
from xqgbench.precomputed.task_vectors import Precomputed

__all__ = ["Exported", "Precomputed", "export"]
