"""Numbers of logs -> what an inline SVG needs: coordinates, ticks, and the values that the pointer shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.ticker import MaxNLocator

from recipe.formatting import compact

# Places in the picture, in its own units: the frame of the plot inside of it.
WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 548, 12, 262
# More points than pixels would only make the page large.
MOST_POINTS = 240

Points = Sequence[tuple[float, float]]


def line_chart(
    lines: Mapping[str, Points], y_label: str, baseline: tuple[float, str] | None = None, x_label: str = "tokens seen"
) -> dict[str, Any] | None:
    """A chart of some lines by name, for the macro `chart` of templates/macros.html.j2; None without points.

    Args:
        baseline: a value that is drawn as a level line, and what it is.
    """
    shown = {name: _thinned(points) for name, points in lines.items() if points}
    if not shown:
        return None
    values = [y for points in shown.values() for _, y in points] + ([baseline[0]] if baseline else [])
    last = max(x for points in shown.values() for x, _ in points)
    x_ticks = _ticks(0, last)
    y_ticks = _ticks(min(values), max(values))
    # The frame ends where the numbers do, so that lines fill it; levels are at the ticks inside.
    low, high = min(values), max(values)
    spare = 0.04 * (high - low) or abs(high) or 1.0

    def x_of(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * value / (last or 1), 1)

    def y_of(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * (value - low + spare) / (high - low + 2 * spare), 1)

    decimals = _decimals(y_ticks)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "frame": (LEFT, RIGHT, TOP, BOTTOM),
        "x_label": x_label,
        "y_label": y_label,
        "x_ticks": [(x_of(tick), compact(tick)) for tick in x_ticks if tick <= last],
        "y_ticks": [(y_of(tick), f"{tick:.{decimals}f}") for tick in y_ticks if low - spare <= tick <= high + spare],
        "baseline": baseline and (y_of(baseline[0]), baseline[1]),
        "lines": [
            {
                "name": name,
                "path": " ".join(f"{x_of(x)},{y_of(y)}" for x, y in points),
                "points": [
                    [x_of(x), y_of(y), compact(x), f"{y:.3g}" if abs(y) < 0.01 else f"{y:.2f}"] for x, y in points
                ],
            }
            for name, points in shown.items()
        ],
    }


def _thinned(points: Points) -> Points:
    """Every n-th point, and the last one."""
    every = -(-len(points) // MOST_POINTS)
    kept = list(points[::every])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def _ticks(low: float, high: float) -> list[float]:
    found = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high if high > low else low + 1)
    return [float(tick) for tick in found if tick >= 0 or low < 0]


def _decimals(ticks: Sequence[float]) -> int:
    """Digits after the point that tell neighbouring ticks apart."""
    return next((digits for digits in range(7) if len({f"{tick:.{digits}f}" for tick in ticks}) == len(ticks)), 6)
