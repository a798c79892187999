"""Names to objects: how a retriever, an augmentation or a task format is found.

A retriever may be named in the ways that the README lists: a built-in name, an entry point in the group
``xqgbench.retrievers``, a checkpoint folder, ``owner/name`` of the Hugging Face hub, ``openai:URL#MODEL``,
``path/to/file.py:Class``, ``package.module:Class``, or be the Python object itself (also a model of beir, mteb or
sentence-transformers).
Nothing heavy is imported until the one that is wanted is known.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any, cast

from xqgbench.errors import InvalidParameter, UnknownName, UsageError
from xqgbench.types import Augmentation, Files, Loading, ModelCard, Retriever, RetrieverInfo, Task, TaskCard

FORMATS = {
    "xor-retrieve": "xqgbench.formats.xor_retrieve:open_task",
    "squad": "xqgbench.formats.squad:open_task",
    "gold-passages": "xqgbench.formats.gold_passages:open_task",
    "trec": "xqgbench.formats.collections:open_trec",
    "beir": "xqgbench.formats.collections:open_beir",
    "jsonl": "xqgbench.formats.collections:open_jsonl",
    "ir_datasets": "xqgbench.formats.ir_datasets_ids:open_task",
}
_CHECKPOINTS = "xqgbench.retrievers.checkpoints"
#: ``owner/name``, and a revision where one is wanted.
_HUB_ID = r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(@[A-Za-z0-9._/-]+)?"
#: Models that bring weights of another layout, and what writes them as a checkpoint folder.
EXPORTERS = {"e5-small": "xqgbench.retrievers.e5_checkpoint:export"}
AUGMENTATIONS = {"none": "xqgbench.augmentations.plain:Plain", "xqg": "xqgbench.augmentations.xqg:XQG"}


@functools.cache
def model_cards() -> Mapping[str, ModelCard]:
    """The retrievers known by name, from ``retrievers/models.toml``."""
    text = (resources.files("xqgbench") / "retrievers" / "models.toml").read_text(encoding="utf-8")
    cards = {}
    for name, entry in tomllib.loads(text).items():
        trained_on = entry.pop("trained_on", None)
        cards[name] = ModelCard(name=name, trained_on=None if trained_on is None else tuple(trained_on), **entry)
    return cards


def plugins(group: str) -> dict[str, metadata.EntryPoint]:
    """Installed entry points of ``xqgbench.<group>``, by name."""
    return {point.name: point for point in metadata.entry_points(group=f"xqgbench.{group}")}


def retriever(spec: str | object, loading: Loading | None = None) -> Retriever:
    """The retriever that ``spec`` names, ready to encode (weights are loaded at the first text).

    Args:
        loading: how checkpoints are loaded; nothing in it applies to the retrievers that load themselves.

    Raises:
        UnknownName: no such name; suggests the nearest.
        UsageError: the object named is no retriever, or an option does not apply to it.
        MissingError: a package or the weights are missing.
    """
    loading = loading or Loading()
    if not isinstance(spec, str):
        _applies(loading, type(spec).__name__)
        return _conforming(spec, type(spec).__name__)
    if loading.path is not None and not loading.path.is_dir():
        raise InvalidParameter(f"--model-path {loading.path} is not a folder; name the one that holds config.json.")
    installed = plugins("retrievers")
    local = spec not in installed and Path(spec).is_dir()
    if not local:
        spec = _known(spec)
    if spec in model_cards():
        card = model_cards()[spec]
        if loading.path is not None and not card.hub_id and card.extra != "models":
            raise InvalidParameter(f"model '{spec}' brings its own weights; --model-path is for models from the hub.")
        if not card.checkpoint:
            _applies(loading, spec)
        return _conforming(import_object(card.factory)(card, loading), spec)
    if loading.path is not None:
        raise InvalidParameter(
            f"--model-path goes with a model known by name from the hub, not with '{spec}'; a folder that no card "
            f"describes is named with --model."
        )
    if spec.startswith("openai:"):
        _applies(dataclasses.replace(loading, settings={}), spec)
        return _named(import_object("xqgbench.retrievers.openai_endpoint:from_name")(spec, loading.settings), spec)
    if local:
        return _named(import_object(f"{_CHECKPOINTS}:from_folder")(Path(spec), loading), spec)
    if spec.startswith(("/", "./", "../", "~")) and ":" not in spec:
        raise InvalidParameter(f"there is no folder {spec}; a checkpoint is named by its folder, a class by FILE:NAME.")
    if spec not in installed and re.fullmatch(_HUB_ID, spec) and not spec.endswith(".py"):
        return _named(import_object(f"{_CHECKPOINTS}:from_hub")(spec, loading), spec)
    if spec in installed or ":" in spec:
        _applies(loading, spec)
        return _conforming(installed[spec].load() if spec in installed else import_object(spec), spec)
    hint = (
        "'xqgbench models' lists them; your own: a checkpoint folder, owner/name of the hub, openai:URL#MODEL, "
        "file.py:Class or package.module:Class."
    )
    raise UnknownName("model", spec, [*model_cards(), *installed], hint)


def _known(spec: str) -> str:
    """The name of the model whose weights an id of the hub names: its files do not say all that its card does."""
    found = (name for name, card in model_cards().items() if card.hub_id == spec and not card.query_hub_id)
    return next(found, spec)


def _applies(loading: Loading, spec: str) -> None:
    """Refuse what would be ignored.

    Raises:
        InvalidParameter: an option for checkpoints, where the retriever loads itself.
    """
    options = {
        "--set": loading.settings,
        "--dtype": loading.dtype != "float32",
        "--device": loading.device,
        "--deterministic": loading.deterministic,
        "--trust-remote-code": loading.trust_remote_code,
    }
    given = [option for option, value in options.items() if value]
    if given:
        raise InvalidParameter(
            f"{' and '.join(given)} would change nothing: '{spec}' is no checkpoint that xqgbench loads. Leave it out, "
            f"or set the same in the retriever."
        )


def _named(found: Any, spec: str) -> Retriever:
    """A retriever that takes its name from a folder, a repository or a server.

    Raises:
        InvalidParameter: a built-in model has that name, so that its results would be replaced.
    """
    if found.info.name in model_cards():
        raise InvalidParameter(
            f"'{spec}' would be called '{found.info.name}', as a built-in model is. If it is a copy of that model's "
            f"folder, name both: --model {found.info.name} --model-path FOLDER. Else give it another name; that behind "
            f"# of an endpoint may be any, with --set query_model=NAME and passage_model=NAME."
        )
    return _conforming(found, spec)


def augmentation(spec: str | Augmentation) -> Augmentation:
    """The augmentation that ``NAME`` or ``NAME:parameters`` names; parameters go to its ``parse`` as they are.

    Raises:
        UnknownName, InvalidParameter: no such augmentation or parameter.
    """
    if not isinstance(spec, str):
        return spec
    name, _, parameters = spec.partition(":")
    installed = plugins("augmentations")
    if name in AUGMENTATIONS:
        factory = import_object(AUGMENTATIONS[name])
    elif name in installed:
        factory = installed[name].load()
    else:
        raise UnknownName("augmentation", name, [*AUGMENTATIONS, *installed])
    made: Augmentation = factory.parse(parameters)
    return made


def task_format(name: str) -> Callable[[TaskCard, Files], Task]:
    """What opens task cards of a format."""
    installed = plugins("formats")
    if name in FORMATS:
        return cast(Callable[[TaskCard, Files], Task], import_object(FORMATS[name]))
    if name in installed:
        return cast(Callable[[TaskCard, Files], Task], installed[name].load())
    raise UnknownName("format", name, [*FORMATS, *installed])


def exporter(name: str) -> Callable[[ModelCard, Path], None]:
    """What writes the weights of a model as a checkpoint folder, given its card and the folder.

    Raises:
        UnknownName: no such model, or none that can be exported.
    """
    if name not in EXPORTERS:
        raise UnknownName("model to export", name, EXPORTERS, "Models from the hub are checkpoint folders as they are.")
    return cast(Callable[[ModelCard, Path], None], import_object(EXPORTERS[name]))


def import_object(spec: str) -> Any:
    """The object that ``package.module:name`` or ``path/to/file.py:name`` names.

    Raises:
        UsageError: the file, module or name does not exist. What the module itself raises comes through as it is.
    """
    where, _, name = spec.rpartition(":")
    if not where or not name:
        raise UsageError(f"'{spec}' does not name an object; write file.py:Class or package.module:Class.")
    try:
        module = _file_module(Path(where)) if where.endswith(".py") else _named_module(where, spec)
    except SystemExit as error:  # with its code, perhaps 0, a command would seem to have come to its end
        raise UsageError(
            f"{where} ends the program when it is imported (sys.exit({error.code})). Put what only a script does below "
            f'if __name__ == "__main__".'
        ) from error
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise UnknownName(f"name in {where}", name, public)
    return getattr(module, name)


def _file_module(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"there is no file {path}; the part before the colon must be a Python file.")
    # The name carries place and content, so that a changed file, or its copy elsewhere, is another module.
    key = hashlib.sha256(str(path.resolve()).encode() + b"\0" + path.read_bytes()).hexdigest()
    name = f"xqgbench_plugin_{path.stem}_{key[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # as for every .py file
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))  # as for a script: what lies beside it can be imported
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _named_module(name: str, spec: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise  # the module exists; something that it imports does not
        raise UsageError(
            f"cannot import '{name}' (from '{spec}'): {error}. Is it installed in this environment?"
        ) from None


def _conforming(found: Any, spec: str) -> Retriever:
    candidate = found() if isinstance(found, type) else found
    if not callable(getattr(candidate, "encode_passages", None)):  # perhaps an object of another library
        candidate = import_object("xqgbench.retrievers.adapters:adapted")(candidate)
    lacking = [m for m in ("encode_queries", "encode_passages") if not callable(getattr(candidate, m, None))]
    if lacking:
        raise UsageError(
            f"'{spec}' is no retriever: it lacks {' and '.join(lacking)}. A retriever has info, encode_queries(texts) "
            f"and encode_passages(passages); docs/plugins.md shows one in ten lines. Models of beir, mteb and "
            f"sentence-transformers are taken as they are."
        )
    info = getattr(candidate, "info", None)
    if not isinstance(info, RetrieverInfo):
        raise UsageError(
            f"'{spec}' is no retriever: its info is {type(info).__name__}, not xqgbench.RetrieverInfo. "
            f"Set info = RetrieverInfo(name='my-model', dim=384)."
        )
    if info.similarity not in ("dot", "cosine"):
        raise UsageError(f"'{spec}': similarity '{info.similarity}' is not known; use 'dot' or 'cosine'.")
    if info.dim < 1:
        raise UsageError(f"'{spec}': dim={info.dim!r} must be a positive whole number.")
    if not is_plain_name(info.name):
        raise UsageError(
            f"'{spec}': the name '{info.name}' becomes part of file names; use letters, digits and . _ - alone."
        )
    return candidate  # type: ignore[no-any-return]


def is_plain_name(name: str) -> bool:
    """Can it be part of a file name everywhere? Letters, digits and . _ - alone, and not dots alone."""
    return bool(name.strip(".")) and re.fullmatch(r"[A-Za-z0-9._-]+", name) is not None
