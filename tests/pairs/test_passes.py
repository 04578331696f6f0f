import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from recipe.pairs.passes import PAIR, PairPasses
from recipe.pairs.sampling import PairRules, Pairs, make_pairs
from recipe.tokens.store import TokenStore, open_token_store

RULES = PairRules(45)


@pytest.fixture(scope="module")
def store(prepared) -> TokenStore:
    return open_token_store(prepared.folder / "store" / "train")


def expected(store: TokenStore, pass_index: int) -> Pairs:
    (pairs,) = make_pairs(store.sentence_offsets, store.document_offsets, RULES, 7, pass_index, 0, store.documents)
    return pairs


def test_a_pass_is_that_of_make_pairs(store, tmp_path):
    passes = PairPasses(tmp_path / "passes", store, RULES, 7)
    for pass_index in (0, 3):
        for name in PAIR.names:
            assert (passes.pairs(pass_index)[name] == getattr(expected(store, pass_index), name)).all()


def test_old_passes_are_removed_and_their_number_of_pairs_is_kept(store, tmp_path):
    passes = PairPasses(tmp_path, store, RULES, 7)
    numbers = [len(passes.pairs(index)) for index in range(5)]
    assert sorted(path.name for path in tmp_path.glob("*.pairs")) == ["00003.pairs", "00004.pairs"]
    assert [PairPasses(tmp_path, store, RULES, 7).number(index) for index in range(5)] == numbers
    assert len(set(numbers)) > 1, "passes of one length would hide a mistake of the sampler"


def numbers_of(folder: str, store_folder: str) -> list[int]:
    passes = PairPasses(Path(folder), open_token_store(Path(store_folder)), RULES, 7)
    return [int(np.sum(passes.pairs(index)["a_start"])) for index in range(3)]


def test_processes_that_want_the_same_pass_at_once_all_get_it(store, tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(numbers_of, [(str(tmp_path), str(store.folder))] * 2)
    assert found[0] == found[1] == [int(expected(store, index).a_start.sum()) for index in range(3)]


def test_a_pass_that_was_cut_off_is_made_anew(store, tmp_path, monkeypatch):
    monkeypatch.setattr("recipe.pairs.passes.make_pairs", lambda *arguments: iter([expected(store, 0), 1 / 0]))
    with pytest.raises(ZeroDivisionError):
        PairPasses(tmp_path, store, RULES, 7).pairs(0)
    assert not list(tmp_path.glob("*.pairs"))
