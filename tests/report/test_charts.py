"""Coordinates of charts: where numbers lie in the frame, for any numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipe.report.charts import BOTTOM, LEFT, MOST_POINTS, RIGHT, TOP, line_chart

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 4))
LINES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.tuples(st.integers(0, 10**12), NUMBERS), max_size=9), max_size=3
)


@given(lines=LINES, baseline=st.none() | st.tuples(NUMBERS, st.just("chance")))
def test_all_lies_in_the_frame_and_in_order(lines, baseline):
    lines = {name: sorted(points) for name, points in lines.items()}
    chart = line_chart(lines, "loss", baseline)
    if not any(lines.values()):
        assert chart is None
        return
    for line in chart["lines"]:
        places = line["points"]
        assert len(places) == len(lines[line["name"]])
        assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y, *_ in places)
        # A larger number is never lower in the picture.
        values = [value for _, value in lines[line["name"]]]
        for (_, one, *_), value in zip(places, values, strict=True):
            for (_, other, *_), another in zip(places, values, strict=True):
                assert value == another or (one <= other) == (value > another) or one == other
    assert all(TOP <= y <= BOTTOM for y, _ in chart["y_ticks"])
    assert all(LEFT <= x <= RIGHT for x, _ in chart["x_ticks"])
    texts = [text for _, text in chart["y_ticks"]]
    assert len({*texts}) == len(texts)
    if baseline:
        assert TOP <= chart["baseline"][0] <= BOTTOM


def test_a_long_line_is_thinned_but_keeps_its_end():
    points = [(step, step / 10) for step in range(10_001)]
    (line,) = line_chart({"loss": points}, "loss")["lines"]
    assert MOST_POINTS / 2 < len(line["points"]) <= MOST_POINTS + 1
    assert line["points"][-1][2:] == ["10.0 k", "1000.00"]


def test_small_numbers_are_told_apart():
    chart = line_chart({"rate": [(0, 0.0), (100, 2e-3), (200, 1e-3)]}, "learning rate")
    assert [point[3] for point in chart["lines"][0]["points"]] == ["0", "0.002", "0.001"]
    assert len({text for _, text in chart["y_ticks"]}) == len(chart["y_ticks"]) > 2


@pytest.mark.parametrize("points", [[(0, 1.0)], [(0, 0.0)], [(5, 2.0), (5, 2.0)]])
def test_a_single_number_has_a_place(points):
    chart = line_chart({"loss": points}, "loss")
    assert TOP < chart["lines"][0]["points"][0][1] < BOTTOM
