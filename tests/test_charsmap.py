"""The map of characters, read back by tokenizers' own normaliser."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.normalizers import Precompiled

from xqgbench.retrievers.charsmap import charsmap

#: No marks and nothing else that joins what stands beside it: the normaliser looks at whole graphemes first.
ALONE = st.characters(categories=["Lu", "Ll", "Nd", "Sm", "So", "Zs"], exclude_characters="\0")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(ALONE, TEXT, min_size=1, max_size=60), st.lists(ALONE, max_size=20))
def test_every_character_is_replaced_by_its_own_text_and_others_stay(
    replacements: dict[str, str], others: list[str]
) -> None:
    normaliser = Precompiled(charsmap(replacements))
    for character in {*replacements, *others}:
        assert normaliser.normalize_str(character) == replacements.get(character, character)


def test_a_large_map_of_neighbours_is_replaced_throughout() -> None:
    points = [*range(0x20, 0x7F), *range(0x4E00, 0x6E00), *range(0x1D400, 0x1D800)]
    replacements = {chr(point): f"{point:x}" for point in points}
    normaliser = Precompiled(charsmap(replacements))
    for character, text in replacements.items():
        assert normaliser.normalize_str(character) == text
    assert normaliser.normalize_str("é") == "é"
