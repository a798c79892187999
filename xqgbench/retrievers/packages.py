"""Models whose weights come inside a Python package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from xqgbench.errors import MissingExtra
from xqgbench.types import ModelCard


def package_folder(card: ModelCard, module: str, distribution: str) -> Path:
    """The folder of an installed package, found without importing it.

    Raises:
        MissingExtra: ``distribution`` is not installed.
    """
    package = importlib.util.find_spec(module)
    if package is None or not package.submodule_search_locations:
        raise MissingExtra(f"model '{card.name}'", distribution, card.extra)
    return Path(package.submodule_search_locations[0])
