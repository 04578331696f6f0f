"""A recipe -> the text, work, time, memory, disk and money that it takes; nothing is written."""

from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from recipe.config import Recipe
from recipe.errors import InputError
from recipe.files import read_json
from recipe.inputs.hub_folder import local_folder
from recipe.model.memory import BYTES_PER_PARAMETER, activation_bytes, parameters_of
from recipe.pairs.passes import PAIR
from recipe.pipeline.done import require_done
from recipe.pipeline.prepared import completed
from recipe.planning.hardware import (
    GPUS,
    LEAST_TOKENS,
    NUMBERS,
    PUBLISHED_UTILISATION,
    Gpu,
    gpu_named,
    hours,
    largest_micro_batch,
)
from recipe.planning.sample import sampled_text
from recipe.planning.text import RARE_PIECE, Text, counted_text, masked_per_row
from recipe.records import read_records
from recipe.run_folder.settings import changes_of, size_of
from recipe.tokenizer.folder import load_tokenizer
from recipe.tokens.store import open_token_store

# Passes over a text after which more of them teach next to nothing: for decoders, Muennighoff et al. 2023 (arXiv
# 2305.16264, figure 1) find up to 4 as good as new text and 40 worthless. BERT's authors made 40 (arXiv 1810.04805).
MOST_PASSES = 40
# 42 M tokens of biomedical texts have 13 % such pieces of 30,522, mostly rare characters; 0.9 M have 25 % of 8,192.
MOST_RARE = 0.2
# While a new checkpoint is written, the old ones stay; each has the weights and two moments in float32.
CHECKPOINT_BYTES, MODEL_BYTES = 12, 4
# Pass files of refresh_every_epoch: two are kept while the next one is made.
PASS_FILES = 3


def has_times(plan: dict[str, Any]) -> bool:
    """Whether any GPU of the table has a time."""
    return any(found is not None for row in plan["gpus"] for found in row["hours"].values())


def plan_of(
    recipe: Recipe, utilisation: float | None, prices: dict[str, float], with_this_machine: bool = True
) -> dict[str, Any]:
    """What a recipe takes, by section; every key of a number ends in its unit unless it is a count.

    Args:
        utilisation: share of the data sheet's peak that training reaches; None: measured, else the published one.
        prices: dollars per hour by the name of a GPU, instead of the table's.
        with_this_machine: whether to measure its matrix product, which takes a second.

    Raises:
        InputError: if neither a token store nor a corpus can be read.
    """
    recipe = completed(recipe)
    training, text, exact = recipe.training, text_of(recipe), _exact_pairs(recipe)
    pairs_per_pass = exact["pairs"] / recipe.pairs.dupe_factor if exact else text.pairs
    mean_length = exact["mean_length"] if exact else text.mean_length
    rows = training.max_steps * training.global_batch_size
    vocab_size = recipe.model.vocab_size or -(-text.vocab_size // 8) * 8
    parameters = parameters_of(recipe.model, vocab_size)
    flops = rows * flops_per_row(recipe, text, vocab_size)
    measured = _measured(recipe)
    share, share_source = _utilisation(utilisation, measured, flops / (rows * mean_length))
    found: dict[str, Any] = {
        "run": recipe.run_dir,
        "text": {
            "source": text.source,
            "tokens": text.tokens,
            "tokens_low": text.tokens * text.low,
            "tokens_high": text.tokens * text.high,
            "documents": text.documents,
            "rare_pieces_share": text.rare_share,
        },
        "pairs": {
            "source": "pairs/statistics.json" if exact else "a pass over the text above",
            "pairs_per_pass": pairs_per_pass,
            "mean_length_tokens": mean_length,
        },
        "training": {
            "steps": training.max_steps,
            "pairs_per_step": training.global_batch_size,
            "pairs": rows,
            "tokens": rows * mean_length,
            "passes": rows / pairs_per_pass,
            "passes_low": rows / (pairs_per_pass * text.high),
            "passes_high": rows / (pairs_per_pass * text.low),
        },
        "work": {"parameters": parameters, "flops": flops, "flops_per_token": flops / (rows * mean_length)},
        "memory": _memory(recipe, parameters),
        "disk_bytes": _disk(recipe, text, pairs_per_pass, mean_length, parameters),
        "utilisation": {"share": share, "source": share_source},
    }
    found["gpus"] = [_row(gpu, found, prices.get(gpu.name, gpu.dollars)) for gpu in GPUS]
    if with_this_machine:
        found["this_machine"] = _this_machine(recipe, flops, share, measured)
    return found | {"warnings": warnings_of(recipe, found)}


def text_of(recipe: Recipe) -> Text:
    """The training text: counted where its token store is made with these settings, else estimated from a sample."""
    made_here = replace(recipe, corpus=replace(recipe.corpus, prepared_from=None))
    other = recipe.corpus.prepared_from
    candidates = [made_here, *([replace(made_here, run_dir=other)] if other else [])]
    why = ""
    for candidate in candidates:
        try:
            require_done(candidate, "tokens")
        except InputError as error:
            why = why or str(error)
            continue
        store = open_token_store(candidate.folder / "store" / "train")
        tokenizer = load_tokenizer(candidate.folder / "tokenizer")
        source = f"counted in {candidate.run_dir}/store/train"
        return counted_text(recipe, store, tokenizer, source, size_of(candidate.folder / "corpus"))
    try:
        require_done(made_here, "tokenizer")
        folder: Path | None = recipe.folder / "tokenizer"
    except InputError:
        folder = local_folder(recipe.tokenizer.path, "tokenizer.path") if recipe.tokenizer.path else None
    found = sampled_text(recipe, folder)
    is_changed = "was made with" in why
    return replace(found, source=f"{found.source}; {why}") if is_changed else found


def flops_per_row(recipe: Recipe, text: Text, vocab_size: int) -> float:
    """Floating-point operations of one pair, forward and backward, as `gemm_utilization` counts them."""
    from transformers import BertConfig  # torch is imported here, after all input was checked

    from recipe.pretraining.throughput import training_flops

    model = recipe.model
    config = BertConfig(
        vocab_size=vocab_size,
        hidden_size=model.hidden_size,
        num_hidden_layers=model.num_hidden_layers,
        intermediate_size=model.intermediate_size,
        num_attention_heads=model.num_attention_heads,
    )
    masked = masked_per_row(text, recipe.masking.mlm_probability, recipe.masking.max_predictions_per_seq)
    return training_flops(config, masked, text.mean_length, text.mean_squared_length)


def warnings_of(recipe: Recipe, plan: dict[str, Any]) -> list[str]:
    """What in a plan looks like a mistake, one sentence each with what to do."""
    training, passes, found = recipe.training, plan["training"]["passes"], []
    if passes > MOST_PASSES:
        fitting = max(1, round(training.max_steps * MOST_PASSES / passes))
        found.append(
            f"the corpus is seen {passes:,.0f} times, and after about {MOST_PASSES} more of it teaches nothing: add"
            f" text, or lower training.max_steps to {fitting:,} or less"
        )
    if passes < 1:
        found.append(
            f"only {passes:.0%} of the corpus is seen once: raise training.max_steps to"
            f" {round(training.max_steps / passes):,} for one pass, or prepare less text"
        )
    if (rare := plan["text"]["rare_pieces_share"] or 0) > MOST_RARE:
        found.append(
            f"{rare:.0%} of the vocabulary's pieces occur fewer than {RARE_PIECE} times in the text, too few to learn"
            " them: lower tokenizer.vocab_size, or add text"
        )
    if has_times(plan) and not (training.bf16 or training.fp16):
        found.append("the recipe trains in float32; the times on GPUs hold for training.bf16: true (T4: fp16)")
    rows = plan["memory"]["micro_batch_rows"]
    if not any(row["largest_micro_batch_rows"] >= rows for row in plan["gpus"]):
        found.append(f"no GPU of the table has memory for {rows:,} rows: lower training.per_device_batch_size")
    return found


def _exact_pairs(recipe: Recipe) -> dict[str, Any] | None:
    try:
        require_done(recipe, "pairs")
        return read_json(recipe.folder / "pairs" / "statistics.json")["train"]
    except (InputError, KeyError):
        return None


def _measured(recipe: Recipe) -> dict[str, Any] | None:
    """Device, ranks, and the median speed and `gemm_utilization` of this run if it was trained with such a model."""
    records = read_records(recipe.folder)
    settings: dict[str, Any] = {}
    for name in ("pairs", "pretrain"):
        settings |= records.get(name, {}).get("settings", {})
    # What decides the speed; a run of other steps or another learning rate is as fast.
    decisive = recipe.settings("model", "pairs.max_seq_length", "training.bf16", "training.fp16", "training.tf32")
    path = recipe.folder / "training.json"
    if "pretrain" not in records or changes_of(decisive, settings) or not path.is_file():
        return None
    record = read_json(path)
    # The first line is of one step, in which everything is set up.
    lines = [line for line in record.get("log_history", []) if "gemm_utilization" in line][1:]
    if not lines:
        return None
    speed, share = (median(line[name] for line in lines) for name in ("tokens_per_second", "gemm_utilization"))
    return {"device": record["device"], "ranks": record["world_size"], "tokens_per_second": speed, "share": share}


def _utilisation(given: float | None, measured: dict[str, Any] | None, flops_per_token: float) -> tuple[float, str]:
    gpu = gpu_named(measured["device"]) if measured else None
    if given is not None:
        return given, "--utilisation"
    if measured is not None and gpu is not None:
        share = measured["tokens_per_second"] * flops_per_token / (measured["ranks"] * gpu.flops)
        return share, f"measured in training.json on {measured['ranks']} x {measured['device']}"
    # What a CPU reaches of its own product says nothing about GPUs.
    return PUBLISHED_UTILISATION, "published runs of BERT-base size; a smaller model reaches less"


def _memory(recipe: Recipe, parameters: int) -> dict[str, int]:
    def activations(rows: int) -> int:
        training = replace(recipe.training, per_device_batch_size=rows, bf16=True, fp16=False)
        return activation_bytes(replace(recipe, training=training))

    rows = min(recipe.training.per_device_batch_size, recipe.training.global_batch_size)
    return {
        "states_bytes": parameters * BYTES_PER_PARAMETER,
        "bytes_per_row": activations(1),
        "micro_batch_rows": rows,
        "micro_batch_bytes": activations(rows),
    }


def _disk(recipe: Recipe, text: Text, pairs_per_pass: float, mean_length: float, parameters: int) -> dict[str, float]:
    """Bytes of the files that a run reads and makes."""
    width = 2 if text.vocab_size < 2**16 else 4
    both_splits = 1 / (1 - recipe.corpus.validation_share)
    # Ids and segments of each token; two offsets, label and row id.
    row = mean_length * (width + 1) + 17
    passes = PASS_FILES * PAIR.itemsize if recipe.pairs.refresh_every_epoch else recipe.pairs.dupe_factor * row
    return {
        "corpus_files": text.corpus_bytes,
        "clean_corpus": text.clean_bytes,
        "token_store": both_splits * (width * text.tokens + 8 * (text.sentences + text.documents)),
        "pairs": pairs_per_pass * (passes + (both_splits - 1) * row),
        "checkpoints": (recipe.training.save_total_limit + 1) * CHECKPOINT_BYTES * parameters,
        "model": MODEL_BYTES * parameters,
    }


def _row(gpu: Gpu, plan: dict[str, Any], dollars: float) -> dict[str, Any]:
    memory, training, batch = plan["memory"], plan["training"], plan["training"]["pairs_per_step"]
    most = largest_micro_batch(gpu, memory["states_bytes"], memory["bytes_per_row"], batch)
    alone = hours(plan["work"]["flops"], gpu.flops, plan["utilisation"]["share"])
    tokens = training["tokens"] / training["steps"]
    serving = [number for number in NUMBERS if most and batch % number == 0 and tokens / number >= LEAST_TOKENS]
    return {
        "name": gpu.name,
        "peak_flops_per_second": gpu.flops,
        "memory_bytes": gpu.memory,
        "largest_micro_batch_rows": most,
        "hours": {number: alone / number if number in serving else None for number in NUMBERS},
        "dollars_per_gpu_hour": dollars,
        # The same for any number of GPUs, if they share the work without loss.
        "dollars": alone * dollars if serving else None,
    }


def _this_machine(recipe: Recipe, flops: float, share: float, measured: dict[str, Any] | None) -> dict[str, Any]:
    import torch

    from recipe.pretraining.throughput import matmul_peak

    training = recipe.training
    has_gpu = torch.cuda.is_available() and not training.use_cpu
    device = torch.device("cuda" if has_gpu else "cpu")
    number = torch.cuda.device_count() if has_gpu else 1
    name = torch.cuda.get_device_name() if has_gpu else f"cpu ({torch.get_num_threads()} threads)"
    dtype = torch.float16 if training.fp16 else torch.bfloat16 if training.bf16 else torch.float32
    peak = matmul_peak(device, dtype)
    # Here the peak is a measured product, and so is the share that a run on such a device has reached.
    if measured is not None and measured["device"] == name:
        share, source = measured["share"], "training.json"
    else:
        source = "assumed as for GPUs"
    return {
        "name": name,
        "number": number,
        "peak_flops_per_second": peak,
        "dtype": str(dtype).removeprefix("torch."),
        "utilisation": share,
        "utilisation_source": source,
        "hours": hours(flops, peak, share, number),
    }
