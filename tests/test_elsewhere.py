"""What a card leaves to ir_datasets is there, all of it, when the download has ended well.

ir_datasets itself runs here, in a process of its own, on files that lie where it keeps them; it fetches what lies there
not, so an unreachable proxy stands between it and the network.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def home(tmp_path: Path, shared: Path) -> Path:
    """The folder of ir_datasets with MIRACL in Swahili and Telugu (a sample, in as many files as all of it)."""
    folder = tmp_path / "ir_datasets" / "miracl" / "v1.0"
    for language, number in (("sw", 1), ("te", 2)):
        (folder / language / "dev").mkdir(parents=True)
        (folder / language / "docs").mkdir()
        for kind in ("topics", "qrels"):
            source = shared / "miracl" / f"{kind}.miracl-v1.0-{language}-dev.tsv"
            shutil.copy(source, folder / language / "dev" / f"{kind}.tsv")
        lines = gzip.decompress((shared / "miracl-sample" / f"{language}.corpus.jsonl.gz").read_bytes()).splitlines()
        for shard in range(number):
            content = gzip.compress(b"\n".join(lines[shard::number]) + b"\n")
            (folder / language / "docs" / f"docs-{shard}.jsonl.gz").write_bytes(content)
    return folder


@pytest.fixture
def run(tmp_path: Path, home: Path) -> Run:
    """``xqgbench tasks download NAME`` with no network but what is on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    environment = {
        "IR_DATASETS_HOME": str(home.parents[1]),
        "IR_DATASETS_DL_TRIES": "1",
        "XQGBENCH_DATA": str(tmp_path / "own"),
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), nobody),
    }

    def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "xqgbench", "tasks", "download", *map(str, words)]
        own = {**os.environ, **environment}
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=own, check=False)

    return call


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A card in two languages whose files are MIRACL's own or ir_datasets', and one that is ir_datasets' alone."""
    (tmp_path / "cards").mkdir()
    shared = [
        *('title = "t"', 'description = "d"', 'version = "1"', 'languages = ["sw", "te"]', "generated_languages = []"),
        *('split = "dev"', 'measures = ["nDCG@10"]', 'main_measure = "nDCG@10"', 'cluster = "query"', "origin = []"),
        *('license = "Apache-2.0"', 'citation = "none"', "[expected]", "passages = { sw = 3597, te = 2239 }"),
    ]
    own = {
        "topics": "topics.miracl-v1.0-{language}-dev.tsv",
        "qrels": "qrels.miracl-v1.0-{language}-dev.tsv",
        "passages": "{language}.corpus.jsonl",
    }
    sources = [f'[sources.{key}]\npath = "{path}"\nrevision = "v1.0"' for key, path in own.items()]
    mixed = [
        'name = "mixed"',
        'format = "trec"',
        *shared,
        *sources,
        "[settings]",
        'ir_datasets = "miracl/{language}/dev"',
    ]
    alone = [
        'name = "alone"',
        'format = "ir_datasets"',
        *shared,
        "[sources]",
        "[settings]",
        'id = "miracl/{language}/dev"',
    ]
    for name, lines in (("mixed", mixed), ("alone", alone)):
        (tmp_path / "cards" / f"{name}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "cards"


@pytest.mark.parametrize("name", ["mixed", "alone"])
def test_ir_datasets_reads_everything_once(run: Run, cards: Path, name: str) -> None:
    outcome = run(name, "--tasks-dir", cards)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines()[-2:] == [
        "read with ir_datasets: miracl/sw/dev, 3,597 passages",  # zcat sw.corpus.jsonl.gz | wc -l
        "read with ir_datasets: miracl/te/dev, 2,239 passages",
    ]


@pytest.mark.parametrize("absent", ["docs/docs-0.jsonl.gz", "docs/docs-1.jsonl.gz", "dev/topics.tsv", "dev/qrels.tsv"])
def test_whatever_is_missing_is_found_missing_now_and_not_in_the_midst_of_an_evaluation(
    run: Run, cards: Path, home: Path, absent: str
) -> None:
    (home / "te" / absent).unlink()
    outcome = run("alone", "--tasks-dir", cards, "--languages", "te")
    assert outcome.returncode == 3
    assert "ir_datasets cannot provide" in outcome.stderr
    assert "'miracl/te/dev'" in outcome.stderr
    assert "IR_DATASETS_HOME" in outcome.stderr


def test_a_collection_of_another_size_is_refused(run: Run, cards: Path, home: Path) -> None:
    path = home / "te" / "docs" / "docs-1.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(lines[:-1])))
    outcome = run("alone", "--tasks-dir", cards, "--languages", "te")
    assert outcome.returncode == 1
    assert "miracl/te/dev: 2238 passages, but the card of 'alone' expects 2239" in outcome.stderr


def test_what_is_here_already_is_not_asked_of_ir_datasets(
    run: Run, cards: Path, home: Path, shared: Path, tmp_path: Path
) -> None:
    """Swahili is here, of Telugu the passages are not."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("topics", "qrels"):
        for language in ("sw", "te"):
            shutil.copy(shared / "miracl" / f"{name}.miracl-v1.0-{language}-dev.tsv", data)
    shutil.copy(shared / "miracl-sample" / "sw.corpus.jsonl.gz", data)
    shutil.rmtree(home / "sw")
    shutil.rmtree(home / "te" / "dev")
    outcome = run("mixed", "--tasks-dir", cards, "--data-dir", data)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines()[1:] == ["read with ir_datasets: miracl/te/dev, 2,239 passages"]
    assert "5 of 6 files here" in outcome.stdout


def test_an_id_needs_no_card(run: Run, home: Path) -> None:
    outcome = run("ir_datasets:miracl/sw/dev")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "read with ir_datasets: miracl/sw/dev, 3,597 passages\n"


def test_no_passage_of_the_sample_is_lost(home: Path) -> None:
    """What the tests above count, counted otherwise."""
    for language, expected in (("sw", 3597), ("te", 2239)):
        docs = (home / language / "docs").glob("*.gz")
        records = [json.loads(line) for path in docs for line in gzip.decompress(path.read_bytes()).splitlines()]
        assert len({record["docid"] for record in records}) == expected
