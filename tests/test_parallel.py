"""Workers: the same tokens with them and without, only where there is much to do, and never longer than the call."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xqgbench.measures import parallel
from xqgbench.measures.answer_recall import first_hits
from xqgbench.measures.parallel import Tokeniser, tokeniser
from xqgbench.measures.tokens import tokenise
from xqgbench.types import Ranking

TEXTS = [f'No. {n}: "don\'t", said Dr. Oulu\nof 東京 — and it\u2019s {n}.' for n in range(1_000)]


class Started:
    """Worker processes that were started."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def alive(self) -> list[int]:
        return [process.pid for process in self.processes if process.poll() is None]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Two workers for any work at all, and an eye on them."""
    seen = Started()

    class Watched(subprocess.Popen):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)
            seen.processes.append(self)

    monkeypatch.setattr(parallel, "WORTH_A_WORKER", 1)
    monkeypatch.setattr(parallel, "cores", lambda: 3)
    monkeypatch.setattr(subprocess, "Popen", Watched)
    return seen


def wait_until_ready(tokeniser: Tokeniser) -> None:
    """Work until all workers have said that they have started."""
    while tokeniser._asked:
        tokeniser(["waiting"])


@pytest.fixture(scope="module")
def shared_workers() -> Iterator[Tokeniser]:
    """Two workers that are ready, for many small calls."""
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parallel, "cores", lambda: 3)
            tokenise_on_all = stack.enter_context(tokeniser(2 * parallel.WORTH_A_WORKER))
        wait_until_ready(tokenise_on_all)
        yield tokenise_on_all


any_text = st.text(st.characters(), max_size=20)  # lone surrogates among them, which no pipe takes


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.sampled_from(TEXTS) | any_text, max_size=40))
def test_any_texts_have_the_tokens_of_one_process(shared_workers: Tokeniser, texts: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "PIECE", 1)  # so that few texts are enough to be shared
        assert shared_workers(texts) == tokenise(texts)
    assert len(shared_workers._free) == 2


def test_workers_do_some_of_the_work(shared_workers: Tokeniser, monkeypatch: pytest.MonkeyPatch) -> None:
    by_parent: list[str] = []

    def noted(texts: Sequence[str]) -> list[str]:
        by_parent.extend(texts)
        return tokenise(texts)

    monkeypatch.setattr(parallel, "tokenise", noted)
    assert shared_workers(TEXTS) == tokenise(TEXTS)
    assert 0 < len(by_parent) < len(TEXTS)


def test_a_lone_surrogate_is_left_to_the_parent(shared_workers: Tokeniser) -> None:
    texts = ["before", *("\ud800 text." for _ in range(30)), *TEXTS[:50], "\udfff"]
    assert shared_workers(texts) == tokenise(texts)


def test_small_inputs_start_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 64)
    monkeypatch.setattr(subprocess, "Popen", None)
    with tokeniser(parallel.WORTH_A_WORKER - 1) as tokenise_here:
        assert tokenise_here(TEXTS[:40]) == tokenise(TEXTS[:40])
        assert tokenise_here([]) == []


@pytest.mark.parametrize(("cores", "expected", "workers"), [(1, 10**6, 0), (3, 10**6, 2), (3, 6_000, 1), (3, 0, 0)])
def test_a_worker_for_every_core_but_one_at_most(
    monkeypatch: pytest.MonkeyPatch, cores: int, expected: int, workers: int
) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    with tokeniser(expected) as made:
        assert len(made._asked) == workers


def test_cores_are_those_that_the_process_may_use() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from xqgbench.measures.parallel import cores; raise SystemExit(cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
    assert parallel.cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("raised", [None, ValueError, KeyboardInterrupt])
def test_workers_end_with_the_call(started: Started, raised: type[BaseException] | None) -> None:
    def work() -> None:
        with tokeniser(10) as tokenise_on_all:
            wait_until_ready(tokenise_on_all)
            assert len(started.alive()) == 2
            if raised:
                raise raised

    if raised:
        with pytest.raises(raised):
            work()
    else:
        work()
    assert len(started.processes) == 2
    assert started.alive() == []


def test_workers_that_have_not_even_started_end_too(started: Started) -> None:
    with tokeniser(10) as tokenise_on_all:
        assert tokenise_on_all(TEXTS[:20]) == tokenise(TEXTS[:20])
    assert len(started.processes) == 2
    assert started.alive() == []


def test_workers_end_when_their_parent_is_killed() -> None:
    code = (
        "import os; from xqgbench.measures import parallel; parallel.cores = lambda: 3\n"
        "with parallel.tokeniser(10**6) as made:\n"
        "    while made._asked: made(['waiting'])\n"
        "    os.kill(os.getpid(), 9)"
    )
    # workers hold standard error as well: it comes to an end when the last of them does
    outcome = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, timeout=60, check=False)
    assert outcome.returncode == -signal.SIGKILL


@pytest.mark.parametrize("when", ["idle", "asked", "starting"])
def test_the_parent_does_what_dead_workers_leave(started: Started, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "PIECE", 4)

    def kill_all() -> None:
        for process in started.processes:
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    with tokeniser(10) as tokenise_on_all:
        if when != "starting":
            wait_until_ready(tokenise_on_all)
        if when == "asked":

            def dying(texts: Sequence[str]) -> list[str]:  # the parent's first own piece: workers have theirs by then
                kill_all()
                monkeypatch.setattr(parallel, "tokenise", tokenise)
                return tokenise(texts)

            monkeypatch.setattr(parallel, "tokenise", dying)
        else:
            kill_all()
        assert tokenise_on_all(TEXTS) == tokenise(TEXTS)
        assert tokenise_on_all(TEXTS[:20]) == tokenise(TEXTS[:20])
        assert not tokenise_on_all._free
        assert not tokenise_on_all._asked


def test_where_no_process_can_be_had_there_are_no_workers(
    started: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    with tokeniser(10) as tokenise_here:
        assert tokenise_here(TEXTS[:40]) == tokenise(TEXTS[:40])
    assert started.processes == []


def test_first_hits_are_those_of_one_process(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    texts = {f"p{n}": text for n, text in enumerate(TEXTS)}
    run, answers = {}, {}
    for n in range(120):
        chosen = rng.choice(len(TEXTS), 25, replace=False)
        run[f"q{n}"] = Ranking(tuple(f"p{i}" for i in chosen), np.linspace(1.0, 0.5, 25))
        answers[f"q{n}"] = (f"it \u2019 s {rng.choice(chosen)} .",)
    by_all = first_hits(run, answers, texts, limit=300)
    assert len(started.processes) == 2
    assert started.alive() == []
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    by_one = first_hits(run, answers, texts, limit=300)
    assert list(by_all.items()) == list(by_one.items())
    assert 20 < len(by_one) < 120


def test_a_script_needs_no_guard_and_no_folder(tmp_path: Path) -> None:
    """Workers neither run the script again nor take modules from the folder it is called in."""
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong module')", encoding="utf-8")
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "script.py"
    script.write_text(
        "from xqgbench.measures import parallel\n"
        "print('run')\n"
        "parallel.cores = lambda: 2\n"
        "with parallel.tokeniser(10**6) as made:\n"
        "    while made._asked: made(['waiting'])\n"
        "    print(len(made._free), made(['It is.'] * 100) == ['It is .'] * 100)\n",
        encoding="utf-8",
    )
    outcome = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (outcome.stdout, outcome.stderr) == ("run\n1 True\n", "")
