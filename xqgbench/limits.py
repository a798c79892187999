"""How long, how alike and how repetitive the texts of a task may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that ``xqgbench tasks check`` holds the texts of a task to; a card's ``[limits]`` may tighten them.

    Attributes:
        passage_words: fewest and most words of a passage.
        query_characters: fewest and most characters of a test question or generated query.
        answer_words: most words of an accepted answer.
        script: smallest share of a query's letters that must be of its language's script.
        near_duplicate: a generated query whose character trigrams agree with those of a test question to this degree
            (Dice coefficient, 0 to 1) or more gives the question away.
        repeated_frames: largest share of a language's queries that may share their frame with another one. The default
            lies above what real questions show (0.53 at most for 1,000 XOR-TyDi training questions in a language).
        common_frame: largest share of a language's queries that one frame may have.
    """

    passage_words: tuple[int, int] = (1, 2_000)
    query_characters: tuple[int, int] = (3, 1_000)
    answer_words: int = 40
    script: float = 0.4
    near_duplicate: float = 0.8
    repeated_frames: float = 0.6
    common_frame: float = 0.15
