import io
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, small_disk, small_recipe, write_corpus
from hub_stub import stub_hub
from reference_pairs import reference_pairs

from recipe.config import PairsConfig
from recipe.corpus import Document, read_documents, split_of
from recipe.errors import InputError
from recipe.pairs import builder as pair_builders
from recipe.pairs import dataset as pair_dataset
from recipe.pairs.builder import NextSentencePairs, pair_builder, pair_config, write_rows
from recipe.pairs.dataset import build_pair_dataset, load_pairs, training_passes
from recipe.pairs.statistics import describe
from recipe.pipeline import run_stage
from recipe.tokens import build as token_builds
from recipe.tokens.store import open_token_store, store_hash

SPLITS = ("train", "validation")


@pytest.fixture(scope="module")
def stores(prepared):
    return {split: str(prepared.folder / "store" / split) for split in SPLITS}


def arrow_pairs(stores, tokenizer_folder, rules, seed, cache_dir):
    builder = pair_builder(pair_config(stores, tokenizer_folder, rules, seed), cache_dir)
    write_rows(builder, rules.max_shard_size)
    return builder.as_dataset()


def rows_of(dataset):
    return {split: dataset[split].to_list() for split in SPLITS}


def documents_of(folder: str) -> list[list[list[int]]]:
    store = open_token_store(Path(folder))
    sentences = [store.tokens[start:end].tolist() for start, end in pairwise(store.sentence_offsets)]
    return [sentences[start:end] for start, end in pairwise(store.document_offsets)]


def test_rows_are_cls_a_sep_b_sep_of_the_reference_pairs(prepared, stores):
    dataset = load_pairs(prepared)
    config = pair_config(stores, prepared.folder / "tokenizer", prepared.pairs, prepared.seed)
    for split in SPLITS:
        expected = reference_pairs(documents_of(stores[split]), config.rules(), config.seed, 0)
        assert len(dataset[split]) == len(expected)
        for row, pair in zip(dataset[split], expected, strict=True):
            a, b = pair["segment_a"], pair["segment_b"]
            assert row["input_ids"] == [2, *a, 3, *b, 3]
            assert row["token_type_ids"] == [0] * (len(a) + 2) + [1] * (len(b) + 1)
            assert (row["next_sentence_label"], row["row_id"]) == (pair["next_sentence_label"], pair["row_id"])


def test_columns_are_small(prepared):
    features = load_pairs(prepared)["train"].features
    assert {name: str(feature) for name, feature in features.items()} == {
        "input_ids": "List(Value('uint16'))",
        "token_type_ids": "List(Value('uint8'))",
        "next_sentence_label": "Value('uint8')",
        "row_id": "Value('int64')",
    }


def test_rows_do_not_depend_on_the_number_of_processes(prepared, stores, tmp_path, monkeypatch):
    monkeypatch.setattr(pair_builders, "TOKENS_PER_PROCESS", 100)
    one, two = (
        arrow_pairs(
            stores,
            prepared.folder / "tokenizer",
            PairsConfig(max_seq_length=48, num_proc=number, dupe_factor=2),
            1,
            tmp_path / str(number),
        )
        for number in (1, 2)
    )
    assert rows_of(one) == rows_of(two)
    assert len({row["row_id"] for row in one["train"]}) == len(one["train"]), "row ids repeat over the passes"
    one, two = (json.loads(next((tmp_path / number).rglob("statistics.json")).read_text()) for number in "12")
    assert one == two, "what the processes counted was not added up"
    assert not list(tmp_path.rglob("*.counts"))


def test_any_setting_and_the_stores_content_name_the_cache(prepared, stores, tmp_path):
    def cache_of(**settings):
        rules = PairsConfig(**{"max_seq_length": 48, **settings})
        config = pair_config(stores, prepared.folder / "tokenizer", rules, settings.pop("seed", 1))
        return config.create_config_id({})

    changes = [
        {},
        {"max_seq_length": 32},
        {"short_seq_probability": 0.2},
        {"nsp_probability": 0.4},
        {"truncation": "longest_first"},
        {"dupe_factor": 2},
        {"short_seq_unit": "pair"},
    ]
    assert len({cache_of(**change) for change in changes}) == len(changes)
    assert cache_of(num_proc=2) == cache_of()
    other = small_recipe(write_corpus(tmp_path / "other.txt", seed=1), tmp_path / "run")
    for stage in ("corpus", "tokenizer", "tokens", "pairs"):
        run_stage(other, stage)
    others = {split: str(other.folder / "store" / split) for split in SPLITS}
    assert pair_config(others, other.folder / "tokenizer", other.pairs, 1).create_config_id({}) != cache_of()


def test_shards_of_a_killed_build_are_not_taken_up(prepared, stores, tmp_path):
    arguments = (stores, prepared.folder / "tokenizer", PairsConfig(max_seq_length=48), 1)
    expected = rows_of(arrow_pairs(*arguments, tmp_path / "clean"))
    config = pair_config(*arguments)
    settings = {name: getattr(config, name) for name in ("stores", "seed", "max_seq_length")}
    builder = NextSentencePairs(cache_dir=str(tmp_path / "killed"), dataset_name="next_sentence_pairs", **settings)
    stale = Path(builder.cache_dir + ".incomplete")
    stale.mkdir(parents=True)
    (stale / "next_sentence_pairs-train-00000-00000-of-00002.arrow").write_bytes(b"half a shard")
    dataset = arrow_pairs(*arguments, tmp_path / "killed")
    assert rows_of(dataset) == expected
    assert not list((tmp_path / "killed").rglob("*of-00002*"))


def test_statistics_count_what_is_in_the_rows(prepared):
    statistics = json.loads((prepared.folder / "pairs" / "statistics.json").read_text())
    for split, rows in load_pairs(prepared).items():
        found = statistics[split]
        lengths = [len(row["input_ids"]) for row in rows]
        assert found["pairs"] == len(rows) == sum(found["length_histogram"]["counts"])
        assert found["label_1_share"] == pytest.approx(np.mean([row["next_sentence_label"] for row in rows]))
        assert found["mean_length"] == pytest.approx(np.mean(lengths))
        assert found["tokens_used"] == sum(lengths) - 3 * len(rows)
        assert max(lengths) <= 48


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("One.\nTwo.\n", "found 1 document"),
        ("\n \t\r\n\n", "no document has any text"),
        ("One.\n\nTwo.\n", "validation split|training document"),
    ],
)
def test_too_few_documents(tmp_path, text, message):
    path = tmp_path / "corpus.txt"
    path.write_text(text)
    recipe = small_recipe(path, tmp_path / "run", **{"corpus.validation_share": "0.0001"})
    with pytest.raises(InputError, match=message):
        [run_stage(recipe, stage) for stage in ("corpus", "tokenizer", "tokens", "pairs")]
    assert not (recipe.folder / "pairs").exists()


def test_both_splits_are_made_in_one_pass_and_by_any_number_of_processes(prepared, stores, tmp_path, monkeypatch):
    passes = []
    read = token_builds.read_prepared
    monkeypatch.setattr(token_builds, "read_prepared", lambda folder: (passes.append(folder), read(folder))[1])
    recipe = small_recipe(Path(prepared.corpus.path[0]), tmp_path / "run", **{"pairs.num_proc": "2"})
    for name in ("corpus", "tokenizer"):
        shutil.copytree(prepared.folder / name, recipe.folder / name)
    token_builds.build_token_stores(recipe)
    assert len(passes) == 1
    for split in SPLITS:
        assert store_hash(recipe.folder / "store" / split) == store_hash(Path(stores[split]))
        own = [
            document.sentences
            for document in read_documents(recipe.corpus)
            if split_of(document, recipe.corpus.validation_share, recipe.seed) == split
        ]
        assert np.diff(open_token_store(Path(stores[split])).document_offsets).tolist() == [
            len(sentences) for sentences in own
        ]


LIBRARY_CALL = """
import sys
from recipe.pairs.dataset import build_pair_dataset
text, tokenizer, folder, repo = sys.argv[1:]
build_pair_dataset(text, tokenizer, folder, max_seq_length=48, validation_share=0.2).push_to_hub(repo)
"""


def test_one_call_makes_the_rows_of_the_stage_from_text(prepared, corpus_file, tmp_path):
    arguments = (prepared.folder / "tokenizer", tmp_path / "pairs")
    made = build_pair_dataset(corpus_file, *arguments, seed=prepared.seed, validation_share=0.2, max_seq_length=48)
    assert rows_of(made) == rows_of(load_pairs(prepared))
    documents = read_documents(prepared.corpus)
    again = build_pair_dataset(
        documents, *arguments, seed=prepared.seed, validation_share=0.2, max_seq_length=48, num_proc=2
    )
    assert again.cache_files == made.cache_files, "the rows were written twice"
    with pytest.raises(InputError, match=r"^max_seq_length is 2; it must lie in 5 to 65536"):
        build_pair_dataset(corpus_file, *arguments, max_seq_length=2)


def test_statistics_stand_in_dataset_info(prepared):
    statistics = json.loads((prepared.folder / "pairs" / "statistics.json").read_text())
    description = load_pairs(prepared)["train"].info.description.splitlines()
    assert description[1:] == [describe(split, statistics[split]) for split in SPLITS]


def test_files_have_the_size_asked_for_and_the_rows_stay(prepared, stores, tmp_path, monkeypatch):
    monkeypatch.setattr(pair_builders, "PAIRS_PER_TABLE", 20)
    whole, cut = (
        arrow_pairs(
            stores,
            prepared.folder / "tokenizer",
            PairsConfig(max_seq_length=48, max_shard_size=size),
            1,
            tmp_path / size,
        )
        for size in ("500MB", "8KB")
    )
    assert len(whole["train"].cache_files) == 1 < len(cut["train"].cache_files)
    assert rows_of(cut) == rows_of(whole)


def test_streamed_rows_and_rows_from_parquet_are_the_same(prepared, stores, tmp_path):
    builder = pair_builder(
        pair_config(stores, prepared.folder / "tokenizer", PairsConfig(max_seq_length=48), 1), tmp_path / "cache"
    )
    streamed = {split: list(builder.as_streaming_dataset(split)) for split in SPLITS}
    assert not list((tmp_path / "cache").rglob("*.arrow"))
    write_rows(builder, "500MB")
    dataset = builder.as_dataset()
    assert streamed == rows_of(dataset)
    dataset["train"].to_parquet(tmp_path / "train.parquet")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "hf"), split="train"
    )
    assert loaded.features == dataset["train"].features
    assert loaded.to_list() == dataset["train"].to_list()


def test_one_call_sends_pairs_to_the_hub(prepared, corpus_file, tmp_path):
    with stub_hub() as hub:
        command = [
            sys.executable,
            "-c",
            LIBRARY_CALL,
            str(corpus_file),
            str(prepared.folder / "tokenizer"),
            str(tmp_path / "pairs"),
            "someone/pairs",
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=hub.environment(tmp_path / "home"), capture_output=True, text=True, timeout=120
        )
        files = hub.repositories["datasets/someone/pairs"].files
    assert done.returncode == 0, done.stderr[-2000:]
    for split, rows in load_pairs(prepared).items():
        (name,) = [name for name in files if name.startswith(f"data/{split}-")]
        table = pq.read_table(io.BytesIO(files[name]))
        assert table.to_pylist() == rows.to_list()


def test_pairs_that_are_made_for_every_epoch_are_not_stored(prepared, tmp_path, monkeypatch):
    recipe = small_recipe(
        Path(prepared.corpus.path[0]),
        tmp_path / "run",
        **{"pairs.refresh_every_epoch": "true", "pairs.balance_labels": "true"},
    )
    for name in ("corpus", "tokenizer"):
        shutil.copytree(prepared.folder / name, recipe.folder / name)
    token_builds.build_token_stores(recipe)
    pair_dataset.build_pairs(recipe)
    # The chance that balances the labels was found once, and is not sought again when pairs are opened.
    monkeypatch.delattr(pair_builders, "balanced_probability")
    assert set(load_pairs(recipe)) == {"validation"}
    statistics = json.loads((recipe.folder / "pairs" / "statistics.json").read_text())
    assert statistics["train"]["pairs"] == len(training_passes(recipe).pairs(0))
    assert statistics["train"]["label_1_share"] == pytest.approx(0.5, abs=0.06)


def test_pairs_are_opened_and_never_made_anew(prepared, tmp_path, corpus_file):
    recipe = small_recipe(corpus_file, tmp_path / "run")
    shutil.copytree(prepared.folder, recipe.folder)
    opened = load_pairs(recipe)
    for change in ({"pairs.max_seq_length": "40"}, {"seed": "2"}):
        with pytest.raises(InputError, match=r"contains no pairs of these settings; run `domain-bert pairs CONFIG`"):
            load_pairs(small_recipe(corpus_file, recipe.folder, **change))
    shutil.rmtree(Path(opened["train"].cache_files[0]["filename"]).parent)
    with pytest.raises(InputError, match=r"contains no pairs of these settings"):
        load_pairs(recipe)
    (recipe.folder / "pairs" / "statistics.json").unlink()
    with pytest.raises(InputError, match=r"contains no pairs; run `domain-bert pairs CONFIG`"):
        load_pairs(recipe)


def test_the_library_call_refuses_pairs_for_every_epoch(prepared, corpus_file, tmp_path):
    with pytest.raises(InputError, match=r"refresh_every_epoch makes pairs while a recipe trains.*dupe_factor"):
        build_pair_dataset(corpus_file, prepared.folder / "tokenizer", tmp_path / "pairs", refresh_every_epoch=True)
    assert not (tmp_path / "pairs").exists()


def test_a_build_that_was_killed_before_its_statistics_counts_again(prepared, stores, tmp_path):
    arguments = (stores, prepared.folder / "tokenizer", PairsConfig(max_seq_length=48), 1, tmp_path / "cache")
    arrow_pairs(*arguments)
    (path,) = (tmp_path / "cache").rglob("statistics.json")
    counted = path.read_text()
    path.unlink()
    arrow_pairs(*arguments)
    assert path.read_text() == counted


def test_balanced_labels_are_balanced_on_the_training_split(prepared, stores, tmp_path):
    plain, even = (
        pair_config(stores, prepared.folder / "tokenizer", PairsConfig(max_seq_length=48, balance_labels=on), 1)
        for on in (False, True)
    )
    assert plain.nsp_probability == 0.5 > even.nsp_probability
    assert plain.create_config_id({}) != even.create_config_id({})


@pytest.mark.parametrize("size", ["16k", "48k"])
def test_a_full_disk_is_named_and_no_rows_are_half_written(prepared, stores, tmp_path, size):
    with small_disk(tmp_path / "disk", size):
        with pytest.raises(InputError, match="no space is left on this disk"):
            arrow_pairs(
                stores,
                prepared.folder / "tokenizer",
                PairsConfig(max_seq_length=48, dupe_factor=8),
                1,
                tmp_path / "disk",
            )
        assert not list((tmp_path / "disk").rglob("dataset_info.json"))


def test_one_call_without_validation_and_with_few_documents(prepared, corpus_file, tmp_path):
    arguments = (prepared.folder / "tokenizer", tmp_path / "pairs")
    assert set(build_pair_dataset(corpus_file, *arguments, validation_share=0, max_seq_length=48)) == {"train"}
    documents = [Document(["a" * (1 + number), *["abc def gha.", "fed dca hij."] * 4], "a") for number in range(97)]
    both = build_pair_dataset(documents, prepared.folder / "tokenizer", tmp_path / "few", max_seq_length=48)
    assert set(both) == {"train", "validation"}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"max_seq_length": 2}, r"^max_seq_length is 2"),
        ({"validation_share": 0.9}, r"^validation_share is 0\.9"),
        ({"text": ["absent.txt"]}, r"^text: "),
        ({"text": [Document(["alone."], "a")]}, r"^text: the train split has 1 document"),
        ({"text": [Document(["ab."], "a")] * 2}, r"^text: .*raise validation_share"),
        ({"truncation": "middle"}, r"^truncation is 'middle'"),
    ],
)
def test_one_call_names_its_own_arguments(prepared, corpus_file, tmp_path, monkeypatch, rules, message):
    monkeypatch.chdir(tmp_path)
    text = rules.pop("text", corpus_file)
    with pytest.raises(InputError, match=message):
        build_pair_dataset(text, prepared.folder / "tokenizer", tmp_path / "pairs", **rules)
