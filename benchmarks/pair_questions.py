"""The questions put to a builder: what a text costs it, how it labels two documents, what a new pass and a larger text
cost ours.
"""

import shutil
import statistics
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
from pair_corpus import plain_text, repeated_text, two_documents
from pair_inputs import empty, slug, two_whole_words
from pair_report import PAIRS_ALONE
from pair_systems import Built, CannotRun, System, open_offsets, ours_pairs_alone, pair_maker, same_document_pairs

from recipe.pairs.sampling import PairRules, make_pairs

SPLITS = ("train", "validation")


def row_of(system: System, text: Path, tokenizer: Path, arguments: Namespace) -> dict:
    """The system over the text (best of --repeats by CPU time), over a tiny text (its start), and over two documents
    (its labels).
    """
    print(f"{system.name} ...", flush=True)
    try:
        runs = [
            system.build(text, tokenizer, arguments.max_seq_length, empty(arguments.work / slug(system.name)))
            for _ in range(arguments.repeats)
        ]
        best = min(runs, key=lambda built: built.usage.cpu_seconds)
        start = _start_seconds(system, text, tokenizer, best, arguments)
        row = {
            **_figures(best),
            "cpu_seconds_net": best.usage.cpu_seconds - start,
            "wrong_of_two": _wrong_of_two(system, tokenizer, arguments),
        }
    except CannotRun as error:
        # A peer that fails is a result; ours is the thing that is measured.
        if system.name.startswith("ours"):
            raise
        print(f"{system.name}: not run: {error}", flush=True)
        return {"system": system.name, "not_run": str(error)}
    print(
        f"{system.name}: {row['cpu_seconds']:.1f} CPU-s, {row['wall_seconds']:.1f} s, {row['peak_memory_mb']:.0f} MB",
        flush=True,
    )
    return {"system": system.name, **row}


def new_pass(arguments: Namespace) -> dict:
    """CPU time of further passes over the opened stores, and faults over at least --pass-pairs pairs."""
    run = run_of_ours(arguments)
    tokens, times = tokens_of(run), []
    makers = [pair_maker(run, arguments.max_seq_length, split) for split in SPLITS]
    pairs = overlong = wrong = 0
    while pairs < arguments.pass_pairs:
        number = len(times) + 1
        started = time.process_time()
        blocks = [block for make in makers for block in make(number)]
        times.append(time.process_time() - started)
        pairs += sum(map(len, blocks))
        overlong += sum(
            int((block.a_length + block.b_length + 3 > arguments.max_seq_length).sum()) for block in blocks
        )
        wrong += same_document_pairs(run, arguments.max_seq_length, number)
    seconds = statistics.median(times) / tokens * 1e6
    print(f"a new pass: {seconds:.4f} CPU-s per million tokens; {pairs:,} pairs looked at", flush=True)
    return {
        "passes": len(times),
        "per_million_tokens": seconds,
        "pairs": pairs,
        "overlong": overlong,
        "wrong_labels": wrong,
    }


def scale(text: Path, tokenizer: Path, megabytes: float, arguments: Namespace) -> dict:
    """Ours on so many megabytes: the text repeated with altered words."""
    print(f"making {megabytes:,g} MB of text", flush=True)
    large = repeated_text(text, arguments.work / "large.txt", megabytes)
    folder = empty(arguments.work / "scale")
    built = ours_pairs_alone(arguments.scale_num_proc).build(large, tokenizer, arguments.max_seq_length, folder)
    tokens = tokens_of(folder / "run")
    row = {
        "text_mb": large.stat().st_size / 1e6,
        "million_tokens": tokens / 1e6,
        **_figures(built),
        "num_proc": arguments.scale_num_proc,
    }
    row["per_million_tokens"] = row["cpu_seconds"] / tokens * 1e6
    print(
        f"{megabytes:,g} MB: {row['per_million_tokens']:.2f} CPU-s per million tokens, {row['peak_memory_mb']:.0f} MB",
        flush=True,
    )
    large.unlink()
    shutil.rmtree(folder)
    return row


def run_of_ours(arguments: Namespace) -> Path:
    """The run folder of ours, pairs alone."""
    return arguments.work / slug(f"{PAIRS_ALONE}, num_proc {arguments.num_proc[0]}") / "run"


def tokens_of(run: Path) -> int:
    """Tokens of a run's corpus, both splits."""
    return sum(int(open_offsets(run / "store" / split)[0][-1]) for split in SPLITS)


def _start_seconds(system: System, text: Path, tokenizer: Path, best: Built, arguments: Namespace) -> float:
    """CPU time of starting the program: what a tiny text takes, less that text's share of the whole."""
    tiny = plain_text([text], arguments.work / "tiny.txt", arguments.tiny_megabytes)
    share = tiny.stat().st_size / text.stat().st_size
    seconds = system.build(
        tiny, tokenizer, arguments.max_seq_length, empty(arguments.work / "start")
    ).usage.cpu_seconds
    return max(0.0, (seconds - share * best.usage.cpu_seconds) / (1 - share))


def _wrong_of_two(system: System, tokenizer: Path, arguments: Namespace) -> str:
    """Label 1 with both segments of one document, where there are only two documents, each of a word of its own."""
    sentences = arguments.sentences_of_two
    if system.name.startswith("ours"):
        # The build needs validation documents and so more than two; this is the function that it calls.
        offsets = np.arange(2 * sentences + 1) * 11, np.array([0, sentences, 2 * sentences])
        (pairs,) = make_pairs(
            *offsets, PairRules(arguments.max_seq_length - 3, truncation="longest_first"), 1, 0, 0, 2
        )
        same = (pairs.a_start < sentences * 11) == (pairs.b_start < sentences * 11)
        return f"{(same & (pairs.next_sentence_label == 1)).sum()} of {pairs.next_sentence_label.sum():,}"
    text = two_documents(arguments.work / "two.txt", two_whole_words(tokenizer), sentences)
    counts = system.build(text, tokenizer, arguments.max_seq_length, empty(arguments.work / "two")).counts
    return f"{counts['one_word_rows']:,} of {counts['label_1']:,}"


def _figures(built: Built) -> dict:
    usage, counts = built.usage, built.counts
    return {
        **{
            name: getattr(usage, name)
            for name in ("cpu_seconds", "wall_seconds", "peak_memory_mb", "peak_anonymous_mb")
        },
        "output_mb": built.output_bytes / 1e6,
        "pairs": counts["pairs"],
        "overlong": counts["overlong"],
        "overlong_share": f"{counts['overlong'] / max(counts['pairs'], 1):.1%}",
        "label_1_share": f"{counts['label_1'] / max(counts['pairs'], 1):.1%}",
        "wrong_labels": counts.get("same_document"),
    }
