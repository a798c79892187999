"""The tasks of the field, from the command line, on their real questions and files in their official layout.

Collections of millions of passages are not here: small ones stand in their files' place, record for record in their
form, so that everything but their size is as on a machine that has them.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xqgbench import tasks
from xqgbench.cli import main

LANGUAGES = ("ar", "bn", "fi", "ja", "ko", "ru", "te")
#: Denominators of the official evaluation script on the development set.
COUNTED = {"ar": 309, "bn": 304, "fi": 314, "ja": 241, "ko": 285, "ru": 237, "te": 238}

Evaluated = Callable[..., dict[str, Any]]


@pytest.fixture
def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluated:
    """``result.json`` of an evaluation that must succeed."""
    monkeypatch.chdir(tmp_path)

    def call(system: str, task: str, *words: str | Path) -> dict[str, Any]:
        model = [] if "--model" in words else ["--model", "tests.conftest:Bigrams"]
        assert main(["eval", "--task", task, *model, *map(str, words), "--quiet"]) == 0
        found: dict[str, Any] = json.loads((tmp_path / "results" / task / system / "result.json").read_text())
        return found

    return call


@pytest.fixture
def xor_tydi(shared: Path, tmp_path: Path) -> Path:
    """XOR-TyDi's questions, and the nineteen shards of the published xQG data set with two passages each.

    A passage is made of answers, and its generated queries are questions to them, so that xQG has something to gain.
    """
    folder = tmp_path / "data" / "xor-tydi"
    (folder / "data").mkdir(parents=True)
    name = "xor_dev_retrieve_eng_span_v1_1.jsonl"
    shutil.copy(shared / "xor-tydi" / name, folder / name)
    questions = [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
    asked = {language: [q for q in questions if q["lang"] == language] for language in LANGUAGES}
    for shard in range(19):
        records = []
        for docid in (2 * shard, 2 * shard + 1):
            own = {language: asked[language][5 * docid : 5 * docid + 5] for language in LANGUAGES}
            text = " . ".join(answer for some in own.values() for q in some for answer in q["answers"])
            generated = {language: [q["question"] for q in some] for language, some in own.items()}
            record = {"docid": str(docid), "title": f"Title {docid}", "text": text, "generated_queries": generated}
            records.append(json.dumps(record, ensure_ascii=False))
        content = ("\n".join(records) + "\n").encode()
        path = folder / "data" / f"shard_{shard}.jsonl"
        if shard % 2:
            path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(content))
        else:
            path.write_bytes(content)
    return folder.parent


def test_xor_tydi_is_evaluated_with_its_published_generated_queries(evaluated: Evaluated, xor_tydi: Path) -> None:
    found = evaluated("bigrams+xqg", "xor-tydi", "--augment", "xqg", "--data-dir", xor_tydi)
    assert found["complete"]
    assert found["task"]["version"] == "1.1"
    assert found["task"]["sources"]["questions"].startswith("cfe569e4c6d3539c")
    assert set(found["task"]["sources"]["passages"].values()) == {"revision 1847334c3e9396274c8e7de75a3f9d09cd813c3c"}
    for measure in ("R@2kt", "R@5kt"):
        assert {lang: own["queries"] for lang, own in found["measures"][measure]["languages"].items()} == COUNTED
    macro = found["comparison"]["measures"]["R@2kt"]["macro"]
    assert 0 < macro["before"] < macro["after"] < 1
    assert macro["significant"]


@pytest.mark.models
def test_the_model_of_the_paper_is_evaluated_on_xor_tydi(evaluated: Evaluated, xor_tydi: Path, tmp_path: Path) -> None:
    """``--model mbert`` with a checkpoint of mBERT's size but one layer and few pieces: the weights are not here."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.trainers import WordPieceTrainer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    lines = (xor_tydi / "xor-tydi" / "xor_dev_retrieve_eng_span_v1_1.jsonl").read_text(encoding="utf-8").splitlines()
    pieces = Tokenizer(WordPiece(unk_token="[UNK]"))
    pieces.normalizer, pieces.pre_tokenizer = BertNormalizer(lowercase=False), BertPreTokenizer()
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    trainer = WordPieceTrainer(vocab_size=2_000, special_tokens=list(special.values()), show_progress=False)
    pieces.train_from_iterator((json.loads(line)["question"] for line in lines[::4]), trainer)
    torch.manual_seed(7)
    size = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 64, "num_hidden_layers": 1}
    config = BertConfig(vocab_size=pieces.get_vocab_size(), max_position_embeddings=128, **size)
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "mbert")
    PreTrainedTokenizerFast(tokenizer_object=pieces, **special).save_pretrained(tmp_path / "mbert")
    words = ("--model", "mbert", "--model-path", tmp_path / "mbert", "--augment", "xqg", "--data-dir", xor_tydi)
    found = evaluated("mbert+xqg", "xor-tydi", *words)
    assert found["domain"] == "in-domain"
    assert found["retriever"]["similarity"] == "dot"
    assert "--model mbert --task xor-tydi --augment xqg" in found["provenance"]["command"]
    assert found["comparison"]["measures"]["R@2kt"]["macro"]["queries"] == sum(COUNTED.values())


def test_mr_tydi_is_read_in_the_layout_of_the_hub(evaluated: Evaluated, shared: Path, tmp_path: Path) -> None:
    hub = tmp_path / "data" / "mrtydi" / "mrtydi-v1.1-telugu"
    (hub / "ir-format-data").mkdir(parents=True)
    shutil.copy(shared / "mrtydi" / "topic.te.test.tsv", hub / "ir-format-data" / "topics.test.txt")
    shutil.copy(shared / "mrtydi" / "qrels.te.test.txt", hub / "ir-format-data" / "qrels.test.txt")
    lines = (shared / "mrtydi" / "qrels.te.test.txt").read_text(encoding="utf-8").splitlines()
    judged = dict.fromkeys(line.split()[2] for line in lines)
    texts = {
        line.split("\t")[0]: line.split("\t")[1]
        for line in (hub / "ir-format-data" / "topics.test.txt").read_text(encoding="utf-8").splitlines()
    }
    first = {line.split()[2]: texts[line.split()[0]] for line in lines}
    records = [{"docid": docid, "title": "", "text": first[docid]} for docid in judged]
    content = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    (hub / "corpus.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    card = (tasks.bundled_folder() / "mr-tydi.toml").read_text(encoding="utf-8")
    assert "te = 548224" in card
    (tmp_path / "cards").mkdir()
    small = card.replace("te = 548224", f"te = {len(judged)}")
    (tmp_path / "cards" / "mr-tydi.toml").write_text(small, encoding="utf-8")
    words = ("--languages", "te", "--data-dir", tmp_path / "data", "--tasks-dir", tmp_path / "cards")
    found = evaluated("bigrams@languages=te", "mr-tydi", *words)
    assert found["measures"]["RR@100"]["languages"]["te"]["queries"] == 646
    assert found["measures"]["RR@100"]["languages"]["te"]["mean"] > 0.9


def test_a_collection_of_another_size_than_the_official_one_is_refused(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "data" / "miracl" / "miracl-corpus-v1.0-sw"
    corpus.mkdir(parents=True)
    shutil.copy(shared / "miracl-sample" / "sw.corpus.jsonl.gz", corpus / "docs-0.jsonl.gz")
    for kind in ("topics", "qrels"):
        name = f"{kind}.miracl-v1.0-sw-dev.tsv"
        shutil.copy(shared / "miracl" / name, corpus.parent / name)
    monkeypatch.chdir(tmp_path)
    words = ["eval", "--model", "tests.conftest:Bigrams", "--task", "miracl", "--languages", "sw", "--quiet"]
    assert main([*words, "--data-dir", str(tmp_path / "data")]) == 1
    assert "3597 passages, but the card expects 131924" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_xquad_and_afriqa_are_evaluated_from_flat_copies(evaluated: Evaluated, shared: Path) -> None:
    languages = ["ar", "de"]
    found = evaluated(
        "bigrams+xqg~languages=query@languages=ar+de",
        "xquad-human",
        *("--languages", ",".join(languages), "--augment", "xqg:languages=query", "--data-dir", shared),
    )
    assert {lang: own["queries"] for lang, own in found["measures"]["nDCG@10"]["languages"].items()} == {
        "ar": 680,
        "de": 680,
    }
    afriqa = evaluated("bigrams", "afriqa", "--data-dir", shared)
    assert afriqa["complete"]
    assert afriqa["domain"] == "unknown"
    assert set(afriqa["measures"]) == {"nDCG@10", "R@2kt", "R@5kt"}
