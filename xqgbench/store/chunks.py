"""The chunks of vectors of one retriever on disk.

Layout: ``<root>/<retriever>-<key>/<role>/<hash>.npy`` with ``<hash>.json`` beside it. The folder's key covers all
that can change a vector (``retriever.json`` in it says what); the hash covers the texts of the chunk. The array is
renamed into place first, its JSON record, which carries the checksum, last: a chunk without a record does not exist.

Locks stand in ``<root>/.locks``: one per chunk that is being encoded, so that of several processes one encodes it and
the others wait for it, and one per folder that is held for as long as a file in it is written or deleted. Reading
needs none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xqgbench.errors import Damaged, StoreError
from xqgbench.files import discard, locked, mark_used, write_atomically

#: Vectors as they are kept: float32, or float16 where that was asked for.
Array = npt.NDArray[np.floating[Any]]
#: Names in a retriever's folder, and in the root.
ROLES = ("queries", "passages", "generated")
IDENTITY = "retriever.json"
LOCKS = ".locks"
#: A disk, a quota or a permitted file size is used up.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def default_root() -> Path:
    """Where vectors are kept: ``$XQGBENCH_STORE``, else the user's cache folder."""
    if os.environ.get("XQGBENCH_STORE"):
        return Path(os.environ["XQGBENCH_STORE"])
    import platformdirs

    return Path(platformdirs.user_cache_dir("xqgbench")) / "store"


def text_hash(texts: Iterable[str]) -> str:
    """Hash of a sequence of texts; each is preceded by its length, so that no two sequences collide by joining."""
    digest = hashlib.blake2b(digest_size=20)
    for text in texts:
        encoded = text.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


class Store:
    """The vectors of one retriever under one root folder.

    Args:
        root: the store's folder; made when something is written.
        name: the retriever's name.
        identity: JSON-ready description of all that can change one of its vectors.
    """

    def __init__(self, root: Path, name: str, identity: Mapping[str, Any]) -> None:
        self._identity = json.dumps(identity, sort_keys=True, ensure_ascii=False, indent=1).encode()
        self.folder = root / f"{name}-{folder_key(self._identity)}"

    def chunk(
        self,
        role: str,
        key: str,
        shape: tuple[int, ...],
        encode: Callable[[], Array],
        waiting: Callable[[], None] = lambda: None,
    ) -> Array:
        """The chunk of that key, read-only; encoded and kept where there is none that is whole.

        Args:
            shape: what it has if it is that of these texts; one of another shape counts as damaged.
            encode: makes it; called while no other process or thread makes the same chunk.
            waiting: called now and then while another one does.

        Raises:
            StoreError: it cannot be read or written.
        """
        found = self.read(role, key)
        if found is not None and found.shape == shape:
            return found
        with self._alone(role, key, waiting):
            try:
                found = self._opened(role, key)  # somebody else has made it meanwhile
                if found.shape != shape:
                    raise Unfit(f"this chunk is of shape {found.shape}, where {shape} is needed")
                return found
            except FileNotFoundError:
                pass
            except Unfit as reason:
                path = self._path(role, key)
                warnings.warn(f"{path}: {reason}; its texts are encoded again.", Damaged, stacklevel=2)
            made = encode()
            self.write(role, key, made)
        made.flags.writeable = False  # as when it is read
        return made

    def read(self, role: str, key: str) -> Array | None:
        """The chunk of that key, or None if there is none that is whole.

        It is mapped into memory, read-only: what is not looked at takes no memory, and what was is given back with the
        array.
        """
        try:
            return self._opened(role, key)
        except (FileNotFoundError, Unfit):
            return None

    def write(self, role: str, key: str, vectors: Array) -> None:
        """Keep a chunk; a reader finds it whole or not at all."""
        buffer = io.BytesIO()
        np.save(buffer, vectors, allow_pickle=False)
        content = buffer.getbuffer()
        record = {"shape": list(vectors.shape), "blake2b": hashlib.blake2b(content, digest_size=20).hexdigest()}
        path = self._path(role, key)
        try:
            with locked(lock_of(self.folder)):
                if not _holds(self.folder / IDENTITY, self._identity):
                    write_atomically(self.folder / IDENTITY, self._identity)
                try:
                    write_atomically(path, content)
                    write_atomically(path.with_suffix(".json"), json.dumps(record).encode())
                except OSError:
                    discard(path)  # without a record it only takes room
                    raise
        except OSError as error:
            raise unusable(path, error) from None

    def _path(self, role: str, key: str) -> Path:
        return self.folder / role / f"{key}.npy"

    def _opened(self, role: str, key: str) -> Array:
        path = self._path(role, key)
        try:
            found = opened(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unusable(path, error) from None
        mark_used(self.folder / IDENTITY)
        return found

    @contextlib.contextmanager
    def _alone(self, role: str, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        path = lock_of(self.folder, role, key)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(path, waiting))
            except OSError as error:
                raise unusable(path, error) from None
            yield


class Unfit(Exception):
    """Why a chunk that stands in the store is not whole."""


def folder_key(identity: bytes) -> str:
    """What the name of a retriever's folder ends in, from the content of its ``retriever.json``."""
    return hashlib.sha256(identity).hexdigest()[:16]


def lock_of(folder: Path, *parts: str) -> Path:
    """The lock of a retriever's folder, or of a chunk in it, named by role and key."""
    return folder.parent / LOCKS / f"{'-'.join((folder.name[-16:], *parts))}.lock"


def opened(path: Path) -> Array:
    """A chunk, mapped into memory, once its checksum was found right.

    Raises:
        FileNotFoundError: there is no record, thus no chunk.
        Unfit: it is damaged; says how.
        OSError: it cannot be read.
    """
    record = path.with_suffix(".json").read_bytes()
    try:
        checksum = json.loads(record)["blake2b"]
    except (ValueError, KeyError, TypeError):
        raise Unfit("the record beside this chunk cannot be read") from None
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
            size = stream.tell()
    except FileNotFoundError:
        raise Unfit("this chunk is gone, while its record is there") from None
    if found != checksum:
        raise Unfit(f"the {size:,} bytes of this chunk are not those that were written (another checksum)")
    try:
        return np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except ValueError as error:
        raise Unfit(f"this is no chunk of vectors ({error})") from None


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def unusable(path: Path, error: OSError) -> StoreError:
    """What is said where the file system refuses."""
    way = (
        "Free or permit the place" if error.errno not in _FULL else "Make room ('xqgbench store ls' says what is kept)"
    )
    return StoreError(
        f"the vector store cannot use {path}: {error.strerror or error}. {way}, or name another with --store DIR or "
        f"the environment variable XQGBENCH_STORE. Chunks that were finished are kept."
    )
