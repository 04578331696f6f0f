"""`domain-bert plan CONFIG`: how long, how much, how many GPUs; one screen, or JSON."""

import argparse
import json
from textwrap import fill
from typing import Any

from recipe.config import Recipe
from recipe.formatting import NOT_KNOWN, compact, count, duration, percent
from recipe.planning.hardware import (
    LEAST_TOKENS,
    NUMBERS,
    PRICES_AS_OF,
    PUBLISHED_UTILISATION,
    USABLE_MEMORY,
    check_utilisation,
    parse_prices,
)
from recipe.planning.plan import has_times, plan_of

WIDTH = 110


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options besides the keys of the recipe."""
    parser.add_argument(
        "--utilisation",
        type=float,
        metavar="SHARE",
        help=f"share of a GPU's data-sheet peak, 0 to 1; default: of RUN/training.json, else {PUBLISHED_UTILISATION}",
    )
    parser.add_argument(
        "--price", action="append", default=[], metavar="GPU=DOLLARS", help="dollars per GPU and hour, as H100=2.50"
    )
    parser.add_argument("--json", action="store_true", help="all numbers as JSON")


def plan(recipe: Recipe, utilisation: float | None, price: list[str], as_json: bool) -> str:
    """The plan as the terminal shows it.

    Raises:
        InputError: for a share or a price that cannot be, or a corpus that cannot be read.
    """
    check_utilisation(utilisation)
    found = plan_of(recipe, utilisation, parse_prices(price))
    return json.dumps(found, indent=1) if as_json else screen(found)


def screen(plan: dict[str, Any]) -> str:
    """A plan as text, each number with its unit."""
    text, pairs, training, work, memory = (plan[name] for name in ("text", "pairs", "training", "work", "memory"))
    states, rows, batch = memory["states_bytes"], memory["micro_batch_rows"], memory["micro_batch_bytes"]
    needs = {row["name"].split()[0]: row["largest_micro_batch_rows"] for row in plan["gpus"]}
    fitting = [name for name, most in needs.items() if most >= rows]
    disk = plan["disk_bytes"]
    lines = [
        f"Plan of {plan['run']}",
        f"text      {compact(text['tokens'])} tokens to train on{_range(text, 'tokens')}, in about"
        f" {compact(text['documents'])} documents; {text['source']}",
        f"pairs     {compact(pairs['pairs_per_pass'])} a pass, {pairs['mean_length_tokens']:.1f} tokens each on"
        f" average; from {pairs['source']}",
        f"training  {count(training['steps'])} steps of {count(training['pairs_per_step'])} pairs ="
        f" {compact(training['tokens'])} tokens; the corpus is seen {_times(training['passes'])} times"
        f"{_range(training, 'passes', _times)}",
        f"work      {compact(work['parameters'])} parameters; {work['flops_per_token'] / 1e6:,.1f} MFLOP a token;"
        f" {work['flops']:.2e} FLOP in all",
        f"memory    {_bytes(states)} for weights, gradients and AdamW + {_bytes(batch)} or more for a micro-batch of"
        f" {count(rows)} rows (bf16)",
        f"          fits into: {', '.join(fitting) or 'none of the table'}",
        "disk      "
        + ", ".join(f"{name.replace('_', ' ')} {_bytes(size)}" for name, size in disk.items() if size)
        + f"; {_bytes(sum(disk.values()))} in all",
    ]
    table = [*_table(plan), ""] if has_times(plan) else []
    notes = [*_notes(plan), *(f"warning: {warning}" for warning in plan["warnings"])]
    return "\n".join([*_wrapped(lines), "", *table, *_wrapped(notes)])


def _wrapped(lines: list[str]) -> list[str]:
    return [fill(line, WIDTH, subsequent_indent=" " * 10, break_on_hyphens=False) for line in lines]


def _table(plan: dict[str, Any]) -> list[str]:
    heading = f"{'GPU':16} {'TFLOP/s':>8} {'rows at once':>13}"
    heading += "".join(f"{f'time on {number}':>13}" for number in NUMBERS) + f"{'$ per hour':>12}{'$ in all':>11}"
    lines = [heading]
    for row in plan["gpus"]:
        times = "".join(
            f"{duration(None if row['hours'][number] is None else 3600 * row['hours'][number]):>13}"
            for number in NUMBERS
        )
        dollars = NOT_KNOWN if row["dollars"] is None else f"{row['dollars']:,.2f}"
        lines.append(
            f"{row['name']:16} {row['peak_flops_per_second'] / 1e12:8,.0f}"
            f" {count(row['largest_micro_batch_rows']):>13}{times}{row['dollars_per_gpu_hour']:12.2f}{dollars:>11}"
        )
    return lines


def _notes(plan: dict[str, Any]) -> list[str]:
    share, source = plan["utilisation"]["share"], plan["utilisation"]["source"]
    lines = [
        f"Times: data-sheet peak (dense bf16, T4 fp16) x {percent(share)} utilisation ({source}), shared without"
        " loss.",
        f"Rows at once: the largest micro-batch in {USABLE_MEMORY:.0%} of the memory. Money: {PRICES_AS_OF}; --price"
        " sets yours.",
    ]
    why = f"a step has under {LEAST_TOKENS:,} tokens a GPU, the batch cannot be split, or the model does not fit."
    if not has_times(plan):
        lines = [f"No times on GPUs: {why}"]
    elif any(None in row["hours"].values() for row in plan["gpus"]):
        lines.append(f"{NOT_KNOWN}: {why}")
    if machine := plan.get("this_machine"):
        lines.append(
            f"This machine: {machine['number']} x {machine['name']}, {machine['dtype']} product measured now:"
            f" {machine['peak_flops_per_second'] / 1e9:,.0f} GFLOP/s x {percent(machine['utilisation'])}"
            f" ({machine['utilisation_source']}): {duration(3600 * machine['hours'])}"
        )
    return lines


def _range(section: dict[str, Any], name: str, form: Any = compact) -> str:
    low, high = section[f"{name}_low"], section[f"{name}_high"]
    return f" ({form(low)} to {form(high)})" if low < high else ""


def _times(passes: float) -> str:
    return f"{passes:,.0f}" if passes >= 100 else f"{passes:.1f}" if passes >= 1 else f"{passes:.2f}"


def _bytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.1f} GB"
