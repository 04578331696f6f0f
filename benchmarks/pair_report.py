"""Figures of the pair builders -> ratios and Markdown tables."""

from reporting import markdown_table

WHOLE, PAIRS_ALONE = "ours, whole", "ours, pairs alone"
COLUMNS = {
    "system": "system",
    "cpu_seconds": "CPU s",
    "of_whole": f"times {WHOLE}",
    "of_pairs_alone": f"times {PAIRS_ALONE}",
    "cpu_seconds_net": "without start",
    "per_million_tokens": "CPU s per M tokens",
    "wall_seconds": "wall s",
    "peak_memory_mb": "peak memory MB",
    "peak_anonymous_mb": "of it anonymous",
    "output_mb": "output MB",
    "pairs": "pairs",
    "overlong_share": "overlong rows",
    "label_1_share": "share of label 1",
    "wrong_labels": "wrong labels",
    "wrong_of_two": "wrong labels, 2 documents",
}
SCALE_COLUMNS = {
    "text_mb": "text MB",
    "million_tokens": "M tokens",
    **{
        key: COLUMNS[key]
        for key in (
            "cpu_seconds",
            "per_million_tokens",
            "wall_seconds",
            "peak_memory_mb",
            "peak_anonymous_mb",
            "output_mb",
            "pairs",
        )
    },
}


def markdown(results: dict) -> str:
    """The report: ratios first, then the tables."""
    where = results["machine"]
    parts = ["# Pair builders, side by side\n", *(f"- {line}" for line in ratios(results["systems"]))]
    parts += [f"- {row['system']}: not run: {row['not_run']}" for row in results["systems"] if "not_run" in row]
    for name, line in (("new_pass", _new_pass_line), ("kills", _kills_line)):
        parts += [line(results[name])] if name in results else []
    corpus = ", ".join(results["corpus"])
    parts += [
        f"\n{results['text_mb']:.1f} MB of text ({corpus}) on {where['cores']} cores of {where['cpu']}, commit"
        f" {where['commit']}:\n"
    ]
    parts += [markdown_table(COLUMNS, results["systems"])]
    if "scale" in results:
        number = results["scale"][0]["num_proc"]
        parts += [
            f"\nLarger texts (the same, repeated with altered words), {PAIRS_ALONE}, num_proc {number}:\n",
            markdown_table(SCALE_COLUMNS, results["scale"]),
        ]
    parts += [
        "\nCPU time: of all processes, as the kernel counts it. Memory: largest sum of the processes' PSS, sampled"
        " every 0.1 s; anonymous: without pages"
    ]
    parts += [
        "of mapped files. Wrong labels, 2 documents: rows of label 1 whose B is from A's document, in a text of two"
        f" documents. {WHOLE}: corpus (with cleaning), given tokenizer, tokens and pairs in one process."
    ]
    parts += ["Versions: " + ", ".join(f"{name} {version}" for name, version in where["versions"].items()) + "."]
    return "\n".join(parts)


def with_ratios(rows: list[dict], tokens: int) -> list[dict]:
    """The rows with CPU time per million tokens, and as a multiple of that of ours with one process, whole and pairs
    alone.

    Args:
        tokens: of the text.
    """
    found = []
    for row in rows:
        if "cpu_seconds" in row:
            row = {**row, "per_million_tokens": row["cpu_seconds"] / tokens * 1e6}
            for key, ours in (("of_whole", WHOLE), ("of_pairs_alone", PAIRS_ALONE)):
                if one := _row_of(rows, f"{ours}, num_proc 1"):
                    row[key] = row["cpu_seconds"] / one["cpu_seconds"]
        found.append(row)
    return found


def ratios(rows: list[dict]) -> list[str]:
    """How much more each peer takes than ours, and the speed-up of a second process."""
    lines = []
    for ours in (WHOLE, PAIRS_ALONE):
        one, two = (_row_of(rows, f"{ours}, num_proc {number}") for number in (1, 2))
        lines += [
            f"{row['system']}: {row['cpu_seconds'] / one['cpu_seconds']:.1f}x the CPU time of {ours}"
            f"{_ratio_without_start(row, one)}, {row['wall_seconds'] / one['wall_seconds']:.1f}x the wall time,"
            f" {row['peak_memory_mb'] / one['peak_memory_mb']:.1f}x the memory"
            for row in rows
            if one and "cpu_seconds" in row and not row["system"].startswith("ours")
        ]
        if one and two:
            speed = one["wall_seconds"] / two["wall_seconds"]
            lines.append(f"{ours}: 2 processes take {speed:.2f}x less wall time than 1")
    return lines


def _row_of(rows: list[dict], system: str) -> dict | None:
    return next((row for row in rows if row["system"] == system and "cpu_seconds" in row), None)


def _ratio_without_start(row: dict, ours: dict) -> str:
    # On a small text the start may be all that is measured.
    if not ours["cpu_seconds_net"] > 0:
        return ""
    return f" ({row['cpu_seconds_net'] / ours['cpu_seconds_net']:.1f}x without the start of the program)"


def _new_pass_line(found: dict) -> str:
    return (
        f"- a new pass from the store: {found['per_million_tokens']:.3f} CPU-s per million tokens (median of"
        f" {found['passes']}); in {found['pairs']:,} pairs {found['overlong']} overlong, {found['wrong_labels']} wrong"
        " labels"
    )


def _kills_line(found: dict) -> str:
    return (
        f"- kill -9 at {found['kills']} random moments: {found['same_results']} same results,"
        f" {found['orphans']} processes alive after {found['seconds_to_end']:g} s (num_proc {found['num_proc']}, build"
        f" of {found['build_seconds']:.1f} s)"
    )
