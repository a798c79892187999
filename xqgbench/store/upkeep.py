"""What the store holds: listed, checked and thinned out.

Only files that the store writes are looked at and deleted, by their place and name; links are followed nowhere below
the root, and whatever else lies there stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xqgbench.errors import UnknownName
from xqgbench.files import discard, discard_empty, locked
from xqgbench.store.chunks import IDENTITY, LOCKS, ROLES, Unfit, folder_key, lock_of, opened, unusable

#: Names that the store gives: folders of retrievers, chunks with their records, and what a killed writer leaves.
_FOLDER = re.compile(r"(?P<name>.+)-(?P<key>[0-9a-f]{16})")
_CHUNK = re.compile(r"[0-9a-f]{40}\.(npy|json)")
_PART = re.compile(r"\.([0-9a-f]{40}\.(npy|json)|retriever\.json)\.\w+\.part")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of one retriever.

    Attributes:
        name, key: the two parts of the folder's name.
        identity: what ``retriever.json`` says; empty where it cannot be read.
        chunks, vectors: role -> how many; by the records, unchecked.
        bytes: of all files of the store in it.
        used: when a chunk was last read or written.
        leftovers: what killed processes left behind: files half-written, and arrays without a record.
    """

    folder: Path
    name: str
    key: str
    identity: Mapping[str, Any]
    chunks: Mapping[str, int]
    vectors: Mapping[str, int]
    bytes: int
    used: datetime
    leftovers: tuple[Path, ...]

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "folder": str(self.folder),
            "name": self.name,
            "key": self.key,
            "chunks": dict(self.chunks),
            "vectors": dict(self.vectors),
            "bytes": self.bytes,
            "used": self.used.isoformat(timespec="seconds"),
            "leftovers": [str(path) for path in self.leftovers],
            "identity": dict(self.identity),
        }


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is not what was written, and why."""

    path: Path
    reason: str


def shelves(root: Path, name: str = "") -> list[Shelf]:
    """The folders of retrievers in a store, by name.

    Args:
        name: of a retriever, of a folder, or a key; all of them if empty.

    Raises:
        UnknownName: nothing of that name is there.
        StoreError: the store cannot be read.
    """
    with _readable(root):
        found = [_shelf(folder) for folder in sorted(root.iterdir()) if _is_shelf(folder)] if root.is_dir() else []
    named = [shelf for shelf in found if name in ("", shelf.name, shelf.key, shelf.folder.name)]
    if name and not named:
        raise UnknownName("retriever in the store", name, [shelf.name for shelf in found], f"The store is {root}.")
    return named


def verify(shelf: Shelf) -> Iterator[Fault]:
    """Every file of a folder that is damaged; each chunk is read and compared with its checksum.

    Raises:
        StoreError: the store cannot be read.
    """
    with _readable(shelf.folder):
        path = shelf.folder / IDENTITY
        records = [file for file in _files(shelf.folder) if file.suffix == ".json" and file != path]
        # It is written first and deleted last: as long as there is a record, it is there.
        if not _stands_for(path, shelf.key) and any(record.exists() for record in records):
            yield Fault(path, "this file does not say what the folder's key stands for")
        for record in records:
            try:
                opened(record.with_suffix(".npy"))
            except Unfit as reason:
                if record.exists():  # else deleted meanwhile, as in the next line
                    yield Fault(record.with_suffix(".npy"), str(reason))
            except FileNotFoundError:
                continue


def prune(shelf: Shelf, whole: bool) -> bool:
    """Delete a folder's leftovers, or all of it; False, and nothing is deleted, if another process is at work there.

    Raises:
        StoreError: something cannot be deleted.
    """
    try:
        with _readable(shelf.folder), locked(lock_of(shelf.folder), waiting=_refuse):
            # What is half-written in a folder that nobody writes to is a leftover; it may be another than was listed.
            _release(shelf, strictly=whole)
            files = _files(shelf.folder)
            # Records go first: what is left if this is killed are arrays without one, which are no chunks. What says
            # whose they were goes last.
            doomed = sorted(files, key=lambda path: (path.name == IDENTITY, path.suffix != ".json"))
            discard(*(doomed if whole else _leftovers(files)))
            if whole:
                discard_empty(*(shelf.folder / role for role in ROLES), shelf.folder)
    except _InUse:
        return False
    return True


class _InUse(Exception):
    """Somebody else holds a lock."""


def _refuse() -> None:
    raise _InUse


def _release(shelf: Shelf, strictly: bool) -> None:
    """Take away the locks of chunks that killed processes left behind; ``strictly``, none may be held."""
    for path in sorted((shelf.folder.parent / LOCKS).glob(f"{shelf.key}-*.lock")):
        try:
            with locked(path, waiting=_refuse):
                pass
        except _InUse:
            if strictly:
                raise


def _is_shelf(folder: Path) -> bool:
    return _FOLDER.fullmatch(folder.name) is not None and folder.is_dir() and not folder.is_symlink()


def _shelf(folder: Path) -> Shelf:
    match = _FOLDER.fullmatch(folder.name)
    assert match is not None  # callers have looked
    files = _files(folder)
    records = [path for path in files if path.suffix == ".json" and path.with_suffix(".npy") in files]
    own = {role: [path for path in records if path.parent.name == role] for role in ROLES}
    return Shelf(
        folder,
        match["name"],
        match["key"],
        _read(folder / IDENTITY),
        {role: len(paths) for role, paths in own.items()},
        {role: sum(_rows(path) for path in paths) for role, paths in own.items()},
        sum(status.st_size for status in files.values()),
        datetime.fromtimestamp(max((status.st_mtime for status in files.values()), default=0), UTC),
        _leftovers(files),
    )


def _files(folder: Path) -> dict[Path, os.stat_result]:
    """The files of the store in a retriever's folder, whole or not."""
    roles = [folder / role for role in ROLES if (folder / role).is_dir() and not (folder / role).is_symlink()]
    found: dict[Path, os.stat_result] = {}
    for path in (path for place in (folder, *roles) for path in _within(place)):
        whole = path.name == IDENTITY if path.parent == folder else _CHUNK.fullmatch(path.name)
        if whole or _PART.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # a part that has taken its place meanwhile
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    found[path] = status
    return found


def _within(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:  # pruned meanwhile
        return []


def _leftovers(files: Collection[Path]) -> tuple[Path, ...]:
    return tuple(
        path
        for path in files
        if path.suffix == ".part" or (path.suffix == ".npy" and path.with_suffix(".json") not in files)
    )


def _stands_for(identity: Path, key: str) -> bool:
    try:
        return folder_key(identity.read_bytes()) == key
    except FileNotFoundError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _rows(record: Path) -> int:
    shape = _read(record).get("shape")
    return shape[0] if isinstance(shape, list) and shape and isinstance(shape[0], int) else 0


@contextlib.contextmanager
def _readable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unusable(Path(error.filename or place), error) from None
