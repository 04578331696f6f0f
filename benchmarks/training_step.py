"""Training steps of the stock model, padded to the maximum, beside ours, one ladder of measures, interleaved in one process: real tokens per second and MFU.

python benchmarks/training_step.py                                             # 4 x 256 at 128 and 512 tokens, dropout 0 and 0.1
python benchmarks/training_step.py --sizes 12x768 --lengths 512 --batch 4      # BERT-base

Rows are made up; they fill 128 tokens to 96 % (BERT's short lengths) and 512 tokens to 55 %, as PubMed abstracts do. MFU counts what the stock model must
compute for real tokens, the vocabulary at masked tokens only, against the fp32 matrix product of this machine, measured in the same run.
Writes benchmarks/results/training_step.md and .json.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import transformers
from pair_results import machine, markdown_table, save
from torch.optim import AdamW
from transformers import BertConfig, BertTokenizerFast

from recipe.dropout import set_dropout
from recipe.masking import DataCollatorForPreTraining
from recipe.model import BertForPreTraining

VOCABULARY = 30_522
MASKED = 0.15
COLUMNS = {
    "model": "model",
    "length": "length",
    "dropout": "dropout",
    "name": "step",
    "tokens_per_second": "real tokens/s",
    "ratio": "ratio",
    "mfu": "MFU",
}


def main() -> None:
    """Measure each combination of the command line and write the results."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    peak, rows = gemm_peak(), []
    for size in arguments.sizes:
        for length in arguments.lengths:
            for dropout in arguments.dropouts:
                rows += measured(size, length, dropout, arguments, peak)
                print(markdown_table(COLUMNS, rows[-3:]), flush=True)
    where = machine()
    title = (
        f"# One training step, side by side\n\n{arguments.threads} threads of {where['cpu']}, GEMM peak {peak / 1e9:.0f} GFLOP/s, commit {where['commit']}\n"
    )
    save("training_step", {"machine": where, "gemm_peak": peak, "rows": rows}, title + "\n" + markdown_table(COLUMNS, rows))


def measured(size: str, length: int, dropout: float, arguments: argparse.Namespace, peak: float) -> list[dict]:
    """One row per way to take a step; the ways take turns, and the median of the rounds counts."""
    layers, width = map(int, size.split("x"))
    config = BertConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    batch_size = arguments.batch or (32 if length <= 128 else 8)
    batches = [rows_of(length, batch_size, seed) for seed in range(arguments.steps)]
    tokens = sum(len(row["input_ids"]) for batch in batches for row in batch)
    work = sum(flops(config, len(row["input_ids"])) for batch in batches for row in batch)
    ways = ways_of(config, dropout, length, batches)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(arguments.rounds + 1):
        for name, step in ways.items():
            started = time.perf_counter()
            for index in range(arguments.steps if number else 1):
                step(index)
            if number:
                times[name].append(time.perf_counter() - started)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    plain = next(iter(seconds.values()))
    common = {"model": size, "length": length, "dropout": dropout}
    return [
        {**common, "name": name, "tokens_per_second": tokens / value, "ratio": plain / value, "mfu": work / value / peak} for name, value in seconds.items()
    ]


def ways_of(config: BertConfig, dropout: float, length: int, batches: list[list[dict]]) -> dict[str, Callable[[int], None]]:
    """The steps that are compared, each with a model, an optimizer and collated batches of its own."""
    tokenizer = made_up_tokenizer()
    whole = DataCollatorForPreTraining(tokenizer, pad_to_multiple_of=length)
    padded, free = DataCollatorForPreTraining(tokenizer), DataCollatorForPreTraining(tokenizer, padding_free=True)
    return {
        "stock, padded to the maximum": stock_step(config, [whole(batch) for batch in batches]),
        "ours, padded to the longest row": our_step(config, dropout, [padded(batch) for batch in batches]),
        "ours, without padding": our_step(config, dropout, [free(batch) for batch in batches]),
    }


def stock_step(config: BertConfig, batches: list[dict]) -> Callable[[int], None]:
    """A step of the stock model as its documentation has it: sdpa, logits of the whole vocabulary at all places."""
    torch.manual_seed(0)
    model = transformers.BertForPreTraining(config).train()
    return _step(model, AdamW(model.parameters(), lr=1e-4), batches)


def our_step(config: BertConfig, dropout: float, batches: list[dict]) -> Callable[[int], None]:
    """A step of `recipe.model`."""
    torch.manual_seed(0)
    model = BertForPreTraining(config).train()
    set_dropout(model, dropout)
    return _step(model, AdamW(model.parameters(), lr=1e-4, fused=True), batches)


def _step(model: torch.nn.Module, optimizer: AdamW, batches: list[dict]) -> Callable[[int], None]:
    def step(index: int) -> None:
        model(**batches[index]).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def rows_of(length: int, rows: int, seed: int) -> list[dict]:
    """Rows as `NextSentencePairs` gives them, of made-up tokens."""
    rng = np.random.default_rng(seed)
    short = rng.random(rows) < 0.1
    lengths = np.where(short, rng.integers(5, length + 1, rows), length) if length <= 128 else rng.integers(50, length + 1, rows)
    made = []
    for number, tokens in enumerate(lengths.tolist()):
        ids = rng.integers(5, VOCABULARY, tokens)
        ids[[0, tokens // 2, -1]] = 2, 3, 3
        segments = (np.arange(tokens) > tokens // 2).astype(np.uint8)
        made.append({"input_ids": ids.astype(np.uint16), "token_type_ids": segments, "next_sentence_label": number % 2, "row_id": seed * rows + number})
    return made


def made_up_tokenizer() -> BertTokenizerFast:
    """A tokenizer of VOCABULARY entries, a third of them ## pieces."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"{'##' if number % 3 == 0 else ''}w{number}" for number in range(VOCABULARY - 5))]
    return BertTokenizerFast(vocab={piece: index for index, piece in enumerate(pieces)})


def flops(config: BertConfig, tokens: int) -> float:
    """Operations of a training step (three times forward) for one row."""
    width, inner = config.hidden_size, config.intermediate_size
    layer = tokens * (8 * width**2 + 4 * width * inner) + 4 * tokens**2 * width
    head = MASKED * tokens * (2 * width**2 + 2 * width * config.vocab_size)
    return 3 * (config.num_hidden_layers * layer + head)


def gemm_peak(size: int = 2048, rounds: int = 8) -> float:
    """Best rate of an fp32 matrix product, operations per second."""
    one, other = torch.randn(size, size), torch.randn(size, size)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        torch.mm(one, other)
        times.append(time.perf_counter() - started)
    return 2 * size**3 / min(times)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["4x256"], metavar="LAYERSxWIDTH")
    parser.add_argument("--lengths", nargs="+", type=int, default=[128, 512])
    parser.add_argument("--dropouts", nargs="+", type=float, default=[0.0, 0.1])
    parser.add_argument("--batch", type=int, help="rows per step; none: 32 at 128 tokens, 8 above")
    parser.add_argument("--steps", type=int, default=3, help="steps per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
