"""The one way files are written: aside first, then renamed, so that nothing half-written ever looks whole.

What takes long to write, such as a download, grows in a part beside its place and takes it when it is whole. And the
one way compressed files are read: as if they were not.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import hashlib
import lzma
import os
import re
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

#: What a compressed file's name ends in, and what opens it.
COMPRESSED: dict[str, Callable[[Path], object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
#: What reading a damaged compressed file raises; gzip and bz2 raise a bare OSError for what is none of theirs.
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
#: What compressed files begin with, long enough that no text does by chance.
_BEGINNINGS = {".gz": rb"\x1f\x8b\x08", ".bz2": rb"BZh[1-9]1AY&SY", ".xz": rb"\xfd7zXZ\x00"}
#: Seconds between two looks at a lock that another process holds.
_GLANCE = 0.1


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        aside.chmod(0o666 & ~_umask())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """A folder to fill; it takes the place of ``path`` when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    try:
        yield aside
        aside.chmod(0o777 & ~_umask())
        while True:
            try:
                aside.replace(path)  # succeeds where nothing is in the way
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
            with contextlib.suppress(FileNotFoundError):  # another writer moved it first
                path.replace(old / "was")
            shutil.rmtree(old)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def appended(path: Path, size: int) -> Iterator[BinaryIO]:
    """A part opened for writing behind its first ``size`` bytes; what stood behind them is dropped.

    Whatever ends the block, what was written before is on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        stream.truncate(size)
        try:
            yield stream
        finally:
            stream.flush()
            os.fsync(stream.fileno())


def take_place(part: Path, path: Path) -> None:
    """Rename a part that is whole to what it is a part of."""
    part.replace(path)


def discard(*paths: Path) -> None:
    """Delete files that may be there."""
    for path in paths:
        path.unlink(missing_ok=True)


def discard_empty(*folders: Path) -> None:
    """Delete folders that hold nothing; the others stay."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def mark_used(path: Path) -> None:
    """Set a file's time to now, where it is there and that is permitted."""
    with contextlib.suppress(OSError):
        os.utime(path)


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep other processes and threads out of a block that locks the same file, for as long as it runs.

    The operating system holds the lock, so that it ends with the process, however that ends. The file is deleted with
    the block; one that a killed process left behind is in nobody's way.

    Args:
        waiting: called each time that somebody else is found to hold the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        stream = path.open("ab")
        try:
            while not _take(stream.fileno()):
                waiting()
                time.sleep(_GLANCE)
            if _still(stream, path):  # else its last holder has deleted it meanwhile, and others hold another
                break
        except BaseException:
            stream.close()
            raise
        stream.close()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows does not delete open files; it may stay
            path.unlink()
        stream.close()


def _still(stream: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some network file systems
            raise OSError(error.errno, f"files cannot be locked there ({error.strerror})") from None
        return True


def folder_name(path: Path) -> str:
    """What a folder is called where it was named; ``.`` and ``..`` are called as what they stand for."""
    return path.resolve().name if path.name in ("", "..") else path.name


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def compression_of(path: Path) -> str:
    """How a file is compressed, whatever its name says: ``.gz``, ``.bz2``, ``.xz``, or nothing."""
    with path.open("rb") as stream:
        beginning = stream.read(16)
    return next((suffix for suffix, known in _BEGINNINGS.items() if re.match(known, beginning, re.DOTALL)), "")


def decompressed(path: Path, suffix: str | None = None) -> BinaryIO:
    """A file opened for reading its content; ``.gz``, ``.bz2`` and ``.xz`` are decompressed on the way.

    Reading from it may raise one of ``DAMAGED``.

    Args:
        suffix: how it is compressed; by default what its name ends in.
    """
    opener = COMPRESSED.get(path.suffix if suffix is None else suffix)
    return cast(BinaryIO, opener(path)) if opener else path.open("rb")


def sha256_of_content(path: Path, suffix: str | None = None) -> str:
    """Hex sha256 of a file's content, decompressed: the same for ``a.json`` and ``a.json.gz``.

    Args:
        suffix: how it is compressed; by default what its name ends in.

    Raises:
        One of ``DAMAGED``.
    """
    digest = hashlib.sha256()
    with decompressed(path, suffix) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
