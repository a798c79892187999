"""One conformance suite for every plugin, built in or somebody else's; ``xqgbench check`` runs it.

A check is a function: it is given what it checks and returns what it found. It passed; or it failed, and results made
with the plugin could not be trusted; or it notes what somebody should know. A check that raises has failed, and the
others run all the same. Another check is one more function, named in ``CHECKS`` of ``retriever``, ``task`` or
``augmentation``.
"""

from __future__ import annotations

from xqgbench.conformance.augmentation import check_augmentation
from xqgbench.conformance.report import Outcome, passed
from xqgbench.conformance.retriever import check_retriever
from xqgbench.conformance.task import check_task

__all__ = ["Outcome", "check_augmentation", "check_retriever", "check_task", "passed"]
