"""Boards as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xqgbench.comparison import Row, p_text
from xqgbench.leaderboard.board import Board, Entry

_INTRODUCTION = """# Leaderboard

Made by `xqgbench leaderboard` from the folders in `results/`; do not edit it by hand. Scores are means over queries,
`macro` is the unweighted mean over all languages of a task. A rank is 1 + the number of systems that are significantly
better (clustered randomisation test on the average, Holm-corrected over all pairs, p <= 0.05): systems of one rank
have as many betters, and systems of different ranks need not differ significantly from each other. *Domain* says
whether a retriever was trained on data that the task stems from. A control language is in no average and no test of the
others. Systems that were evaluated in some languages only stand on a board of their own, without a macro average.
"""


def render(boards: Sequence[Board]) -> str:
    """The whole page."""
    if not boards:
        return _INTRODUCTION + "\nThere are no results yet.\n"
    return "\n".join([_INTRODUCTION, *(_section(board) for board in boards)])


def _section(board: Board) -> str:
    lines = [f"## {escape(board.title)}", ""]
    lines += [f"{escape(board.measure)}, {board.depth} passages retrieved, task card `{board.card_sha256[:12]}`.", ""]
    if not board.complete:
        lines += [f"Not all {board.of} languages of the task were evaluated, so there is no macro average.", ""]
    if board.denominator != "strict":
        lines += [
            f"{board.denominator.capitalize()} denominator: of all judged questions, only the {board.queries} that the "
            f"runs hold are counted. A score here is not comparable with those of another table.",
            "",
        ]
    lines += _scores(board)
    if len(board.measures) > 1:
        name = "Macro average" if board.complete else f"Mean of these {len(board.languages)} languages"
        lines += ["", f"{name}, every measure:"]
        lines += ["", *_measures(board)]
    compared = [entry for entry in board.entries if entry.comparison]
    if compared:
        where = "in macro average and in each language" if board.complete else "in each language"
        augmented = all(entry.source != "re-scored" for entry in compared)
        pairs = "Augmented against plain" if augmented else "System against the one that it was compared with"
        lines += ["", f"{pairs}, difference {where}:", "", *_differences(board, compared), ""]
        if board.complete:
            lines += ["Intervals are 95 % cluster bootstrap intervals, not corrected for the number of languages."]
            lines += ["\\* marks p <= 0.05: for macro the one primary test, for languages corrected over them (Holm)."]
        else:
            lines += ["\\* marks p <= 0.05, corrected over all languages of the task (Holm)."]
    return "\n".join(lines) + "\n"


def _scores(board: Board) -> list[str]:
    controls = [f"{escape(language)} (control)" for language in board.controls]
    rows = [["Rank", "System", board.average, *map(escape, board.languages), *controls, "Domain", "Source"]]
    for entry in board.entries:
        result = entry.result
        means = board.means(entry)
        macro = f"**{result.macro(board.measure):.4f}**"
        rows.append([str(entry.rank), escape(result.system), macro, *means, escape(entry.domain), escape(entry.source)])
    return table(rows)


def _measures(board: Board) -> list[str]:
    """Averages of every measure; empty where a system's run did not hold what a measure needs."""
    rows = [["System", *map(escape, board.measures)]]
    for result in (entry.result for entry in board.entries):
        means = [f"{result.macro(measure):.4f}" if measure in result.measures else "" for measure in board.measures]
        rows.append([escape(result.system), *means])
    return table(rows)


def _differences(board: Board, entries: Sequence[Entry]) -> list[str]:
    averages = ["macro", "95 % interval", "p"] if board.complete else []
    rows = [["System", "against", *averages, *map(escape, board.languages)]]
    for entry in entries:
        compared = entry.comparison
        assert compared is not None  # entries were chosen so
        macro = compared.macro
        cells = []
        if macro:
            cells = [_marked(macro), f"[{macro.low:+.4f}, {macro.high:+.4f}]", escape(p_text(macro.p))]
        rows.append([escape(compared.after), escape(compared.before), *cells, *map(_marked, compared.rows)])
    return table(rows)


def _marked(row: Row) -> str:
    return f"{row.difference:+.4f}" + (r"\*" if row.significant else "")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; the first row is its head, cells are escaped already."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return [head, "|" + "---|" * len(rows[0]), *body]


def escape(text: str) -> str:
    """Text as itself in Markdown, whatever a plugin is called."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|#~])", r"\\\1", " ".join(text.split()))
