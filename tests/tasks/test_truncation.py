"""What stays of texts that are too long: rules compared with loops that are written to be read."""

from hypothesis import given
from hypothesis import strategies as st

from recipe.tasks.types.truncation import longest_first, nearest

LENGTHS = st.integers(0, 40)


@given(LENGTHS, LENGTHS, st.integers(2, 50))
def test_longest_first_is_the_loop_of_bert(first, second, budget):
    a, b = list(range(first)), list(range(100, 100 + second))
    found = longest_first(a, b, budget)
    while len(a) + len(b) > budget:
        (a if len(a) > len(b) else b).pop()
    assert found == (a, b)


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 50))
def test_what_must_stay_stays_and_the_rest_is_what_is_nearest(is_kept, budget):
    budget = max(budget, sum(is_kept))
    ids = list(range(100, 100 + len(is_kept)))
    found = nearest(ids, is_kept, budget)
    fixed = [place for place, kept in enumerate(is_kept) if kept]
    by_distance = sorted(
        range(len(ids)), key=lambda place: (min((abs(place - one) for one in fixed), default=place), place)
    )
    assert found == [ids[place] for place in sorted(by_distance[:budget])]
    assert {ids[place] for place in fixed} <= {*found}


def test_a_window_grows_around_both_entities_or_leaves_out_the_middle():
    near = [place in (10, 12) for place in range(30)]
    assert nearest(range(30), near, 7) == [8, 9, 10, 11, 12, 13, 14]
    far = [place in (2, 25) for place in range(30)]
    assert nearest(range(30), far, 6) == [1, 2, 3, 24, 25, 26]
