"""The leaderboard: tables made from results, never by hand."""

from __future__ import annotations

from pathlib import Path

from xqgbench.files import write_atomically
from xqgbench.leaderboard.board import Board, boards
from xqgbench.leaderboard.markdown import render

__all__ = ["Board", "boards", "build", "render"]


def build(results: Path, output: Path) -> list[Board]:
    """Read every result under ``results`` and write ``<output>/README.md``; the same results give the same bytes.

    Raises:
        ResultError: a result folder is damaged.
    """
    made = boards(results)
    write_atomically(output / "README.md", render(made).encode())
    return made
