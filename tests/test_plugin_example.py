"""The plugin in ``plugin_example``, installed by pip, and found by the program through its entry points."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parent / "plugin_example"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip installed the plugin to; built from a copy, without a network."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    words = [*pip, "--no-build-isolation", "--target", folder / "site", folder / "source"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def program(site: Path, folder: Path, *words: str) -> str:
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    call = [sys.executable, "-m", "xqgbench", *words]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_its_retriever_and_its_task_are_listed(site: Path, tmp_path: Path) -> None:
    assert "ngrams" in {model["name"] for model in json.loads(program(site, tmp_path, "models", "--json"))}
    listed = {task["name"]: task for task in json.loads(program(site, tmp_path, "tasks", "--json"))}
    assert listed["rivers"]["bundled"]
    assert "xqg-mini" in listed


def test_both_conform(site: Path, tmp_path: Path) -> None:
    shown = program(site, tmp_path, "check", "--model", "ngrams", "--task", "rivers")
    assert "'ngrams' keeps the contract of a retriever" in shown
    assert "'rivers' keeps the contract of a task" in shown


def test_they_are_evaluated_by_their_names(site: Path, tmp_path: Path) -> None:
    program(site, tmp_path, "eval", "--model", "ngrams", "--task", "rivers", "--augment", "xqg", "--quiet")
    for system in ("ngrams", "ngrams+xqg"):
        result = json.loads((tmp_path / "results" / "rivers" / system / "result.json").read_text(encoding="utf-8"))
        languages = result["measures"]["nDCG@10"]["languages"]
        assert {name: own["queries"] for name, own in languages.items()} == {"fi": 3, "de": 3}
        assert all(own["mean"] > 0.5 for own in languages.values())
    assert "ngrams+xqg" in program(site, tmp_path, "leaderboard")
