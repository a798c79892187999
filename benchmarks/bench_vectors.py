"""In how much memory vectors that were made elsewhere are read: the peak of a process that searches a million.

Once with rows in the order of the task, which are streamed, and once in the reverse order, which needs an index of ids.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.bench_reading import DEPTH, DIM, PASSAGES, QUERIES, SEED, opened, peak, write
from xqgbench.precomputed import Precomputed
from xqgbench.search import search


def vectors(folder: Path) -> None:
    """Random vectors of the task that lies in a folder."""
    rng = np.random.default_rng(SEED)
    for name, ids in (("queries/fi", ["q"]), ("passages/passages", [str(number) for number in range(PASSAGES)])):
        path = folder / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, rng.standard_normal((len(ids), DIM), dtype=np.float32))
        path.with_suffix(".txt").write_text("\n".join(ids), encoding="utf-8")
    (folder / "vectors.json").write_text(json.dumps({"name": "random", "similarity": "dot"}), encoding="utf-8")


def searched(folder: Path) -> None:
    """Search them; says the peak in MB and the seconds."""
    started, found = time.perf_counter(), Precomputed(folder, opened(folder))
    asked = np.repeat(found.queries("fi"), QUERIES, axis=0)
    assert len(search(asked, found.passages("fi"), DEPTH)) == QUERIES
    print(f"{peak() / 1e6:,.0f} MB, {time.perf_counter() - started:.1f} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "million"
        write(folder, 0, PASSAGES, False)
        vectors(folder)
        words = [sys.executable, __file__, str(folder)]
        for order in ("in the order of the task", "in the reverse order"):
            print(f"{PASSAGES:,} x {DIM} vectors, {order}: {subprocess.check_output(words, text=True).strip()}")
            names = folder / "passages" / "passages.txt"
            names.write_text("\n".join(reversed(names.read_text(encoding="utf-8").split())), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        searched(Path(sys.argv[1]))
    else:
        main()
