"""Tables for people: plain columns, the same on a terminal and in a pipe."""

from collections.abc import Iterator, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines. Every column but the last is as wide as its widest cell."""
    cells = [[plain(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def plain(text: str) -> str:
    """On one line, and nothing that would steer a terminal: a reason may quote a file's name."""
    return "".join(char if char.isprintable() else " " for char in text)
