"""Timing two ways of doing one thing, in turns, so that a busy machine slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def ratio(
    ours: Callable[[], object],
    peer: Callable[[], object],
    repetitions: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float, float]:
    """Medians: (seconds of ours, seconds of the peer, peer / ours per repetition). Above 1, ours is faster."""
    mine, theirs = [], []
    for _ in range(repetitions):
        mine.append(_seconds(ours, clock))
        theirs.append(_seconds(peer, clock))
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    return statistics.median(mine), statistics.median(theirs), statistics.median(ratios)


def report(what: str, timed: tuple[float, float, float]) -> None:
    """One line: what, seconds of both, ratio."""
    ours, peer, times = timed
    print(f"{what:<64} ours {ours:8.3f} s   peer {peer:8.3f} s   peer / ours {times:6.2f}")


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started
