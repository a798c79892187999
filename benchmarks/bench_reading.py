"""How fast and in how much memory collections are read.

Speed: a task's stream of passages (every field and id checked) against the json module doing the bare minimum by hand,
on about 200 MB of passages of 100 words in English or one of seven languages, without and with 35 generated queries
each, as the published xQG records have them. Seconds are processor time on one core, which a busy machine does not
stretch.

Memory: the peak of a process of its own that reads a million passages through a task, and of one that encodes them
with a retriever that takes no time, keeps the vectors in a store, and searches it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.timing import ratio, report
from xqgbench import tasks
from xqgbench.encode import Encoder
from xqgbench.formats.jsonl import records
from xqgbench.search import search
from xqgbench.types import Passage, RetrieverInfo, Task, Vectors

ROOT = Path(__file__).parent.parent
MEGABYTES, WORDS, SEED = 200, 100, 7
PASSAGES, DIM, QUERIES, DEPTH = 1_000_000, 64, 100, 100
CARD = """
name = "large"
title = "Passages made for a benchmark"
description = "Words of xqg-mini in no order."
version = "1"
format = "xor-retrieve"
languages = ["fi"]
generated_languages = {generated}
split = "test"
measures = ["R@2kt"]
main_measure = "R@2kt"
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
[expected]
"""


class Instant:
    """Vectors from lengths and first characters, in no time worth mentioning."""

    info = RetrieverInfo(name="instant", dim=DIM, similarity="dot", revision="1")

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        seeds = np.array([len(text) * 31 + ord(text[0]) for text in texts], dtype=np.float32)
        return np.cos(seeds[:, None] * np.arange(1, DIM + 1, dtype=np.float32))

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        return self.encode_queries([passage.text for passage in passages])


def write(folder: Path, size: int, passages: int, generated: bool) -> Path:
    """A task of about ``size`` bytes, or of so many passages; returns its file of passages."""
    rng = np.random.default_rng(SEED)
    source = [record for _, record in records(ROOT / "tasks" / "xqg-mini" / "passages.jsonl")]
    words = np.array([word for record in source for word in record["text"].split()])
    asked = {lang: [q for r in source for q in r["generated_queries"][lang]] for lang in source[0]["generated_queries"]}
    foreign = np.array([word for own in asked.values() for query in own for word in query.split()])
    folder.mkdir()
    (folder / "large.toml").write_text(CARD.format(generated=sorted(asked) if generated else []), encoding="utf-8")
    question = {"id": "q", "question": "mikä", "answers": ["the"], "lang": "fi", "split": "test"}
    (folder / "questions.jsonl").write_text(json.dumps(question) + "\n", encoding="utf-8")
    path, written, number = folder / "passages.jsonl", 0, 0
    with path.open("wb") as stream:
        while written < size or number < passages:
            body = rng.choice(words if rng.random() < 0.5 else foreign, WORDS)
            record: dict[str, object] = {"docid": str(number), "title": " ".join(rng.choice(words, 2))}
            record["text"] = " ".join(body)
            if generated:
                chosen = {lang: rng.integers(len(own), size=5) for lang, own in asked.items()}
                record["generated_queries"] = {lang: [asked[lang][i] for i in rows] for lang, rows in chosen.items()}
            line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
            written, number = written + stream.write(line), number + 1
    return path


def opened(folder: Path) -> Task:
    return tasks.open_task("large", folder)


def by_hand(path: Path) -> int:
    """What everybody writes: no field is checked, and a bad line would end it without saying which."""
    found = 0
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            record = json.loads(line)
            Passage(record["docid"], record["title"], record["text"])
            found += 1
    return found


def through_task(folder: Path) -> int:
    return sum(1 for _ in opened(folder).passages("fi"))


def generated_through_task(folder: Path) -> int:
    return sum(1 for _ in opened(folder).generated_queries("fi"))


def speed(what: str, folder: Path, ours: Callable[[Path], int]) -> None:
    path = folder / "passages.jsonl"
    assert ours(folder) == by_hand(path)
    timed = ratio(lambda: ours(folder), lambda: by_hand(path), 5, time.process_time)
    report(f"{what}, json by hand", timed)
    size = path.stat().st_size / 1e6
    print(f"    {size:.0f} MB: {size / timed[0]:.0f} MB/s of ours, {size / timed[1]:.0f} MB/s by hand")


def work(kind: str, folder: Path) -> None:
    """What the processes do whose memory is measured; says its peak in MB."""
    if kind == "read":
        assert through_task(folder) == PASSAGES
    elif kind == "encode":
        encoder = Encoder(Instant(), opened(folder), folder / "store")
        asked = np.repeat(Instant().encode_queries(["mikä"]), QUERIES, axis=0)
        asked += np.arange(QUERIES, dtype=np.float32)[:, None] / QUERIES
        assert len(search(asked, encoder.passages("fi"), DEPTH)) == QUERIES
    print(round(peak() / 1e6))


def peak() -> int:
    """Bytes that this process had at most. Linux counts what the parent had at the fork into ``ru_maxrss``."""
    status = Path("/proc/self/status")
    if status.is_file():
        return 1024 * next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory(kind: str, folder: Path) -> int:
    words = [sys.executable, __file__, kind, str(folder)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder / "plain", MEGABYTES * 10**6, 0, False)
        speed("reading passages of 100 words", folder / "plain", through_task)
        write(folder / "xqg", MEGABYTES * 10**6, 0, True)
        speed("reading passages with 35 generated queries each", folder / "xqg", through_task)
        speed("reading those generated queries", folder / "xqg", generated_through_task)
        path = write(folder / "million", 0, PASSAGES, False)
        idle = memory("nothing", folder / "million")
        print(
            f"a million passages, {path.stat().st_size / 1e6:,.0f} MB; peak memory, of which {idle} MB are the program:"
        )
        print(f"    read through the task: {memory('read', folder / 'million')} MB")
        what = f"encoded to {DIM} dimensions, stored and searched, {QUERIES} queries, depth {DEPTH}"
        print(f"    {what}: {memory('encode', folder / 'million')} MB")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        work(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
