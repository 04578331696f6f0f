import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import small_recipe, write_corpus
from reference_pairs import reference_pairs

from recipe import pair_dataset
from recipe.config import PairsConfig
from recipe.corpus import read_split
from recipe.errors import InputError
from recipe.pair_dataset import NextSentencePairs, build_pair_dataset, load_pairs, pair_config
from recipe.stages import run_stage
from recipe.token_store import open_token_store, store_hash

SPLITS = ("train", "validation")


@pytest.fixture(scope="module")
def stores(prepared):
    return {split: str(prepared.folder / "store" / split) for split in SPLITS}


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


def test_rows_do_not_depend_on_the_number_of_processes(prepared, stores, tmp_path):
    one, two = (
        build_pair_dataset(stores, prepared.folder / "tokenizer", PairsConfig(max_seq_length=48, num_proc=number, dupe_factor=2), 1, tmp_path / str(number))
        for number in (1, 2)
    )
    assert rows_of(one) == rows_of(two)
    assert len({row["row_id"] for row in one["train"]}) == len(one["train"]), "row ids repeat over the passes"


def test_any_setting_and_the_stores_content_name_the_cache(prepared, stores, tmp_path):
    def cache_of(**settings):
        rules = PairsConfig(**{"max_seq_length": 48, **settings})
        config = pair_config(stores, prepared.folder / "tokenizer", rules, settings.pop("seed", 1))
        return config.create_config_id({})

    changes = [{}, {"max_seq_length": 32}, {"short_seq_probability": 0.2}, {"nsp_probability": 0.4}, {"truncation": "longest_first"}, {"dupe_factor": 2}]
    assert len({cache_of(**change) for change in changes}) == len(changes)
    assert cache_of(num_proc=2) == cache_of()
    other = small_recipe(write_corpus(tmp_path / "other.txt", seed=1), tmp_path / "run")
    run_stage(other, "tokenizer")
    run_stage(other, "pairs")
    others = {split: str(other.folder / "store" / split) for split in SPLITS}
    assert pair_config(others, other.folder / "tokenizer", other.pairs, 1).create_config_id({}) != cache_of()


def test_shards_of_a_killed_build_are_not_taken_up(prepared, stores, tmp_path):
    arguments = (stores, prepared.folder / "tokenizer", PairsConfig(max_seq_length=48), 1)
    expected = rows_of(build_pair_dataset(*arguments, tmp_path / "clean"))
    config = pair_config(*arguments)
    settings = {name: getattr(config, name) for name in ("stores", "seed", "max_seq_length")}
    builder = NextSentencePairs(cache_dir=str(tmp_path / "killed"), dataset_name="next_sentence_pairs", **settings)
    stale = Path(builder.cache_dir + ".incomplete")
    stale.mkdir(parents=True)
    (stale / "next_sentence_pairs-train-00000-00000-of-00002.arrow").write_bytes(b"half a shard")
    dataset = build_pair_dataset(*arguments, tmp_path / "killed")
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
    [("One.\nTwo.\n", "1 training document"), ("\n \t\r\n\n", "no training document has any text"), ("One.\n\nTwo.\n", "validation split|training document")],
)
def test_too_few_documents(tmp_path, text, message):
    path = tmp_path / "corpus.txt"
    path.write_text(text)
    recipe = small_recipe(path, tmp_path / "run", **{"corpus.validation_share": "0.0001"})
    with pytest.raises(InputError, match=message):
        [run_stage(recipe, stage) for stage in ("tokenizer", "pairs")]
    assert not (recipe.folder / "pairs").exists()


def test_both_splits_are_made_in_one_pass_and_by_any_number_of_processes(prepared, stores, tmp_path, monkeypatch):
    passes = []
    read = pair_dataset.read_documents
    monkeypatch.setattr(pair_dataset, "read_documents", lambda config: (passes.append(config), read(config))[1])
    recipe = small_recipe(Path(prepared.corpus.path[0]), tmp_path / "run", **{"pairs.num_proc": "2"})
    shutil.copytree(prepared.folder / "tokenizer", recipe.folder / "tokenizer")
    pair_dataset.build_pairs(recipe)
    assert len(passes) == 1
    for split in SPLITS:
        assert store_hash(recipe.folder / "store" / split) == store_hash(Path(stores[split]))
        own = [document.sentences for document in read_split(recipe.corpus, split, recipe.seed)]
        assert np.diff(open_token_store(Path(stores[split])).document_offsets).tolist() == [len(sentences) for sentences in own]
