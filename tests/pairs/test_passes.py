import multiprocessing
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from recipe.files import sha256_of_file, write_json
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
    passes.remove_before(3)
    assert sorted(path.name for path in tmp_path.glob("*.pairs")) == ["00003.pairs", "00004.pairs"]
    assert [PairPasses(tmp_path, store, RULES, 7).number(index) for index in range(5)] == numbers
    assert len(set(numbers)) > 1, "passes of one length would hide a mistake of the sampler"


def sums_of(folder: str, store_folder: str) -> list[int]:
    passes = PairPasses(Path(folder), open_token_store(Path(store_folder)), RULES, 7)
    return [int(np.sum(passes.pairs(index)["a_start"])) for index in range(3)]


def test_processes_that_make_the_same_pass_at_once_all_get_it(store, tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(sums_of, [(str(tmp_path), str(store.folder))] * 2)
    assert found[0] == found[1] == [int(expected(store, index).a_start.sum()) for index in range(3)]


def test_a_pass_that_was_cut_off_is_made_anew(store, tmp_path, monkeypatch):
    monkeypatch.setattr("recipe.pairs.passes.make_pairs", lambda *arguments: iter([expected(store, 0), 1 / 0]))
    with pytest.raises(ZeroDivisionError):
        PairPasses(tmp_path, store, RULES, 7).pairs(0)
    assert not list(tmp_path.glob("*.pairs"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def builders(folder: Path) -> list[int]:
    """The processes that make a pass in this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"recipe.pairs.passes" in words and os.fsencode(folder) in b" ".join(words):
                found.append(int(path.parent.name))
    return found


def wait_for(condition, seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(condition())


def test_the_next_pass_is_made_in_the_background_with_the_same_bytes(store, tmp_path, monkeypatch):
    passes = PairPasses(tmp_path / "here", store, RULES, 7)
    passes.pairs(0), passes.pairs(1)
    ahead = PairPasses(tmp_path / "ahead", store, RULES, 7)
    ahead.pairs(0)
    ahead.make_in_background(1)
    assert ahead._in_background[0] == 1
    ahead._in_background[1].wait()
    assert files_of(tmp_path / "ahead") == files_of(tmp_path / "here")
    monkeypatch.setattr("recipe.pairs.passes.make_pass", lambda *arguments: pytest.fail("it was made already"))
    assert (ahead.pairs(1) == passes.pairs(1)).all()
    ahead.make_in_background(1)
    assert ahead._in_background is None, "what is there is not made again"


def test_a_pass_is_waited_for_while_it_is_made(store, tmp_path, monkeypatch):
    passes = PairPasses(tmp_path, store, RULES, 7)
    passes.make_in_background(1)
    monkeypatch.setattr("recipe.pairs.passes.make_pass", lambda *arguments: pytest.fail("it is made twice"))
    assert (passes.pairs(1)["row_id"] == expected(store, 1).row_id).all()


@pytest.mark.parametrize("failure", ["killed", "not started", "no store"])
def test_a_pass_that_the_background_did_not_make_is_made_at_its_epoch(store, tmp_path, monkeypatch, failure):
    passes = PairPasses(tmp_path, store, RULES, 7)
    if failure == "not started":
        monkeypatch.setattr("recipe.pairs.passes.sys.executable", str(tmp_path / "absent"))
    elif failure == "no store":
        monkeypatch.setattr(passes, "store", replace(store, folder=tmp_path / "absent"))
    passes.make_in_background(1)
    if failure == "killed":
        passes._in_background[1].kill()
    assert (passes.pairs(1)["row_id"] == expected(store, 1).row_id).all()


def test_only_the_first_rank_makes_passes_and_the_others_wait(store, tmp_path, monkeypatch):
    first = PairPasses(tmp_path, store, RULES, 7)
    monkeypatch.setenv("RANK", "1")
    second = PairPasses(tmp_path, store, RULES, 7)
    second.make_in_background(0)
    second.remove_before(9)
    with ThreadPoolExecutor(2) as threads:
        waiting, counting = threads.submit(second.pairs, 0), threads.submit(second.number, 0)
        time.sleep(0.5)
        assert not files_of(tmp_path)
        assert not waiting.done()
        assert not counting.done()
        number = len(first.pairs(0))
        assert len(waiting.result(60)) == counting.result(60) == number
    second.remove_before(9)
    assert set(files_of(tmp_path)) == {"00000.pairs", "00000.number"}


def test_the_others_wait_until_a_damaged_pass_is_made_again(store, tmp_path, monkeypatch):
    sound = PairPasses(tmp_path, store, RULES, 7).pairs(0).copy()
    (tmp_path / "00000.pairs").write_bytes(sound.tobytes()[:-1] + b"x")
    first = PairPasses(tmp_path, store, RULES, 7)
    monkeypatch.setenv("RANK", "1")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(PairPasses(tmp_path, store, RULES, 7).pairs, 0)
        time.sleep(0.5)
        assert not waiting.done()
        first.pairs(0)
        assert (waiting.result(60) == sound).all()


def test_a_partial_file_has_the_name_of_its_host_and_goes_when_it_is_old(store, tmp_path):
    old, young = tmp_path / "00004.pairs.other-host-7.partial", tmp_path / "00005.pairs.other-host-8.partial"
    for path in (old, young):
        path.write_bytes(b"left")
    os.utime(old, (0, 0))
    seen = []

    def watched(*arguments):
        seen.extend(path.name for path in tmp_path.glob("*.partial"))
        yield expected(store, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recipe.pairs.passes.make_pairs", watched)
        PairPasses(tmp_path, store, RULES, 7).pairs(0)
    assert sorted(seen) == [f"00000.pairs.{socket.gethostname()}-{os.getpid()}.partial", young.name]


def large_store(folder: Path, documents: int = 400_000) -> Path:
    """A store that takes a builder some seconds: documents of 8 sentences of 16 tokens, all of them zero."""
    folder.mkdir()
    sentences = documents * 8
    (folder / "tokens.bin").touch()
    os.truncate(folder / "tokens.bin", 2 * 16 * sentences)
    (np.arange(sentences + 1) * 16).tofile(folder / "sentences.bin")
    (np.arange(documents + 1) * 8).tofile(folder / "documents.bin")
    counts = {"documents": documents, "sentences": sentences, "tokens": 16 * sentences}
    write_json(folder / "store.json", {"dtype": "uint16", "counts": counts})
    write_json(folder / "sha256.json", {"store.json": sha256_of_file(folder / "store.json")})
    return folder


PARENT = """
import sys, time
from pathlib import Path
from recipe.pairs.passes import PairPasses
from recipe.pairs.sampling import PairRules
from recipe.tokens.store import open_token_store
passes = PairPasses(Path(sys.argv[1]), open_token_store(Path(sys.argv[2])), PairRules(45), 7)
passes.make_in_background(0)
print("started", flush=True)
time.sleep(100)
"""


def test_a_builder_has_low_priority_and_ends_when_its_parent_is_killed(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "passes"), str(large_store(tmp_path / "store"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        try:
            assert parent.stdout.readline() == "started\n"
            assert wait_for(lambda: list((tmp_path / "passes").glob("*.partial")))
            (builder,) = builders(tmp_path / "passes")
            assert os.getpriority(os.PRIO_PROCESS, builder) == 19
        finally:
            parent.kill()
    assert wait_for(lambda: not builders(tmp_path / "passes"), 10)
    assert not list((tmp_path / "passes").glob("*.pairs"))
