"""R@2kt and R@5kt against their definition done directly: each budget by itself, each passage tokenised when met.

The package scores every question. The direct way, whose time per question does not depend on the others, does some of
each block, and its time is scaled up to the block: doing all of them would take minutes. It is one thread and NLTK's
classes as they are, like the official script; the package uses all cores. Seconds are those of the clock, the start of
its workers included.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.timing import report
from xqgbench.measures import AnswerRecall
from xqgbench.measures.answer_recall import first_hits
from xqgbench.measures.parallel import cores
from xqgbench.measures.tokens import sentence_splitter, word_tokenizer
from xqgbench.types import Ranking

QUESTIONS, DEPTH, WORDS, SENTENCE, SEED = 2_000, 60, 100, 25, 7
#: One block is one repetition; both ways take turns, block by block.
BLOCKS, DIRECT_QUESTIONS = 5, 100
MEASURES = (AnswerRecall("R@2kt", 2_000), AnswerRecall("R@5kt", 5_000))
#: Common English words, the commonest first; word n is drawn with weight 1 / n.
VOCABULARY = """
the of and in to a was is for as on with by he that at from his it an were are which this also be had first one its new
after but who not they have her she two been other when there all during into school time may years more most only over
city some world would where later up such used many can state about national out known university united then made him
these part between several while including series since company both American became through being well under second
called three group before high area number war early German however people family because county population until found
season each same film club against south north game town general music house government district released line team
following history another large name system year local work based small British life international station died member
river village east west built death album played law held long order water century son former church main public around
power award born John moved age park final included air best home set land road little own
"""

#: measure name -> query id -> score
Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Block:
    """Questions with their rankings; passages are named by their place in the block."""

    run: dict[str, Ranking]
    texts: dict[str, str]
    answers: dict[str, tuple[str, ...]]


def make_block(rng: np.random.Generator, distinct: float) -> Block:
    """Questions x depth x ``distinct`` passages; an answer is three words from somewhere in its ranking."""
    questions = QUESTIONS // BLOCKS
    count = round(questions * DEPTH * distinct)
    vocabulary = np.array(VOCABULARY.split())
    weights = 1 / np.arange(1, len(vocabulary) + 1)
    drawn = vocabulary[rng.choice(len(vocabulary), (count, WORDS), p=weights / weights.sum())]
    texts = {f"p{i}": passage(words) for i, words in enumerate(drawn.tolist())}
    names, order = list(texts), rng.permutation(count)
    falling = np.arange(DEPTH, 0, -1, dtype=np.float64)
    run: dict[str, Ranking] = {}
    answers: dict[str, tuple[str, ...]] = {}
    for i in range(questions):
        rows = order[i * DEPTH : (i + 1) * DEPTH] if distinct == 1 else rng.choice(count, DEPTH, replace=False)
        run[f"q{i}"] = Ranking(tuple(names[row] for row in rows), falling)
        start = rng.integers(WORDS - 3)
        answers[f"q{i}"] = (" ".join(texts[names[rng.choice(rows)]].split(" ")[start : start + 3]),)
    return Block(run, texts, answers)


def passage(words: list[str]) -> str:
    rows = (words[i : i + SENTENCE] for i in range(0, len(words), SENTENCE))
    return " ".join(" ".join([row[0].capitalize(), *row[1:]]) + "." for row in rows)


def by_package(block: Block) -> Scores:
    hits = first_hits(block.run, block.answers, block.texts, max(measure.tokens for measure in MEASURES))
    return {measure.name: measure.score(block.answers, hits) for measure in MEASURES}


def directly(block: Block, questions: int) -> Scores:
    """The official script's loop, for the first ``questions`` of the block."""
    from nltk.tokenize.destructive import NLTKWordTokenizer

    sentences, words = sentence_splitter(), NLTKWordTokenizer()
    scores: Scores = {measure.name: {} for measure in MEASURES}
    for measure in MEASURES:
        for query in list(block.run)[:questions]:
            tokens: list[str] = []
            for name in block.run[query].passage_ids:
                for sentence in sentences.tokenize(block.texts[name]):
                    tokens += words.tokenize(sentence)
                if len(tokens) >= measure.tokens:
                    break
            retrieved = " ".join(tokens[: measure.tokens])
            scores[measure.name][query] = float(any(answer in retrieved for answer in block.answers[query]))
    return scores


def compare(what: str, distinct: float) -> None:
    rng = np.random.default_rng(SEED)
    ours: list[float] = []
    peer: list[float] = []
    hits = dict.fromkeys((measure.name for measure in MEASURES), 0.0)
    for _ in range(BLOCKS):
        block = make_block(rng, distinct)
        started = time.perf_counter()
        scores = by_package(block)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        direct = directly(block, DIRECT_QUESTIONS // BLOCKS)
        peer.append((time.perf_counter() - started) * len(block.run) / (DIRECT_QUESTIONS // BLOCKS))
        for name, found in direct.items():
            assert {query: scores[name][query] for query in found} == found, f"{name} is not what its definition says"
            hits[name] += sum(scores[name].values())
    ratios = [b / a for a, b in zip(ours, peer, strict=True)]
    timed = statistics.median(ours), statistics.median(peer), statistics.median(ratios)
    report(f"R@kt, {QUESTIONS // BLOCKS} questions x {DEPTH} passages, {what}, directly", timed)
    shares = ", ".join(f"{name} {total / QUESTIONS:.3f}" for name, total in hits.items())
    print(f"    {QUESTIONS:,} questions in {BLOCKS} blocks, {sum(ours):.1f} s: {shares}")
    print(f"    ratios {min(ratios):.2f} to {max(ratios):.2f}; same scores on all {DIRECT_QUESTIONS} done both ways")


def main() -> None:
    word_tokenizer()("The tokenizer is loaded before the clock starts.")
    print(f"cores: {cores()}")
    compare("all distinct", 1.0)
    compare("a tenth distinct", 0.1)


if __name__ == "__main__":
    main()
