"""SentencePiece's precompiled map of characters, as the ``Precompiled`` normaliser of tokenizers reads it.

Layout (little-endian): u32 bytes of the trie; the trie; the replacements, each ended by a NUL. The trie is a double
array of 32-bit units as darts-clone has it (https://github.com/s-yata/darts-clone, ``Details::DoubleArrayUnit``).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping

import numpy as np

#: Bits of a unit: the byte that leads to it (the lowest eight), whether a key ends there, how far its children are.
ENDS, DISTANCE, VALUE = 1 << 8, 10, 1 << 31


def charsmap(replacements: Mapping[str, str]) -> bytes:
    """A map of texts to what replaces them; neither may hold a NUL."""
    values, texts = {}, bytearray()
    for key, text in replacements.items():
        values[key.encode()] = len(texts)
        texts += text.encode() + b"\0"
    trie = _double_array(values).tobytes()
    return struct.pack("<I", len(trie)) + trie + bytes(texts)


def _double_array(values: Mapping[bytes, int]) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Child ``byte`` of a node is at the node's base XOR ``byte``; child 0 holds the value of a key that ends there."""
    children: dict[bytes, list[int]] = {}  # of each node, named by the bytes that lead to it
    for key in sorted(values):
        for place, byte in enumerate(key + b"\0"):
            siblings = children.setdefault(key[:place], [])
            if not siblings or siblings[-1] != byte:
                siblings.append(byte)
    bases = _bases(children)
    size = max(bases.values()) // 256 * 256 + 256  # whatever byte is looked up falls inside
    units = np.zeros(size, dtype="<u4")
    for node, base in bases.items():
        place = bases[node[:-1]] ^ node[-1] if node else 0
        units[place] = (node[-1] if node else 0) | (place ^ base) << DISTANCE
        if node in values:
            units[place] |= ENDS
            units[base] = VALUE | values[node]
    return units


def _bases(children: Mapping[bytes, list[int]]) -> dict[bytes, int]:
    """A base of its own for each node, so that no two children fall on one unit; the largest families first."""
    bases: dict[bytes, int] = {}
    taken, used, before, start = {0}, set(), None, 1
    for node, labels in sorted(children.items(), key=lambda item: (-len(item[1]), item[1])):
        start = start if labels == before else 1
        free = (n for n in itertools.count(start) if n not in used and taken.isdisjoint(n ^ label for label in labels))
        bases[node] = start = next(free)
        used.add(start)
        taken.update(start ^ label for label in labels)
        before = labels
    return bases
