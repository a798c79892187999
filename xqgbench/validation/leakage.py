"""Do generated queries give test questions away?

Likeness is the Dice coefficient of two texts' sets of character trigrams, 2 |A n B| / (|A| + |B|) (Dice 1945), over
letters and digits without case, so that word order, punctuation and inflection move it little: 1 for the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xqgbench.validation.texts import normalised

#: Texts compared at once; bounds memory.
BLOCK = 4_096


class Likeness:
    """Test questions of one language, ready to be compared with any number of other texts."""

    def __init__(self, questions: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        sets = [trigrams(text) for text in questions]
        for grams in sets:
            for gram in sorted(grams):
                self._numbers.setdefault(gram, len(self._numbers))
        self._sizes = np.array([len(grams) for grams in sets], dtype=np.float64)
        self._questions = self._matrix(sets)

    def nearest(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Per text the number of the most similar question, and how similar it is (0 to 1).

        Returns:
            int64 (texts,) and float64 (texts,).
        """
        best, degrees = np.zeros(len(texts), np.int64), np.zeros(len(texts))
        for start in range(0, len(texts) if len(self._sizes) else 0, BLOCK):
            part = slice(start, start + BLOCK)
            dice = self._degrees(texts[part])
            best[part] = dice.argmax(axis=1)
            degrees[part] = dice[np.arange(len(dice)), best[part]]
        return best, degrees

    def _degrees(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Likeness of every text to every question, (texts, questions)."""
        sets = [trigrams(text) for text in texts]
        sizes = np.array([len(grams) for grams in sets], dtype=np.float64)
        common: npt.NDArray[np.float64] = (self._matrix(sets) @ self._questions.T).toarray()
        return 2.0 * common / np.maximum(sizes[:, None] + self._sizes[None, :], 1.0)

    def _matrix(self, sets: Sequence[Iterable[str]]) -> Any:
        """Sparse (texts, trigrams of the questions), 1 where a text has the trigram."""
        from scipy.sparse import csr_array

        known = [[self._numbers[gram] for gram in grams if gram in self._numbers] for grams in sets]
        starts = np.concatenate(([0], np.cumsum([len(row) for row in known], dtype=np.int64)))
        columns = np.array([number for row in known for number in row], dtype=np.int64)
        values = np.ones(len(columns))
        return csr_array((values, columns, starts), shape=(len(known), max(len(self._numbers), 1)))


def trigrams(text: str) -> frozenset[str]:
    """Character trigrams of a text's letters and digits, with one space at each end."""
    padded = f" {normalised(text)} "
    return frozenset(padded[i : i + 3] for i in range(len(padded) - 2))
