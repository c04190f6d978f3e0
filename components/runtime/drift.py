"""Drift as arithmetic on counts: a baseline's bins, traffic counted into them, two effect sizes.

Counts over fixed bins add up, so traffic is counted file by file in constant memory, in any order,
and merged. Every column has one more bin than its kind needs, for missing values: a feature that
stops arriving is the commonest drift of all. Standard library only; shared by the pipeline's steps,
which make baselines, and by the drift monitor, which counts traffic.

JSON format of a baseline (`Baseline.to_json`):
`{"version": 1, "rows": n, "features": [column, ...], "prediction": column}` where a column is
`{"name", "kind": "numeric", "edges": [k ascending], "counts": [k + 1], "missing"}` or
`{"name", "kind": "categorical", "values": [k], "counts": [k + 1, the last for others], "missing"}`.
The order of the features is the order of the columns of a request.
"""

import math
import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

FORMAT_VERSION = 1

Counts = tuple[int, ...]
"""How many values fell into each bin of a column; the last bin is for missing values."""


@dataclass(frozen=True)
class NumericColumn:
    """Bins of a numeric column: bin i holds `edges[i-1] < value <= edges[i]`."""

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int = 0

    def __post_init__(self) -> None:
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(
                f"The edges of column {self.name!r} do not ascend: {list(self.edges)}. "
                "Make the baseline with numeric_column()."
            )
        _check_counts(self.name, self.counts, len(self.edges) + 1, self.missing)

    def bin_of(self, value: object) -> int | None:
        """Index of the bin of `value`; None for what is not a finite number, or a text of one."""
        number = _number(value)
        return None if number is None else bisect_left(self.edges, number)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": "numeric",
            "edges": list(self.edges),
            "counts": list(self.counts),
            "missing": self.missing,
        }


@dataclass(frozen=True)
class CategoricalColumn:
    """Bins of a categorical column: one for each of `values`, then one for every other value."""

    name: str
    values: tuple[str, ...]
    counts: tuple[int, ...]
    missing: int = 0

    def __post_init__(self) -> None:
        if len(set(self.values)) != len(self.values):
            raise ValueError(
                f"The values of column {self.name!r} repeat: {list(self.values)}. "
                "Make the baseline with categorical_column()."
            )
        _check_counts(self.name, self.counts, len(self.values) + 1, self.missing)

    def bin_of(self, value: object) -> int | None:
        """Index of the bin of `value` as text; None for an absent, empty or NaN value."""
        text = _text(value)
        return None if text is None else self._bins.get(text, len(self.values))

    @cached_property
    def _bins(self) -> dict[str, int]:
        return {value: index for index, value in enumerate(self.values)}

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": "categorical",
            "values": list(self.values),
            "counts": list(self.counts),
            "missing": self.missing,
        }


Column = NumericColumn | CategoricalColumn


@dataclass(frozen=True)
class Baseline:
    """What a model was trained on: one column for each feature, and its scores on the test set."""

    rows: int
    features: tuple[Column, ...]
    prediction: NumericColumn

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            "rows": self.rows,
            "features": [column.to_json() for column in self.features],
            "prediction": self.prediction.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Baseline":
        """The baseline in `data`, as `to_json` wrote it.

        Raises ValueError for another format version, and for columns whose counts do not fit.
        """
        if data.get("version") != FORMAT_VERSION:
            raise ValueError(
                f"This baseline has format version {data.get('version')!r}, and this code reads "
                f"version {FORMAT_VERSION}. Use the code that belongs to the model's version."
            )
        prediction = column_from_json(data["prediction"])
        if not isinstance(prediction, NumericColumn):
            raise ValueError("The baseline's prediction is categorical; it must be a score.")
        features = tuple(column_from_json(column) for column in data["features"])
        return cls(int(data["rows"]), features, prediction)


@dataclass(frozen=True)
class Traffic:
    """Rows of requests counted over a baseline's bins; sums of traffic are traffic."""

    rows: int
    features: tuple[Counts, ...]
    prediction: Counts

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.rows + other.rows,
            tuple(add(a, b) for a, b in zip(self.features, other.features, strict=True)),
            add(self.prediction, other.prediction),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "features": [list(counts) for counts in self.features],
            "prediction": list(self.prediction),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Traffic":
        return cls(
            data["rows"],
            tuple(tuple(counts) for counts in data["features"]),
            tuple(data["prediction"]),
        )


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column has moved: two effect sizes, and whether the PSI passes the threshold."""

    name: str
    psi: float
    jensen_shannon: float
    drifted: bool


@dataclass(frozen=True)
class Report:
    """Drift of every feature and of the prediction. Nothing is called drifted before `enough`."""

    samples: int
    enough: bool
    features: tuple[ColumnDrift, ...]
    prediction: ColumnDrift

    @property
    def columns(self) -> tuple[ColumnDrift, ...]:
        """The features, then the prediction."""
        return (*self.features, self.prediction)

    @property
    def drifted_share(self) -> float:
        """Share of the columns (features and prediction) that drifted, 0..1."""
        return sum(column.drifted for column in self.columns) / len(self.columns)

    @property
    def max_psi(self) -> float:
        return max(column.psi for column in self.columns)

    def to_json(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "enough": self.enough,
            "drifted_share": self.drifted_share,
            "max_psi": self.max_psi,
            "features": [vars(column) for column in self.features],
            "prediction": vars(self.prediction),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Report":
        return cls(
            data["samples"],
            data["enough"],
            tuple(ColumnDrift(**column) for column in data["features"]),
            ColumnDrift(**data["prediction"]),
        )


def numeric_column(name: str, values: Iterable[object], bins: int = 10) -> NumericColumn:
    """The baseline of a numeric column, in at most `bins` bins of equal frequency.

    The edges are the inner quantiles of the finite values (Hyndman and Fan 1996, definition 7, as
    `statistics.quantiles` has it), equal ones merged. Where the lowest edge is the minimum itself
    (many equal values, or a constant column), one more edge goes directly below it, so that values
    below all that was ever seen have a bin of their own. What is not a finite number, or a text of
    one, counts as missing. Raises ValueError for fewer than 2 bins.
    """
    if bins < 2:
        raise ValueError(f"A column needs at least 2 bins, and bins is {bins}.")
    values = list(values)
    numbers = [number for value in values if (number := _number(value)) is not None]
    edges = _quantile_edges(numbers, bins)
    empty = NumericColumn(name, edges, (0,) * (len(edges) + 1))
    *counts, missing = count(empty, values)
    return NumericColumn(name, edges, tuple(counts), missing)


def categorical_column(name: str, values: Iterable[object], limit: int = 50) -> CategoricalColumn:
    """The baseline of a categorical column: its `limit` most frequent values, and the others.

    Values are compared as text. None, empty text and NaN count as missing.
    """
    texts = [_text(value) for value in values]
    frequency = Counter(text for text in texts if text is not None)
    kept = sorted(frequency, key=lambda value: (-frequency[value], value))[:limit]
    empty = CategoricalColumn(name, tuple(kept), (0,) * (len(kept) + 1))
    *counts, missing = count(empty, texts)
    return CategoricalColumn(name, tuple(kept), tuple(counts), missing)


def column_from_json(data: Mapping[str, Any]) -> Column:
    """The column in `data`. Raises ValueError for an unknown kind, or counts that do not fit."""
    counts = tuple(int(n) for n in data["counts"])
    match data["kind"]:
        case "numeric":
            edges = tuple(float(edge) for edge in data["edges"])
            return NumericColumn(data["name"], edges, counts, int(data["missing"]))
        case "categorical":
            return CategoricalColumn(
                data["name"], tuple(data["values"]), counts, int(data["missing"])
            )
        case kind:
            raise ValueError(
                f"Column {data['name']!r} is of kind {kind!r}; a column is numeric or categorical."
            )


def bin_counts(column: Column) -> Counts:
    """The baseline's own counts, in the layout of `count`: missing values last."""
    return (*column.counts, column.missing)


def count(column: Column, values: Iterable[object]) -> Counts:
    """How many of `values` fall into each bin of `column`; the last count is of missing values."""
    counts = [0] * (len(column.counts) + 1)
    for value in values:
        index = column.bin_of(value)
        counts[-1 if index is None else index] += 1
    return tuple(counts)


def add(a: Sequence[int], b: Sequence[int]) -> Counts:
    """The counts of two sets of values together. Raises ValueError if they differ in bins."""
    if len(a) != len(b):
        raise ValueError(
            f"Counts over {len(a)} and {len(b)} bins cannot be added; they belong to two baselines."
        )
    return tuple(x + y for x, y in zip(a, b, strict=True))


def no_traffic(baseline: Baseline) -> Traffic:
    """The neutral element: no row counted yet."""
    return count_traffic(baseline, [], [])


def count_traffic(
    baseline: Baseline, rows: Sequence[Sequence[object]], scores: Sequence[object]
) -> Traffic:
    """Rows of feature values, in the baseline's order, and the model's score for each row.

    Raises ValueError if a row has another number of values than the baseline has features, or if
    there is not one score for each row.
    """
    if len(rows) != len(scores):
        raise ValueError(f"There are {len(rows)} rows and {len(scores)} scores; one each is meant.")
    width = len(baseline.features)
    for row in rows:
        if len(row) != width:
            raise ValueError(f"A row has {len(row)} values, and the baseline has {width} features.")
    features = tuple(
        count(column, (row[index] for row in rows))
        for index, column in enumerate(baseline.features)
    )
    return Traffic(len(rows), features, count(baseline.prediction, scores))


def psi(expected: Sequence[int], actual: Sequence[int]) -> float:
    """Population stability index, sum((q - p) ln(q / p)) >= 0, of two counts over the same bins.

    By custom 0.1 is worth a look and 0.25 is a shift (Siddiqi, Credit Risk Scorecards, 2006). Empty
    bins would make it infinite: bins empty on both sides are left out, and the others are estimated
    by adding one half (Krichevsky and Trofimov 1981). Without any drift its mean is about
    (bins - 1)(1/n + 1/m) (Yurdakul 2018), which is why a minimum of samples belongs to its use.
    0.0 where one side has no values at all: no values are no evidence.
    """
    if not sum(expected) or not sum(actual):
        return 0.0
    bins = [(e, a) for e, a in zip(expected, actual, strict=True) if e or a]
    n = sum(expected) + len(bins) / 2
    m = sum(actual) + len(bins) / 2
    terms = (((a + 0.5) / m, (e + 0.5) / n) for e, a in bins)
    return math.fsum((q - p) * math.log(q / p) for q, p in terms)


def jensen_shannon(expected: Sequence[int], actual: Sequence[int]) -> float:
    """Jensen-Shannon distance, 0 (same) to 1 (no bin in common), of counts over the same bins.

    The square root of the divergence of Lin (IEEE Transactions on Information Theory 37, 1991) with
    logarithms to base 2. 0.0 where one side has no values at all.
    """
    n, m = sum(expected), sum(actual)
    if not n or not m:
        return 0.0
    divergence = math.fsum(
        (_relative_bits(e / n, a / m) + _relative_bits(a / m, e / n)) / 2
        for e, a in zip(expected, actual, strict=True)
    )
    return math.sqrt(min(1.0, max(0.0, divergence)))


def drift_report(
    baseline: Baseline, traffic: Traffic, *, psi_threshold: float, min_samples: int
) -> Report:
    """Compare `traffic` with the baseline it was counted over.

    A column has drifted when its PSI is at least `psi_threshold`; with fewer than `min_samples`
    rows the effect sizes are given, but nothing is called drifted.
    """
    enough = traffic.rows >= min_samples

    def compare(column: Column, counts: Counts) -> ColumnDrift:
        expected = bin_counts(column)
        index = psi(expected, counts)
        distance = jensen_shannon(expected, counts)
        return ColumnDrift(column.name, index, distance, enough and index >= psi_threshold)

    return Report(
        samples=traffic.rows,
        enough=enough,
        features=tuple(map(compare, baseline.features, traffic.features)),
        prediction=compare(baseline.prediction, traffic.prediction),
    )


def _relative_bits(p: float, q: float) -> float:
    """One bin's part of the divergence of p from the middle of p and q."""
    return p * math.log2(2 * p / (p + q)) if p else 0.0


def _quantile_edges(numbers: Sequence[float], bins: int) -> tuple[float, ...]:
    if not numbers:
        return ()
    # One value alone has no quantiles before Python 3.13; twice the value, they are the value.
    sample = numbers if len(numbers) > 1 else [*numbers, *numbers]
    edges = sorted(set(statistics.quantiles(sample, n=bins, method="inclusive")))
    lowest = min(numbers)
    if edges[0] <= lowest:
        edges.insert(0, math.nextafter(lowest, -math.inf))
    return tuple(edges)


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever cannot be converted is missing
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: object) -> str | None:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value)


def _check_counts(name: str, counts: Sequence[int], bins: int, missing: int) -> None:
    if len(counts) != bins or min(counts) < 0 or missing < 0:
        raise ValueError(
            f"Column {name!r} has {bins} bins, and its counts are {list(counts)} with {missing} "
            "missing. A column has one count of 0 or more for each bin."
        )
