"""The command line: the only part that prints. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import TextIO

import click

from xqgbench.cli.check_command import check
from xqgbench.cli.commands import eval_, leaderboard, sweep
from xqgbench.cli.model_commands import models
from xqgbench.cli.plan_command import plan
from xqgbench.cli.score_command import score
from xqgbench.cli.store_commands import store
from xqgbench.cli.task_commands import tasks
from xqgbench.cli.task_facts import show_, stats
from xqgbench.errors import Note, XqgbenchError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n  xqgbench eval --model e5-small --augment xqg",
)
@click.version_option(package_name="xqgbench")
def xqgbench() -> None:
    """Evaluate dense retrievers on cross-lingual retrieval, language by language, plain and with xQG."""


for _command in (check, eval_, leaderboard, models, plan, score, store, sweep, tasks):
    xqgbench.add_command(_command)
for _command in (show_, stats):
    tasks.add_command(_command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 wrong usage, 3 something is missing, 1 anything else."""
    words = sys.argv[1:] if arguments is None else arguments
    with warnings.catch_warnings():
        warnings.simplefilter("default", Note)
        warnings.showwarning = _warned
        return _run(words, "--debug" in words)


def _run(words: list[str], debug: bool) -> int:
    try:
        # Outside its standalone mode click returns the code that a command exits with, and None where it just ends.
        return int(xqgbench.main(args=words, prog_name="xqgbench", standalone_mode=False) or 0)
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say(
            "Interrupted. Finished chunks stay in the store, fetched bytes in their parts; the "
            "same command goes on from there."
        )
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, XqgbenchError):
            _say(f"Error: {error}")
            return error.exit_code
        _say(f"Error: {type(error).__name__}: {error}. Run again with --debug for the traceback.")
        return 1


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """What was dealt with and should be known, in one line; other warnings as Python writes them."""
    noted = issubclass(category, Note)
    _say(f"Note: {message}" if noted else warnings.formatwarning(message, category, filename, lineno))


def _say(message: str) -> None:
    click.echo(message, err=True)


def run() -> None:
    """Entry point of the console script."""
    sys.exit(main())
