"""The one way files are written: aside first, then renamed, so that nothing half-written ever looks whole.

And the one way compressed files are read: as if they were not.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import hashlib
import lzma
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

#: What a compressed file's name ends in, and what opens it.
COMPRESSED: dict[str, Callable[[Path], object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
#: What reading a damaged compressed file raises; gzip and bz2 raise a bare OSError for what is none of theirs.
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)


def write_atomically(path: Path, content: bytes) -> None:
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


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def decompressed(path: Path) -> BinaryIO:
    """A file opened for reading its content; ``.gz``, ``.bz2`` and ``.xz`` are decompressed on the way.

    Reading from it may raise one of ``DAMAGED``.
    """
    opener = COMPRESSED.get(path.suffix)
    return cast(BinaryIO, opener(path)) if opener else path.open("rb")


def sha256_of_content(path: Path) -> str:
    """Hex sha256 of a file's content, decompressed: the same for ``a.json`` and ``a.json.gz``.

    Raises:
        One of ``DAMAGED``.
    """
    digest = hashlib.sha256()
    with decompressed(path) as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
