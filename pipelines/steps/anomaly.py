"""What is wrong with the data: which file, which column, which rule, and the first value."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Anomaly:
    """One rule that one file breaks. `value` is the first one that does, `column` "" if none."""

    file: str
    column: str
    rule: str
    value: str

    def __str__(self) -> str:
        column = f", column {self.column!r}" if self.column else ""
        return f"{self.file}{column}: must be {self.rule}, but is {self.value}"

    def to_json(self) -> dict[str, str]:
        return asdict(self)


class Refused(Exception):  # noqa: N818  # a judgement, not an error
    """A step says no; the reasons are for people."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)
