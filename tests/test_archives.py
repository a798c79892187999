"""Archives give the members that are wanted, and nothing that could do harm."""

from __future__ import annotations

import io
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from xqgbench import archives
from xqgbench.archives import unpack
from xqgbench.errors import DataError, MissingSpace

TEXT = b"question\tanswer\n" * 500
#: What archives are made of in these tests: name, content, and what kind of member it is.
Entry = tuple[str, bytes, str]
Make = Callable[[Path, Sequence[Entry]], Path]

TAR_KINDS = {
    "file": tarfile.REGTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
    "device": tarfile.CHRTYPE,
    "pipe": tarfile.FIFOTYPE,
    "folder": tarfile.DIRTYPE,
}
ZIP_KINDS = {
    "file": stat.S_IFREG,
    "symlink": stat.S_IFLNK,
    "device": stat.S_IFCHR,
    "pipe": stat.S_IFIFO,
    "folder": stat.S_IFDIR,
}


def make_tar(path: Path, entries: Sequence[Entry], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.type = TAR_KINDS[kind]
            info.size = len(content) if kind == "file" else 0
            info.linkname = "" if kind == "file" else "/etc/hostname"
            archive.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, entries: Sequence[Entry]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, kind in entries:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name  # as it is: the constructor would clean it
            info.external_attr = (ZIP_KINDS[kind] | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def make_tar_gz(path: Path, entries: Sequence[Entry]) -> Path:
    return make_tar(path, entries, "w:gz")


def make_tar_bz2(path: Path, entries: Sequence[Entry]) -> Path:
    return make_tar(path, entries, "w:bz2")


def make_tar_xz(path: Path, entries: Sequence[Entry]) -> Path:
    return make_tar(path, entries, "w:xz")


every_kind = pytest.mark.parametrize("make", [make_zip, make_tar, make_tar_gz, make_tar_bz2, make_tar_xz])
zip_and_tar = pytest.mark.parametrize("make", [make_zip, make_tar_gz])


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def refused(archive: Path, names: Sequence[str], says: str) -> None:
    """It is refused with those words, and nothing at all is written, here or beside."""
    before = written(archive.parent)
    with pytest.raises(DataError, match=says) as caught:
        unpack(archive, {name: archive.parent / "in" / "side" / f"{number}" for number, name in enumerate(names)})
    assert str(archive) in str(caught.value)
    assert written(archive.parent) == before


@every_kind
def test_wanted_members_are_unpacked_and_no_others(tmp_path: Path, make: Make) -> None:
    entries = [("./data/", b"", "folder"), ("./data/a.tsv", TEXT, "file"), ("b.tsv", b"b", "file"), ("c", b"", "file")]
    archive = make(tmp_path / "archive", entries)
    unpack(archive, {"data/a.tsv": tmp_path / "out" / "a", "c": tmp_path / "c"})
    assert written(tmp_path) == ["archive", "c", "out/a"]
    assert (tmp_path / "out" / "a").read_bytes() == TEXT
    assert (tmp_path / "c").read_bytes() == b""


def test_an_archive_that_tar_itself_made_is_understood(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ("long" * 60)).write_bytes(TEXT)
    subprocess.run(["tar", "-czf", "a.tgz", "./data"], cwd=tmp_path, check=True)
    unpack(tmp_path / "a.tgz", {f"data/{'long' * 60}": tmp_path / "out"})
    assert (tmp_path / "out").read_bytes() == TEXT


@every_kind
def test_a_member_that_is_not_there_is_named(tmp_path: Path, make: Make) -> None:
    archive = make(tmp_path / "archive", [("a.tsv", TEXT, "file")])
    refused(archive, ["a.tsv", "b.tsv"], "member 'b.tsv' is not in it")


@zip_and_tar
@pytest.mark.parametrize(
    "name",
    [
        *("/etc/evil", "../evil", "a/../../evil", "./../evil", "a/..", ".//evil"),
        *("C:\\evil", "c:evil", "..\\evil", "a\\evil", "\\\\host\\evil"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_name_that_leaves_its_folder_condemns_the_archive(tmp_path: Path, make: Make, name: str, first: bool) -> None:
    entries: list[Entry] = [(name, b"evil", "file"), ("a.tsv", TEXT, "file")]
    archive = make(tmp_path / "archive", entries if first else entries[::-1])
    refused(archive, ["a.tsv"], "would leave its folder; nothing of this archive is used")


def test_a_name_that_a_zero_byte_hides_condemns_the_archive(tmp_path: Path) -> None:
    refused(make_zip(tmp_path / "a.zip", [("a.tsv\0/../x", TEXT, "file")]), ["a.tsv"], "would leave its folder")


@pytest.mark.parametrize(
    ("make", "kind"),
    [(make_tar, kind) for kind in TAR_KINDS if kind != "file"]
    + [(make_zip, kind) for kind in ZIP_KINDS if kind != "file"],
)
def test_only_regular_files_are_unpacked(tmp_path: Path, make: Make, kind: str) -> None:
    archive = make(tmp_path / "archive", [("a.tsv", b"/etc/hostname", kind)])
    refused(archive, ["a.tsv"], "member 'a.tsv' is no regular file")


@pytest.mark.parametrize("kind", ["symlink", "device", "pipe"])
@zip_and_tar
def test_what_is_not_wanted_may_be_what_it_likes(tmp_path: Path, make: Make, kind: str) -> None:
    archive = make(tmp_path / "archive", [("a.tsv/b", b"", kind), ("out", b"", kind), ("c", TEXT, "file")])
    unpack(archive, {"c": tmp_path / "out"})
    assert written(tmp_path) == ["archive", "out"]
    assert (tmp_path / "out").read_bytes() == TEXT


@pytest.mark.filterwarnings("ignore:Duplicate name")
@zip_and_tar
@pytest.mark.parametrize("again", ["a.tsv", "./a.tsv"])
def test_a_member_that_stands_in_it_twice_is_refused(tmp_path: Path, make: Make, again: str) -> None:
    archive = make(tmp_path / "archive", [("a.tsv", TEXT, "file"), ("b", b"", "file"), (again, b"other", "file")])
    refused(archive, ["a.tsv"], "member 'a.tsv' stands in it twice")


@pytest.mark.parametrize("make", [make_zip, make_tar_gz, make_tar_bz2, make_tar_xz])
@pytest.mark.parametrize("wanted", ["bomb", "a.tsv"], ids=["wanted", "beside"])
def test_contents_far_larger_than_an_archive_can_hold_are_refused(tmp_path: Path, make: Make, wanted: str) -> None:
    entries = [("bomb", bytes(archives.HARMLESS + 1), "file"), ("a.tsv", TEXT, "file")]
    refused(make(tmp_path / "archive", entries), [wanted], "claim to be .* more than 200 times its own; refused")


def test_a_member_larger_than_it_claims_is_refused(tmp_path: Path) -> None:
    """The table of contents says 100 bytes, the data hold 100,000."""
    archive = make_zip(tmp_path / "a.zip", [("a.tsv", b"x" * 100_000, "file")])
    true, false = (100_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    content = archive.read_bytes()
    assert content.count(true) == 2
    archive.write_bytes(content.replace(true, false))
    refused(archive, ["a.tsv"], "a damaged one: BadZipFile")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", [("a.tsv", TEXT, "file")])
    content = bytearray(archive.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    archive.write_bytes(content)
    refused(archive, ["a.tsv"], "member 'a.tsv' is encrypted")


@every_kind
def test_an_archive_of_which_the_end_is_missing_is_refused(tmp_path: Path, make: Make) -> None:
    archive = make(tmp_path / "archive", [("a.tsv", bytes(range(256)) * 5000, "file"), ("b", TEXT, "file")])
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    refused(archive, ["a.tsv", "b"], "no zip or tar file, or a damaged one")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04", b"\x1f\x8b\x08" + b"x" * 100])
def test_what_is_no_archive_is_said_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    refused(tmp_path / "archive", ["a.tsv"], "no zip or tar file, or a damaged one")


def test_a_tar_file_that_holds_a_zip_file_is_a_tar_file(tmp_path: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip", [("a.tsv", b"of the zip", "file")]).read_bytes()
    archive = make_tar(tmp_path / "a.tar", [("a.tsv", TEXT, "file"), ("inner.zip", inner, "file")])
    unpack(archive, {"a.tsv": tmp_path / "out"})
    assert (tmp_path / "out").read_bytes() == TEXT


@zip_and_tar
def test_a_disk_too_small_for_a_member_is_said_before_it_is_written(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(tmp_path / "archive", [("a.tsv", TEXT, "file")])
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 7999}))
    with pytest.raises(MissingSpace, match=r"member 'a\.tsv' of archive needs 8,000 bytes, and 7,999 are free"):
        unpack(archive, {"a.tsv": tmp_path / "out"})
    assert written(tmp_path) == ["archive"]
