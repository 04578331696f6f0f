"""A run folder tells what happened in it."""

import json
import threading

import pytest
from conftest import small_recipe, write_corpus

from recipe.cli import main
from recipe.errors import InputError
from recipe.pipeline import run_stage
from recipe.run_folder.events import NAME, log_event, read_events


def test_stages_log_start_end_and_fault(tmp_path, monkeypatch, capsys):
    recipe = small_recipe(write_corpus(tmp_path / "corpus.txt"), tmp_path / "run")
    run_stage(recipe, "corpus")
    run_stage(recipe, "corpus")

    def fail(recipe):
        raise InputError("the reason\nin two lines")

    with pytest.raises(InputError):
        run_stage(recipe, "tokenizer", fail)

    def interrupt(recipe):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(recipe, "tokenizer", interrupt)
    log_event(recipe.folder, "save", step=500)
    found = read_events(recipe.folder)
    assert [(event["event"], event.get("stage")) for event in found] == [
        ("start", "corpus"),
        ("end", "corpus"),
        ("start", "tokenizer"),
        ("fault", "tokenizer"),
        ("start", "tokenizer"),
        ("signal", "tokenizer"),
        ("save", None),
    ]
    assert all(event.keys() >= {"time", "host", "pid", "world_size", "commit"} for event in found)
    assert found[3]["error"] == "InputError: the reason\nin two lines"
    main(["status", str(recipe.folder)])
    said = capsys.readouterr().out
    assert "last event saved a checkpoint at step 500" in said
    assert "last fault tokenizer was interrupted, 20" in said


def test_only_the_first_process_logs_and_only_where_a_run_is(tmp_path, monkeypatch):
    log_event(tmp_path / "absent", "start")
    assert not (tmp_path / "absent").exists()
    monkeypatch.setenv("RANK", "1")
    log_event(tmp_path, "start")
    assert read_events(tmp_path) == []


def test_lines_of_threads_and_cut_lines_do_not_mix(tmp_path):
    (tmp_path / NAME).write_bytes(b'{"event": "cut of')
    threads = [
        threading.Thread(
            target=lambda: [log_event(tmp_path, "save", step=step, error="x" * 4000) for step in range(50)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_events(tmp_path)
    assert len(found) == 200
    assert len([line for line in (tmp_path / NAME).read_bytes().splitlines() if line]) == 201
    assert {len(event["error"]) for event in found} == {500}


@pytest.mark.parametrize("value", ["\ud800", "\0", "ü\n", 10**400, float("nan"), object()])
def test_any_value_is_one_line(tmp_path, value):
    log_event(tmp_path, "fault", error=value)
    log_event(tmp_path, "end")
    assert [event["event"] for event in read_events(tmp_path)] == ["fault", "end"]
    assert len((tmp_path / NAME).read_text(encoding="utf-8").splitlines()) == 2


def test_a_disk_that_is_full_stops_no_run(tmp_path, monkeypatch):
    (tmp_path / NAME).symlink_to("/dev/full")
    log_event(tmp_path, "end")


@pytest.mark.parametrize("line", [b"{", b"[]", b"[" * 100_000, b"\xff", b'{"event": 1}', b'{"event": "fault"}'])
def test_damaged_lines_are_left_out(tmp_path, trained, capsys, line):
    (tmp_path / "recipe.yaml").write_text(trained.to_yaml())
    (tmp_path / NAME).write_bytes(line + b"\n" + json.dumps({"event": "end", "time": 3}).encode())
    assert read_events(tmp_path)[-1]["event"] == "end"
    main(["status", str(tmp_path)])
