"""The files of a task fetched to where ``sources`` looks for them, each checked before it takes its place.

A download grows in ``<name>.part``, so that a later call goes on from there, and is renamed when its hash is right. A
lock beside it (``<name>.lock``) keeps two processes from writing one part; the second waits, and finds the file here.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from xqgbench.archives import unpack
from xqgbench.elsewhere import id_of
from xqgbench.errors import DataError, MissingSpace, UnknownName
from xqgbench.files import (
    COMPRESSED,
    DAMAGED,
    compression_of,
    discard,
    locked,
    sha256_of,
    sha256_of_content,
    take_place,
)
from xqgbench.source_tables import HUB
from xqgbench.sources import check, default_root, locate, remember
from xqgbench.transfer import Client, Hub, Promise, beside
from xqgbench.types import Progress, Source, SourceFile, TaskCard, silent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes:
        key: name of its source.
        state: ``here`` before; ``fetched``; ``by hand``: it has no address; ``ir_datasets``: it has none, but
            ``elsewhere.fetch`` gets the same.
        path: where it is, or has to be put.
        bytes: its size as it lies there; 0 if it does not.
        checked: whether a hash says that it is the right one; a file that only a revision pins is checked while it is
            fetched from the hub, which knows one.
    """

    key: str
    file: SourceFile
    state: Literal["here", "fetched", "by hand", "ir_datasets"]
    path: Path
    bytes: int
    checked: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: str
    source: Source
    file: SourceFile
    target: Path


def download(
    card: TaskCard,
    languages: Sequence[str] = (),
    data_dir: Path | None = None,
    optional: bool = False,
    progress: Progress = silent,
    client: Client | None = None,
) -> list[Outcome]:
    """Fetch all files of a task that are not here, and check those that are.

    Args:
        languages: only files of these languages, and those that serve all.
        data_dir: where they are looked for first, and put; by default ``sources.default_root()``.
        optional: sources that evaluations can do without, too.
        client: what fetches; by default one that honours ``HF_ENDPOINT`` and ``HF_TOKEN``.

    Raises:
        UnknownName: the task has no such language.
        MissingSpace: the disk is too small; said before anything is fetched, as far as sizes are known.
        MissingData: a server does not give a file. What was fetched before stays.
        DataError: a file is not the one that the card describes. What was fetched is deleted, what was here is not.
    """
    return _Download(card, data_dir, progress, client or Client(Hub.of_environment(HUB))).run(languages, optional)


class _Download:
    def __init__(self, card: TaskCard, data_dir: Path | None, progress: Progress, client: Client) -> None:
        self._card, self._data_dir, self._progress, self._client = card, data_dir, progress, client
        self._root = data_dir or default_root()

    def run(self, languages: Sequence[str], optional: bool) -> list[Outcome]:
        wanted = self._wanted(languages, optional)
        outcomes = {want: outcome for want in wanted if (outcome := self._without_fetching(want))}
        missing = [want for want in wanted if want not in outcomes]
        with _said_when_full(self._root):
            if missing:
                self._require_room(wanted, missing)
            for want in missing:
                if not want.file.archive:
                    outcomes[want] = self._fetch(want)
            for archive in dict.fromkeys(want.file.archive for want in missing if want.file.archive):
                outcomes |= self._fetch_archive(archive, [want for want in missing if want.file.archive == archive])
        return [outcomes[want] for want in wanted]

    def _wanted(self, languages: Sequence[str], optional: bool) -> list[_Wanted]:
        files = [(key, source, file) for key, source in self._card.sources.items() for file in source.files]
        known = {*self._card.query_languages, *(file.language for _, _, file in files if file.language)}
        for language in languages:
            if language not in known:
                raise UnknownName(f"language of {self._card.name}", language, known)
        found: dict[Path, _Wanted] = {}
        for key, source, file in files:
            if (optional or not source.optional) and not (
                languages and file.language and file.language not in languages
            ):
                target = self._root / source.folder / file.path
                found.setdefault(target, _Wanted(key, source, file, target))  # sources may share a file
        return list(found.values())

    def _without_fetching(self, want: _Wanted) -> Outcome | None:
        """What can be said of a file at once; None if it has to be fetched."""
        file = want.file
        path = locate(self._card, want.source, file, self._data_dir)
        if path is not None:
            check(self._card, file, path)
            return Outcome(want.key, file, "here", path, path.stat().st_size, bool(file.sha256))
        if file.url or file.archive:
            return None
        return Outcome(want.key, file, "ir_datasets" if id_of(self._card) else "by hand", want.target, 0, False)

    def _fetch(self, want: _Wanted) -> Outcome:
        file, part = want.file, _part(want.target)
        with self._alone(want.target):
            if (found := self._without_fetching(want)) is not None:
                return found  # another process was faster
            promise = self._client.fetch(file.url, part, bool(file.sha256), self._progress, f"downloading {file.path}")
            try:
                if not file.sha256:
                    _check_promise(file.url, part, promise)
                self._check(file.url, file, part)
            except DataError:
                discard(*beside(part))  # kept, it would be continued for ever
                raise
            return self._place(want, part, bool(file.sha256 or promise.digest))

    def _fetch_archive(self, url: str, wanted: Sequence[_Wanted]) -> dict[_Wanted, Outcome]:
        """Fetch an archive beside the first of the members wanted of it, unpack these, and delete it."""
        name = f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{Path(urlsplit(url).path).name}"
        part = _part(self._root / wanted[0].source.folder / name)
        with self._alone(part.with_suffix("")):
            found = {want: outcome for want in wanted if (outcome := self._without_fetching(want))}
            absent = [want for want in wanted if want not in found]
            if not absent:
                return found
            pinned = all(want.file.sha256 for want in absent)
            promise = self._client.fetch(url, part, pinned, self._progress, f"downloading {name[9:]}")
            try:
                _check_promise(url, part, promise)
                unpack(part, {want.file.path: _part(want.target) for want in absent})
                for want in absent:
                    self._check(f"{want.file.path} in {url}", want.file, _part(want.target))
            except DataError as error:
                discard(*beside(part), *(_part(want.target) for want in absent))
                raise DataError(str(error).removeprefix(f"{part}: "), url) from None
            placed = {want: self._place(want, _part(want.target), bool(want.file.sha256)) for want in absent}
            discard(*beside(part))
            return found | placed

    def _check(self, place: str, file: SourceFile, part: Path) -> None:
        if not file.sha256:
            return
        try:
            actual = sha256_of_content(part, compression_of(part))
        except (*DAMAGED, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk cannot be read, which says nothing of the file
            raise DataError(f"damaged: {error}. Nothing of it was kept; try again.", place) from None
        if actual != file.sha256:
            raise DataError(
                f"this is not the file that the card of '{self._card.name}' describes: sha256 is {actual}, the card "
                f"says {file.sha256}. Nothing of it was kept. If it is no better at the next attempt, the data set "
                f"has changed, and needs a card of a new version.",
                place,
            )

    def _place(self, want: _Wanted, part: Path, checked: bool) -> Outcome:
        """Rename a part that is whole and right, with the suffix of how it is compressed, whatever the card's has."""
        plain = want.target.with_suffix("") if want.target.suffix in COMPRESSED else want.target
        path = plain.with_name(plain.name + compression_of(part))
        take_place(part, path)
        discard(*beside(part))
        if want.file.sha256:
            remember(path, want.file.sha256)
        return Outcome(want.key, want.file, "fetched", path, path.stat().st_size, checked)

    def _alone(self, target: Path) -> contextlib.AbstractContextManager[None]:
        what = f"waiting for another download of {target.name}"
        return locked(target.with_name(f"{target.name}.lock"), lambda: self._progress(what, 0, None))

    def _require_room(self, wanted: Sequence[_Wanted], missing: Sequence[_Wanted]) -> None:
        need = sum(
            self._size_of(source, wanted, missing) for source in {want.key: want.source for want in missing}.values()
        )
        place = next(folder for folder in (self._root, *self._root.absolute().parents) if folder.is_dir())
        free = shutil.disk_usage(place).free
        if need > free:
            raise MissingSpace(
                f"{self._root}: the missing files of '{self._card.name}' need {need:,} bytes, and {free:,} are free. "
                f"Make room, name another folder with --data-dir DIR, or take fewer --languages."
            )

    def _size_of(self, source: Source, wanted: Sequence[_Wanted], missing: Sequence[_Wanted]) -> int:
        """Bytes that the missing files of a source will take beyond what there is; 0 as far as nobody knows."""
        own = [want for want in missing if want.source is source]
        here = [want for want in wanted if want.source is source and want not in own]
        if source.bytes and len(own) + len(here) == len(source.files):
            located = (locate(self._card, source, want.file, self._data_dir) for want in here)
            total = source.bytes - sum(path.stat().st_size for path in located if path)
        else:
            total = 0
            for url in dict.fromkeys(want.file.archive or want.file.url for want in own):
                size = self._client.size(url)
                if size is None:
                    break  # the server may not be there at all; fetching will tell
                total += size
        if any(want.file.archive for want in own):
            total *= 2  # its members beside it; what they take exactly is looked at again when it is unpacked
        parts = (_part(want.target) for want in own)
        return max(0, total - sum(part.stat().st_size for part in parts if part.is_file()))


def _check_promise(url: str, part: Path, promise: Promise) -> None:
    """Whether a part is what the hub says it is, byte for byte.

    Raises:
        DataError: it is not; the part and its note are deleted.
    """
    size = part.stat().st_size
    wrong = ""
    if promise.size is not None and size != promise.size:
        wrong = f"{size} bytes were sent, the hub says it has {promise.size}"
    elif promise.digest:
        sha256 = len(promise.digest) == 64
        actual = sha256_of(part) if sha256 else _git_hash(part)
        if actual != promise.digest:
            kind = "sha256" if sha256 else "git hash"
            wrong = f"{kind} of what was sent is {actual}, the hub says {promise.digest}"
    if wrong:
        discard(*beside(part))
        raise DataError(f"{wrong}. Nothing of it was kept; try again.", url)


def _git_hash(path: Path) -> str:
    """What git calls a file: the sha1 of its size and its bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


#: What writing raises where there is no room: on the disk, for this user, or for a file of that size.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def _said_when_full(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise MissingSpace(
            f"{root}: the disk is full. Make room, or name another folder with --data-dir DIR; the same command goes "
            f"on from what was fetched."
        ) from None
