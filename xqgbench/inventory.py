"""What of a task is on this machine, told from names and places alone: no file is opened and nothing is hashed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xqgbench.source_tables import HUB
from xqgbench.sources import CardFiles, locate
from xqgbench.types import Source, TaskCard

_ON_HUB = re.compile(re.escape(HUB) + r"/datasets/(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[0-9a-f]+)/")


@dataclass(frozen=True, slots=True)
class Availability:
    """How much of a task can be evaluated as things stand.

    Attributes:
        languages: those whose required files are all here, controls included.
        complete: all of them are.
        bundled: the files come with the card.
        by_hand: a file that is needed has no address, and ir_datasets does not have it either.
        bytes: what has to be downloaded for all languages, as far as the card says; 0 where unknown.
    """

    languages: tuple[str, ...]
    complete: bool
    bundled: bool
    by_hand: bool
    bytes: int

    @property
    def network(self) -> str:
        """Whether a network is needed: ``no``; ``no, here``; ``some`` (languages can do without); ``yes``.

        ``by hand`` where no network helps.
        """
        if self.complete:
            return "no" if self.bundled else "no, here"
        if self.by_hand:
            return "by hand"
        return "some" if self.languages else "yes"


@dataclass(frozen=True, slots=True)
class Stock:
    """One source of a task.

    Attributes:
        files: what the card calls them, in reading order.
        origin: where they can be had.
        pinned: what makes sure that they are the ones meant.
        bytes: size of all of them as downloaded; 0 where unknown.
        found: file -> where it is, for those that are here.
    """

    key: str
    files: tuple[str, ...]
    origin: str
    pinned: str
    bytes: int
    optional: bool
    found: Mapping[str, Path]


def availability(card: TaskCard, data_dir: Path | None = None) -> Availability:
    """How much of a task is here. Data sets that ir_datasets fetches itself count as not here."""
    required = {key: source for key, source in card.sources.items() if not source.optional}
    files = CardFiles(card, data_dir)
    if any(file.language for source in required.values() for file in source.files):
        languages = files.languages_here()
    else:
        there = bool(required) and all(files.here(key) for key in required)
        languages = card.query_languages if there else ()
    own = bool(required) and all(_comes_with(card, source) for source in required.values())
    size = sum(source.bytes for source in required.values())
    every = [file for source in required.values() for file in source.files]
    by_hand = not card.settings.get("ir_datasets") and any(not file.url and not file.archive for file in every)
    return Availability(languages, languages == card.query_languages, own, by_hand, size)


def stock(card: TaskCard, data_dir: Path | None = None) -> tuple[Stock, ...]:
    """Every source of a task, in the card's order."""
    return tuple(_stock(card, key, source, data_dir) for key, source in card.sources.items())


def _stock(card: TaskCard, key: str, source: Source, data_dir: Path | None) -> Stock:
    places = {file.path: locate(card, source, file, data_dir) for file in source.files}
    return Stock(
        key=key,
        files=tuple(places),
        origin=_origin(card, source),
        pinned=_pinned(source),
        bytes=source.bytes,
        optional=source.optional,
        found={name: place for name, place in places.items() if place is not None},
    )


def _comes_with(card: TaskCard, source: Source) -> bool:
    """Whether all files lie beside the card."""
    return all(not f.url and not f.archive and (card.folder / f.path).is_file() for f in source.files)


def _origin(card: TaskCard, source: Source) -> str:
    if _comes_with(card, source):
        return "comes with the card"
    first = source.files[0]
    on_hub = _ON_HUB.match(first.url)
    if on_hub:
        return f"hub data set {on_hub['id']} at {on_hub['revision']}"
    if first.archive or first.url:
        return first.archive or first.url
    other = f", or {card.settings['ir_datasets']} of ir_datasets" if card.settings.get("ir_datasets") else ""
    return f"by hand{other}"


def _pinned(source: Source) -> str:
    hashed = sum(bool(file.sha256) for file in source.files)
    if hashed == len(source.files):
        return "sha256"
    if not hashed:
        return f"revision {source.revision}"
    return f"sha256 of {hashed} of {len(source.files)} files, else revision {source.revision}"
