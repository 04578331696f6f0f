"""Pretraining on one GPU, inside our Trainer: real tokens per second, utilisation, peak memory, idle device; and each
attention kernel alone.

python benchmarks/gpu.py                          # BERT-base, eager and compiled, dropout 0 and 0.1: four minutes
python benchmarks/gpu.py --models 4x256 12x768 --minutes 8
python benchmarks/gpu.py --device cpu --tiny      # a rehearsal; its numbers say nothing

Rows have the lengths of PubMed abstracts (benchmarks/training_rows.py): 256 of up to 128 tokens or 64 of up to 512 in
a micro-batch, four micro-batches in a step; vocabulary 30,528, bfloat16 where the card has it, attention dropout 0.
Whole epochs are measured after the warm-up, with torch.cuda.synchronize at both ends. When --minutes are over, no row
begins and the one at work ends early; gpu.{md,json} are written after each row. What fails is named in them, the next
row goes on, and the exit status is 1.

A GPU machine without a package index may lack four pure-Python wheels: datasets, evaluate, dill and multiprocess
(multiprocess has one for each Python). Fetch the versions of constraints.txt elsewhere with `pip download --no-deps
--only-binary=:all: --python-version 3.12 -d wheels PACKAGE==VERSION ...`, install them with `pip install --no-index
--no-deps --target DIR wheels/*.whl` and put DIR into PYTHONPATH. Its torch may be 2.6 or later, its transformers 5.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
import training_rows
import transformers
from gpu_device import attention_kernels, card
from gpu_training import VOCABULARY, Setting, Sizes, trained
from reporting import machine, markdown_table, program_parser, save
from training import model_size

from recipe.errors import InputError

MODES = ("eager", "compiled")
# The warm-up sees every length: kernels are compiled and memory is taken then. 5 epochs are 80 micro-batches, which
# take 3 seconds at 0.8 M tokens a second.
FULL = Sizes({128: 256, 512: 64}, accumulation=4, epoch=4, warm_up=2, measured=5, profiled=1, repeats=20)
TINY = Sizes({32: 4, 64: 2}, accumulation=2, epoch=2, warm_up=1, measured=1, profiled=1, repeats=2)

COLUMNS = {
    "model": "model",
    "length": "length",
    "rows": "rows",
    "dropout": "dropout",
    "mode": "mode",
    "tokens_per_second": "real tokens/s",
    "mfu": "share of the data sheet",
    "gemm_utilization": "share of the measured product",
    "peak_memory_gb": "peak memory, GB",
    "idle_share": "device idle",
    "data_wait_share": "waiting for data",
    "steps": "steps",
}
KERNEL_COLUMNS = {
    "model": "model",
    "length": "length",
    "tokens": "tokens",
    "kernel": "kernel",
    "is_chosen": "in training",
    "forward_ms": "forward, ms",
    "both_ms": "forward and backward, ms",
}


def main() -> None:
    """Measure what the command line asks for, until the time is over."""
    arguments = _arguments()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    ends_at = time.monotonic() + 60 * arguments.minutes
    device, sizes = torch.device(arguments.device), TINY if arguments.tiny else FULL
    models = arguments.models or [(1, 64) if arguments.tiny else (12, 768)]
    results: dict[str, Any] = {"rows": [], "kernels": [], "notes": [], "machine": {**machine(), **card(device)}}
    for name, found in measurements(models, arguments.modes, sizes, device, ends_at):
        results[name].append(found)
        save(arguments.results, "gpu", results, markdown(results))
        print(found, flush=True)
    if not results["rows"]:
        results["notes"].append(f"no training was measured within {arguments.minutes:g} minutes")
    save(arguments.results, "gpu", results, markdown(results))
    print(markdown(results))
    sys.exit("; ".join(results["notes"]) or 0)


def measurements(
    models: list[tuple[int, int]], modes: list[str], sizes: Sizes, device: torch.device, ends_at: float
) -> Iterable[tuple[str, Any]]:
    """("rows", a row), ("kernels", a row) or ("notes", what failed), as they are found.

    Args:
        ends_at: time.monotonic() after which nothing begins.
    """
    for what, about, measure in _plan(models, modes, sizes, device, ends_at):
        if time.monotonic() > ends_at:
            return
        try:
            for row in measure():
                yield what, row
        # Such as a lack of memory, a kernel or a compiler that this card has not; the next row may well run.
        except (RuntimeError, ImportError, InputError) as error:
            yield "notes", f"{about}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        # Else what this row left takes memory from the next one.
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def _plan(
    models: list[tuple[int, int]], modes: list[str], sizes: Sizes, device: torch.device, ends_at: float
) -> Iterable[tuple[str, str, Callable[[], Iterable[dict]]]]:
    """(kind of row, what it is about, a call that measures it); what says most comes first."""
    for dropout in (0.0, 0.1):
        for model in models:
            for length in sizes.rows:
                for mode in modes:
                    setting = Setting(model, length, dropout, mode)
                    about = f"{_name(model)}, {length} tokens, dropout {dropout}, {mode}"
                    yield "rows", about, lambda setting=setting: trained(setting, sizes, device, ends_at)
                if not dropout:
                    yield (
                        "kernels",
                        f"{_name(model)}, {length} tokens, attention",
                        lambda model=model, length=length: kernels(model, length, sizes, device),
                    )


def kernels(model: tuple[int, int], length: int, sizes: Sizes, device: torch.device) -> Iterable[dict]:
    """Each attention kernel alone on the rows of a micro-batch."""
    lengths = [len(row["input_ids"]) for row in training_rows.made_up_rows(length, sizes.rows[length], 1)]
    for row in attention_kernels(model, lengths, sizes.repeats, device):
        yield {"model": _name(model), "length": length, **row}


def _name(model: tuple[int, int]) -> str:
    return f"{model[0]}x{model[1]}"


def markdown(results: dict) -> str:
    """The report."""
    where = results["machine"]
    peak = max((row["peak"] for row in results["rows"]), default=0.0)
    sheet = f"{where['data_sheet'] / 1e12:.0f} TFLOP/s" if where["data_sheet"] else "unknown"
    parts = [
        "# Pretraining on a GPU",
        (
            f"{where['gpu']}"
            + (f", {where['memory_gb']:.0f} GB, CUDA {where['cuda']}" if where["memory_gb"] else "")
            + f", {where['cores']} cores of {where['cpu']}, torch {where['versions']['torch']}, transformers"
            f" {where['versions']['transformers']}, {', '.join({row['precision'] for row in results['rows']}) or '-'},"
            f" vocabulary {VOCABULARY:,}, commit {where['commit']}. Peak of the data sheet: {sheet}; best measured"
            f" product: {peak / 1e12:.1f} TFLOP/s."
        ),
        markdown_table(COLUMNS, [_shown(row, where["data_sheet"], peak) for row in results["rows"]]),
        "Attention kernels alone, one layer, a micro-batch without dropout:",
        markdown_table(
            KERNEL_COLUMNS, [{**row, "is_chosen": "yes" if row["is_chosen"] else ""} for row in results["kernels"]]
        ),
    ]
    if results["notes"]:
        parts.append("Not measured:\n\n" + "\n".join(f"- {note}" for note in results["notes"]))
    return "\n\n".join(parts)


def _shown(row: dict, data_sheet: float | None, peak: float) -> dict:
    """A row in words; shares are those of the data sheet, and of the best product of all rows."""
    shares = {
        "mfu": row["flops"] / data_sheet if data_sheet else None,
        "gemm_utilization": row["flops"] / peak,
        "idle_share": row["idle_share"],
        "data_wait_share": row["data_wait_share"],
    }
    return {**row, **{name: None if share is None else f"{share:.1%}" for name, share in shares.items()}}


def _arguments() -> argparse.Namespace:
    parser = program_parser(__doc__)
    parser.add_argument("--models", nargs="+", type=model_size, metavar="LAYERSxWIDTH", help="default: 12x768")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES, help="with torch.compile or without")
    parser.add_argument("--minutes", type=float, default=4.0, help="stop then; default: 4")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a 1x64 model and few short rows, as a rehearsal")
    arguments = parser.parse_args()
    if not 0 < arguments.minutes < float("inf"):
        parser.error(f"argument --minutes: {arguments.minutes:g} is no time; give minutes above 0")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU is here (torch.cuda.is_available() is False); --device cpu --tiny is a rehearsal")
    return arguments


if __name__ == "__main__":
    main()
