"""The split as a function of a row's content."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.steps.split import TEST_SHARE, held_out

ROW = st.lists(st.text(max_size=8), min_size=1, max_size=4)


@given(ROW, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_only_adds_rows(row: list[str], a: float, b: float) -> None:
    smaller, larger = sorted((a, b))
    assert held_out(row, larger) or not held_out(row, smaller)


@given(ROW)
def test_no_share_holds_out_nothing_and_the_whole_holds_out_everything(row: list[str]) -> None:
    assert not held_out(row, 0)
    assert held_out(row, 1)


def test_about_the_share_of_many_rows_is_held_out() -> None:
    held = sum(held_out([str(number), "x"]) for number in range(4000))
    assert abs(held / 4000 - TEST_SHARE) < 0.03


def test_where_one_field_ends_and_the_next_begins_matters() -> None:
    numbers = map(str, range(1000))
    assert any(held_out([f"{n}1", "2"]) != held_out([n, "12"]) for n in numbers)


def test_the_split_of_a_row_never_changes() -> None:
    """Pinned: another answer would put rows that champions were trained on into the test set."""
    rows = [[str(number), "Bonn", "yes"] for number in range(16)]
    assert [number for number, row in enumerate(rows) if held_out(row)] == [2, 5]
