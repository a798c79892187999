"""Tokenising on all cores.

Workers are plain processes at the end of pipes, not ``multiprocessing``: nothing is pickled, no process with the
threads of numeric libraries is forked, and a script that calls this needs no ``if __name__ == "__main__"``. The parent
works as well and hands out pieces as workers get free, so that a slow or busy core holds nothing up. What a worker
fails to do, the parent does: the result never depends on workers.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from xqgbench.measures.tokens import tokenise

#: Texts that are done in one go; the parent looks after its workers in between, every few milliseconds.
PIECE = 16
#: Most pieces that a worker gets at a time: it is busy for much longer than it waits for the parent.
SHARE = 16
#: Texts in a call per core: it is busy for much longer than all wait for the last one at the end.
CALL = 512
#: Texts for which one worker is started. To start takes as long as some 2,000 passages of 100 words.
WORTH_A_WORKER = 6_000


def cores() -> int:
    """Cores that this process may use; 1 where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@contextlib.contextmanager
def tokeniser(expected: int) -> Iterator[Tokeniser]:
    """A ``Tokeniser``, with workers if some ``expected`` texts are worth them; they end with the context."""
    with contextlib.ExitStack() as stack:
        workers: list[_Worker] = []
        with contextlib.suppress(OSError):  # no more processes to be had: fewer workers
            for _ in range(min(cores() - 1, expected // WORTH_A_WORKER)):
                workers.append(_Worker())
                stack.callback(workers[-1].end)
        yield Tokeniser(workers, stack.enter_context(selectors.DefaultSelector()))


class Tokeniser:
    """Tokenises, with the help of workers if there are any.

    Attributes:
        batch: how many texts a call needs to keep all cores busy; 0 without workers, where it does not matter.
    """

    def __init__(self, workers: Sequence[_Worker], answers: selectors.BaseSelector) -> None:
        self.batch = CALL * (len(workers) + 1) if workers else 0
        self._free: list[_Worker] = []
        self._asked: dict[_Worker, list[int]] = {worker: [] for worker in workers}  # worker -> numbers of pieces
        self._answers = answers
        for worker in workers:
            answers.register(worker.output, selectors.EVENT_READ, worker)

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """As ``tokens.tokenise``."""
        pieces = [texts[i : i + PIECE] for i in range(0, len(texts), PIECE)]
        todo, done = deque(range(len(pieces))), dict[int, list[str]]()
        while len(done) < len(pieces):
            self._hand_out(pieces, todo)
            if todo:
                own = todo.popleft()
                done[own] = tokenise(pieces[own])
            waiting = not todo and len(done) < len(pieces)
            for key, _ in self._answers.select(None if waiting else 0):
                done.update(self._collect(key.data, todo))
        return [tokens for i in range(len(pieces)) for tokens in done[i]]

    def _hand_out(self, pieces: Sequence[Sequence[str]], todo: deque[int]) -> None:
        """A share of what there is to do to every free worker, smaller towards the end."""
        for worker in list(self._free):
            size = min(SHARE, len(todo) // (len(self._free) + len(self._asked) + 1))
            share = [todo.popleft() for _ in range(size)]
            try:
                if share:
                    worker.ask([pieces[i] for i in share])
                    self._asked[worker] = share
                    self._free.remove(worker)
            except orjson.JSONEncodeError:  # a lone surrogate: left until the parent has done the text
                todo.extendleft(reversed(share))
            except OSError:  # the worker is dead
                todo.extendleft(reversed(share))
                self._free.remove(worker)

    def _collect(self, worker: _Worker, todo: deque[int]) -> dict[int, list[str]]:
        """Number of a piece -> tokens, from a worker that has answered; none if it has died instead."""
        share = self._asked.pop(worker, [])
        answer = worker.answer()
        if answer is None:
            todo.extendleft(reversed(share))
            self._answers.unregister(worker.output)
            self._free = [other for other in self._free if other is not worker]
            return {}
        self._free.append(worker)
        return dict(zip(share, answer, strict=True))


class _Worker:
    """The parent's end of ``xqgbench.measures.worker``. Its first answer says that it is ready."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)  # it finds what this process does
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "xqgbench.measures.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        assert self._process.stdin
        assert self._process.stdout
        self._input, self.output = self._process.stdin, self._process.stdout

    def ask(self, pieces: Sequence[Sequence[str]]) -> None:
        """Send a request to a worker that has answered all before it, and so is reading.

        Raises:
            orjson.JSONEncodeError: a text has no UTF-8 form; nothing was sent.
            OSError: the worker is dead.
        """
        self._input.write(orjson.dumps(pieces) + b"\n")
        self._input.flush()

    def answer(self) -> list[list[str]] | None:
        """The answer to the request; None if the worker died over it."""
        line = self.output.readline()
        answer: list[list[str]] | None = orjson.loads(line) if line.endswith(b"\n") else None
        return answer

    def end(self) -> None:
        """Kill it, if it lives, and wait until it is gone."""
        self._process.kill()
        self._process.communicate()
