"""How a checkpoint turns a text into a vector: from its card, from its own files, or as the user says."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from xqgbench.errors import InvalidParameter, UnknownName
from xqgbench.types import Similarity

POOLINGS = ("cls", "mean", "last-token")
#: Tokens, where neither card nor files name a limit.
USUAL_LENGTH = 512
#: Decoders see a whole text at its last token alone.
_DECODERS = ("ForCausalLM", "LMHeadModel")
#: Prompt names of sentence-transformers for the two roles, in the order of its own encode_document.
_ROLES = {"query_prompt": ("query",), "passage_prompt": ("document", "passage", "corpus")}
#: RoBERTa's positions begin behind the padding index.
_OFFSET_POSITIONS = ("xlm-roberta", "roberta", "camembert", "xlm-roberta-xl", "xmod", "longformer", "mpnet")


@dataclass(frozen=True, slots=True)
class Settings:
    """What changes a vector beside the weights.

    Attributes:
        pooling: ``cls``, ``mean``, ``last-token``; empty where sentence-transformers' modules decide.
        query_length, passage_length: tokens after which texts are cut, special tokens included.
        cased: the model tells capitals from small letters, whatever its tokenizer's files leave open.
        code_revision: pinned revision of code that the checkpoint takes from another repository of the hub.
        batch_tokens: padded tokens per batch; 0 for the usual number. Changes speed and memory, not vectors.
    """

    pooling: str = ""
    query_prompt: str = ""
    passage_prompt: str = ""
    query_length: int = USUAL_LENGTH
    passage_length: int = USUAL_LENGTH
    title_join: str = " "
    similarity: Similarity = "cosine"
    cased: bool = False
    code_revision: str = ""
    batch_tokens: int = 0

    def __post_init__(self) -> None:
        if self.pooling and self.pooling not in POOLINGS:
            raise UnknownName("pooling", self.pooling, POOLINGS)
        if self.similarity not in get_args(Similarity):
            raise UnknownName("similarity", self.similarity, get_args(Similarity))
        for name in ("query_length", "passage_length"):
            if getattr(self, name) < 1:
                raise InvalidParameter(f"{name}={getattr(self, name)} leaves nothing of a text; it must be positive.")
        if self.batch_tokens < 0:
            raise InvalidParameter(f"batch_tokens={self.batch_tokens} must not be negative; 0 is the usual number.")


def changed(settings: Settings, said: Mapping[str, Any]) -> Settings:
    """The settings with what a card, or ``--set NAME=VALUE``, says in their place.

    Raises:
        UnknownName: no such setting, pooling or similarity.
        InvalidParameter: a length that is no positive whole number.
    """
    known = {field.name: field.default for field in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    for name, value in said.items():
        if name not in known:
            raise UnknownName("setting", name, known)
        values[name] = _read(name, value, type(known[name]))
    return dataclasses.replace(settings, **values)


def differences(said: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """What was set, in the order of ``names``, as parts of a system's name; no plain values are hashed."""
    return [f"{name}.{_shown(said[name])}" for name in names if name in said]


def _shown(value: str) -> str:
    return value if re.fullmatch("[A-Za-z0-9-]+", value) else hashlib.sha256(value.encode()).hexdigest()[:6]


def _read(name: str, value: Any, kind: type) -> Any:
    """A value of a setting, from TOML or from the command line."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[str(value).lower()]
        return kind(value)
    except (KeyError, ValueError):
        wanted = "true or false" if kind is bool else "a whole number"
        raise InvalidParameter(f"setting {name}={value} must be {wanted}.") from None


def from_files(folder: Path, said: Mapping[str, str]) -> tuple[Settings, tuple[str, ...]]:
    """The settings of a checkpoint that no card describes, and what nobody says and is assumed.

    Args:
        said: what the user says; comes before config.json, tokenizer_config.json, and the files of
            sentence-transformers.
    """
    config, own = read_json(folder / "config.json"), read_json(folder / "config_sentence_transformers.json")
    prompts = own.get("prompts") or {}
    found: dict[str, Any] = {
        role: next((prompts[name] for name in names if prompts.get(name)), "") for role, names in _ROLES.items()
    }
    assumed = {
        role: f"no {role.replace('_', ' ')}"
        for role, names in _ROLES.items()
        if not any(name in prompts for name in names)
    }
    limit = _length(folder, config)
    for role in ("query_length", "passage_length"):
        found[role] = limit or USUAL_LENGTH
        if not limit:
            assumed[role] = f"{role} {USUAL_LENGTH}"
    found["similarity"] = own.get("similarity_fn_name") or "cosine"
    if not own.get("similarity_fn_name"):
        assumed["similarity"] = "similarity cosine"
    if not (folder / "modules.json").is_file():
        found["pooling"], known = _pooling(folder, config)
        if not known:
            assumed["pooling"] = f"pooling {found['pooling']}"
    assumed["title_join"] = "title and text joined by a space"
    settings = changed(Settings(), {**found, **said})
    return settings, tuple(text for name, text in assumed.items() if name not in said)


def dimensions(folder: Path) -> int:
    """Dimensions of its vectors: cut to so many, or of the last module that sets them, else of the hidden states.

    0 where modules decide that do not say in their settings.

    Raises:
        InvalidParameter: its files do not say.
    """
    found = 0
    own = read_json(folder / "config_sentence_transformers.json")
    modules = modules_of(folder)
    for module in modules:
        config = read_json(folder / str(module.get("path", "")) / "config.json")
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind == "Dense":
            found = int(config.get("out_features", 0))
        elif kind == "Pooling":
            width = config.get("embedding_dimension") or config.get("word_embedding_dimension") or 0
            found = int(width) * max(len(_modes(config)), 1)
    config = read_json(folder / "config.json")
    config = config.get("text_config") or config
    of_dpr = config.get("model_type") == "dpr"  # projects where it says so
    names = (*(("projection_dim",) if of_dpr else ()), "hidden_size", "d_model", "n_embd", "dim")
    sizes = (config.get(name) for name in names)
    found = (modules and own.get("truncate_dim")) or found or int(next(filter(None, sizes), 0))
    if not found and not modules:
        raise InvalidParameter(f"{folder / 'config.json'} does not say how many dimensions the vectors have.")
    return found


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file.

    Raises:
        InvalidParameter: the file holds something else.
    """
    found = _json(path)
    if found is not None and not isinstance(found, dict):
        raise InvalidParameter(f"{path} holds no JSON object; copy the checkpoint again.")
    return found or {}


def modules_of(folder: Path) -> list[dict[str, Any]]:
    """The modules of sentence-transformers that modules.json lists; none where there is no such file.

    Raises:
        InvalidParameter: the file holds something else.
    """
    found = _json(folder / "modules.json")
    if found is not None and not (isinstance(found, list) and all(isinstance(module, dict) for module in found)):
        raise InvalidParameter(f"{folder / 'modules.json'} holds no list of modules; copy the checkpoint again.")
    return found or []


def _json(path: Path) -> Any:
    """What a file of JSON holds; None where there is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InvalidParameter(f"{path} is not JSON ({error}); copy the checkpoint again.") from None


def _pooling(folder: Path, config: Mapping[str, Any]) -> tuple[str, bool]:
    """Pooling, and whether the files say so."""
    modes = _modes(read_json(folder / "1_Pooling" / "config.json"))
    for name, mode in (("cls", "cls"), ("mean", "mean"), ("last-token", "lasttoken")):
        if mode in modes:
            return name, True
    architecture = next(iter(config.get("architectures") or ()), "")
    if architecture.startswith("DPR"):
        return "cls", True
    if architecture.endswith(_DECODERS):
        return "last-token", False
    return "mean", False


def _modes(config: Mapping[str, Any]) -> list[str]:
    """What a Pooling module concatenates: named since version 6 of sentence-transformers, a switch each until then."""
    said = config.get("pooling_mode") or [
        name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for name, on in config.items()
        if name.startswith("pooling_mode_") and on
    ]
    return [said] if isinstance(said, str) else list(said)


def _length(folder: Path, config: Mapping[str, Any]) -> int:
    """The least of the limits that its files name; 0 where they name none."""
    limits = (
        read_json(folder / "sentence_bert_config.json").get("max_seq_length"),
        read_json(folder / "tokenizer_config.json").get("model_max_length"),  # 10**30 stands for none
        _positions(config),
    )
    return min((int(limit) for limit in limits if limit and limit < 10**6), default=0)


def _positions(config: Mapping[str, Any]) -> int:
    """How many tokens the model has positions for; 0 where its configuration does not say."""
    found = int(config.get("max_position_embeddings") or 0)
    if found and config.get("model_type") in _OFFSET_POSITIONS:
        padding = config.get("pad_token_id")
        return found - (1 if padding is None else int(padding)) - 1
    return found


def need_positions(folder: Path, said: Mapping[str, str]) -> None:
    """Refuse lengths, of those that the user says, beyond what the model can read.

    Raises:
        InvalidParameter: naming the setting and the limit.
    """
    limit = _positions(read_json(folder / "config.json"))
    for name in ("query_length", "passage_length"):
        if 0 < limit < int(said.get(name, 0)):
            raise InvalidParameter(
                f"{name}={said[name]} is more than the checkpoint in {folder} can read: it has positions for {limit} "
                f"tokens. Set {name} to {limit} or less."
            )
