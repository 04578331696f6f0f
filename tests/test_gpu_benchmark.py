"""What benchmarks/gpu.py measures and when, without a GPU; test_benchmark_programs.py runs it in its tiny form."""

import math
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(ROOT / "benchmarks"))

import gpu
import gpu_device
import gpu_training
from gpu_training import Setting, Sizes, Watch

CPU = torch.device("cpu")
NEVER, LONG_AGO = math.inf, 0.0
SMALL = Sizes({32: 3}, accumulation=2, epoch=2, warm_up=1, measured=2, profiled=1, repeats=1)


class Recorder:
    """A trainer whose throughput writes down when it was asked."""

    def __init__(self) -> None:
        self.args, self.throughput, self.calls, self.step = SimpleNamespace(device=CPU), self, [], 0

    def restart(self) -> None:
        self.calls.append(("restart", self.step))

    def line(self) -> dict[str, float]:
        self.calls.append(("line", self.step))
        return {"tokens_per_second": 1.0}


def watched(ends_at: list[float], monkeypatch) -> tuple[Watch, list[tuple[str, int]], int]:
    """A watch of steps 1, 2, ... until it stops them; for each step whether the time is over."""
    trainer = Recorder()
    watch = Watch(trainer, SMALL.steps, NEVER)
    monkeypatch.setattr(
        watch,
        "_activity",
        SimpleNamespace(
            start=lambda: trainer.calls.append(("profile", trainer.step)),
            idle_share=lambda: trainer.calls.append(("profiled", trainer.step)) or 0.25,
        ),
    )
    control = SimpleNamespace(should_training_stop=False)
    for step, end in enumerate(ends_at, 1):
        trainer.step, watch._ends_at = step, end
        watch.on_step_end(trainer.args, SimpleNamespace(global_step=step), control)
        if control.should_training_stop:
            return watch, trainer.calls, step
    return watch, trainer.calls, len(ends_at)


def test_whole_epochs_are_measured_after_the_warm_up_and_profiled_after_that(monkeypatch):
    assert SMALL.steps == (2, 6, 8)
    watch, calls, _ = watched([NEVER] * 8, monkeypatch)
    assert calls == [("restart", 2), ("line", 6), ("profile", 6), ("profiled", 8)]
    assert (watch.steps, watch.idle_share) == (4, 0.25)


@pytest.mark.parametrize(
    ("over_at", "calls", "steps"),
    [
        (1, [], 0),
        (2, [("restart", 2)], 0),
        (4, [("restart", 2), ("line", 4)], 2),
        (6, [("restart", 2), ("line", 6)], 4),
    ],
)
def test_training_ends_when_the_time_is_over(monkeypatch, over_at, calls, steps):
    watch, seen, stopped_at = watched([NEVER] * (over_at - 1) + [LONG_AGO] * 5, monkeypatch)
    assert (seen, stopped_at) == (calls, over_at)
    assert (watch.steps, watch.idle_share) == (steps, None)
    assert (watch.line is None) == (steps == 0)


def test_a_row_is_what_the_trainer_did():
    [row] = gpu_training.trained(Setting((1, 64), 32, 0.1, "eager"), SMALL, CPU, NEVER)
    assert (row["model"], row["length"], row["rows"], row["dropout"], row["mode"]) == ("1x64", 32, 3, 0.1, "eager")
    assert (row["steps"], row["precision"], row["peak_memory_gb"]) == (4, "float32", None)
    assert row["tokens_per_second"] > 0
    # Head and vocabulary at 15 % of the tokens, and one layer.
    per_token = row["flops"] / row["tokens_per_second"]
    layer, head = 6 * (4 * 64**2 + 2 * 64 * 256), 6 * (64**2 + 64 * gpu_training.VOCABULARY)
    assert per_token == pytest.approx(layer + 0.15 * head, rel=0.2)
    assert 0 <= row["idle_share"] < 1
    assert row["peak"] > 1e8


def test_nothing_is_told_of_a_training_that_was_too_late():
    assert list(gpu_training.trained(Setting((1, 64), 32, 0.0, "eager"), SMALL, CPU, LONG_AGO)) == []


def test_the_trainer_is_that_of_the_recipe(monkeypatch):
    compiled = []
    monkeypatch.setattr(gpu_training, "compile_parts", lambda *parts: compiled.append(parts))
    trainers = [
        gpu_training.trainer_of(Setting((2, 128), 32, 0.1, mode), SMALL, CPU) for mode in ("eager", "compiled")
    ]
    for trainer in trainers:
        assert trainer.global_batch_size == 6
        assert len(trainer.train_dataset) == 12, "an epoch of two steps"
        assert trainer.args.max_steps == 8
        assert trainer.args.logging_nan_inf_filter is False
        assert trainer.args.optim == "adamw_torch_fused"
        assert trainer.data_collator.padding_free
        assert trainer.model.config.vocab_size == gpu_training.VOCABULARY == 30_528
        probabilities = {name: each.p for name, each in trainer.model.named_modules() if hasattr(each, "p")}
        assert {p for name, p in probabilities.items() if name.endswith("attention.self.dropout")} == {0.0}
        assert {p for name, p in probabilities.items() if not name.endswith("attention.self.dropout")} == {0.1}
    assert compiled == [(trainers[1].model.bert, trainers[1].model.cls.predictions)]


def test_what_says_most_is_measured_first():
    sizes = Sizes({128: 1, 512: 1}, 1, 1, 1, 1, 1, 1)
    about = [text for _, text, _ in gpu._plan([(12, 768)], ["eager", "compiled"], sizes, CPU, NEVER)]
    assert about == [
        "12x768, 128 tokens, dropout 0.0, eager",
        "12x768, 128 tokens, dropout 0.0, compiled",
        "12x768, 128 tokens, attention",
        "12x768, 512 tokens, dropout 0.0, eager",
        "12x768, 512 tokens, dropout 0.0, compiled",
        "12x768, 512 tokens, attention",
        "12x768, 128 tokens, dropout 0.1, eager",
        "12x768, 128 tokens, dropout 0.1, compiled",
        "12x768, 512 tokens, dropout 0.1, eager",
        "12x768, 512 tokens, dropout 0.1, compiled",
    ]


def test_what_fails_is_named_and_the_next_row_goes_on(monkeypatch):
    def fails_with_dropout(setting, *rest):
        if setting.dropout:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 GiB")
        yield {"dropout": setting.dropout}

    monkeypatch.setattr(gpu, "trained", fails_with_dropout)
    found = list(gpu.measurements([(1, 64)], ["eager"], SMALL, CPU, NEVER))
    assert [name for name, _ in found] == ["rows", "kernels", "notes"]
    assert found[2][1] == (
        "1x64, 32 tokens, dropout 0.1, eager: OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB"
    )
    assert list(gpu.measurements([(1, 64)], ["eager"], SMALL, CPU, LONG_AGO)) == []


def results_of(**changed) -> dict:
    row = {
        **{"model": "12x768", "length": 128, "rows": 256, "dropout": 0.0, "mode": "eager", "precision": "bfloat16"},
        **{"tokens_per_second": 818_000.0, "data_wait_share": 0.01, "flops": 0.45 * 989e12, "peak": 700e12},
        **{"peak_memory_gb": 30.25, "idle_share": None, "steps": 20},
    }
    card = {"gpu": "NVIDIA H100 80GB HBM3", "memory_gb": 85.0, "data_sheet": 989e12, "cuda": "13.0"}
    versions = {"torch": "2.13.0", "transformers": "5.23.0"}
    where = {"cpu": "a CPU", "cores": 16, "versions": versions, "commit": "abc", **card}
    other = {**row, "length": 512, "peak": 890.1e12}
    return {"rows": [row, other], "kernels": [], "notes": [], "machine": where, **changed}


def test_shares_are_of_the_data_sheet_and_of_the_best_product():
    text = gpu.markdown(results_of())
    assert "| 12x768 | 128 | 256 | 0.00 | eager | 818,000 | 45.0% | 50.0% | 30.25 | – | 1.0% | 20 |" in text
    assert "NVIDIA H100 80GB HBM3, 85 GB, CUDA 13.0" in text
    assert "data sheet: 989 TFLOP/s; best measured product: 890.1 TFLOP/s" in text
    assert "Not measured" not in text
    unknown = results_of()
    unknown["machine"]["data_sheet"] = None
    assert "| 818,000 | – | 50.0% |" in gpu.markdown(unknown)
    assert "- no memory" in gpu.markdown(results_of(notes=["no memory"], rows=[]))


@pytest.mark.parametrize("notes", [[], ["1x64: no memory"]])
def test_results_are_written_after_each_row(monkeypatch, tmp_path, notes):
    written = []

    def some(*_):
        for row in results_of()["rows"]:
            yield "rows", row
            written.append((tmp_path / "gpu.md").read_text().count("| 12x768"))
        yield from (("notes", note) for note in notes)

    monkeypatch.setattr(gpu, "measurements", some)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--tiny", "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == (notes[0] if notes else 0)
    assert written == [1, 2]
    assert ("no memory" in (tmp_path / "gpu.md").read_text()) == bool(notes)


def test_a_program_without_any_row_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "measurements", lambda *_: [])
    options = ["--device", "cpu", "--tiny", "--minutes", "0.5", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *options])
    with pytest.raises(SystemExit, match=r"no training was measured within 0.5 minutes"):
        gpu.main()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no GPU is here (torch.cuda.is_available() is False); --device cpu --tiny is a rehearsal"),
        (["--device", "cpu", "--minutes", "0"], "argument --minutes: 0 is no time; give minutes above 0"),
        (["--device", "cpu", "--minutes", "nan"], "argument --minutes: nan is no time; give minutes above 0"),
        (["--models", "12x100"], "'12x100' is not LAYERSxWIDTH, such as 12x768; a width above 64 is a multiple of 64"),
        (["--modes", "fast"], "invalid choice: 'fast'"),
    ],
)
def test_bad_options_are_one_line(monkeypatch, capsys, options, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", *options])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "capability", "flops", "dtype"),
    [
        ("NVIDIA H100 80GB HBM3", (9, 0), 989e12, torch.bfloat16),
        ("NVIDIA H200", (9, 0), 989e12, torch.bfloat16),
        ("NVIDIA A100-SXM4-80GB", (8, 0), 312e12, torch.bfloat16),
        ("Tesla T4", (7, 5), 65e12, torch.float16),
        ("NVIDIA GeForce RTX 9999", (12, 0), None, torch.bfloat16),
    ],
)
def test_a_card_is_known_by_its_name(monkeypatch, name, capability, flops, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=80e9))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    device = torch.device("cuda", 0)
    assert gpu_device.card(device)["data_sheet"] == flops
    assert gpu_device.half_precision(device) == dtype
    assert gpu_device.half_precision(CPU) == torch.float32


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10))))
def test_stretches_that_overlap_count_once(found):
    spans = [(float(start), float(start + length)) for start, length in found]
    ticks = {tick for start, length in found for tick in range(start, start + length)}
    assert gpu_device.covered(spans) == len(ticks)


@pytest.mark.parametrize(
    ("name", "is_named", "expected"),
    [
        ("sm90_xmma_gemm_bf16bf16", False, True),
        ("Memcpy HtoD (Pinned -> Device)", False, False),
        ("Memset (Device)", False, False),
        ("Optimizer.step#AdamW.step", True, False),
    ],
)
def test_copies_and_names_are_no_kernels(name, is_named, expected):
    assert gpu_device.is_kernel(SimpleNamespace(name=name, is_user_annotation=is_named)) == expected


def test_a_device_that_sleeps_is_idle():
    activity = gpu_device.Activity(CPU)
    activity.start()
    torch.ones(8) + 1
    time.sleep(0.3)
    assert 0.5 < activity.idle_share() < 1


def test_without_a_profiler_nothing_is_said_of_the_device(monkeypatch):
    def absent(activities):
        raise RuntimeError("CUPTI is not available")

    monkeypatch.setattr(gpu_device, "profile", absent)
    activity = gpu_device.Activity(CPU)
    activity.start()
    assert activity.idle_share() is None
    silent = SimpleNamespace(start=lambda: None, stop=lambda: None, events=lambda: [])
    monkeypatch.setattr(gpu_device, "profile", lambda activities: silent)
    activity.start()
    assert activity.idle_share() is None


def test_a_call_is_timed_over_three_rounds_after_a_first_one():
    calls = []
    seconds = gpu_device.seconds_of(lambda: (calls.append(1), time.sleep(0.01)), 4, CPU)
    assert len(calls) == 13
    assert 0.01 <= seconds < 0.5


def test_each_kernel_of_a_device_is_timed_on_the_rows_of_a_micro_batch():
    [row] = gpu.kernels((1, 64), 32, SMALL, CPU)
    lengths = [len(each["input_ids"]) for each in gpu.training_rows.made_up_rows(32, 3, 1)]
    assert (row["model"], row["length"], row["tokens"]) == ("1x64", 32, sum(lengths))
    assert (row["kernel"], row["is_chosen"]) == ("runs of rows", True)
    assert 0 < row["forward_ms"] < row["both_ms"]
