"""Checkpoints that no card describes, or that have two encoders, modules, or code of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import PASSAGES
from tests.test_retrievers import DIM, QUERIES, SMALL, card, folder, hidden, model, opened, trained
from xqgbench import registry
from xqgbench.encode import identity
from xqgbench.errors import InvalidParameter, MissingWeights, UnknownName, UsageError
from xqgbench.provenance import named_model
from xqgbench.retrievers.checkpoints import from_card, from_folder
from xqgbench.retrievers.settings import Settings, dimensions, from_files
from xqgbench.types import Loading, ModelCard

__all__ = ["folder", "model", "trained"]  # fixtures

TEXTS = [p["text"] for p in PASSAGES]


def write(path: Path, **fields: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields), encoding="utf-8")


def updated(path: Path, **fields: Any) -> None:
    write(path, **{**json.loads(path.read_bytes()), **fields})


# A folder that no card describes


def test_a_folder_is_named_and_described_by_its_files_and_what_they_do_not_say_is_assumed(folder: Path) -> None:
    retriever = registry.retriever(str(folder))
    info = retriever.info
    assert (info.name, info.dim, info.similarity, info.pooling) == ("tiny", DIM, "cosine", "mean")
    assert (info.query_length, info.passage_length, info.trained_on) == (64, 64, None)
    assert info.assumed == (
        "no query prompt",
        "no passage prompt",
        "similarity cosine",
        "pooling mean",
        "title and text joined by a space",
    )
    assert retriever.encode_queries(QUERIES).shape == (len(QUERIES), DIM)


def test_what_the_user_says_is_not_assumed_and_stands_in_the_name(folder: Path) -> None:
    said = {"pooling": "cls", "query_prompt": "query: ", "query_length": "8", "similarity": "dot"}
    info = from_folder(folder, Loading(settings=said)).info
    assert info.assumed == ("no passage prompt", "title and text joined by a space")
    assert (info.pooling, info.query_prompt, info.query_length, info.similarity) == ("cls", "query: ", 8, "dot")
    assert info.name.startswith("tiny_pooling.cls_query_prompt.")
    assert info.name.endswith("_query_length.8_similarity.dot")
    registry.retriever(str(folder), Loading(settings=said))  # so it is a name that the registry takes


def test_the_name_does_not_depend_on_the_order_of_settings(folder: Path) -> None:
    names = {
        from_folder(folder, Loading(settings=said)).info.name
        for said in ({"pooling": "cls", "query_length": "8"}, {"query_length": "8", "pooling": "cls"})
    }
    assert names == {"tiny_pooling.cls_query_length.8"}


@pytest.mark.parametrize("spec", [".", "../tiny", "../tiny/", "./"])
def test_a_folder_has_one_name_however_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.chdir(folder)
    info = registry.retriever(spec).info
    assert (info.name, info.notes) == ("tiny", "weights of folder tiny")
    assert named_model(spec) == "tiny"


def test_a_folder_with_a_space_is_quoted_in_the_recorded_command(folder: Path) -> None:
    assert named_model(str(folder.rename(folder.parent / "my model"))) == "'my model'"


@pytest.mark.parametrize("spec", ["./nothere", "../nothere", "/nothere/tiny", "~/nothere"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(spec: str) -> None:
    with pytest.raises(InvalidParameter, match=f"there is no folder {spec}"):
        registry.retriever(spec)


def test_a_prompt_is_put_before_every_text(folder: Path) -> None:
    plain = opened(card(query_length=40, passage_length=40), folder)
    prompted = from_card(
        card(query_length=40, passage_length=40),
        Loading(path=folder, settings={"query_prompt": "Mikä: ", "passage_prompt": "joki: "}),
    )
    np.testing.assert_array_equal(
        prompted.encode_queries(QUERIES), plain.encode_queries([f"Mikä: {text}" for text in QUERIES])
    )
    joined = [f"joki: {p.title} {p.text}" for p in SMALL]
    np.testing.assert_allclose(prompted.encode_passages(SMALL), plain.encode_queries(joined), rtol=0, atol=1e-5)


def test_prompts_lengths_and_similarity_come_from_the_files_of_sentence_transformers(folder: Path) -> None:
    prompts = {"query": "q: ", "document": "", "passage": "p: "}
    write(folder / "config_sentence_transformers.json", prompts=prompts, similarity_fn_name="dot")
    write(folder / "sentence_bert_config.json", max_seq_length=20)
    write(folder / "1_Pooling" / "config.json", pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    settings, assumed = from_files(folder, {})
    assert settings == Settings("cls", "q: ", "p: ", 20, 20, " ", "dot")
    assert assumed == ("title and text joined by a space",)


@pytest.mark.parametrize(
    ("config", "pooling", "known"),
    [
        ({"architectures": ["BertModel"]}, "mean", False),
        ({"architectures": ["DPRContextEncoder"]}, "cls", True),
        ({"architectures": ["Qwen3ForCausalLM"]}, "last-token", False),
        ({}, "mean", False),
    ],
)
def test_the_pooling_follows_from_the_architecture(
    tmp_path: Path, config: dict[str, Any], pooling: str, known: bool
) -> None:
    write(tmp_path / "config.json", **config)
    settings, assumed = from_files(tmp_path, {})
    assert settings.pooling == pooling
    assert (f"pooling {pooling}" in assumed) == (not known)


@pytest.mark.parametrize(
    ("config", "length"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"max_position_embeddings": 514, "model_type": "xlm-roberta", "pad_token_id": 1}, 512),
        ({"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 0}, 513),
        ({"max_position_embeddings": 8192}, 8192),
        ({}, 512),
    ],
)
def test_the_length_is_the_number_of_positions(tmp_path: Path, config: dict[str, Any], length: int) -> None:
    write(tmp_path / "config.json", **config)
    assert from_files(tmp_path, {})[0].passage_length == length


def test_dimensions_are_those_of_the_last_module_that_sets_them(tmp_path: Path) -> None:
    write(tmp_path / "config.json", hidden_size=768)
    assert dimensions(tmp_path) == 768
    modules = [{"path": ""}, {"path": "1_Pooling", "type": "x.Pooling"}, {"path": "2_Dense", "type": "x.Dense"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules[:2]), encoding="utf-8")
    both = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}
    write(tmp_path / "1_Pooling" / "config.json", word_embedding_dimension=768, **both)
    assert dimensions(tmp_path) == 2 * 768
    (tmp_path / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    write(tmp_path / "2_Dense" / "config.json", in_features=1536, out_features=512)
    assert dimensions(tmp_path) == 512
    write(tmp_path / "config_sentence_transformers.json", truncate_dim=64)
    assert dimensions(tmp_path) == 64


@pytest.mark.parametrize(("modes", "width"), [("mean", 768), (["cls", "mean"], 1536)])
def test_pooling_is_read_as_sentence_transformers_6_writes_it(tmp_path: Path, modes: Any, width: int) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([{"path": "1_Pooling", "type": "x.Pooling"}]), encoding="utf-8")
    write(tmp_path / "1_Pooling" / "config.json", embedding_dimension=768, pooling_mode=modes)
    assert dimensions(tmp_path) == width
    (tmp_path / "modules.json").unlink()
    assert from_files(tmp_path, {})[0].pooling == ("mean" if modes == "mean" else "cls")


def test_a_folder_without_a_checkpoint_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"neither config\.json nor modules\.json"):
        registry.retriever(str(tmp_path))


def test_a_damaged_file_of_settings_is_named(folder: Path) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidParameter, match=r"config\.json is not JSON"):
        registry.retriever(str(folder))


@pytest.mark.parametrize(("content", "reason"), [("[", "is not JSON"), ('["Pooling"]', "holds no list of modules")])
def test_a_damaged_list_of_modules_is_named(folder: Path, content: str, reason: str) -> None:
    (folder / "modules.json").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidParameter, match=rf"modules\.json {reason}"):
        registry.retriever(str(folder))


def test_a_folder_called_as_a_built_in_model_is_not_taken_for_it(folder: Path) -> None:
    named = folder.rename(folder.parent / "mbert")
    with pytest.raises(UsageError, match=r"'mbert', as a built-in model.*--model-path"):
        registry.retriever(str(named))


# Settings


@pytest.mark.parametrize(
    ("said", "error", "match"),
    [
        ({"poolng": "cls"}, UnknownName, "setting 'poolng'. Did you mean 'pooling'"),
        ({"pooling": "clz"}, UnknownName, "pooling 'clz'. Did you mean 'cls'"),
        ({"similarity": "euclidean"}, UnknownName, "similarity 'euclidean'"),
        ({"query_length": "many"}, InvalidParameter, "query_length=many must be a whole number"),
        ({"passage_length": "0"}, InvalidParameter, "passage_length=0"),
        ({"cased": "yes"}, InvalidParameter, "cased=yes must be true or false"),
        ({"batch_tokens": "-1"}, InvalidParameter, "batch_tokens=-1"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    folder: Path, said: dict[str, str], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        registry.retriever(str(folder), Loading(settings=said))


def test_a_length_that_the_model_has_no_positions_for_is_refused(folder: Path) -> None:
    registry.retriever(str(folder), Loading(settings={"passage_length": "64"}))
    with pytest.raises(InvalidParameter, match=r"passage_length=65 is more than .* positions for 64 tokens"):
        registry.retriever(str(folder), Loading(settings={"passage_length": "65"}))


@pytest.mark.parametrize(
    "loading",
    [
        Loading(settings={"pooling": "cls"}),
        Loading(dtype="float16"),
        Loading(device="cpu"),
        Loading(deterministic=True),
        Loading(trust_remote_code=True),
    ],
)
def test_options_of_checkpoints_are_refused_where_they_would_be_ignored(loading: Loading) -> None:
    with pytest.raises(InvalidParameter, match="would change nothing: 'e5-small'"):
        registry.retriever("e5-small", loading)


def test_a_device_that_is_not_here_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidParameter, match="device 'cuda:7' cannot be used"):
        opened_with(folder, device="cuda:7").encode_queries(QUERIES)


# How it computes


def opened_with(folder: Path, **loading: Any) -> Any:
    return from_card(card(), Loading(path=folder, **loading))


def test_deterministic_vectors_do_not_depend_on_other_texts_at_all(folder: Path) -> None:
    retriever = opened_with(folder, deterministic=True)
    texts = [*QUERIES, *TEXTS]
    together = retriever.encode_queries(texts)
    alone = np.concatenate([retriever.encode_queries([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()
    assert retriever.encode_queries(texts[::-1])[::-1].tobytes() == together.tobytes()
    assert identity(retriever) != identity(opened_with(folder))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_near_and_another_system(folder: Path, dtype: Any) -> None:
    half, full = opened_with(folder, dtype=dtype), opened_with(folder)
    found, expected = half.encode_queries(QUERIES), full.encode_queries(QUERIES)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.1
    assert half.info.name == f"tiny_{dtype}"
    assert identity(half)["dtype"] == dtype


def test_several_devices_share_the_texts(folder: Path) -> None:
    texts = [f"{i} joki" for i in range(64)]
    one = opened_with(folder, settings={"batch_tokens": "32"})
    two = opened_with(folder, device="cpu,cpu", settings={"batch_tokens": "32"})
    np.testing.assert_array_equal(two.encode_queries(texts), one.encode_queries(texts))
    assert len({id(model) for model in two._queries._models}) == 2


def test_the_number_of_threads_is_left_as_it_was(folder: Path) -> None:
    import torch

    before = torch.get_num_threads()
    opened_with(folder).encode_queries(QUERIES)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("side", ["right", "left"])
def test_last_token_pooling_takes_the_last_token_of_the_text(folder: Path, trained: Any, model: Any, side: str) -> None:
    """Whatever side its tokenizer pads on: BERT's positions would begin at the padding."""
    updated(folder / "tokenizer_config.json", padding_side=side)
    retriever = from_card(card(pooling="last-token"), Loading(path=folder))
    expected = np.stack([hidden(trained, model, text, 6)[-1] for text in QUERIES])
    np.testing.assert_allclose(retriever.encode_queries(QUERIES), expected, rtol=0, atol=1e-5)


@pytest.fixture
def decoder(folder: Path, trained: Any) -> Path:
    """Of Qwen's shape, with rotary positions, and a tokenizer that has no token for padding."""
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(6)
    config = Qwen3Config(
        vocab_size=trained.get_vocab_size(),
        hidden_size=DIM,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        initializer_range=0.3,
    )
    path = folder.parent / "decoder"
    Qwen3ForCausalLM(config).save_pretrained(path)
    special = {"unk_token": "[UNK]", "eos_token": "[SEP]", "padding_side": "left", "model_max_length": 10**30}
    PreTrainedTokenizerFast(tokenizer_object=trained, **special).save_pretrained(path)
    return path


def test_a_decoder_is_encoded_alike_alone_and_in_a_batch(decoder: Path) -> None:
    retriever = registry.retriever(str(decoder))
    assert (retriever.info.pooling, retriever.info.query_length) == ("last-token", 32768)
    texts = [*QUERIES, *TEXTS]
    alone = np.concatenate([retriever.encode_queries([text]) for text in texts])
    np.testing.assert_allclose(retriever.encode_queries(texts), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_leaves_rotary_frequencies_as_transformers_does(decoder: Path, dtype: Any) -> None:
    """In bfloat16 they would be wrong by whole positions far into a text."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    text = " ".join(TEXTS * 8)
    theirs = AutoModel.from_pretrained(decoder, dtype=getattr(torch, dtype)).eval()
    tokens = AutoTokenizer.from_pretrained(decoder)(text, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        expected = theirs(**tokens).last_hidden_state[:, -1].float().numpy()
    found = registry.retriever(str(decoder), Loading(dtype=dtype)).encode_queries([text])
    np.testing.assert_array_equal(found, expected)


# Two encoders


@pytest.fixture
def split(tmp_path: Path, folder: Path) -> Path:
    """Encoders of DPR's kind, with other weights for each role."""
    import shutil

    import torch
    from transformers import DPRConfig, DPRContextEncoder, DPRQuestionEncoder

    path = tmp_path / "split"
    known = json.loads((folder / "config.json").read_bytes())
    fields = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config = DPRConfig(**{name: known[name] for name in (*fields, "max_position_embeddings", "initializer_range")})
    for role, encoder, seed in (("passage", DPRContextEncoder, 1), ("query", DPRQuestionEncoder, 2)):
        torch.manual_seed(seed)
        encoder(config).save_pretrained(path / role)
        for file in folder.glob("tokenizer*"):
            shutil.copy(file, path / role / file.name)
        updated(path / role / "tokenizer_config.json", do_lower_case=False)
        vocabulary = json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]
        words = sorted(vocabulary, key=vocabulary.get)
        (path / role / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    return path


def split_card() -> ModelCard:
    return replace(card(title_join=" [SEP] ", cased=True), query_hub_id="nobody/query")


def test_each_role_has_its_own_encoder_loaded_whole(split: Path, trained: Any) -> None:
    """AutoModel would take the encoder of passages for one of questions, and make its weights up."""
    import torch
    from transformers import DPRContextEncoder, DPRQuestionEncoder

    retriever = from_card(split_card(), Loading(path=split))
    joined = [f"{p.title} [SEP] {p.text}" for p in SMALL]
    for encoder, role, found, texts, length in (
        (DPRQuestionEncoder, "query", retriever.encode_queries(QUERIES), QUERIES, 6),
        (DPRContextEncoder, "passage", retriever.encode_passages(SMALL), joined, 16),
    ):
        reference = encoder.from_pretrained(split / role).eval()
        for text, vector in zip(texts, found, strict=True):
            ids = trained.encode(text).ids
            ids = ids if len(ids) <= length else [*ids[: length - 1], ids[-1]]
            with torch.inference_mode():
                expected = reference(torch.tensor([ids])).pooler_output[0].numpy()
            np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-5)


def test_an_encoder_of_dprs_kind_may_project(split: Path) -> None:
    import torch
    from transformers import DPRContextEncoder

    config = DPRContextEncoder.config_class.from_pretrained(split / "passage", projection_dim=8)
    torch.manual_seed(4)
    DPRContextEncoder(config).save_pretrained(split / "passage")
    retriever = registry.retriever(str(split / "passage"))
    assert retriever.info.dim == 8
    assert retriever.encode_queries(QUERIES).shape == (len(QUERIES), 8)


def test_both_encoders_count_for_the_revision(split: Path) -> None:
    before = from_card(split_card(), Loading(path=split)).info.revision
    updated(split / "query" / "config.json", layer_norm_eps=1e-3)
    assert from_card(split_card(), Loading(path=split)).info.revision != before


def test_an_encoder_that_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(MissingWeights, match=r"passage is not there: model 'tiny' has two encoders.*query/"):
        from_card(split_card(), Loading(path=folder))


def test_weights_that_do_not_fit_the_architecture_are_refused(folder: Path) -> None:
    """transformers would fill in random ones and say so in a log."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        MissingWeights, match=r"lack 1 tensors of BertModel, 'encoder\.layer\.1\.output\.dense\.weight'"
    ):
        opened(card(), folder).encode_queries(QUERIES)


# XLM-R's shape


def test_a_checkpoint_of_xlm_rs_kind_is_encoded_alike_alone_and_in_a_batch(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(3)
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted({word for text in TEXTS for word in f"▁{text}".split()})]
    tokenizer = Tokenizer(models.Unigram([(word, -float(i)) for i, word in enumerate(words)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    config = XLMRobertaConfig(
        vocab_size=len(words),
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        pad_token_id=1,
        initializer_range=0.3,
    )
    path = tmp_path / "xlmr"
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(path)
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "cls_token": "<s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(path)
    retriever = registry.retriever(str(path), Loading(settings={"pooling": "cls"}))
    assert retriever.info.passage_length == 64
    texts = ["The river", *TEXTS, "river " * 100]
    together = retriever.encode_queries(texts)
    alone = np.concatenate([retriever.encode_queries([text]) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    slot = replace(registry.model_cards()["xlmr-xdr"], dim=DIM)
    assert from_card(slot, Loading(path=path)).encode_queries(texts).shape == (len(texts), DIM)


def test_the_slot_without_public_weights_asks_for_a_folder() -> None:
    with pytest.raises(MissingWeights, match=r"not public\. Name a folder with a checkpoint of your own: --model-path"):
        registry.retriever("xlmr-xdr")


# Code that comes with a checkpoint

CODE = '''
import torch
from transformers import BertConfig, BertModel


class OwnConfig(BertConfig):
    model_type = "own"


class OwnModel(BertModel):
    """BERT with a buffer that is no part of its weights, as rotary frequencies are."""

    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config, add_pooling_layer=False)
        self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)

    def forward(self, **inputs):
        found = super().forward(**inputs)
        found.last_hidden_state = found.last_hidden_state * self.scale
        return found
'''


@pytest.fixture
def own(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (folder / "own.py").write_text(CODE + f'\nopen({str(tmp_path / "ran")!r}, "w").close()\n', encoding="utf-8")
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    updated(folder / "config.json", auto_map=auto_map, model_type="own", architectures=["OwnModel"])
    return folder


def test_code_is_not_run_unless_it_is_trusted(own: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="Read that code, and allow it with --trust-remote-code"):
        opened(card(), own).encode_queries(QUERIES)
    assert not (tmp_path / "ran").exists()


def test_trusted_code_runs_with_all_its_buffers(own: Path, trained: Any, model: Any, tmp_path: Path) -> None:
    retriever = opened_with(own, trust_remote_code=True)
    found = retriever.encode_queries(QUERIES)
    assert (tmp_path / "ran").exists()
    expected = np.stack([2 * hidden(trained, model, text, 6)[0] for text in QUERIES])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert "code" in retriever.info.notes


@pytest.fixture
def own_modules(own: Path) -> Path:
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    entries = [{"idx": i, "name": str(i), **entry} for i, entry in enumerate(listed)]
    (own / "modules.json").write_text(json.dumps(entries), encoding="utf-8")
    write(own / "1_Pooling" / "config.json", word_embedding_dimension=DIM, pooling_mode_cls_token=True)
    return own


def test_code_behind_modules_is_not_run_unless_it_is_trusted(own_modules: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"config\.json, auto_map.*allow it with --trust-remote-code"):
        registry.retriever(str(own_modules)).encode_queries(QUERIES)
    assert not (tmp_path / "ran").exists()


def test_modules_of_own_code_are_refused_unless_it_is_trusted(modules: Path) -> None:
    listed = json.loads((modules / "modules.json").read_bytes())
    listed[1]["type"] = "own.Pooling"
    (modules / "modules.json").write_text(json.dumps(listed), encoding="utf-8")
    with pytest.raises(InvalidParameter, match=r"modules\.json, own\.Pooling.*allow it with --trust-remote-code"):
        registry.retriever(str(modules)).encode_queries(QUERIES)


def test_trusted_code_behind_modules_runs_with_all_its_buffers(own_modules: Path, trained: Any, model: Any) -> None:
    """sentence-transformers loads it with whatever stood in memory before in the place of them."""
    retriever = registry.retriever(str(own_modules), Loading(trust_remote_code=True))
    expected = np.stack([2 * hidden(trained, model, text, 64)[0] for text in QUERIES])
    np.testing.assert_allclose(retriever.encode_queries(QUERIES), expected, rtol=0, atol=1e-4)


def test_weights_of_trusted_code_may_be_in_torchs_own_format(own: Path) -> None:
    import torch
    from safetensors.torch import load_file

    expected = opened_with(own, trust_remote_code=True).encode_queries(QUERIES)
    torch.save(load_file(own / "model.safetensors"), own / "pytorch_model.bin")
    (own / "model.safetensors").unlink()
    found = opened_with(own, trust_remote_code=True).encode_queries(QUERIES)
    np.testing.assert_array_equal(found, expected)


def test_the_code_counts_for_the_revision(own: Path) -> None:
    before = opened(card(), own).info.revision
    (own / "own.py").write_text(CODE.replace("2.0", "3.0"), encoding="utf-8")
    assert opened(card(), own).info.revision != before


# Modules of sentence-transformers


@pytest.fixture
def modules(folder: Path) -> Path:
    """Pooling, a dense layer and normalisation behind the small model, saved by the library itself."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as parts

    torch.manual_seed(5)
    transformer = parts.Transformer(str(folder), max_seq_length=16)
    pooling = parts.Pooling(DIM, "cls")
    dense = parts.Dense(DIM, 8, activation_function=torch.nn.Tanh())
    path = folder.parent / "modules"
    SentenceTransformer(modules=[transformer, pooling, dense, parts.Normalize()], device="cpu").save(str(path))
    return path


def test_modules_are_run_by_sentence_transformers_with_its_own_outcome(modules: Path) -> None:
    from sentence_transformers import SentenceTransformer

    retriever = registry.retriever(str(modules))
    assert (retriever.info.dim, retriever.info.pooling, retriever.info.query_length) == (8, "modules.json", 16)
    assert "sentence-transformers" in retriever.info.libraries
    theirs = SentenceTransformer(str(modules), device="cpu").encode([*QUERIES, *TEXTS])
    np.testing.assert_allclose(retriever.encode_queries([*QUERIES, *TEXTS]), theirs, rtol=0, atol=1e-5)


def test_texts_are_batched_and_deterministic_ones_are_alone_with_modules_too(modules: Path) -> None:
    retriever = registry.retriever(str(modules), Loading(deterministic=True))
    texts = [*QUERIES, *TEXTS]
    shapes: list[int] = []
    retriever._models[0].register_forward_pre_hook(  # type: ignore[attr-defined]
        lambda _, given: shapes.append(len(given[0]["input_ids"]))
    )
    together = retriever.encode_queries(texts)
    assert shapes == [1] * len(texts)
    alone = np.concatenate([retriever.encode_queries([text]) for text in texts])
    assert together.tobytes() == alone.tobytes()


def saved(folder: Path, *more: Any, **options: Any) -> tuple[Path, Any]:
    """A folder of modules that begin with the small model, and the SentenceTransformer that was saved there."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules as parts

    path = folder.parent / "saved"
    modules = [parts.Transformer(str(folder), max_seq_length=40), *more]
    made = SentenceTransformer(modules=modules, device="cpu", **options)
    made.save(str(path))
    return path, made


def test_a_pooling_that_leaves_the_prompt_out_does_so_here(folder: Path) -> None:
    from sentence_transformers.sentence_transformer import modules as parts

    prompts = {"query": "Mikä on joki: ", "document": "The river: ", "passage": "joki "}
    path, theirs = saved(folder, parts.Pooling(DIM, "mean", include_prompt=False), prompts=prompts)
    retriever = registry.retriever(str(path))
    assert (retriever.info.query_prompt, retriever.info.passage_prompt) == (prompts["query"], prompts["document"])
    np.testing.assert_allclose(retriever.encode_queries(QUERIES), theirs.encode_query(QUERIES), rtol=0, atol=1e-5)
    joined = [f"{p.title} {p.text}" for p in SMALL]
    np.testing.assert_allclose(retriever.encode_passages(SMALL), theirs.encode_document(joined), rtol=0, atol=1e-5)


def test_a_model_with_a_route_for_each_role_takes_it(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.router import Router
    from sentence_transformers.sentence_transformer import modules as parts

    routes = [[parts.Transformer(str(folder)), parts.Pooling(DIM, mode)] for mode in ("mean", "cls")]
    theirs = SentenceTransformer(modules=[Router.for_query_document(*routes)], device="cpu")
    path = folder.parent / "router"
    theirs.save(str(path))
    retriever = registry.retriever(str(path))
    assert retriever.info.dim == DIM
    np.testing.assert_allclose(retriever.encode_queries(QUERIES), theirs.encode_query(QUERIES), rtol=0, atol=1e-5)
    joined = [f"{p.title} {p.text}" for p in SMALL]
    np.testing.assert_allclose(retriever.encode_passages(SMALL), theirs.encode_document(joined), rtol=0, atol=1e-5)
    updated(path / "query_1_Pooling" / "config.json", pooling_mode="cls")
    assert registry.retriever(str(path)).info.revision != retriever.info.revision


def test_static_embeddings_run_without_a_limit_of_length(trained: Any, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    theirs = SentenceTransformer(modules=[StaticEmbedding(trained, embedding_dim=16)], device="cpu")
    theirs.save(str(tmp_path / "static"))
    retriever = registry.retriever(str(tmp_path / "static"))
    assert retriever.info.dim == 16
    np.testing.assert_allclose(retriever.encode_queries(QUERIES), theirs.encode(QUERIES), rtol=0, atol=1e-5)


def test_vectors_are_cut_where_the_files_of_sentence_transformers_say_so(folder: Path) -> None:
    from sentence_transformers.sentence_transformer import modules as parts

    path, theirs = saved(folder, parts.Pooling(DIM, "mean"), truncate_dim=8)
    retriever = registry.retriever(str(path))
    assert retriever.info.dim == 8
    np.testing.assert_allclose(retriever.encode_queries(QUERIES), theirs.encode(QUERIES), rtol=0, atol=1e-5)


def test_a_changed_module_is_another_revision(modules: Path) -> None:
    before = registry.retriever(str(modules)).info.revision
    weights = next(modules.glob("2_Dense/*.safetensors"))
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert registry.retriever(str(modules)).info.revision != before


def test_lengths_of_the_two_roles_may_differ(modules: Path) -> None:
    retriever = registry.retriever(str(modules), Loading(settings={"query_length": "4", "passage_length": "12"}))
    cut, longer = retriever.encode_queries([TEXTS[0], TEXTS[0][:30]])
    np.testing.assert_allclose(cut, longer, rtol=0, atol=1e-5)
    passages = retriever.encode_passages([replace(SMALL[0], title=""), replace(SMALL[0], title="", text=TEXTS[0][:9])])
    assert np.abs(passages[0] - passages[1]).max() > 1e-3


def test_a_pooling_that_the_user_names_takes_the_place_of_the_modules(modules: Path, trained: Any, model: Any) -> None:
    loading = Loading(settings={"pooling": "mean"})
    with pytest.raises(InvalidParameter, match=f"has {DIM} dimensions"):
        registry.retriever(str(modules), loading).encode_queries(QUERIES)
    retriever = from_card(card(pooling="mean"), Loading(path=modules))
    expected = np.stack([hidden(trained, model, text, 6).mean(axis=0) for text in QUERIES])
    np.testing.assert_allclose(retriever.encode_queries(QUERIES), expected, rtol=0, atol=1e-5)


# The cards


@pytest.mark.parametrize("name", [n for n, c in registry.model_cards().items() if c.hub_id])
def test_cards_of_the_hub_say_all_that_a_checkpoint_needs(name: str) -> None:
    found = registry.model_cards()[name]
    settings = {**found.settings, "similarity": found.similarity}
    assert Settings(**settings)
    for repository, revision in (
        (found.hub_id, found.hub_revision),
        (found.query_hub_id, found.query_hub_revision),
    ):
        assert not repository or revision == "main" or (len(revision) == 40 and int(revision, 16))
    assert found.license
    assert found.size


def test_an_id_of_the_hub_that_a_card_has_is_the_model_of_that_card(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its own files do not say that queries of e5 begin with "query: ", nor what it was trained on."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match="model 'me5-small' are not in the local cache"):
        registry.retriever("intfloat/multilingual-e5-small")
    renamed = folder.rename(folder.parent / "mbert-msmarco")
    copied = registry.retriever("castorini/mdpr-tied-pft-msmarco", Loading(path=renamed)).info
    assert (copied.name, copied.trained_on, copied.query_length) == ("mbert-msmarco", ("msmarco",), 512)
    with pytest.raises(MissingWeights, match="model 'intfloat/multilingual-e5-small@v1' are not in the local cache"):
        registry.retriever("intfloat/multilingual-e5-small@v1")
    with pytest.raises(MissingWeights, match="model 'castorini/mdpr-passage-nq' are not in the local cache"):
        registry.retriever("castorini/mdpr-passage-nq")  # one of two encoders is not the model


def test_an_id_of_the_hub_is_looked_for_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights, match=r"model 'nobody/nothing@v1' are not in the local cache.*--model FOLDER"):
        registry.retriever("nobody/nothing@v1")
