"""`domain-bert plan`: its numbers against what the stages made and counted, what it warns of, and what it refuses."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, small_recipe

from recipe.cli import main
from recipe.files import read_json, write_json
from recipe.pipeline import run_stage
from recipe.planning.command import plan, screen
from recipe.planning.hardware import GPUS, PUBLISHED_UTILISATION
from recipe.planning.plan import plan_of, text_of
from recipe.planning.text import masked_per_row
from recipe.run_folder.settings import size_of


def planned(recipe, utilisation=None, prices=None):
    return plan_of(recipe, utilisation, prices or {}, with_this_machine=False)


def changed(recipe, folder=None, **overrides):
    return small_recipe(recipe.corpus.path[0], folder or recipe.folder, **overrides)


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_a_plan_writes_nothing(trained, tmp_path):
    before = contents(trained.folder)
    plan(trained, None, [], False)
    assert contents(trained.folder) == before
    plan(changed(trained, tmp_path / "other"), None, [], True)
    assert not (tmp_path / "other").exists()


def test_tokens_and_pairs_are_those_that_the_stages_counted(prepared):
    found, counted = planned(prepared), read_json(prepared.folder / "pairs" / "statistics.json")["train"]
    assert found["text"]["tokens"] == found["text"]["tokens_low"] == counted["tokens"]
    assert found["text"]["documents"] == counted["documents"]
    assert found["pairs"] | {"source": ""} == {
        "source": "",
        "pairs_per_pass": counted["pairs"],
        "mean_length_tokens": counted["mean_length"],
    }
    assert found["training"]["passes"] == 6 * 8 / counted["pairs"]
    assert found["text"]["source"].endswith("store/train")


def test_a_pass_over_the_store_gives_the_pairs_of_the_stage(prepared, tmp_path):
    recipe = changed(prepared, tmp_path / "run")
    for name in ("store", "tokenizer", "corpus"):
        shutil.copytree(prepared.folder / name, recipe.folder / name)
    records = read_json(prepared.folder / "stages.json")["stages"]
    del records["pairs"]
    write_json(recipe.folder / "stages.json", {"stages": records})
    found, with_pairs = planned(recipe), planned(prepared)
    assert found["pairs"]["source"] == "a pass over the text above"
    assert found["pairs"]["pairs_per_pass"] == with_pairs["pairs"]["pairs_per_pass"]
    assert found["pairs"]["mean_length_tokens"] == pytest.approx(with_pairs["pairs"]["mean_length_tokens"])
    # With other rules there are other pairs, of the same store.
    shorter = planned(changed(prepared, **{"pairs.max_seq_length": "24"}))
    assert shorter["text"]["tokens"] == found["text"]["tokens"]
    assert shorter["pairs"]["pairs_per_pass"] > 1.4 * found["pairs"]["pairs_per_pass"]
    assert shorter["pairs"]["mean_length_tokens"] <= 24


def test_a_store_of_other_settings_is_not_used_and_this_is_told(prepared):
    found = planned(changed(prepared, **{"tokenizer.vocab_size": "200"}))
    assert "counted in all 1 files" in found["text"]["source"]
    assert "was made with tokenizer.vocab_size 300 instead of 200" in found["text"]["source"]
    assert found["text"]["tokens"] > planned(prepared)["text"]["tokens"]


def test_the_store_of_the_first_phase_serves_the_second(prepared, tmp_path):
    recipe = changed(prepared, tmp_path / "run", **{"corpus.prepared_from": str(prepared.folder)})
    recipe.corpus.path = []
    found = planned(recipe)
    assert found["text"]["source"] == f"counted in {prepared.run_dir}/store/train"
    assert found["text"]["tokens"] == planned(prepared)["text"]["tokens"]
    assert not recipe.folder.exists()


def test_passes_over_stored_pairs_count_passes_over_the_text(prepared, tmp_path):
    doubled = changed(prepared, tmp_path / "run", **{"pairs.dupe_factor": "2"})
    for stage in ("corpus", "tokenizer", "tokens", "pairs"):
        run_stage(doubled, stage)
    counted = read_json(doubled.folder / "pairs" / "statistics.json")["train"]["pairs"]
    assert planned(doubled)["pairs"]["pairs_per_pass"] == counted / 2
    assert planned(doubled)["training"]["passes"] == 6 * 8 * 2 / counted


def test_the_operations_are_those_that_training_counts(prepared, tmp_path, monkeypatch):
    # With a known peak, `gemm_utilization` tells the operations that were counted for the real rows and masks.
    peak = 1e9
    monkeypatch.setattr("recipe.pretraining.trainer.matmul_peak", lambda device, dtype: peak)
    recipe = changed(prepared, tmp_path / "run", **{"training.max_steps": "30"})
    for stage in ("corpus", "tokenizer", "tokens", "pairs", "pretrain"):
        run_stage(recipe, stage)
    log = [line for line in read_json(recipe.folder / "training.json")["log_history"] if "gemm_utilization" in line]
    counted = sum(line["gemm_utilization"] * peak / line["tokens_per_second"] for line in log) / len(log)
    found = planned(recipe)
    assert found["work"]["flops_per_token"] == pytest.approx(counted, rel=0.03)
    assert found["training"]["tokens"] == pytest.approx(log[-1]["tokens_seen"], rel=0.03)
    assert found["work"]["parameters"] == read_json(recipe.folder / "training.json")["parameters"]
    # Every masked token costs a row of the vocabulary.
    fewer = planned(changed(recipe, **{"masking.max_predictions_per_seq": "1"}))
    assert fewer["work"]["flops_per_token"] < 0.9 * found["work"]["flops_per_token"]


def test_masked_tokens_are_a_share_of_the_others_up_to_the_limit(prepared):
    lengths = np.zeros(129)
    lengths[[23, 103]] = 0.5
    text = dataclasses.replace(text_of(prepared), lengths=lengths)
    assert masked_per_row(text, 0.15, None) == pytest.approx(0.15 * (20 + 100) / 2)
    assert masked_per_row(text, 0.15, 10) == pytest.approx((3 + 10) / 2)


def test_disk_is_what_the_stages_take(trained):
    found = planned(trained)["disk_bytes"]
    folder = trained.folder
    assert found["corpus_files"] == Path(trained.corpus.path[0]).stat().st_size
    assert found["clean_corpus"] == size_of(folder / "corpus")
    arrays = sum(path.stat().st_size for path in folder.glob("store/*/*.bin"))
    # A fifth of the documents is expected in validation; of these 60 it is a third.
    assert found["token_store"] == pytest.approx(arrays, rel=0.2)
    rows = sum(path.stat().st_size for path in folder.glob("pairs/**/*.arrow"))
    assert found["pairs"] == pytest.approx(rows, rel=0.3)
    assert found["model"] == pytest.approx((folder / "model" / "model.safetensors").stat().st_size, rel=0.05)
    checkpoints = sorted((folder / "checkpoints").glob("*/checkpoint-*"))
    assert len(checkpoints) == trained.training.save_total_limit
    assert found["checkpoints"] == pytest.approx(3 * size_of(checkpoints[0]), rel=0.5)


def test_hours_and_money_follow_from_work_share_and_price(prepared):
    recipe = changed(prepared, **{"training.global_batch_size": "65536", "training.per_device_batch_size": "64"})
    found = planned(recipe, 0.5, {"H100 80 GB SXM": 2.0})
    assert found["utilisation"] == {"share": 0.5, "source": "--utilisation"}
    assert [row["name"] for row in found["gpus"]] == [gpu.name for gpu in GPUS]
    h100 = found["gpus"][1]
    assert h100["hours"][8] * 3600 * 8 * 989e12 * 0.5 == pytest.approx(found["work"]["flops"])
    assert h100["dollars"] == pytest.approx(2 * h100["hours"][1]) == pytest.approx(2 * 8 * h100["hours"][8])
    assert found["gpus"][0]["dollars_per_gpu_hour"] == GPUS[0].dollars
    assert planned(recipe)["utilisation"]["share"] == PUBLISHED_UTILISATION


def test_a_step_too_small_for_a_gpu_has_no_hours(prepared):
    small = planned(changed(prepared, **{"training.global_batch_size": "512", "training.per_device_batch_size": "64"}))
    times = small["gpus"][0]["hours"]
    assert times[1] is not None
    assert times[4] is times[8] is None
    assert all(row["dollars"] is None for row in planned(prepared)["gpus"]), "8 rows a step"


def test_memory_is_that_of_the_states_and_the_micro_batch(prepared):
    sizes = {"model.num_hidden_layers": "12", "model.hidden_size": "768", "model.num_attention_heads": "12"}
    sizes |= {
        "model.intermediate_size": "3072",
        "pairs.max_seq_length": "64",
        "training.per_device_batch_size": "1024",
    }
    recipe = changed(prepared, **sizes, **{"training.global_batch_size": "4096"})
    found = planned(recipe)
    memory, most = found["memory"], [row["largest_micro_batch_rows"] for row in found["gpus"]]
    assert memory["states_bytes"] == 16 * found["work"]["parameters"]
    assert memory["micro_batch_bytes"] == 1024 * memory["bytes_per_row"]
    assert most == [2048, 2048, 4096, 512, 512]
    assert "fits into: A100, H100, H200\n" in screen(found)
    too_large = planned(changed(prepared, **{"model.hidden_size": "65536", "model.num_hidden_layers": "20"}))
    assert [row["largest_micro_batch_rows"] for row in too_large["gpus"]] == [0] * 5
    assert any("no GPU of the table has memory for 8 rows" in warning for warning in too_large["warnings"])
    assert "fits into: none of the table" in screen(too_large)


def test_a_measured_speed_counts_where_the_run_has_one(trained, tmp_path):
    recipe = changed(trained, tmp_path / "run")
    shutil.copytree(trained.folder, recipe.folder)
    record = read_json(recipe.folder / "training.json")
    assert planned(recipe)["utilisation"]["share"] == PUBLISHED_UTILISATION, "a CPU tells nothing about GPUs"
    flops = planned(recipe)["work"]["flops_per_token"]
    for line in record["log_history"]:
        line["tokens_per_second"] = 0.4 * 2 * 989e12 / flops
    write_json(recipe.folder / "training.json", record | {"device": "NVIDIA H100 80GB HBM3", "world_size": 2})
    found = planned(recipe)["utilisation"]
    assert found["share"] == pytest.approx(0.4)
    assert found["source"] == "measured in training.json on 2 x NVIDIA H100 80GB HBM3"
    assert planned(recipe, 0.3)["utilisation"]["share"] == 0.3
    longer = changed(recipe, **{"training.max_steps": "600", "training.learning_rate": "1e-4"})
    assert planned(longer)["utilisation"]["share"] == pytest.approx(0.4), "they do not change the speed"
    wider = changed(recipe, **{"model.intermediate_size": "128"})
    assert planned(wider)["utilisation"]["share"] == PUBLISHED_UTILISATION


def test_this_machine_takes_the_share_that_the_run_reached(trained, one_thread):
    found = plan_of(trained, None, {})["this_machine"]
    log = read_json(trained.folder / "training.json")["log_history"]
    shares = sorted(line["gemm_utilization"] for line in log if "gemm_utilization" in line)
    expected = found["utilisation_source"] == "training.json"
    assert not expected or shares[0] <= found["utilisation"] <= shares[-1]
    work = planned(trained)["work"]["flops"]
    assert found["hours"] * 3600 * found["peak_flops_per_second"] * found["utilisation"] == pytest.approx(work)


def test_warnings(prepared):
    def of(**overrides):
        return planned(changed(prepared, **{name.replace("__", "."): value for name, value in overrides.items()}))

    few = of(training__max_steps="2")
    assert few["training"]["passes"] < 1
    assert (
        f"only {few['training']['passes']:.0%} of the corpus is seen once: raise training.max_steps to"
        in (few["warnings"][0])
    )
    many = of(training__max_steps="5000")
    passes = many["training"]["passes"]
    assert f"the corpus is seen {passes:,.0f} times" in many["warnings"][0]
    fitting = round(5000 * 40 / passes)
    assert f"lower training.max_steps to {fitting:,} or less" in many["warnings"][0]
    enough = of(training__max_steps=str(fitting))["warnings"]
    assert not any("of the corpus" in warning or "the corpus is" in warning for warning in enough)
    assert any("the vocabulary's pieces occur fewer than 20 times" in warning for warning in enough)
    assert not any("trains in float32" in warning for warning in enough), "there are no times on GPUs"
    assert any("trains in float32" in warning for warning in of(training__global_batch_size="4096")["warnings"])
    assert not any("float32" in warning for warning in of(training__bf16="true")["warnings"])


def test_rare_pieces_are_counted(prepared):
    from recipe.tokenizer.folder import load_tokenizer
    from recipe.tokens.store import open_token_store

    store, tokenizer = (
        open_token_store(prepared.folder / "store" / "train"),
        load_tokenizer(prepared.folder / "tokenizer"),
    )
    counts = {piece: 0 for piece in tokenizer.get_vocab() if not piece.startswith("[")}
    for number in store.tokens.tolist():
        piece = tokenizer.id_to_token(number)
        counts[piece] = counts.get(piece, 0) + 1
    rare = sum(number < 20 for number in counts.values()) / len(counts)
    assert planned(prepared)["text"]["rare_pieces_share"] == pytest.approx(rare)


def test_the_screen_shows_the_numbers_with_their_units_and_json_has_them_all(prepared):
    found = plan_of(prepared, None, {})
    told = "No times on GPUs: a step has under 8,192 tokens a GPU"
    assert told in screen(found)
    assert "GB SXM" not in screen(found)
    assert "times on GPUs hold" not in screen(found)
    recipe = changed(prepared, **{"training.global_batch_size": "4096", "training.bf16": "false"})
    found = plan_of(recipe, None, {})
    shown = screen(found)
    assert told not in shown
    assert "times on GPUs hold" in shown
    assert len(shown.splitlines()) < 40
    assert max(map(len, shown.splitlines())) <= 110
    for words in (
        *(
            f"{found['text']['tokens']:,.0f} tokens to train on, ",
            " steps of 4,096 pairs = ",
            " MFLOP a token; ",
            " FLOP in all",
        ),
        *("GB SXM", "TFLOP/s", "rows at once", "time on 8", "$ per hour", "GFLOP/s x 25.0 %", " MB in all"),
        *("utilisation (published runs", "warning: "),
    ):
        assert words in shown
    assert all(f"warning: {warning}" in " ".join(shown.split()) for warning in found["warnings"])
    again = json.loads(plan(recipe, None, [], True))
    assert again["work"] == found["work"]
    assert set(again) == set(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--utilisation", "2"), "--utilisation is 2.0; it must be above 0, at most 1"),
        (("--utilisation", "much"), "argument --utilisation: invalid float value: 'much'"),
        (("--price", "B200=2"), "'B200' is not a GPU of the table"),
        (("--price", "H100=two"), "'two' is not dollars per GPU and hour"),
        (("--prize", "H100=2"), "unknown argument --prize; did you mean --price?"),
        (("--corpus.path", "no/such/file.txt"), "no/such/file.txt leads to no file"),
    ],
)
def test_bad_input_is_one_line(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["plan", "demo", "--run_dir", str(tmp_path / "run"), *options])
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (2, 1)
    assert message in error


def test_bad_input_is_found_before_torch_is_imported(tmp_path):
    code = (
        "import sys; from recipe.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted({'torch', 'transformers', 'datasets'} & {*sys.modules}))"
    )
    for options in (["--price", "H100=x"], ["--corpus.path", "absent"]):
        command = [sys.executable, "-c", code, "plan", "demo", "--run_dir", str(tmp_path / "run"), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (2, "[]")


def test_the_command_prints_the_plan(prepared, tmp_path, capsys):
    path = tmp_path / "recipe.yaml"
    path.write_text(dataclasses.replace(prepared).to_yaml())
    main(["plan", str(path), "--price", "T4=0.1", "--json"])
    rows = json.loads(capsys.readouterr().out)["gpus"]
    assert rows[-1]["dollars_per_gpu_hour"] == 0.1
    main(["plan", str(path)])
    assert capsys.readouterr().out.startswith(f"Plan of {prepared.run_dir}\n")
