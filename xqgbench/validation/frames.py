"""Were texts written one by one, or by filling slots in templates?

A text's frame is what is left when names and numbers are masked. Names cannot be told from other words in every
language without a parser, but they are rare words: whatever occurs in few texts of the language is masked, and so are
digits. What remains are the words that hold questions together ("kuka on _", "_ の _ は 何"). Template-made questions
share their frames nearly all; how far real questions do, XOR-TyDi shows: of 1,000 training questions in a language, 32
to 53 % share a frame with another one, and the commonest has 2 to 4 %.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

#: A word is kept if at least this share of the texts has it, and at least so many of them.
SHARE, FEWEST = 0.01, 3
#: A frame says something if it keeps at least so many words; "what is _" would otherwise count as a template.
WORDS = 2
SLOT = "_"
_RUNS = r"[\p{Hiragana}]+|[\p{Katakana}\p{Han}々ー]+|[^\p{Hiragana}\p{Katakana}\p{Han}々ー]+"


def frames(texts: Sequence[str]) -> list[str]:
    """The frame of each text of one language, words and slots separated by spaces; empty where it says nothing."""
    split = [_words(text) for text in texts]
    occurs = Counter(word for words in split for word in set(words))
    least = max(FEWEST, SHARE * len(texts))
    return [_frame([word if occurs[word] >= least else SLOT for word in words]) for words in split]


def shares(texts: Sequence[str]) -> tuple[float, float, str]:
    """How much of one language's texts follows templates.

    Returns:
        The share of texts whose frame another text has too, the share of the commonest frame, and that frame.
    """
    if not texts:
        return 0.0, 0.0, ""
    counts = Counter(frame for frame in frames(texts) if frame)
    frame, most = max(counts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    repeated = sum(count for count in counts.values() if count > 1)
    return repeated / len(texts), most / len(texts), frame


def _frame(words: Sequence[str]) -> str:
    if sum(word != SLOT for word in words) < WORDS:
        return ""
    return " ".join(word for i, word in enumerate(words) if word != SLOT or i == 0 or words[i - 1] != SLOT)


def _words(text: str) -> list[str]:
    """Words without case and punctuation, every number as 0; runs of kanji and kana are words of their own."""
    import regex

    folded = regex.sub(r"\p{N}+", "0", unicodedata.normalize("NFKC", text).casefold())
    words = regex.findall(r"[\p{L}\p{M}\p{N}\u200c\u200d]+", folded)
    return [run for word in words for run in regex.findall(_RUNS, word)]
