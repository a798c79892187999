"""Encoders that transformers runs: one for both roles, or one for each."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xqgbench.errors import MissingWeights
from xqgbench.retrievers import batches, devices, own_code
from xqgbench.retrievers.settings import Settings, read_json
from xqgbench.types import Loading, Passage, RetrieverInfo, Vectors


class TransformerRetriever:
    """Hidden states of the last layer, pooled; ``settings`` say how.

    Args:
        folders: of the encoder of passages, and of that of queries where it is another.
    """

    def __init__(self, info: RetrieverInfo, folders: Sequence[Path], settings: Settings, loading: Loading) -> None:
        self.info = info
        self._folders = tuple(folders)
        self._settings = settings
        self._loading = loading

    @functools.cached_property
    def _passages(self) -> _Encoder:
        return _Encoder(self._folders[0], self.info, self._settings, self._loading)

    @functools.cached_property
    def _queries(self) -> _Encoder:
        if len(self._folders) == 1:
            return self._passages
        return _Encoder(self._folders[1], self.info, self._settings, self._loading)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        prompted = [f"{self._settings.query_prompt}{text}" for text in texts]
        return self._queries.encode(prompted, self._settings.query_length)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        prompted = [f"{self._settings.passage_prompt}{p.joined(self._settings.title_join)}" for p in passages]
        return self._passages.encode(prompted, self._settings.passage_length)


class _Encoder:
    """A tokenizer and a model, the latter once per device."""

    def __init__(self, folder: Path, info: RetrieverInfo, settings: Settings, loading: Loading) -> None:
        self._dim, self._pooling = info.dim, settings.pooling
        places = devices.devices(loading.device)
        self._budget = devices.budget(places[0], settings.batch_tokens, deterministic=loading.deterministic)
        with devices.loading_quietly():
            self._tokenizer = _tokenizer(folder, settings, loading)
            model = _model(folder, info, settings, loading)
        self._models = devices.replicas(model, places)

    def encode(self, texts: Sequence[str], length: int) -> Vectors:
        tokenise = functools.partial(
            self._tokenizer, padding=True, truncation=True, max_length=length, return_tensors="pt"
        )
        forwards = [functools.partial(self._forward, model) for model in self._models]
        with devices.one_thread_each():
            return batches.encode(texts, tokenise, forwards, self._dim, self._budget)

    def _forward(self, model: Any, features: Mapping[str, Any]) -> Vectors:
        import torch

        with torch.inference_mode():
            on_device = {name: value.to(model.device) for name, value in features.items()}
            output = model(**on_device)
            if "last_hidden_state" in output:
                found = pooled(output.last_hidden_state.float(), on_device["attention_mask"], self._pooling)
            else:  # encoders of DPR give the vector alone, and call it so
                found = output.pooler_output.float()
            vectors: Vectors = found.cpu().numpy()
            return vectors


def pooled(hidden: Any, mask: Any, pooling: str) -> Any:
    """One vector per text, (texts, dim), from hidden states (texts, tokens, dim) and the mask of tokens that count."""
    import torch

    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last-token":
        places = torch.arange(1, mask.shape[1] + 1, device=mask.device)
        return hidden[torch.arange(len(hidden), device=mask.device), (mask * places).argmax(dim=1)]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def _tokenizer(folder: Path, settings: Settings, loading: Loading) -> Any:
    tokenizer = _as_its_files_say(folder, settings, loading)
    # Decoders do not see what follows, and counted positions begin with the text: vectors do not depend on the padding.
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:  # of decoders; padding is masked, so any token will do
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _as_its_files_say(folder: Path, settings: Settings, loading: Loading) -> Any:
    from transformers import AutoTokenizer, BertTokenizerFast

    # transformers lowercases for DPR folders whatever their files say, and for BERT ones that do not say.
    of_dpr = read_json(folder / "config.json").get("model_type") == "dpr"
    arguments: dict[str, Any] = {"do_lower_case": False} if settings.cased else {}
    if of_dpr:
        return BertTokenizerFast.from_pretrained(folder, local_files_only=True, **arguments)
    return AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=loading.trust_remote_code, **arguments
    )


def _model(folder: Path, info: RetrieverInfo, settings: Settings, loading: Loading) -> Any:
    """The model, ready to encode, with every weight from its file.

    Raises:
        MissingWeights: the files lack some, which transformers would make up.
        InvalidParameter: its vectors have other dimensions than the card says, or it is code that is not trusted.
    """
    import transformers

    config = read_json(folder / "config.json")
    code: dict[str, Any] = {"trust_remote_code": loading.trust_remote_code}
    code |= {"code_revision": settings.code_revision} if settings.code_revision else {"local_files_only": True}
    if loading.trust_remote_code and "AutoModel" in config.get("auto_map", {}):
        model, missing = own_code.loaded(folder, code)
    else:
        own_code.refuse(folder, info.name)
        # AutoModel takes every DPR folder for an encoder of questions.
        architecture = next(iter(config.get("architectures") or ()), "")
        factory = getattr(transformers, architecture) if architecture.startswith("DPR") else transformers.AutoModel
        # Weights in a .bin file are read by torch's restricted unpickler (weights_only), the default of transformers.
        model, report = factory.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        missing = report["missing_keys"]
    lacking = sorted(key for key in missing if "pooler" not in key)
    if lacking:
        raise MissingWeights(
            f"the weights in {folder} lack {len(lacking)} tensors of {type(model).__name__}, '{lacking[0]}' "
            f"among them: they are those of another architecture than config.json says, or only a part. Copy the "
            f"checkpoint again."
        )
    of_dpr = config.get("model_type") == "dpr"
    width = (of_dpr and model.config.projection_dim) or model.config.get_text_config().hidden_size
    devices.need_width(folder, info, width)
    return devices.in_dtype(model.eval(), loading.dtype)
