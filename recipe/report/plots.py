"""Numbers of a run -> figures, without pyplot, so that nothing global is kept."""

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from recipe.formatting import NOT_KNOWN

# Okabe and Ito's colours, which colour-blind readers tell apart (https://jfly.uni-koeln.de/color/). Line style or
# position always says the same thing a second time.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, GREY, INK = "#56B4E9", "#8A8F98", "#22262B"
COLORS = (BLUE, VERMILION, GREEN, ORANGE, SKY, INK)

LogLine = dict[str, Any]

# The curves of training by name: label of the y axis, scale, and field, label and colour of each line.
CURVES: dict[str, tuple[str, float, tuple[tuple[str, str, str], ...]]] = {
    "mlm_loss": (
        "MLM loss (nats per masked token)",
        1,
        (("mlm_loss", "training", SKY), ("eval_mlm_loss", "validation", BLUE)),
    ),
    "mlm_accuracy": (
        "masked tokens right (%)",
        100,
        (("mlm_accuracy", "training", SKY), ("eval_mlm_accuracy", "validation", BLUE)),
    ),
    "nsp_loss": (
        "NSP loss (nats per pair)",
        1,
        (("nsp_loss", "training", ORANGE), ("eval_nsp_loss", "validation", VERMILION)),
    ),
    "nsp_accuracy": (
        "NSP accuracy (%)",
        100,
        (
            ("nsp_accuracy", "training", ORANGE),
            ("eval_nsp_accuracy", "validation", VERMILION),
            ("eval_nsp_balanced_accuracy", "balanced", INK),
        ),
    ),
    "learning_rate": ("learning rate", 1, (("learning_rate", "learning rate", GREEN),)),
}


def baseline_of_curve(name: str, evaluation: Mapping[str, Any]) -> tuple[float, str] | None:
    """What one of `CURVES` has to beat, and its name; None where there is nothing or it is not known."""
    value, title = {
        "mlm_loss": (evaluation.get("unigram_cross_entropy"), "token frequencies only"),
        "nsp_loss": (0.6931, "a fair coin (ln 2)"),
        "nsp_accuracy": (50.0, "chance"),
    }.get(name, (None, ""))
    return None if value is None else (value, title)


def training_figure(
    name: str, training: Sequence[LogLine], validation: Sequence[LogLine], evaluation: Mapping[str, Any]
) -> Figure:
    """One of `CURVES` over the tokens seen, with the baseline that it has to beat as a dotted line."""
    figure, axes = _figure()
    label, scale, lines = CURVES[name]
    for field, title, color in lines:
        _line(axes, validation if field.startswith("eval") else training, field, title, color, scale)
    if baseline := baseline_of_curve(name, evaluation):
        axes.axhline(baseline[0], color=INK, linestyle=":", linewidth=1.5, label=baseline[1])
    if name in ("mlm_accuracy", "learning_rate"):
        axes.set_ylim(bottom=0)
    if name == "learning_rate":
        axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0), useMathText=True)
    most = max((line["tokens_seen"] for line in [*training, *validation]), default=0)
    divisor, unit = (1e9, " (billions)") if most >= 3e9 else (1e6, " (millions)") if most >= 3e6 else (1, "")
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / divisor:,.12g}"))
    axes.set_xlim(left=0)
    _finish(axes, "tokens seen" + unit, label)
    if len(lines) > 1:
        _legend(axes)
    return figure


def curves_figure(curves: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str) -> Figure:
    """A line for each name: at most six, told apart by colour and marker."""
    figure, axes = _figure(height=3.4)
    for (name, points), color, marker in zip(curves.items(), COLORS, "os^vDP", strict=False):
        look: dict[str, Any] = {"markersize": 4, "markevery": max(1, len(points) // 10), "linewidth": 1.7}
        axes.plot(*zip(*points, strict=True), color=color, marker=marker, label=name, **look)
    axes.set_xlim(left=0)
    _finish(axes, x_label, y_label)
    axes.legend(frameon=False, fontsize=8.5)
    return figure


def cleaning_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Characters left after each filter, in percent of what was read; what a filter took stands next to its bar."""
    figure, axes = _figure(0.8 + 0.27 * len(rows))
    read = rows[0]["characters"] or 1
    shares = [100 * row["characters"] / read for row in rows]
    before = [shares[0], *shares[:-1]]
    places = range(len(rows))
    axes.barh(places, before, color=VERMILION, height=0.72)
    axes.barh(places, shares, color=BLUE, height=0.72)
    for place, (share, was) in enumerate(zip(shares, before, strict=True)):
        text = f"{share:.2f}" if share == was else f"{share:.2f}  ({share - was:+.2f})".replace("-", "−")
        axes.text(was + 1.2, place, text, va="center", fontsize=8, color=INK)
    axes.set_yticks(places, labels=[row["filter"].replace("_", " ") for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 132)
    axes.set_xticks(range(0, 101, 20))
    _finish(axes, "characters left (% of those read)", "", grid="x")
    return figure


def pair_lengths_figure(histogram: dict[str, list[float]], mean_length: float | None, max_seq_length: int) -> Figure:
    """How many pairs have which length, special tokens included."""
    figure, axes = _figure()
    edges, counts = histogram["edges"], histogram["counts"]
    widths = [right - left for left, right in pairwise(edges)]
    axes.bar(edges[:-1], counts, width=widths, align="edge", color=BLUE, edgecolor="white")
    if mean_length is not None:
        axes.axvline(mean_length, color=VERMILION, linestyle="--", linewidth=1.6, label=f"mean {mean_length:,.1f}")
    axes.axvline(max_seq_length, color=INK, linestyle=":", linewidth=1.6, label=f"max_seq_length {max_seq_length:,}")
    _finish(axes, "length of a pair (tokens, with [CLS] and [SEP])", "pairs")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _legend(axes)
    return figure


def label_balance_figure(shares: dict[str, tuple[float, float, float]]) -> Figure:
    """One bar per split: shares of pairs where B follows A, is random by the coin, or had to be random."""
    figure, axes = _figure(height=1.3 + 0.5 * len(shares))
    names = list(shares)
    left = [0.0] * len(names)
    kinds = (("0: B follows A", BLUE), ("1: B random, by the coin", ORANGE), ("1: B random, forced", VERMILION))
    for index, (label, color) in enumerate(kinds):
        widths = [100 * shares[name][index] for name in names]
        axes.barh(names, widths, left=left, color=color, edgecolor="white", height=0.62, label=label)
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 7:
                ink = INK if color == ORANGE else "white"
                axes.text(start + width / 2, row, f"{width:.1f}", ha="center", va="center", color=ink, fontsize=9)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.axvline(50, color=INK, linestyle=":", linewidth=1.4)
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    _finish(axes, "share of pairs (%)", "", grid=None)
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.46, 1.0)}
    axes.legend(frameon=False, fontsize=8, ncols=3, columnspacing=0.9, handlelength=1.0, handletextpad=0.4, **place)
    return figure


def fertility_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Share of words that are one piece, in percent, by text; one bar for each tokenizer."""
    texts, names = (list(dict.fromkeys(row[field] for row in rows)) for field in ("text", "tokenizer"))
    figure, axes = _figure(0.9 + 0.32 * len(rows) + 0.2 * len(texts))
    height = 0.8 / len(names)
    for number, name in enumerate(names):
        shares = {row["text"]: 100 * row["whole_share"] for row in rows if row["tokenizer"] == name}
        places = [place + number * height for place, text in enumerate(texts) if text in shares]
        color = (BLUE, ORANGE, GREEN, VERMILION, SKY)[number % 5]
        bars = axes.barh(places, list(shares.values()), 0.9 * height, label=name, color=color)
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=8, color=INK)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(texts))], texts)
    axes.invert_yaxis()
    axes.set_xlim(0, 108)
    _legend(axes)
    _finish(axes, "words that are one piece (%)", "", grid="x")
    return figure


def task_scores_figure(systems: Mapping[str, Sequence[float | None]], metric: str) -> Figure:
    """One bar per system: the mean over the seeds as the bar, each seed as a point; all in percent.

    A system of which a seed has no score has a dash.
    """
    figure, axes = _figure(height=1.0 + 0.62 * len(systems))
    for row, scores in enumerate(systems.values()):
        percent = [100 * score for score in scores if score is not None]
        if not percent or len(percent) < len(scores):
            axes.text(1.5, row, NOT_KNOWN, va="center", color=INK, fontsize=10, fontweight="bold")
            continue
        mean = sum(percent) / len(percent)
        axes.barh(row, mean, color=(BLUE, GREY)[row % 2], height=0.6)
        # Around the middle of the bar, so that equal scores stay apart.
        step = 0.36 / max(1, len(percent) - 1)
        heights = [row + index * step - 0.18 * (len(percent) > 1) for index in range(len(percent))]
        axes.plot(percent, heights, "o", color="white", markeredgecolor=INK, markersize=4.5, zorder=3)
        axes.text(max(percent) + 1.5, row, f"{mean:.1f}", va="center", color=INK, fontsize=10, fontweight="bold")
    axes.set_yticks(range(len(systems)), labels=list(systems))
    highest = max((score for scores in systems.values() for score in scores if score is not None), default=1)
    axes.set_xlim(0, min(112, 118 * highest) if highest > 0 else 100)
    axes.invert_yaxis()
    _finish(axes, f"{metric} (%)", "", grid="x")
    return figure


def png_of(figure: Figure) -> bytes:
    """The figure as a PNG."""
    # Without the name of the software, so that the same numbers give the same bytes.
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _figure(height: float = 2.9) -> tuple[Figure, Axes]:
    # Narrow, so that the letters are still readable when a phone scales it down.
    figure = Figure(figsize=(5.2, height), dpi=180, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#C4C9D0")
    axes.tick_params(colors="#4A5058", labelsize=9, length=3)
    axes.set_axisbelow(True)
    return figure, axes


def _line(axes: Axes, log: Iterable[LogLine], name: str, label: str, color: str, scale: float) -> None:
    points = [(line["tokens_seen"], scale * line[name]) for line in log if line.get(name) is not None]
    if points:
        tokens, values = zip(*points, strict=True)
        # Training is a thin line; validation has markers, but few, since those of a long log would hide the line.
        is_training = label == "training"
        every = max(1, len(points) // 12)
        look: dict[str, Any] = {
            "linewidth": 1.3 if is_training else 1.9,
            "linestyle": "--" if label == "balanced" else "-",
        }
        marker = {"validation": "o", "balanced": "s"}.get(label, "")
        axes.plot(tokens, values, color=color, label=label, marker=marker, markersize=4, markevery=every, **look)


def _finish(axes: Axes, x_label: str, y_label: str, grid: str | None = "y") -> None:
    axes.set_xlabel(x_label, fontsize=9.5, color=INK)
    axes.set_ylabel(y_label, fontsize=9.5, color=INK)
    if grid:
        axes.grid(axis="x" if grid == "x" else "y", color="#E6E8EB", linewidth=0.8)


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[1]:
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "borderaxespad": 0.1}
        axes.legend(frameon=False, fontsize=8.5, ncols=4, columnspacing=1.1, handlelength=1.7, **place)
