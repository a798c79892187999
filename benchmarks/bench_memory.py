"""In how much memory large collections are evaluated and checked.

Evaluation: a million passages of 384 float32 dimensions, encoded by a retriever that takes no time, and two languages
of generated queries. Processes of their own then evaluate it from the store, plain and fused (1,000 queries, depth
100). The peer loads the same vectors into faiss's flat index, the usual way, and searches it. Seconds are processor
time, which a busy machine does not stretch.

Repeated ids: 33 million made-up ids, as many as the English Wikipedia of MIRACL has passages, run through a task.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.bench_reading import peak
from xqgbench.types import Passage, RetrieverInfo, Task, Vectors

PASSAGES, DIM, QUERIES, DEPTH, IDS, SEED = 1_000_000, 384, 1_000, 100, 33_000_000, 7
GENERATED = ("fi", "ja")
CARD = """
name = "large"
title = "Passages made for a benchmark"
description = "Numbers."
version = "1"
format = "xor-retrieve"
languages = ["fi"]
generated_languages = ["fi", "ja"]
split = "test"
measures = ["nDCG@10"]
main_measure = "nDCG@10"
cluster = "query"
license = "CC-BY-4.0"
citation = "none"
origin = []
[sources.questions]
path = "questions.jsonl"
revision = "1"
[sources.passages]
path = "passages.jsonl"
revision = "1"
[sources.qrels]
path = "qrels.tsv"
revision = "1"
[expected]
"""


class Instant:
    """A vector from the number in a text: rows of a table of random numbers, added up."""

    info = RetrieverInfo(name="instant", dim=DIM, similarity="dot", revision="1")

    def __init__(self) -> None:
        self._table = np.random.default_rng(SEED).standard_normal((4_096, DIM), dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        numbers = np.array([int(text) for text in texts], dtype=np.int64)
        made: Vectors = self._table[numbers % 4_096] + self._table[numbers // 4_096 % 4_096]
        return made

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return self.encode_queries([passage.text for passage in passages])


def write(folder: Path) -> None:
    (folder / "large.toml").write_text(CARD, encoding="utf-8")
    asked = [
        {"id": f"q{i}", "question": str(i * 997), "answers": ["1"], "lang": "fi", "split": "test"}
        for i in range(QUERIES)
    ]
    (folder / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in asked), encoding="utf-8")
    (folder / "qrels.tsv").write_text("".join(f"q{i}\t0\tp{i * 997}\t1\n" for i in range(QUERIES)), encoding="utf-8")
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as stream:
        for i in range(PASSAGES):
            generated = {language: [str(i + 1 + j)] for j, language in enumerate(GENERATED)}
            record = {"docid": f"p{i}", "title": "", "text": str(i), "generated_queries": generated}
            stream.write(json.dumps(record) + "\n")


def evaluated(folder: Path, augment: str) -> None:
    """Plain retrieval, or both with an augmentation; the first of these calls encodes."""
    from xqgbench import evaluate

    evaluate(Instant(), "large", augment, tasks_dir=folder, store=folder / "store", depth=DEPTH)


def into_faiss(folder: Path) -> None:
    """All vectors of the passages in one flat index."""
    import faiss

    index = faiss.IndexFlatIP(DIM)
    for path in (folder / "store").glob("*/passages/*.npy"):
        index.add(np.load(path))
    assert index.ntotal == PASSAGES
    asked = Instant().encode_queries([str(i * 997) for i in range(QUERIES)])
    assert index.search(asked, DEPTH)[1].shape == (QUERIES, DEPTH)


def ids_checked(folder: Path) -> None:
    """Ids go through the code that every format's passages go through; nothing is read from disk."""
    assert sum(1 for _ in made_up(folder).passages("fi")) == IDS


def made_up(folder: Path) -> Task:
    from xqgbench.cards import read_card
    from xqgbench.formats.task import FileTask, Located, Reading

    def passages(language: str) -> Iterator[Located]:
        return (Located("made up", i, Passage(str(i), "", "x")) for i in range(IDS))

    reading = Reading(lambda _: (), passages, lambda _: "all", lambda _: "made up")
    return FileTask(read_card(folder / "large.toml"), reading)


WORK = {
    "nothing": lambda folder: None,
    "plain": lambda folder: evaluated(folder, "none"),
    "plain and +xqg": lambda folder: evaluated(folder, "xqg"),
    "faiss": into_faiss,
    "ids": ids_checked,
}


def measured(kind: str, folder: Path) -> tuple[float, float]:
    """Peak in MB and seconds of processor time of a process that does one thing."""
    words = [sys.executable, __file__, kind, str(folder)]
    megabytes, seconds = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return float(megabytes), float(seconds)


def say(what: str, found: tuple[float, float]) -> None:
    print(f"{what:<64} {found[0]:8,.0f} MB {found[1]:8.1f} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder)
        say("the program alone", measured("nothing", folder))
        say("encoded by a retriever that takes no time, stored, evaluated", measured("plain and +xqg", folder))
        say(f"{PASSAGES:,} x {DIM} from the store, {QUERIES:,} queries, plain", measured("plain", folder))
        say("the same, plain and +xqg", measured("plain and +xqg", folder))
        say("the same vectors in faiss IndexFlatIP, searched once", measured("faiss", folder))
        say(f"{IDS:,} ids, checked to be distinct", measured("ids", folder))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        started = time.process_time()
        WORK[sys.argv[1]](Path(sys.argv[2]))
        print(peak() / 1e6, time.process_time() - started)
    else:
        main()
