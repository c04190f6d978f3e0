"""Tables for people."""

from hypothesis import given
from hypothesis import strategies as st

from components.cli.table import plain, table

cells = st.text(max_size=20)


def test_columns_are_as_wide_as_their_widest_cell_and_the_last_is_free() -> None:
    rows = [("a", "long cell"), ("bcd", "e")]
    assert list(table(("X", "WHAT"), rows)) == ["X    WHAT", "a    long cell", "bcd  e"]


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_a_row_is_one_line_whatever_is_in_it(rows: list[tuple[str, str]]) -> None:
    lines = list(table(("A", "B"), rows))
    assert len(lines) == len(rows) + 1
    assert all(len(line.splitlines()) <= 1 for line in lines)


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)


def test_letters_of_all_languages_stay_as_they_are() -> None:
    assert plain("Zürich \x1b[31m 東京\n") == "Zürich  [31m 東京 "
