"""Members of zip and tar files, unpacked one by one; no name in an archive ever decides where something is written.

Refused are archives with a name that leaves its folder, with a wanted member that is no regular file or stands in it
twice, and those whose contents are far larger than an honest archive of that size could hold. The rest of an archive
may be what it likes, as it is never unpacked.
"""

from __future__ import annotations

import collections
import re
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

from xqgbench.errors import DataError, MissingSpace
from xqgbench.files import DAMAGED, appended, compression_of, discard

#: Text compressed by xz comes to a twentieth of its size; nothing honest comes to this part of it.
RATIO = 200
#: ... unless it is small altogether: an archive of short files is mostly padding.
HARMLESS = 64 << 20
PIECE = 1 << 20
#: What reading a damaged archive raises.
BROKEN = (*DAMAGED, tarfile.TarError, zipfile.BadZipFile, NotImplementedError, ValueError, struct.error)


class _Member(NamedTuple):
    name: str
    size: int
    content: IO[bytes]


def unpack(path: Path, wanted: Mapping[str, Path]) -> None:
    """Write members of an archive to the files given for them: all of them, or none.

    A file is whole only when this returns: a tar file may be refused at its end.

    Args:
        wanted: name in the archive -> where its content goes.

    Raises:
        DataError: it is no zip or tar file, is damaged, lacks a member, or is refused (see above).
        MissingSpace: the disk is too small for a member.
    """
    try:
        for member in _members(path, set(wanted)):
            _write(member, wanted[member.name], path)
    except BROKEN as error:
        discard(*wanted.values())
        raise DataError(f"no zip or tar file, or a damaged one: {type(error).__name__}: {error}.", path) from None
    except BaseException:
        discard(*wanted.values())
        raise


def _write(member: _Member, place: Path, path: Path) -> None:
    free = shutil.disk_usage(path.parent).free
    if member.size > free:
        raise MissingSpace(
            f"{path.parent}: member '{member.name}' of {path.name} needs {member.size:,} bytes, and {free:,} are free. "
            f"Make room, or name another folder with --data-dir DIR."
        )
    with appended(place, 0) as stream:
        written = 0
        while piece := member.content.read(PIECE):
            written += len(piece)
            if written > member.size:
                raise DataError(f"member '{member.name}' is larger than the {member.size} bytes it claims.", path)
            stream.write(piece)
    if written != member.size:
        raise DataError(f"member '{member.name}' has {written} bytes, but claims {member.size}.", path)


def _members(path: Path, wanted: set[str]) -> Iterator[_Member]:
    # A tar file may end in a zip file, which is all that is_zipfile looks at.
    if zipfile.is_zipfile(path) and not compression_of(path) and not tarfile.is_tarfile(path):
        return _zip_members(path, wanted)
    return _tar_members(path, wanted)


def _zip_members(path: Path, wanted: set[str]) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        names = [_safe(info.orig_filename, path) for info in infos]
        _once(names, wanted, path)
        _honest(sum(info.file_size for info in infos), path)
        for name, info in zip(names, infos, strict=True):
            if name in wanted:
                if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                    raise DataError(f"member '{name}' is no regular file.", path)
                if info.flag_bits & 0x1:
                    raise DataError(f"member '{name}' is encrypted.", path)
                with archive.open(info) as content:
                    yield _Member(name, info.file_size, content)


def _tar_members(path: Path, wanted: set[str]) -> Iterator[_Member]:
    """A tar file has no table of contents: only at its end is it known what stands in it."""
    names: list[str] = []
    total = 0
    with tarfile.open(path, "r|*") as archive:
        for info in archive:
            name, total = _safe(info.name, path), total + info.size
            _honest(total, path)
            if name in wanted and name not in names:
                content = archive.extractfile(info) if info.isreg() and not info.issparse() else None
                if content is None:
                    raise DataError(f"member '{name}' is no regular file.", path)
                yield _Member(name, info.size, content)
            if name in wanted:
                names.append(name)
    _once(names, wanted, path)


def _safe(name: str, path: Path) -> str:
    """A name without the ``./`` that some begin with.

    Raises:
        DataError: it leaves the folder that the archive would be unpacked in, on some system.
    """
    plain = name
    while plain.startswith("./"):
        plain = plain[2:]
    if plain.startswith("/") or ".." in plain.split("/") or re.search(r"[\\\0]|^[A-Za-z]:", plain):
        raise DataError(f"member {name!r} would leave its folder; nothing of this archive is used.", path)
    return plain


def _once(names: list[str], wanted: set[str], path: Path) -> None:
    counts = collections.Counter(names)
    for name in sorted(wanted):
        if counts[name] != 1:
            raise DataError(f"member '{name}' {'stands in it twice' if counts[name] else 'is not in it'}.", path)


def _honest(size: int, path: Path) -> None:
    if size > max(HARMLESS, RATIO * path.stat().st_size):
        raise DataError(f"its contents claim to be {size:,} bytes, more than {RATIO} times its own; refused.", path)
