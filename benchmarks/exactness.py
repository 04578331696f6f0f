"""Is training exact? Loss and gradient under accumulation and ranks, resume bit for bit, masks of ranks: ours next to
the stock Trainer.

python benchmarks/exactness.py     # about 6 minutes on two cores; torchrun starts the runs of two ranks

Trains a 2-layer, 32-wide model on a made-up text; writes exactness.md and .json, and fails if ours is not exact.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pair_corpus import made_up_text
from reporting import machine, markdown_table, program_parser, save

from recipe.config import Recipe
from recipe.config_file import load_recipe
from recipe.pairs.dataset import load_pairs
from recipe.pipeline import run_all

# Imported by exactness_runs.py, and not from it: this process needs no torch.
GLOBAL_BATCH = 64
STEPS = 6
STEPS_PER_EPOCH = 4
RECIPE = """
corpus: {{path: {corpus}, validation_share: 0.1}}
run_dir: {folder}/run
tokenizer: {{vocab_size: 600}}
pairs: {{max_seq_length: 128, num_proc: 1}}
model: {{num_hidden_layers: 2, hidden_size: 32, num_attention_heads: 2, intermediate_size: 64,
  max_position_embeddings: 128}}
training: {{max_steps: {steps}, global_batch_size: {batch}, per_device_batch_size: 16, learning_rate: 1e-3,
  warmup_share: 0, logging_steps: 1, eval_steps: 100, eval_pairs: 8, save_steps: 1000, use_cpu: true, bf16: false,
  report_to: []}}
"""
GRADIENTS = {
    "system": "system",
    "ranks": "ranks",
    "accumulation": "accumulation",
    "loss": "loss / true loss",
    "gradient": "gradient along the true one",
    "difference": "rest of it",
}
RESUMES = {
    name: name.replace("_", " ")
    for name in ("ranks", "workers", "accumulation", "grouping", "refresh", "resumed_at", "losses", "masks", "weights")
}


def main() -> None:
    """Run both world sizes, print and write the tables."""
    parser = program_parser(__doc__)
    parser.add_argument("--accumulations", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--combinations", type=int, default=16, help="settings of which resume is looked at")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        found = [runs(folder, ranks, arguments) for ranks in (1, 2)]
    results = {"machine": machine(), **summary(found)}
    save(arguments.results, "exactness", results, markdown(results))
    print(markdown(results))
    sys.exit(0 if is_exact(results) else "not exact")


def prepare(folder: Path) -> None:
    """Tokenizer and pairs of a made-up text, as many as make epochs of STEPS_PER_EPOCH steps."""
    corpus = made_up_text(folder / "text.txt", 0.1)
    (folder / "recipe.yaml").write_text(RECIPE.format(corpus=corpus, folder=folder, steps=STEPS, batch=GLOBAL_BATCH))
    recipe = load_recipe(folder / "recipe.yaml")
    run_all(recipe, until="pairs")
    run_all(recipe_of(folder, pairs__refresh_every_epoch=True), until="pairs")
    steps = len(load_pairs(recipe)["train"]) // GLOBAL_BATCH
    if steps != STEPS_PER_EPOCH:
        raise SystemExit(f"the text makes epochs of {steps} steps instead of {STEPS_PER_EPOCH}; change its size")


def recipe_of(folder: Path, **settings: object) -> Recipe:
    """The prepared recipe with other settings. Pairs that are refreshed in every epoch are a run of their own."""
    if settings.get("pairs__refresh_every_epoch"):
        settings["run_dir"] = folder / "run-refreshed"
    overrides = {
        key.replace("__", "."): str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in settings.items()
    }
    return load_recipe(folder / "recipe.yaml", overrides)


def runs(folder: Path, ranks: int, arguments: argparse.Namespace) -> dict:
    """What exactness_runs.py finds with so many processes."""
    start = (
        [sys.executable]
        if ranks == 1
        else [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(ranks)]
    )
    sizes = map(str, (arguments.combinations, *arguments.accumulations))
    subprocess.run(
        [*start, str(Path(__file__).with_name("exactness_runs.py")), str(folder), *sizes],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    return json.loads((folder / f"runs-{ranks}.json").read_text())


def summary(found: list[dict]) -> dict:
    """The rows of both world sizes together, and the largest difference of losses between them."""
    one, two = (runs["splits"]["workers 0"]["losses"] for runs in found)
    return {
        "gradients": [row for runs in found for row in runs["gradients"] if "loss" in row],
        "resumes": [row for runs in found for row in runs["resumes"]],
        "workers_equal": all(runs["splits"]["workers 0"] == runs["splits"]["workers 2"] for runs in found),
        "ranks_differ_by": max(
            abs(a - b) for steps in zip(one, two, strict=True) for a, b in zip(*steps, strict=True)
        ),
        "mask_agreement": found[1]["mask_agreement"],
    }


def is_exact(results: dict) -> bool:
    """Whether ours keeps what it promises."""
    ratios = [row[name] for row in results["gradients"] if row["system"] == "ours" for name in ("loss", "gradient")]
    resumed = all(row[name] for row in results["resumes"] for name in ("losses", "masks", "weights"))
    chance = all(abs(row["sigmas"]) < 3 for row in results["mask_agreement"] if row["system"] == "ours")
    return (
        all(abs(ratio - 1) < 1e-6 for ratio in ratios)
        and resumed
        and chance
        and results["workers_equal"]
        and results["ranks_differ_by"] < 1e-4
    )


def markdown(results: dict) -> str:
    """The report."""
    where, resumes = results["machine"], results["resumes"]
    equal = sum(row["losses"] and row["masks"] and row["weights"] for row in resumes)
    lines = [
        "# Is training exact?",
        "",
        (
            f"Commit {where['commit']}, torch {where['versions']['torch']}, transformers"
            f" {where['versions']['transformers']}, CPU, float32."
        ),
        "",
        (
            f"- resume: {equal} of {len(resumes)} combinations equal bit for bit in losses, batches with their masks,"
            " and weights, with dropout 0.1"
        ),
        (
            f"- the same run with 0 and 2 workers: {'equal' if results['workers_equal'] else 'DIFFERENT'}; with 1 and"
            f" 2 ranks: losses and gradient norms within {results['ranks_differ_by']:.1e}"
        ),
        *(
            f"- masks of two ranks, {row['system']}: {row['both']:.0f} positions in common, {row['expected']:.0f} by"
            f" chance ({row['sigmas']:+.1f} sigma)"
            for row in results["mask_agreement"]
        ),
        "",
        f"First step of {GLOBAL_BATCH} pairs against the stock model in float64 on the whole batch:",
        "",
        markdown_table(
            GRADIENTS,
            [{**row, **{name: f"{row[name]:.7f}" for name in ("loss", "gradient")}} for row in results["gradients"]],
        ),
        "",
        "The combinations:",
        "",
        markdown_table(
            RESUMES,
            [
                {
                    name: {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
                    for name, value in row.items()
                }
                for row in resumes
            ],
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
