"""``python -m xqgbench``."""

from xqgbench.cli import run

run()
