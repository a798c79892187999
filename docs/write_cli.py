"""Write docs/cli.md from the help of the commands; ``--check`` only says whether it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from xqgbench.cli import xqgbench

PAGE = Path(__file__).parent / "cli.md"
WIDTH = 100
OPTIONS = {"max_content_width": WIDTH, "help_option_names": ["-h", "--help"]}


def page() -> str:
    """The page: the help of the program and of each command, as a terminal of 100 columns shows it."""
    parts = ["# Command line\n\nMade by `make docs` from the program's own help.\n"]
    parts += [
        "Exit codes: 0 done; 2 wrong usage; 3 something needed is missing (weights, data, an optional dependency);\n"
        "1 anything else. Errors are one paragraph on stderr; `--debug` shows the traceback.\n"
    ]
    program = click.Context(xqgbench, info_name="xqgbench", terminal_width=WIDTH, **OPTIONS)
    parts.append(_section("xqgbench", xqgbench.get_help(program)))
    for name, command in sorted(xqgbench.commands.items()):
        context = click.Context(command, parent=program, info_name=name, terminal_width=WIDTH, **OPTIONS)
        parts.append(_section(f"xqgbench {name}", command.get_help(context)))
        for word, part in sorted(command.commands.items() if isinstance(command, click.Group) else ()):
            inner = click.Context(part, parent=context, info_name=word, terminal_width=WIDTH, **OPTIONS)
            parts.append(_section(f"xqgbench {name} {word}", part.get_help(inner)))
    return "\n".join(parts)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else "docs/cli.md is out of date: run make docs")
    PAGE.write_text(page(), encoding="utf-8")
