"""A process that tokenises for another one: JSON lines with lists of texts come in, the same of their tokens go out.

Started by ``xqgbench.measures.parallel``. It ends when its input does, so it cannot outlive the process it works for.
"""

from __future__ import annotations

import signal
import sys
from typing import cast

import orjson

from xqgbench.measures.tokens import tokenise, word_tokenizer

#: What NLTK imports if it is there, for other things than tokens: three quarters of the time that a start takes.
UNUSED = ("pandas", "scipy", "sklearn")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent decides what ends
    cast(dict[str, object], sys.modules).update(dict.fromkeys(UNUSED))  # None: imported as if not installed
    word_tokenizer()
    _answer([])  # ready
    for line in sys.stdin.buffer:
        _answer([tokenise(texts) for texts in orjson.loads(line)])


def _answer(tokenised: list[list[str]]) -> None:
    sys.stdout.buffer.write(orjson.dumps(tokenised) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
