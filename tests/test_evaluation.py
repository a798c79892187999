"""What is checked before an evaluation starts, and what a result says about how it was made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bigrams, TaskWriter
from xqgbench import provenance, registry, results
from xqgbench.augmentations.xqg import XQG
from xqgbench.encode import identity
from xqgbench.errors import DataError, InvalidParameter, MissingData, UnknownName
from xqgbench.evaluation import check, evaluate
from xqgbench.fusion import Fusion
from xqgbench.tasks import open_task
from xqgbench.types import RetrieverInfo, Task

PLAIN, FUSED = registry.augmentation("none"), registry.augmentation("xqg")


@pytest.fixture
def task(write_task: TaskWriter) -> Task:
    return open_task("small", write_task())


def qrels_of(*pairs: tuple[str, str]) -> str:
    return "".join(f"{query}\t0\t{passage}\t1\n" for query, passage in pairs)


# What is checked


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [(None, ("fi", "ja")), ((), ("fi", "ja")), (("ja", "fi"), ("fi", "ja")), (("ja",), ("ja",)), (["fi"], ("fi",))],
)
def test_languages_are_chosen_in_the_order_of_the_card(task: Task, asked: Any, chosen: tuple[str, ...]) -> None:
    assert check(task, PLAIN, asked) == chosen


def test_a_language_that_the_task_lacks_is_refused(task: Task) -> None:
    with pytest.raises(UnknownName, match=r"language of small 'fii'.*'fi'"):
        check(task, PLAIN, ["fi", "fii"])


@pytest.mark.parametrize(
    ("measures", "depth", "deepest"),
    [
        ('["nDCG@2", "RR@3", "R@2kt"]', 3, "RR@3"),
        ('["RR@3", "nDCG@2"]', 3, "RR@3"),
        ('["R@100"]', 100, "R@100"),
        ('["MRR@7", "AP"]', 7, "RR@7"),
    ],
)
def test_a_depth_below_the_deepest_cut_off_is_refused_with_the_measures_name(
    write_task: TaskWriter, measures: str, depth: int, deepest: str
) -> None:
    main = json.loads(measures)[0]
    task = open_task("small", write_task(card={"measures": measures, "main_measure": f'"{main}"'}))
    assert check(task, PLAIN, depth=depth) == ("fi", "ja")
    for shallow in (depth - 1, 1):
        with pytest.raises(InvalidParameter, match=f"depth={shallow} is too small: {deepest} needs at least {depth}"):
            check(task, PLAIN, depth=shallow)


def test_measures_without_a_cut_off_can_be_had_at_any_depth_from_one_on(write_task: TaskWriter) -> None:
    fields: dict[str, str | None] = {"measures": '["AP", "RR", "R@2kt"]', "main_measure": '"AP"'}
    task = open_task("small", write_task(card=fields))
    assert check(task, PLAIN, depth=1) == ("fi", "ja")
    for depth in (0, -1):
        with pytest.raises(InvalidParameter, match=f"depth={depth} is too small"):
            check(task, PLAIN, depth=depth)


def test_a_depth_that_is_too_small_is_refused_before_anything_is_encoded(task: Task, tmp_path: Path) -> None:
    retriever = Bigrams()
    with pytest.raises(InvalidParameter, match=r"nDCG@10 needs at least 10"):
        evaluate(retriever, task, depth=9)
    assert retriever.calls == 0
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("cluster", ["passage", "query"])
def test_clusters_by_passage_need_a_file_of_judged_passages(write_task: TaskWriter, cluster: str) -> None:
    fields: dict[str, str | None] = {"measures": '["R@2kt"]', "main_measure": '"R@2kt"', "cluster": f'"{cluster}"'}
    folder = write_task(card=fields)
    text = (folder / "small.toml").read_text(encoding="utf-8")
    start, end = text.index("[sources.qrels]"), text.index("[expected]")
    (folder / "small.toml").write_text(text[:start] + text[end:], encoding="utf-8")
    task = open_task("small", folder)
    if cluster == "query":
        assert check(task, PLAIN) == ("fi", "ja")
        return
    with pytest.raises(DataError, match=r"small: cluster = 'passage' needs judged passages \(qrels\)"):
        check(task, PLAIN)


def test_an_augmentation_that_the_task_cannot_serve_is_refused(write_task: TaskWriter) -> None:
    task = open_task("small", write_task(card={"generated_languages": "[]"}))
    assert check(task, PLAIN) == ("fi", "ja")
    with pytest.raises(MissingData, match="no generated queries"):
        check(task, FUSED)


# Clusters


LINKED = qrels_of(("fi-1", "p0"), ("fi-2", "p3"), ("ja-1", "p0"), ("ja-1", "p3"), ("ja-2", "p2"))


def test_questions_linked_through_another_language_alone_stay_one_cluster_in_a_subset(write_task: TaskWriter) -> None:
    """fi-1 is about p0 and fi-2 about p3; only ja-1, which is about both, makes them one."""
    folder = write_task(qrels=LINKED)
    whole, part = (evaluate(Bigrams(), "small", "xqg", tasks_dir=folder, languages=chosen) for chosen in (None, ["fi"]))
    assert part.plain.languages == ("fi",)
    for found in (whole.plain, part.plain):
        assert found.clusters["fi"]["fi-1"] == found.clusters["fi"]["fi-2"]
    assert whole.plain.clusters["ja"]["ja-1"] == whole.plain.clusters["fi"]["fi-1"]
    assert whole.plain.clusters["ja"]["ja-2"] != whole.plain.clusters["fi"]["fi-1"]
    [row] = part.comparisons["nDCG@10"].rows
    same = whole.comparisons["nDCG@10"].rows[0]
    assert (row.queries, row.clusters, row.p) == (2, 1, 1.0)
    assert (row.clusters, row.p, row.low, row.high) == (same.clusters, same.p, same.low, same.high)
    assert (part.comparisons["nDCG@10"].clusters, whole.comparisons["nDCG@10"].clusters) == (1, 2)


def test_without_the_link_they_are_two(write_task: TaskWriter) -> None:
    found = evaluate(Bigrams(), "small", tasks_dir=write_task(), languages=["fi"]).plain
    assert found.clusters["fi"]["fi-1"] != found.clusters["fi"]["fi-2"]


def test_clusters_by_query_never_join(write_task: TaskWriter) -> None:
    folder = write_task(qrels=LINKED, card={"cluster": '"query"'})
    found = evaluate(Bigrams(), "small", tasks_dir=folder).plain
    assert sorted(n for own in found.clusters.values() for n in own.values()) == [0, 1, 2, 3]


def test_a_passage_judged_not_relevant_links_nothing(write_task: TaskWriter) -> None:
    folder = write_task(qrels=LINKED.replace("ja-1\t0\tp3\t1", "ja-1\t0\tp3\t0"))
    found = evaluate(Bigrams(), "small", tasks_dir=folder, languages=["fi"]).plain
    assert found.clusters["fi"]["fi-1"] != found.clusters["fi"]["fi-2"]


# What a result says


def test_a_result_carries_the_card_and_all_its_languages_also_of_a_subset(task: Task, tmp_path: Path) -> None:
    evaluation = evaluate(Bigrams(), task, "xqg", languages=["ja"])
    [plain, fused] = [results.read_result(folder) for folder, _ in evaluation.save(tmp_path / "results")]
    for found in (evaluation.plain, plain, fused):
        assert (found.card_sha256, found.card_languages, found.languages) == (task.card.sha256, ("fi", "ja"), ("ja",))


def test_saving_says_what_became_of_each_folder(task: Task, tmp_path: Path) -> None:
    saved = evaluate(Bigrams(), task, "xqg").save(tmp_path / "results")
    names = [(folder.name, status) for folder, status in saved]
    assert names == [("bigrams", "written"), ("bigrams+xqg", "written")]
    again = evaluate(Bigrams(), task, "xqg", seed=7).save(tmp_path / "results")
    assert [status for _, status in again] == ["unchanged", "replaced"]


def test_an_augmentation_object_is_named_by_its_settings(task: Task) -> None:
    found = evaluate(Bigrams(), task, XQG(Fusion(alpha=0.5))).augmented
    assert found is not None
    assert found.system == "bigrams+xqg:alpha=0.5"
    assert "augment:xqg(alpha=0.5," in found.signature
    assert "--augment xqg:alpha=0.5" in found.details["provenance"]["command"]


def retriever_part(signature: str) -> str:
    [part] = [part for part in signature.split("|") if part.startswith("retriever:")]
    return part.removeprefix("retriever:")


def test_the_signature_names_the_retriever_and_the_hash_of_its_identity(task: Task) -> None:
    retriever = Bigrams()
    whole = hashlib.sha256(json.dumps(identity(retriever), sort_keys=True).encode()).hexdigest()
    found = evaluate(retriever, task).plain
    assert retriever_part(found.signature) == f"bigrams@{whole[:12]}"
    assert found.details["retriever"]["identity"] == whole


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("query_prompt", "query: "),
        ("passage_prompt", "passage: "),
        ("query_length", 32),
        ("passage_length", 128),
        ("pooling", "cls"),
        ("title_join", "\n"),
        ("similarity", "dot"),
        ("revision", "2"),
    ],
)
def test_whatever_can_change_a_vector_changes_the_signature(task: Task, field: str, value: Any) -> None:
    changed = Bigrams()
    changed.info = replace(changed.info, **{field: value})
    before, after = (evaluate(retriever, task).plain.signature for retriever in (Bigrams(), changed))
    assert retriever_part(before) != retriever_part(after)
    assert before.replace(retriever_part(before), "") == after.replace(retriever_part(after), "")


def test_what_cannot_change_a_vector_leaves_the_signature(task: Task) -> None:
    other = Bigrams()
    other.info = replace(other.info, license="MIT", notes="a note", trained_on=("nq",))
    assert evaluate(other, task).plain.signature == evaluate(Bigrams(), task).plain.signature


@pytest.mark.parametrize(
    ("trained_on", "domain"),
    [
        (None, "unknown"),
        ((), "out-of-domain"),
        (("squad",), "out-of-domain"),
        (("xor-tydi",), "in-domain"),
        (("XOR-TyDi",), "in-domain"),
        (("squad", "SMALL"), "in-domain"),
        (("STRASSE",), "in-domain"),  # folded, not lowered: "ß" is "ss"
        (("xor",), "out-of-domain"),
    ],
)
def test_the_domain_compares_names_whatever_their_case(
    write_task: TaskWriter, trained_on: tuple[str, ...] | None, domain: str
) -> None:
    card = open_task("small", write_task(card={"origin": '["XOR-TyDi", "Straße"]'})).card
    assert provenance.domain(RetrieverInfo(name="mine", dim=2, trained_on=trained_on), card) == domain
