"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from xqgbench.types import TaskCard


def size(count: float) -> str:
    """Bytes: ``66.6 GB``, ``427 kB``; ``?`` for 0, which stands for unknown."""
    if not count:
        return "?"
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * factor:
            value = count / factor
            return f"{value:,.1f} {unit}" if value < 99.95 and unit != "kB" else f"{value:,.0f} {unit}"
    return f"{count:,.0f} B"


def duration(seconds: float) -> str:
    """``12 s``, ``34 min``, ``5.6 h``, ``12 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    for unit, factor, most in (("min", 60, 90), ("h", 3600, 72)):
        value = seconds / factor
        if value < most:
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds / 86400:,.0f} days" if seconds >= 864_000 else f"{seconds / 86400:.1f} days"


def number(count: int, known_from: str = "") -> str:
    """``18,000``; with ``~`` if it is known roughly, ``>`` if there are more, ``?`` for 0, which stands for unknown."""
    if not count:
        return "?"
    return {"about": "~", "at least": ">"}.get(known_from, "") + f"{count:,}"


def amount(count: float) -> str:
    """A rough number: ``2.0 G``, ``160 k``."""
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * factor:
            value = count / factor
            return f"{value:,.1f} {unit}" if value < 99.95 else f"{value:,.0f} {unit}"
    return f"{count:,.0f}"


def passages(card: TaskCard) -> str:
    """How many passages a task has, as far as its card says."""
    return number(card.expected_passages) if card.expected_passages else number(card.about_passages, "about")


def languages(codes: Sequence[str], room: int) -> str:
    """All of them where they fit, else how many and the first: ``18: ar bn de ...``."""
    whole = " ".join(codes)
    if len(whole) <= room:
        return whole
    shown: list[str] = []
    start = f"{len(codes)}:"
    for code in codes:
        if len(" ".join([start, *shown, code, "..."])) > room:
            break
        shown.append(code)
    return " ".join([start, *shown, "..."])
