"""What an evaluation will take, before it starts: texts, hours, disk and memory, from a short timed sample.

Encoding is timed on a few dozen texts of the task, batch by batch; where none are here, on those of the bundled task.
Reading is timed on the first passages, searching on vectors of the right shape. Writing and reading the store is not
in the time, and neither is loading the model.
"""

from __future__ import annotations

from xqgbench.planning.plan import SAMPLE, Plan, plan
from xqgbench.planning.timing import Rate, Work

__all__ = ["SAMPLE", "Plan", "Rate", "Work", "plan"]
