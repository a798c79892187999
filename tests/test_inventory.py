"""What of a task is here: told from places alone, in the table, for one task, and whatever the width of a terminal."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TaskWriter
from xqgbench import tasks
from xqgbench.cli import figures, main
from xqgbench.inventory import availability, stock


@pytest.fixture(autouse=True)
def _no_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that this machine happens to have downloaded is seen."""
    monkeypatch.setenv("XQGBENCH_DATA", str(tmp_path / "downloads"))


def shown(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


# Availability


def test_a_task_whose_files_come_with_its_card_needs_no_network() -> None:
    found = availability(tasks.card("xqg-mini"))
    assert (found.network, found.bundled, found.complete) == ("no", True, True)
    assert found.languages == tasks.card("xqg-mini").query_languages


def test_a_task_without_its_files_needs_one() -> None:
    found = availability(tasks.card("xor-tydi"))
    assert (found.network, found.languages, found.bundled) == ("yes", (), False)
    assert found.bytes == 66_600_000_000 + 426_987  # the questions and the passages; training questions are optional


def test_copies_of_all_files_make_a_network_needless_here(shared: Path) -> None:
    found = availability(tasks.card("miracl-sample"), shared)
    assert (found.network, found.languages) == ("no, here", ("ko", "sw", "te"))


def test_some_languages_can_do_without(shared: Path) -> None:
    found = availability(tasks.card("xquad"), shared)
    here = tuple(
        lang for lang in tasks.card("xquad").languages if (shared / "xquad" / f"xquad.{lang}.json.gz").is_file()
    )
    assert (found.network, found.languages) == ("some", here)
    assert 0 < len(here) < len(tasks.card("xquad").languages)


def test_questions_without_their_passages_are_not_enough(shared: Path) -> None:
    assert availability(tasks.card("xor-tydi"), shared).network == "yes"


def test_optional_files_are_not_waited_for(tmp_path: Path) -> None:
    """Questions and all shards of the passages; no training questions."""
    card = tasks.card("xor-tydi")
    for source in (card.sources["questions"], card.sources["passages"]):
        for file in source.files:
            path = tmp_path / source.folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()  # empty: were one opened or hashed, that would be an error
    assert availability(card, tmp_path).network == "no, here"


def test_a_data_set_that_ir_datasets_fetches_counts_as_not_here() -> None:
    assert availability(tasks.card("mr-tydi-v1.0")).network == "yes"


# Stock


def test_every_source_says_where_it_comes_from_and_what_pins_it(shared: Path) -> None:
    found = {source.key: source for source in stock(tasks.card("xor-tydi"), shared)}
    assert found["questions"].origin.endswith("XORQA_site/data/xor_dev_retrieve_eng_span_v1_1.jsonl")
    assert found["questions"].pinned == "sha256"
    commit = "1847334c3e9396274c8e7de75a3f9d09cd813c3c"
    assert found["passages"].origin == f"hub data set ielab/xor-tydi-xqg-augmented at {commit}"
    assert found["passages"].pinned == f"revision {commit}"
    assert len(found["passages"].files) == 19
    assert not found["passages"].found
    assert found["training"].optional
    place = shared / "xor-tydi" / "xor_train_retrieve_eng_span.jsonl.gz"
    assert dict(found["training"].found) == {"xor_train_retrieve_eng_span.jsonl": place}


def test_files_pinned_in_part_say_so() -> None:
    found = {source.key: source for source in stock(tasks.card("mr-tydi"))}
    assert found["topics"].pinned.startswith("sha256 of 3 of 11 files, else revision 17329f69")


def test_files_that_have_to_be_got_by_hand_say_so() -> None:
    assert {source.origin for source in stock(tasks.card("miracl-sample"))} == {"by hand"}
    fetched = {source.origin for source in stock(tasks.card("miracl"))}
    assert fetched == {"by hand, or miracl/{language}/dev of ir_datasets"}


# The table


def test_the_table_says_size_and_network_of_every_task(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    rows = {line.split()[0]: line for line in shown(capsys, "tasks", "--data-dir", shared).splitlines() if line.split()}
    assert "bundled" in rows["xqg-mini"]
    assert "66.6 GB" in rows["xor-tydi"]
    assert "~18,000,000" in rows["xor-tydi"]
    assert "yes" in rows["xor-tydi"]
    assert "no, here" in rows["miracl-sample"]
    assert "some" in rows["xquad"]
    assert "18: ar bn de" in rows["miracl"]


def test_the_table_as_json_has_the_card_and_what_is_here(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    listed = {entry["name"]: entry for entry in json.loads(shown(capsys, "tasks", "--json", "--data-dir", shared))}
    entry = listed["xor-tydi"]
    assert (entry["bytes"], entry["network"], entry["about_passages"]) == (66_600_426_987, "yes", 18_000_000)
    assert (entry["expected_passages"], entry["title"][:8]) == (0, "XOR-TyDi")
    assert listed["miracl-sample"]["languages_here"] == ["ko", "sw", "te"]
    assert listed["xqg-mini"]["bundled"] is True


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_fits_the_terminal_and_breaks_no_word(width: int) -> None:
    """On a real terminal: no line is wider, and every task starts a line of its own with its whole name."""
    main_side, terminal = pty.openpty()
    command = [sys.executable, "-m", "xqgbench", "tasks"]
    environment = {**os.environ, "COLUMNS": str(width), "NO_COLOR": "1", "TERM": "dumb"}
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    output = b""
    while True:
        try:
            output += (piece := os.read(main_side, 65_536))
        except OSError:  # the other side has closed
            break
        if not piece:
            break
    assert process.wait() == 0
    lines = output.decode().splitlines()
    assert max(map(len, lines)) <= width
    firsts = [line.split()[0] for line in lines if line.split()]
    assert set(tasks.cards()) <= set(firsts)
    assert any("no" in line.split() for line in lines if line.strip().startswith("xqg-mini"))


def test_a_data_folder_that_is_not_there_is_an_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (["tasks"], ["tasks", "show", "xqg-mini"], ["tasks", "stats", "xqg-mini"]):
        assert main([*words, "--data-dir", str(tmp_path / "nowhere")]) == 3
        assert "nowhere is not a folder" in capsys.readouterr().err


# One task


def test_a_task_is_shown_with_all_that_its_card_says(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    text = " ".join(shown(capsys, "tasks", "show", "xor-tydi", "--data-dir", shared).split())
    for expected in (
        "xor-tydi 1.1: XOR-TyDi (XOR-Retrieve)",
        "languages ar bn fi ja ko ru te",
        "passages ~18,000,000 (en)",
        "queries 2,110 (ar 350, bn 312",
        "split dev",
        "measures R@2kt (main), R@5kt",
        "cluster query",
        "format xor-retrieve",
        "origin xor-tydi, tydi-qa, mr-tydi, miracl",
        "license MIT (questions)",
        "homepage https://github.com/AkariAsai/XORQA",
        "Asai et al.: XOR QA",
        "questions: here",
        f"found: {shared}/xor-tydi/xor_dev_retrieve_eng_span_v1_1.jsonl",
        "passages: missing 19 files: data/shard_0.jsonl, data/shard_1.jsonl, data/shard_2.jsonl and 16 more",
        "size: 66.6 GB",
        "training, optional: here",
        "needs a network: yes",
    ):
        assert expected in text, expected


def test_a_task_is_shown_with_its_controls_settings_and_languages_here(
    capsys: pytest.CaptureFixture[str], shared: Path
) -> None:
    assert "controls" in shown(capsys, "tasks", "show", "xqg-mini")
    text = shown(capsys, "tasks", "show", "xquad-human", "--data-dir", shared)
    assert "generated = 'odd'" in text
    assert "needs a network: some; here: ar de" in text


def test_a_task_as_json_names_files_and_places(capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    found = json.loads(shown(capsys, "tasks", "show", "xor-tydi", "--data-dir", shared, "--json"))
    assert found["sources"]["passages"]["files"][18] == "data/shard_18.jsonl"
    assert found["sources"]["passages"]["bytes"] == 66_600_000_000
    place = found["sources"]["questions"]["found"]["xor_dev_retrieve_eng_span_v1_1.jsonl"]
    assert place == str(shared / "xor-tydi" / "xor_dev_retrieve_eng_span_v1_1.jsonl")
    assert found["network"] == "yes"


def test_an_id_of_ir_datasets_is_shown_without_being_fetched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "fetched"))
    text = shown(capsys, "tasks", "show", "ir_datasets:vaswani")
    assert "ir_datasets fetches those of vaswani at first use" in text
    assert not list(tmp_path.glob("fetched/vaswani/*"))


def test_an_unknown_task_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("show", "stats"):
        assert main(["tasks", command, "xor-tidy"]) == 2
        assert "Did you mean 'xor-tydi'" in capsys.readouterr().err


def test_a_compressed_copy_is_found(write_task: TaskWriter, tmp_path: Path) -> None:
    folder = write_task()
    card = tasks.card("small", folder)
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "qrels.tsv.gz").write_bytes(gzip.compress((folder / "qrels.tsv").read_bytes()))
    (folder / "qrels.tsv").unlink()
    found = availability(card, tmp_path / "copies")
    assert (found.network, found.bundled) == ("no, here", False)


# Numbers as people read them


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "?"),
        (1, "1 B"),
        (999, "999 B"),
        (426_987, "427 kB"),
        (999_700, "1.0 MB"),
        (13_962_158, "14.0 MB"),
        (66_600_426_987, "66.6 GB"),
        (221_184_000_000, "221 GB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_sizes_are_rounded_to_what_matters(count: int, text: str) -> None:
    assert figures.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (12.4, "12 s"),
        (89.9, "90 s"),
        (90, "1.5 min"),
        (2_000, "33 min"),
        (5_400, "1.5 h"),
        (259_199, "72 h"),
        (259_200, "3.0 days"),
        (1e7, "116 days"),
    ],
)
def test_durations_are_rounded_to_what_matters(seconds: float, text: str) -> None:
    assert figures.duration(seconds) == text


def test_languages_are_cut_to_the_room_that_there_is() -> None:
    codes = tasks.card("miracl").languages
    assert figures.languages(codes, 100) == " ".join(codes)
    assert figures.languages(codes, 19) == "18: ar bn de en ..."
    assert all(len(figures.languages(codes, room)) <= room for room in range(7, 60))
