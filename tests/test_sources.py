"""Where the files of a task are found, and that no other file is ever taken for one of them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Bigrams, jsonl
from tests.written import write_card
from xqgbench import sources, tasks
from xqgbench.cli import main
from xqgbench.errors import DataError, MissingData
from xqgbench.sources import CardFiles, locate
from xqgbench.types import TaskCard

PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
TOPICS = {language: f"{language}-1\tquestion in {language}\n" for language in ("sw", "te")}
QRELS = {language: f"{language}-1\t0\tp1\t1\n" for language in ("sw", "te")}
PASSAGES = {language: jsonl([{"docid": "p1", "title": "", "text": f"text in {language}"}]) for language in ("sw", "te")}
KINDS = {"topics": TOPICS, "qrels": QRELS, "passages": PASSAGES}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(autouse=True)
def _nothing_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No downloads and no remembered hashes but those of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XQGBENCH_DATA", str(tmp_path / "downloads"))


@pytest.fixture
def card(tmp_path: Path) -> TaskCard:
    """A card whose files are elsewhere: per language, in folders, the topics under another name too."""
    lines = [
        'name = "far"\ntitle = "t"\ndescription = "d"\nversion = "1"\nformat = "trec"\nlanguages = ["sw", "te"]',
        'generated_languages = []\nsplit = "test"\nmeasures = ["nDCG@10"]\nmain_measure = "nDCG@10"',
        'cluster = "query"\nlicense = "l"\ncitation = "c"\norigin = []\nhomepage = "https://example.org/far"',
        '[names]\nsw = "swahili"\nte = "telugu"',
    ]
    for key, name in (("topics", "topics.txt"), ("qrels", "qrels.txt"), ("passages", "corpus.jsonl.gz")):
        lines.append(f'[sources.{key}]\npath = "v1-{{name}}/{name}"\nurl = "https://example.org/{{name}}/{name}"')
        if key == "topics":
            lines.append('aliases = ["topics.{language}.tsv"]')
        lines.append(f"[sources.{key}.sha256]")
        lines += [f'{language} = "{sha256(text)}"' for language, text in KINDS[key].items()]
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "far.toml").write_text("\n".join([*lines, "[expected]"]), encoding="utf-8")
    return tasks.card("far", tmp_path / "cards")


def put(path: Path, text: str, suffix: str = "") -> Path:
    path = path.with_name(path.name + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PACK[suffix](text.encode()))
    return path


def put_all(root: Path, language: str) -> None:
    name = {"sw": "swahili", "te": "telugu"}[language]
    put(root / f"v1-{name}" / "topics.txt", TOPICS[language])
    put(root / f"v1-{name}" / "qrels.txt", QRELS[language])
    put(root / f"v1-{name}" / "corpus.jsonl", PASSAGES[language], ".gz")


# Found


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("place", ["far/v1-swahili/topics.txt", "v1-swahili/topics.txt", "topics.sw.tsv"])
def test_a_file_is_found_in_the_folder_of_its_task_or_directly_packed_or_not(
    card: TaskCard, tmp_path: Path, place: str, suffix: str
) -> None:
    wanted = put(tmp_path / "data" / place, TOPICS["sw"], suffix)
    files = CardFiles(card, tmp_path / "data")
    assert files.paths("topics", "sw") == (wanted,)
    assert files.here("topics", "sw")
    assert not files.here("topics", "te")


@pytest.mark.parametrize("suffix", PACK)
def test_a_file_that_the_card_names_packed_may_be_unpacked_or_packed_otherwise(
    card: TaskCard, tmp_path: Path, suffix: str
) -> None:
    wanted = put(tmp_path / "data" / "v1-swahili" / "corpus.jsonl", PASSAGES["sw"], suffix)
    assert CardFiles(card, tmp_path / "data").paths("passages", "sw") == (wanted,)


def test_downloads_are_looked_at_after_the_data_folder(card: TaskCard, tmp_path: Path) -> None:
    there = put(tmp_path / "downloads" / "far" / "v1-swahili" / "topics.txt", TOPICS["sw"])
    assert CardFiles(card).paths("topics", "sw") == (there,)
    (tmp_path / "data").mkdir()
    assert CardFiles(card, tmp_path / "data").paths("topics", "sw") == (there,)
    nearer = put(tmp_path / "data" / "topics.sw.tsv", TOPICS["sw"])
    assert CardFiles(card, tmp_path / "data").paths("topics", "sw") == (nearer,)


def test_a_file_that_comes_with_its_card_lies_beside_it_or_in_the_data_folder(tmp_path: Path) -> None:
    folder = write_card(
        tmp_path / "own",
        "trec",
        {"topics": "{language}.tsv", "qrels": "{language}.qrels", "passages": "{language}.jsonl"},
        {
            f"{language}.{end}": KINDS[key][language]
            for language in TOPICS
            for key, end in (("topics", "tsv"), ("qrels", "qrels"), ("passages", "jsonl"))
        },
    )
    card = tasks.card("written", folder)
    assert CardFiles(card).paths("topics", "te") == (folder / "te.tsv",)
    (folder / "te.tsv").unlink()
    with pytest.raises(MissingData, match=r"needs .*te\.tsv \(topics\).* Here are all files of: --languages sw\."):
        CardFiles(card).paths("topics", "te")
    elsewhere = put(tmp_path / "data" / "te.tsv", TOPICS["te"], ".xz")
    assert CardFiles(card, tmp_path / "data").paths("topics", "te") == (elsewhere,)


def test_a_file_with_an_address_is_not_looked_for_beside_the_card(card: TaskCard) -> None:
    put(card.folder / "v1-swahili" / "topics.txt", TOPICS["sw"])
    assert not CardFiles(card).here("topics", "sw")


# Not found


@pytest.mark.parametrize("name", ["topics.txt", "qrels.txt", "corpus.jsonl.gz"])
def test_a_base_name_that_several_languages_share_is_not_enough(card: TaskCard, tmp_path: Path, name: str) -> None:
    """A stray ``topics.txt`` in the data folder could be any language's; without a hash it would be read as each."""
    key = {"topics.txt": "topics", "qrels.txt": "qrels", "corpus.jsonl.gz": "passages"}[name]
    put(tmp_path / "data" / name.removesuffix(".gz"), KINDS[key]["sw"], ".gz" if name.endswith(".gz") else "")
    put(tmp_path / "data" / "far" / name.removesuffix(".gz"), KINDS[key]["sw"])
    assert not any(CardFiles(card, tmp_path / "data").here(key, language) for language in TOPICS)


def test_a_base_name_that_two_sources_share_is_not_enough(tmp_path: Path) -> None:
    """``queries/sw.jsonl`` and ``corpus/sw.jsonl``: a ``sw.jsonl`` alone is neither."""
    files = {"queries/sw.jsonl": "{}", "corpus/sw.jsonl": "{}"}
    wanted = {"queries": "queries/{language}.jsonl", "passages": "corpus/{language}.jsonl"}
    folder = write_card(tmp_path / "cards", "jsonl", wanted, files, {"languages": '["sw"]'})
    for path in files:
        (folder / path).unlink()
    put(tmp_path / "data" / "sw.jsonl", "{}")
    files_of = CardFiles(tasks.card("written", folder), tmp_path / "data")
    assert not files_of.here("queries", "sw")
    assert not files_of.here("passages", "sw")


def test_a_base_name_of_its_own_is_enough(shared: Path) -> None:
    """MIRACL's own folders, or the files alone in a folder named miracl: topics.miracl-v1.0-sw-dev.tsv is one file."""
    files = CardFiles(tasks.card("miracl"), shared)
    assert files.paths("topics", "sw") == (shared / "miracl" / "topics.miracl-v1.0-sw-dev.tsv",)
    assert files.paths("qrels", "te") == (shared / "miracl" / "qrels.miracl-v1.0-te-dev.tsv",)
    assert not files.here("topics", "ar")
    assert not files.here("passages", "sw")


def test_a_shard_is_found_by_its_own_name_in_its_own_folder_alone(tmp_path: Path) -> None:
    card = tasks.card("miracl")
    put(tmp_path / "docs-0.jsonl", PASSAGES["sw"], ".gz")
    put(tmp_path / "miracl" / "docs-0.jsonl", PASSAGES["sw"], ".gz")
    assert not CardFiles(card, tmp_path).here("passages", "sw")
    put(tmp_path / "miracl" / "miracl-corpus-v1.0-sw" / "docs-0.jsonl", PASSAGES["sw"], ".gz")
    assert CardFiles(card, tmp_path).here("passages", "sw")
    assert not CardFiles(card, tmp_path).here("passages", "yo")


def test_all_shards_of_a_language_are_needed(tmp_path: Path) -> None:
    card = tasks.card("miracl")  # te has two
    put(tmp_path / "miracl-corpus-v1.0-te" / "docs-0.jsonl", PASSAGES["te"], ".gz")
    files = CardFiles(card, tmp_path)
    assert not files.here("passages", "te")
    with pytest.raises(MissingData, match=r"miracl-corpus-v1\.0-te/docs-1\.jsonl\.gz"):
        files.paths("passages", "te")


def test_a_folder_of_that_name_is_no_file(card: TaskCard, tmp_path: Path) -> None:
    (tmp_path / "data" / "v1-swahili" / "topics.txt").mkdir(parents=True)
    source = card.sources["topics"]
    assert locate(card, source, source.files[0], tmp_path / "data") is None


def test_a_missing_file_is_named_with_the_ways_to_get_it_and_the_languages_that_are_here(
    card: TaskCard, tmp_path: Path
) -> None:
    put_all(tmp_path / "data", "te")
    files = CardFiles(card, tmp_path / "data")
    with pytest.raises(MissingData) as caught:
        files.paths("topics", "sw")
    said = str(caught.value)
    assert "task 'far' needs v1-swahili/topics.txt (topics), which is not here" in said
    assert "xqgbench tasks download far" in said
    assert "--data-dir" in said
    assert "XQGBENCH_DATA" in said
    assert said.endswith("Here are all files of: --languages te.")
    assert caught.value.exit_code == 3


def test_no_language_is_said_to_be_here_that_lacks_one_of_its_files(card: TaskCard, tmp_path: Path) -> None:
    put_all(tmp_path / "data", "te")
    (tmp_path / "data" / "v1-telugu" / "qrels.txt").unlink()
    with pytest.raises(MissingData) as caught:
        CardFiles(card, tmp_path / "data").paths("topics", "sw")
    assert "Here are" not in str(caught.value)


def test_a_language_without_files_of_a_source_is_said_so(card: TaskCard) -> None:
    with pytest.raises(MissingData, match="task 'far' has no topics in 'fi'"):
        CardFiles(card).paths("topics", "fi")


@pytest.mark.parametrize(
    ("task", "languages", "named", "here"),
    [
        ("xquad", "ar,el", r"xquad\.el\.json", "ar,de,es,hi,ru,zh"),
        ("xquad-mono", "th", r"xquad\.th\.json", "ar,de,en,es,hi,ru,zh"),
        ("mr-tydi", "fi", r"mrtydi-v1\.1-finnish/ir-format-data/topics\.test\.txt", ""),
    ],
)
def test_the_command_line_exits_with_3_and_names_the_languages_that_are_here(
    shared: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, task: str, languages: str, named: str, here: str
) -> None:
    words = ["eval", "--model", "tests.conftest:Bigrams", "--task", task, "--languages", languages, "--quiet"]
    assert main([*words, "--data-dir", str(shared), "--output", str(tmp_path / "results")]) == 3
    said = capsys.readouterr().err
    assert named.replace("\\", "") in said
    assert (f"--languages {here}." in said) == bool(here)
    assert not (tmp_path / "results").exists()


# The file that the card describes


@pytest.mark.parametrize("suffix", PACK)
def test_a_changed_file_is_refused_with_both_hashes_of_its_content(card: TaskCard, tmp_path: Path, suffix: str) -> None:
    path = put(tmp_path / "data" / "topics.sw.tsv", "other\ttext\n", suffix)
    with pytest.raises(DataError) as caught:
        CardFiles(card, tmp_path / "data").paths("topics", "sw")
    assert str(caught.value).startswith(f"{path}: this is not the file that the card of 'far' describes")
    assert sha256("other\ttext\n") in str(caught.value)
    assert sha256(TOPICS["sw"]) in str(caught.value)


def test_a_file_of_another_language_under_the_right_name_is_refused(card: TaskCard, tmp_path: Path) -> None:
    put(tmp_path / "data" / "topics.sw.tsv", TOPICS["te"])
    with pytest.raises(DataError, match="this is not the file"):
        CardFiles(card, tmp_path / "data").paths("topics", "sw")


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: b"none of it", lambda c: b""], ids=["cut", "no archive", "empty"]
)
def test_a_damaged_archive_is_refused_as_such(
    card: TaskCard, tmp_path: Path, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    path = put(tmp_path / "data" / "topics.sw.tsv", TOPICS["sw"], suffix)
    path.write_bytes(damage(path.read_bytes()))
    expected = "this is not the file" if suffix == ".gz" and not path.stat().st_size else "damaged archive: .+ Fetch"
    with pytest.raises(DataError, match=expected):  # gzip reads an empty file as an archive of nothing
        CardFiles(card, tmp_path / "data").paths("topics", "sw")


def test_a_file_is_hashed_once_however_often_it_is_asked_for(
    card: TaskCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "data" / "topics.sw.tsv", TOPICS["sw"])
    files = CardFiles(card, tmp_path / "data")
    files.paths("topics", "sw")
    monkeypatch.delattr(sources, "sha256_of_content")  # hashing again would fail
    assert len(files.paths("topics", "sw")) == 1


# Large files


@pytest.fixture
def large(card: TaskCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large, found and hashed once."""
    monkeypatch.setattr(sources, "LARGE", 1)
    path = put(tmp_path / "data" / "topics.sw.tsv", TOPICS["sw"])
    CardFiles(card, tmp_path / "data").paths("topics", "sw")
    return path


def remembered(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "xqgbench" / "hashes").glob("*.json"))


def test_the_hash_of_a_large_file_is_remembered(card: TaskCard, large: Path, tmp_path: Path) -> None:
    (record,) = remembered(tmp_path)
    assert json.loads(record.read_bytes())["sha256"] == sha256(TOPICS["sw"])
    record.write_text(record.read_text().replace(sha256(TOPICS["sw"]), "0" * 64))
    with pytest.raises(DataError, match="sha256 is 0000"):  # what is remembered is believed
        CardFiles(card, large.parent).paths("topics", "sw")


def test_a_small_file_is_hashed_every_time(card: TaskCard, tmp_path: Path) -> None:
    put(tmp_path / "data" / "topics.sw.tsv", TOPICS["sw"])
    CardFiles(card, tmp_path / "data").paths("topics", "sw")
    assert not remembered(tmp_path)


@pytest.mark.parametrize("change", ["content", "time", "size", "another file in its place"])
def test_a_large_file_that_changed_is_hashed_again(card: TaskCard, large: Path, change: str) -> None:
    state = large.stat()
    other = TOPICS["te"] + ("x" if change == "size" else "")
    assert (len(other) == len(TOPICS["sw"])) == (change != "size")
    if change == "another file in its place":
        aside = put(large.with_name("aside"), other)
        os.utime(aside, ns=(state.st_atime_ns, state.st_mtime_ns))
        aside.replace(large)
    else:
        large.write_bytes(other.encode())
        later = 0 if change == "size" else 1_000_000
        os.utime(large, ns=(state.st_atime_ns, state.st_mtime_ns + later))
    with pytest.raises(DataError, match=sha256(other)):
        CardFiles(card, large.parent).paths("topics", "sw")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b'{"path": 1}'], ids=repr)
def test_a_damaged_record_of_a_hash_is_made_again(card: TaskCard, large: Path, tmp_path: Path, content: bytes) -> None:
    (record,) = remembered(tmp_path)
    record.write_bytes(content)
    assert CardFiles(card, large.parent).paths("topics", "sw") == (large,)
    assert json.loads(record.read_bytes())["sha256"] == sha256(TOPICS["sw"])


def test_a_cache_that_cannot_be_written_costs_time_alone(
    card: TaskCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LARGE", 1)
    (tmp_path / "cache").write_text("a file where the folder would be")
    put(tmp_path / "data" / "topics.sw.tsv", TOPICS["sw"])
    assert len(CardFiles(card, tmp_path / "data").paths("topics", "sw")) == 1


# Real tasks


@pytest.mark.parametrize(
    ("task", "languages"),
    [
        ("miracl-sample", ("ko", "sw", "te")),
        ("xquad", ("ar", "de", "es", "hi", "ru", "zh")),
        ("xquad-mono", ("ar", "de", "en", "es", "hi", "ru", "zh")),
        ("afriqa", ("ha", "sw", "yo")),
    ],
)
def test_the_files_of_bundled_cards_are_the_real_ones(shared: Path, task: str, languages: tuple[str, ...]) -> None:
    card = tasks.card(task)
    files = CardFiles(card, shared)
    assert files.languages_here() == languages
    for key in card.sources:
        for language in languages:
            assert files.paths(key, language)  # found, and of the hash that the card states


@pytest.mark.parametrize("name", sorted(set(tasks.cards()) - {"mr-tydi-v1.0"}))
def test_every_file_of_a_bundled_card_is_pinned_by_a_hash_or_a_revision(name: str) -> None:
    for source in tasks.card(name).sources.values():
        assert source.files
        assert all(len(file.sha256) == 64 or source.revision for file in source.files)


def test_a_task_whose_passages_are_one_collection_needs_all_its_files(shared: Path, tmp_path: Path) -> None:
    """A language alone would search fewer passages, and score higher."""
    for path in (shared / "afriqa").glob("*.test.json.gz"):
        if ".yor." not in path.name:
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(MissingData, match="whose passages are one collection; those of yo are not here") as caught:
        tasks.open_task("afriqa", data_dir=tmp_path).queries("sw")
    assert "--languages" not in str(caught.value)


def test_an_evaluation_says_which_files_it_read(shared: Path, bigrams: Bigrams, tmp_path: Path) -> None:
    from xqgbench.evaluation import evaluate

    found = evaluate(bigrams, "miracl-sample", languages=("te",), data_dir=shared, store=tmp_path / "store").plain
    pins = found.details["task"]["sources"]
    # zcat te.corpus.jsonl.gz | sha256sum
    assert pins["passages"]["te.corpus.jsonl"] == "0d256025782a7d19e3c9990050ab0888cd0d169c480f8c7c46b33eca3304ac87"
