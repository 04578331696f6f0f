"""The measuring itself: what processes use, and the texts that the builders are given."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, write_corpus

sys.path.append(str(ROOT / "benchmarks"))

from pair_corpus import made_up_text, plain_text, repeated_text
from pair_report import markdown, ratios, with_ratios
from process_tree import kill_session, measure, processes_of_session
from reporting import markdown_table, program_parser, save

from recipe.config import CorpusConfig
from recipe.corpus import read_documents
from recipe.files import read_json

BURN = "import time\nwhile time.process_time() < 0.5: pass\n"
# The child ends while the grandchild still works, so nobody but the measuring process can wait for that one.
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}])"


def documents_of(path: Path) -> list[list[str]]:
    return [document.sentences for document in read_documents(CorpusConfig(path=[str(path)]))]


@pytest.mark.parametrize("program", [BURN, ORPHAN], ids=["child", "orphaned grandchild"])
def test_cpu_time_of_all_processes_is_counted(program, tmp_path):
    used = measure([sys.executable, "-c", program], tmp_path / "log.txt")
    assert 0.5 <= used.cpu_seconds < 3
    assert used.status == 0


def test_memory_is_summed_over_processes(tmp_path):
    hold = "import time; block = bytearray(b'x') * 50_000_000; time.sleep(1)"
    program = (
        f"import subprocess, sys; children = [subprocess.Popen([sys.executable, '-c', {hold!r}]) for _ in range(2)];"
        " [child.wait() for child in children]"
    )
    used = measure([sys.executable, "-c", program], tmp_path / "log.txt")
    assert 100 < used.peak_anonymous_mb < used.peak_memory_mb < 200


def test_status_and_output_are_kept(tmp_path):
    used = measure([sys.executable, "-c", "print('why'); raise SystemExit(3)"], tmp_path / "log.txt")
    assert (used.status, used.output) == (3, "why\n")


def test_processes_that_outlive_their_leader_are_found(tmp_path):
    child = "import time; time.sleep(60)"
    program = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    leader = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    deadline = time.monotonic() + 20
    while len(processes_of_session(leader.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(leader.pid, signal.SIGKILL)
    leader.wait()
    assert len(processes_of_session(leader.pid)) == 1
    kill_session(leader.pid)
    time.sleep(0.2)
    assert processes_of_session(leader.pid) == []


def test_texts_have_their_size_and_end_without_a_blank_line(tmp_path):
    made = made_up_text(tmp_path / "made.txt", 0.3)
    cut = plain_text([made], tmp_path / "cut.txt", 0.1)
    large = repeated_text(cut, tmp_path / "large.txt", 0.5)
    for path, megabytes in ((made, 0.3), (cut, 0.1), (large, 0.5)):
        assert path.stat().st_size == pytest.approx(megabytes * 1e6, rel=0.15)
        text = path.read_text()
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
    assert documents_of(cut) == documents_of(made)[: len(documents_of(cut))]
    assert documents_of(large)[: len(documents_of(cut))] == documents_of(cut)
    assert made.read_bytes() == made_up_text(tmp_path / "again.txt", 0.3).read_bytes()


def test_a_repeated_text_has_ever_new_words(tmp_path):
    text = write_corpus(tmp_path / "text.txt")
    large = repeated_text(text, tmp_path / "large.txt", 4 * text.stat().st_size / 1e6)
    words = [len(set(path.read_text().split())) for path in (text, large)]
    assert words[1] > 1.2 * words[0]
    assert len(documents_of(large)) == pytest.approx(4 * len(documents_of(text)), rel=0.1)


def test_lengths_before_truncation_follow_from_the_rows(tmp_path):
    from truncation import lengths_before, losses, pairs_of

    from recipe.tokens.store import TokenStore

    draw = np.random.default_rng(3)
    lengths = draw.integers(1, 40, 300)
    sentences, documents = np.cumsum([0, *lengths]), np.arange(0, 301, 10)
    store = TokenStore(tmp_path, np.arange(sentences[-1]), sentences, documents, {})
    for truncation in ("random_tail", "longest_first"):
        tails, pairs = pairs_of(store, 64, "random_tail"), pairs_of(store, 64, truncation)
        a_before, b_before = lengths_before(tails, store)
        lost = losses(pairs, tails, a_before, b_before)
        assert set((tails.a_start + a_before).tolist()) <= set(sentences.tolist()), "A ends within a sentence"
        assert set((tails.b_start + b_before).tolist()) <= set(sentences.tolist()), "B ends within a sentence"
        assert (lost.a_front + lost.a_back + lost.b_front + lost.b_back == pairs.cut).all()


def test_table():
    assert (
        markdown_table({"a": "A", "b": "B"}, [{"a": 1234, "b": 0.123}, {"a": "x"}])
        == "| A | B |\n|--|--|\n| 1,234 | 0.12 |\n| x | – |"
    )


def test_peers_are_compared_with_the_whole_and_with_the_pairs_alone():
    names = {"peer": 60.0, "ours, whole, num_proc 1": 10.0, "ours, pairs alone, num_proc 1": 5.0}
    figures = {"wall_seconds": 2.0, "peak_memory_mb": 100.0}
    rows = [
        {"system": name, "cpu_seconds": seconds, "cpu_seconds_net": seconds - 4, **figures}
        for name, seconds in names.items()
    ]
    peer, whole, alone = with_ratios(rows, 5_000_000)
    assert (peer["of_whole"], peer["of_pairs_alone"], peer["per_million_tokens"]) == (6.0, 12.0, 12.0)
    assert (whole["of_pairs_alone"], alone["of_whole"]) == (2.0, 0.5)
    assert ratios(rows) == [
        "peer: 6.0x the CPU time of ours, whole (9.3x without the start of the program), 1.0x the wall time, 1.0x the"
        " memory",
        "peer: 12.0x the CPU time of ours, pairs alone (56.0x without the start of the program), 1.0x the wall time,"
        " 1.0x the memory",
    ]


def test_a_peer_that_cannot_run_is_named_with_its_reason():
    rows = with_ratios([{"system": "peer", "not_run": "no index"}], 1)
    machine = {"cpu": "a CPU", "cores": 2, "commit": "abc", "versions": {}}
    assert "- peer: not run: no index" in markdown({"systems": rows, "machine": machine, "text_mb": 1, "corpus": []})


def test_results_are_written_to_the_folder_of_the_option(tmp_path):
    arguments = program_parser("A program.").parse_args(["--results", str(tmp_path / "results")])
    save(arguments.results, "name", {"a": 1}, "# Name")
    assert (tmp_path / "results" / "name.md").read_text() == "# Name\n"
    assert read_json(tmp_path / "results" / "name.json") == {"a": 1}
