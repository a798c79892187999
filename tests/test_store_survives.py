"""The store under what really happens to it: kill -9, two evaluations at once, a full disk, damage. Real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT, TaskWriter, jsonl
from tests.test_files import contents
from xqgbench.cli import main
from xqgbench.store.upkeep import prune, shelves, verify

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
#: A retriever in a file of its own: it notes what it encodes, and waits at its start until ``together`` are there.
SLOW = """
import os, time
from pathlib import Path
import numpy as np
from xqgbench import RetrieverInfo

HERE = Path(__file__).parent

class Slow:
    info = RetrieverInfo(name="slow", dim=256, revision="1")

    def __init__(self):
        (HERE / f"started-{os.getpid()}").touch()
        while len(list(HERE.glob("started-*"))) < int(os.environ.get("TOGETHER", "1")):
            time.sleep(0.01)

    def encode_queries(self, texts):
        time.sleep(0.005)
        with (HERE / "encoded").open("a") as stream:
            stream.writelines(f"{text}\\n" for text in texts)
        seeds = np.array([len(text) * 31 + sum(map(ord, text)) for text in texts], dtype=np.int64)
        return 1 + seeds[:, None] * np.arange(1, 257) % 251

    def encode_passages(self, passages):
        return self.encode_queries([passage.text for passage in passages])
"""


def many(count: int) -> str:
    """Passages with a generated query in each of two languages."""
    return jsonl(
        [
            {
                "docid": f"p{i}",
                "title": "",
                "text": f"passage number {i} of many",
                "generated_queries": {"fi": [f"mikä on {i}"], "ja": [f"{i}は何"]},
            }
            for i in range(count)
        ]
    )


def words_of(folder: Path, place: Path, store: Path) -> list[str | Path]:
    """An evaluation of ``SLOW`` on the command line."""
    (place / "slow.py").write_text(SLOW, encoding="utf-8")
    words = ["eval", "--model", place / "slow.py:Slow", "--task", "small", "--tasks-dir", folder, "--quiet"]
    return [*words, "--augment", "xqg", "--store", store, "--output", place / "results"]


def started(words: Sequence[str | Path], together: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "xqgbench", *map(str, words)]
    environment = {**ENVIRONMENT, "TOGETHER": str(together)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def scores(results: Path) -> dict[str, object]:
    """Everything that an evaluation found; not when, and how long it took."""
    found: dict[str, object] = {
        name: content for name, content in contents(results).items() if not name.endswith("result.json")
    }
    for path in results.rglob("result.json"):
        result = json.loads(path.read_bytes())
        found[path.parent.name] = [result["measures"], result["signature"], result.get("comparison")]
    return found


#: Evaluates in a forked process that is killed after a while, again and again; says how many chunks each kill left.
KILLER = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
import faiss, ir_measures, pandas, scipy.stats
from tests.conftest import Bigrams
from xqgbench import encode, evaluate

folder, unbroken, broken = map(Path, sys.argv[1:])
encode.CHUNK = 4
dice = random.Random(20230723)

class Slow(Bigrams):
    def encode_queries(self, texts):
        time.sleep(0.001)
        return super().encode_queries(texts)

def evaluation(store):
    evaluate(Slow(), "small", "xqg", tasks_dir=folder, store=store)

def start(store):
    child = os.fork()
    if child == 0:
        evaluation(store)
        os._exit(0)
    return child

begun = time.perf_counter()
start(unbroken)
assert os.wait()[1] == 0
whole = time.perf_counter() - begun
left = []
while len(left) < 20:
    child = start(broken)
    time.sleep(dice.uniform(0, whole / 3))
    os.kill(child, signal.SIGKILL)
    if os.wait()[1] == signal.SIGKILL:
        left.append(len(list(broken.rglob("*.json"))))
    else:
        shutil.rmtree(broken)  # it came to its end; kill the next one
print(json.dumps(left))
start(broken)
assert os.wait()[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks and kills")
def test_killed_at_twenty_random_moments_it_goes_on_to_the_very_same_vectors(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    folder = write_task(passages=many(240), card={"measures": '["nDCG@10"]'})
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    command = [sys.executable, "-c", KILLER, str(folder), str(unbroken), str(broken)]
    outcome = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    left, whole = json.loads(outcome.stdout), contents(unbroken)
    assert len(left) == 20
    assert len(set(left)) > 5  # they came at different places
    kept = {name: content for name, content in contents(broken).items() if not name.endswith((".part", ".lock"))}
    assert kept == whole
    (shelf,) = shelves(broken)
    assert list(verify(shelf)) == []
    assert sum(shelf.chunks.values()) == sum(name.endswith(".npy") for name in whole)
    assert prune(shelf, whole=False)
    assert contents(broken) == whole


def test_two_evaluations_at_once_encode_each_chunk_once_and_find_the_same(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    """8,300 passages are three chunks, and each of the two must wait for the other somewhere."""
    count, store = 8_300, tmp_path / "vectors"
    folder = write_task(passages=many(count), qrels="fi-1\t0\tp7\t1\nja-1\t0\tp8\t1\n")
    words = words_of(folder, tmp_path, store)
    twins = [started([*words[:-1], tmp_path / f"results-{i}"], together=2) for i in range(2)]
    errors = [twin.communicate(timeout=120)[1] for twin in twins]
    assert [twin.returncode for twin in twins] == [0, 0], errors
    encoded = (tmp_path / "encoded").read_text(encoding="utf-8").splitlines()
    assert len(encoded) == 4 + count * 3  # questions, passages, generated queries in two languages
    assert len(encoded) == len(set(encoded))
    assert scores(tmp_path / "results-0") == scores(tmp_path / "results-1")
    timings = [
        json.loads(path.read_bytes())["timings"]["texts_encoded"]
        for i in range(2)
        for path in (tmp_path / f"results-{i}").rglob("result.json")
    ]
    assert sum(timings) == len(encoded)
    (shelf,) = shelves(store)
    assert not shelf.leftovers
    assert not list((store / ".locks").iterdir())


FULL = "the vector store cannot use .*: {reason}. Make room .*--store DIR"


def unfinished(error: str, reason: str, store: dict[str, bytes]) -> None:
    """What must be true where there was no room: one paragraph that says so, and nothing half-written."""
    assert re.fullmatch(rf"Error: {FULL.format(reason=reason)}[^\n]*\n", error), error
    assert not [name for name in store if name.endswith(".part")]
    arrays = {name.removesuffix(".npy") for name in store if name.endswith(".npy")}
    assert {f"{name}.json" for name in arrays} == {name for name in store if "/" in name.partition("/")[2]} - {
        f"{name}.npy" for name in arrays
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_file_that_may_not_grow_ends_an_evaluation_in_one_paragraph_and_more_room_lets_it_go_on(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    store, folder = tmp_path / "vectors", write_task(passages=many(300), qrels="fi-1\t0\tp7\t1\nja-1\t0\tp8\t1\n")
    limited = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({1 << 16}, r.RLIM_INFINITY)); "
    code = limited + "import sys; from xqgbench.cli import main; sys.exit(main(sys.argv[1:]))"
    words = list(map(str, words_of(folder, tmp_path, store)))
    outcome = subprocess.run(
        [sys.executable, "-c", code, *words], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 1
    unfinished(outcome.stderr, "File too large", contents(store))
    assert main(words) == 0


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, to mount a small disk")
def test_a_full_disk_ends_an_evaluation_in_one_paragraph(write_task: TaskWriter, tmp_path: Path) -> None:
    """A real file system of 192 kB, in which the passages have no room."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    folder = write_task(passages=many(300), qrels="fi-1\t0\tp7\t1\nja-1\t0\tp8\t1\n")
    mounted = ["unshare", "--map-root-user", "--mount", "sh", "-ec"]
    mount = f"mount -t tmpfs -o size=192k tmpfs '{disk}'; "
    if subprocess.run([*mounted, mount], capture_output=True, check=False).returncode:
        pytest.skip("this system does not let a test mount a disk")
    run = f"\"$@\" || code=$?; cp -r '{disk}' '{copy}'; exit $code"
    words = [sys.executable, "-m", "xqgbench", *map(str, words_of(folder, tmp_path, disk))]
    command = [*mounted, mount + run, "sh", *words]
    outcome = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1, outcome.stderr
    unfinished(outcome.stderr, "No space left on device", contents(copy))
    (kept,) = copy.glob("slow-*/queries")
    assert len(list(kept.iterdir())) == 4  # the questions of two languages were finished before


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 4]) + content[-4:]


@pytest.mark.parametrize("role", ["queries", "passages", "generated"])
@pytest.mark.parametrize(
    ("suffix", "damage", "reason"),
    [
        (".npy", cut, "bytes of this chunk are not those that were written"),
        (".npy", flipped, "bytes of this chunk are not those that were written"),
        (".json", cut, "the record beside this chunk cannot be read"),
    ],
    ids=["cut", "flipped", "record"],
)
def test_a_damaged_chunk_is_found_named_and_encoded_again_and_the_result_is_the_same(
    write_task: TaskWriter,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    role: str,
    suffix: str,
    damage: object,
    reason: str,
) -> None:
    assert callable(damage)
    folder, store = write_task(), tmp_path / "vectors"
    words = ["eval", "--model", "tests.conftest:Bigrams", "--task", "small", "--tasks-dir", str(folder)]
    words += ["--augment", "xqg", "--store", str(store), "--output"]
    assert main([*words, str(tmp_path / "before")]) == 0
    whole = contents(store)
    path = sorted(store.rglob(f"{role}/*{suffix}"))[0]
    path.write_bytes(damage(path.read_bytes()))
    assert main(["store", "verify", "bigrams", "--store", str(store)]) == 1
    found = capsys.readouterr().out
    assert f"damaged: {path.with_suffix('.npy')}: " in found
    assert reason in found
    assert main([*words, str(tmp_path / "after")]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Note: ")]
    assert len(notes) == 1
    assert str(path.with_suffix(".npy")) in notes[0]
    assert reason in notes[0]
    assert "encoded again" in notes[0]
    assert contents(store) == whole
    assert scores(tmp_path / "after") == scores(tmp_path / "before")
    (result,) = (tmp_path / "after").rglob("bigrams/result.json")
    (with_xqg,) = (tmp_path / "after").rglob("bigrams+xqg/result.json")
    again = [json.loads(file.read_bytes())["timings"]["texts_encoded"] for file in (result, with_xqg)]
    assert again == {"queries": [2, 0], "passages": [4, 0], "generated": [0, 8]}[role]
    assert main(["store", "verify", "--store", str(store)]) == 0
