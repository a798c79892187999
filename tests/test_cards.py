"""The ``[sources.*]`` tables of cards, names, settings and expected counts: every field read, every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from xqgbench import tasks
from xqgbench.errors import DataError
from xqgbench.types import SourceFile, TaskCard

A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
COMMIT = "17329f6911ad9254b645e727dfb77c475e59aa44"
HEAD = """
name = "far"
title = "t"
description = "d"
version = "1"
format = "trec"
languages = ["sw", "te"]
control_languages = ["en"]
generated_languages = ["fi"]
split = "test"
measures = ["nDCG@10"]
main_measure = "nDCG@10"
cluster = "query"
license = "l"
citation = "c"
origin = []
"""
USUAL = f'path = "a.tsv"\nsha256 = "{A}"'
Q = "[sources.q]\n"


def read(folder: Path, tables: str, head: str = HEAD, expected: str = "") -> TaskCard:
    (folder / "far.toml").write_text(f"{head}\n{tables}\n[expected]\n{expected}\n", encoding="utf-8")
    return tasks.card("far", folder)


def files(folder: Path, table: str, head: str = HEAD) -> tuple[SourceFile, ...]:
    return read(folder, Q + table, head).sources["q"].files


# Paths


def test_a_source_is_one_file_for_all_languages(tmp_path: Path) -> None:
    source = read(tmp_path, Q + USUAL).sources["q"]
    assert source.files == (SourceFile("a.tsv", A),)
    assert (source.folder, source.revision, source.bytes, source.optional) == ("far", "", 0, False)


def test_a_language_in_the_path_makes_a_file_for_each_in_the_order_of_the_card(tmp_path: Path) -> None:
    hashes = f'[sources.q.sha256]\nte = "{B}"\nen = "{C}"\nsw = "{A}"'
    assert files(tmp_path, f'path = "{{language}}/a.tsv"\n{hashes}') == (
        SourceFile("sw/a.tsv", A, language="sw"),
        SourceFile("te/a.tsv", B, language="te"),
        SourceFile("en/a.tsv", C, language="en"),
    )


def test_a_source_may_have_files_of_some_languages(tmp_path: Path) -> None:
    table = f'path = "{{language}}.tsv"\nlanguages = ["te"]\nsha256 = "{A}"'
    assert files(tmp_path, table) == (SourceFile("te.tsv", A, language="te"),)


def test_a_source_may_have_files_of_generated_queries_in_languages_without_questions(tmp_path: Path) -> None:
    table = f'path = "{{language}}.tsv"\nlanguages = ["fi"]\nsha256 = {{ fi = "{A}" }}'
    assert files(tmp_path, table) == (SourceFile("fi.tsv", A, language="fi"),)


def test_the_data_sets_own_names_stand_for_languages_in_every_address(tmp_path: Path) -> None:
    head = HEAD + '[names]\nsw = "swahili"\n'
    table = (
        'path = "{name}/{language}.tsv"\nurl = "https://example.org/{name}?l={language}"\nlanguages = ["sw", "te"]\n'
        f'aliases = ["{{name}}.tsv"]\nsha256 = {{ sw = "{A}", te = "{B}" }}'
    )
    assert files(tmp_path, table, head) == (
        SourceFile("swahili/sw.tsv", A, "https://example.org/swahili?l=sw", "", "sw", ("swahili.tsv",)),
        SourceFile("te/te.tsv", B, "https://example.org/te?l=te", "", "te", ("te.tsv",)),
    )


def test_other_braces_in_a_path_are_its_own(tmp_path: Path) -> None:
    assert files(tmp_path, f'path = "{{x}}.tsv"\nsha256 = "{A}"')[0].path == "{x}.tsv"


def test_shards_are_counted_from_0_the_same_number_for_all(tmp_path: Path) -> None:
    found = files(tmp_path, f'path = "s-{{shard}}.jsonl"\nshards = 3\nsha256 = {{ 0 = "{A}", 1 = "{B}", 2 = "{C}" }}')
    assert found == (SourceFile("s-0.jsonl", A), SourceFile("s-1.jsonl", B), SourceFile("s-2.jsonl", C))


def test_shards_may_be_as_many_as_a_language_has(tmp_path: Path) -> None:
    table = (
        'path = "{language}/{shard}"\nlanguages = ["sw", "te"]\nshards = { sw = 1, te = 2 }\n'
        f'sha256 = {{ sw-0 = "{A}", te-0 = "{B}", te-1 = "{C}" }}'
    )
    assert files(tmp_path, table) == (
        SourceFile("sw/0", A, language="sw"),
        SourceFile("te/0", B, language="te"),
        SourceFile("te/1", C, language="te"),
    )


@pytest.mark.parametrize(
    "table",
    [
        'path = "a-{shard}"',  # as many as nobody says
        'path = "a"\nshards = 2',  # the same file twice
        'path = "a-{shard}"\nshards = 0',
        'path = "a-{shard}"\nshards = true',
        'path = "a-{shard}"\nshards = "2"',
        'path = "{language}-{shard}"\nshards = { sw = 1, te = 1 }',  # and en?
    ],
)
def test_shards_that_do_not_fit_the_path_are_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(DataError, match=r"far\.toml: source 'q': shards and \{shard\} in the path belong together"):
        read(tmp_path, f'{Q}{table}\nrevision = "1"')


@pytest.mark.parametrize("path", ["/etc/hostname", "../a", "a/../../b", "", ".", "{name}/a"])
def test_a_path_that_leaves_its_folder_is_refused_also_by_a_name(tmp_path: Path, path: str) -> None:
    head = HEAD + '[names]\nsw = ".."\n'
    with pytest.raises(DataError, match="leaves the folder of the card"):
        read(tmp_path, f'{Q}path = "{path}"\nrevision = "1"', head)


@pytest.mark.parametrize("folder", ["../a", "a/b", "/a", "."])
def test_a_folder_is_one_folder(tmp_path: Path, folder: str) -> None:
    with pytest.raises(DataError, match="must be the name of one folder"):
        read(tmp_path, f'{Q}{USUAL}\nfolder = "{folder}"')


def test_tasks_may_share_a_folder(tmp_path: Path) -> None:
    assert read(tmp_path, f'{Q}{USUAL}\nfolder = "shared"').sources["q"].folder == "shared"


# Pins


def test_a_revision_pins_files_without_a_hash(tmp_path: Path) -> None:
    table = f'path = "{{language}}"\nrevision = "v1"\nsha256 = {{ te = "{A}" }}'
    assert [file.sha256 for file in files(tmp_path, table)] == ["", A, ""]


@pytest.mark.parametrize("table", ['path = "a"', f'path = "{{language}}"\nsha256 = {{ te = "{A}", en = "{B}" }}'])
def test_a_file_that_nothing_pins_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(DataError, match=r"source 'q': nothing pins (a|sw); give its sha256"):
        read(tmp_path, Q + table)


@pytest.mark.parametrize("digest", ['"abc"', f'"{A.upper()}"', f'"{A}0"', "1", '["a"]'])
def test_a_hash_that_is_none_is_refused(tmp_path: Path, digest: str) -> None:
    with pytest.raises(DataError, match="sha256 of 'a' must be 64 hex digits"):
        read(tmp_path, f'{Q}path = "a"\nsha256 = {digest}')


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (f'path = "{{language}}"\nsha256 = {{ swa = "{A}" }}', "sha256 names 'swa'"),
        (f'path = "{{shard}}"\nshards = 2\nsha256 = {{ 2 = "{A}" }}', "sha256 names '2'"),
        (f'path = "a"\nsha256 = {{ sw = "{A}" }}', "sha256 names 'sw'"),
        ('path = "{language}-{shard}"\nshards = { sw = 1, te = 1, en = 1, ko = 1 }', "shards names 'ko'"),
    ],
)
def test_a_table_that_names_a_file_that_is_not_there_is_refused(tmp_path: Path, table: str, named: str) -> None:
    """A misspelt language would leave its file unpinned, where a revision lets it pass."""
    with pytest.raises(DataError, match=f"source 'q': {named}, which no file of it is for"):
        read(tmp_path, f'{Q}revision = "1"\n{table}')


def test_one_hash_for_several_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its sha256 must be a table"):
        read(tmp_path, f'{Q}path = "{{language}}"\nsha256 = "{A}"')


# Addresses


def test_a_hub_source_is_an_address_at_a_commit(tmp_path: Path) -> None:
    table = f'path = "{{language}}/a.gz"\nlanguages = ["sw"]\nhub = "org/set"\nrevision = "{COMMIT}"'
    address = f"https://huggingface.co/datasets/org/set/resolve/{COMMIT}/sw/a.gz"
    assert files(tmp_path, table) == (SourceFile("sw/a.gz", "", address, "", "sw"),)


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:7], ""])
def test_a_hub_source_at_a_branch_is_refused(tmp_path: Path, revision: str) -> None:
    with pytest.raises(DataError, match="a hub source needs its commit, 40 hex digits"):
        read(tmp_path, f'{Q}{USUAL}\nhub = "org/set"\nrevision = "{revision}"')


@pytest.mark.parametrize("field", ["url", "archive"])
def test_two_addresses_are_one_too_many(tmp_path: Path, field: str) -> None:
    with pytest.raises(DataError, match="url and archive say another"):
        read(tmp_path, f'{Q}{USUAL}\nhub = "org/set"\nrevision = "{COMMIT}"\n{field} = "https://example.org/a"')


@pytest.mark.parametrize("field", ["url", "archive"])
@pytest.mark.parametrize("address", ["ftp://example.org/a", "example.org/a", "file:///etc/hostname"])
def test_an_address_of_another_kind_is_refused(tmp_path: Path, field: str, address: str) -> None:
    with pytest.raises(DataError, match="is no http or https address"):
        read(tmp_path, f'{Q}{USUAL}\n{field} = "{address}"')


def test_an_archive_holds_the_file_as_its_path(tmp_path: Path) -> None:
    table = (
        f'path = "in/{{language}}.tsv"\nlanguages = ["sw"]\narchive = "https://x.org/{{language}}.zip"\nsha256 = "{A}"'
    )
    assert files(tmp_path, table)[0].archive == "https://x.org/sw.zip"


# Kinds


@pytest.mark.parametrize("field", ["path", "url", "archive", "hub", "revision", "folder"])
@pytest.mark.parametrize("value", ["1", "true", '["a"]', "{ sw = 'a' }"])
def test_a_text_that_is_none_is_named(tmp_path: Path, field: str, value: str) -> None:
    usual = "" if field == "path" else USUAL
    with pytest.raises(DataError, match=rf"far\.toml: source 'q': {field} = .* must be a string"):
        read(tmp_path, f"{Q}{usual}\n{field} = {value}")


@pytest.mark.parametrize("field", ["pth", "md5", "split"])
def test_an_unknown_field_is_named(tmp_path: Path, field: str) -> None:
    with pytest.raises(DataError, match=rf"far\.toml: source 'q' must have path and sha256.*\({field}\)"):
        read(tmp_path, f"{Q}{USUAL}\n{field} = 1")


def test_a_source_that_is_no_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="source 'q' must have path and sha256"):
        read(tmp_path, '[sources]\nq = "a.tsv"')


@pytest.mark.parametrize("languages", ['"sw"', "[1]", '["sw", "ko"]', "{ sw = 1 }"])
def test_languages_of_a_source_are_languages_of_the_card(tmp_path: Path, languages: str) -> None:
    with pytest.raises(DataError, match=r"source 'q': languages = .* must be a list of languages of the card"):
        read(tmp_path, f'{Q}path = "{{language}}"\nrevision = "1"\nlanguages = {languages}')


@pytest.mark.parametrize("aliases", ['"a"', "[1]", '["../a"]', '["a/b"]'])
def test_aliases_are_names_of_files(tmp_path: Path, aliases: str) -> None:
    with pytest.raises(DataError, match="source 'q': aliases must be a list of file names"):
        read(tmp_path, f"{Q}{USUAL}\naliases = {aliases}")


@pytest.mark.parametrize("field", ['bytes = "1"', "bytes = -1", "bytes = true", "bytes = 1.5", "optional = 1"])
def test_bytes_are_a_number_and_optional_is_true_or_false(tmp_path: Path, field: str) -> None:
    with pytest.raises(DataError, match="source 'q': bytes must be a number, optional true or false"):
        read(tmp_path, f"{Q}{USUAL}\n{field}")


def test_bytes_and_optional_are_read(tmp_path: Path) -> None:
    source = read(tmp_path, f"{Q}{USUAL}\nbytes = 66_600_000_000\noptional = true").sources["q"]
    assert (source.bytes, source.optional) == (66_600_000_000, True)


# Names, settings, languages, expected counts


@pytest.mark.parametrize("names", ['ko = "korean"', "sw = 1", 'sw = ""'])
def test_names_are_those_of_languages_of_the_card(tmp_path: Path, names: str) -> None:
    with pytest.raises(DataError, match=r"far\.toml: \[names\] must map languages of the card"):
        read(tmp_path, Q + USUAL, f"{HEAD}[names]\n{names}\n")


@pytest.mark.parametrize("language", ["../x", "a b", "a,b", "", "..", "macro"])
@pytest.mark.parametrize("field", ['languages = ["sw", "te"]', 'control_languages = ["en"]'])
def test_a_language_that_could_be_no_file_name_is_refused(tmp_path: Path, language: str, field: str) -> None:
    with pytest.raises(DataError, match="cannot be a language"):
        read(tmp_path, Q + USUAL, HEAD.replace(field, f'{field.partition("=")[0]}= ["{language}"]'))


def test_settings_and_homepage_are_read_as_they_are(tmp_path: Path) -> None:
    card = read(tmp_path, Q + USUAL, f'{HEAD}homepage = "https://x.org"\n[settings]\nsample = true\nn = {{ a = 1 }}\n')
    assert (dict(card.settings), card.homepage) == ({"sample": True, "n": {"a": 1}}, "https://x.org")


@pytest.mark.parametrize("settings", ["smple = true", 'sample = "yes"', "sample = 1", "fields = []"])
def test_a_setting_that_the_format_does_not_have_is_named_when_the_task_is_opened(
    tmp_path: Path, settings: str
) -> None:
    sources = "".join(
        f'[sources.{key}]\npath = "{{language}}.{key}"\nrevision = "1"\n' for key in ("topics", "qrels", "passages")
    )
    read(tmp_path, sources, f"{HEAD}[settings]\n{settings}\n")
    with pytest.raises(DataError, match=rf"far\.toml: .*setting .*{settings.partition(' ')[0]}"):
        tasks.open_task("far", tmp_path)


def test_counts_are_expected_per_language_and_passages_in_all_or_per_collection(tmp_path: Path) -> None:
    card = read(tmp_path, Q + USUAL, expected="passages = 4\nqueries = { sw = 2, en = 1 }")
    assert (card.expected_passages, card.passages_in("sw"), dict(card.expected_queries)) == (4, 4, {"sw": 2, "en": 1})
    card = read(tmp_path, Q + USUAL, expected="passages = { sw = 3, te = 4 }")
    assert (card.expected_passages, card.passages_in("sw"), card.passages_in("te"), card.passages_in("en")) == (
        7,
        3,
        4,
        0,
    )


@pytest.mark.parametrize(
    "expected",
    ["passages = { ko = 1 }", "passages = { sw = -1 }", "passages = { sw = true }", "queries = { sw = 1.0 }", "x = 1"],
)
def test_expected_counts_that_are_none_are_named(tmp_path: Path, expected: str) -> None:
    with pytest.raises(DataError, match=r"far\.toml: \[expected\]"):
        read(tmp_path, Q + USUAL, expected=expected)


# The bundled cards


def test_mr_tydis_files_are_those_of_the_hub_at_a_commit() -> None:
    card = tasks.card("mr-tydi")
    topics = {file.language: file for file in card.sources["topics"].files}
    assert topics["sw"].url == (
        "https://huggingface.co/datasets/castorini/mr-tydi/resolve/17329f6911ad9254b645e727dfb77c475e59aa44/"
        "mrtydi-v1.1-swahili/ir-format-data/topics.test.txt"
    )
    assert topics["sw"].aliases == ("topic.sw.test.tsv", "topics.sw.test.txt")
    assert len(topics) == 11


def test_miracl_has_the_shards_of_the_hub() -> None:
    card = tasks.card("miracl")
    assert len(card.sources["passages"].files) == 222  # 16,551 bytes of LFS lines in its .gitattributes
    assert sum(card.expected_collections.values()) == card.expected_passages == 106_332_152
    assert sum(card.expected_queries.values()) == 13_495


def test_mr_tydi_has_the_counts_of_its_paper() -> None:
    for name in ("mr-tydi", "mr-tydi-v1.0"):
        card = tasks.card(name)
        assert (card.expected_passages, sum(card.expected_queries.values())) == (58_043_326, 8_661)


def test_xquad_mono_has_the_counts_of_mteb() -> None:
    card = tasks.card("xquad-mono")
    assert (
        sum(card.expected_queries.values()) == 14_199
    )  # mteb 2.26.24, descriptive_stats/Retrieval/XQuADRetrieval.json
    assert set(card.expected_collections.values()) == {240}


@pytest.mark.parametrize("name", sorted(tasks.cards()))
def test_every_bundled_card_opens_with_the_settings_and_sources_of_its_format(name: str, tmp_path: Path) -> None:
    assert tasks.open_task(name, data_dir=tmp_path).card.name == name
