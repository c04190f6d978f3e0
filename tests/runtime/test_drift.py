"""Drift: bins, counts that add up, and two effect sizes."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.runtime.drift import (
    Baseline,
    CategoricalColumn,
    NumericColumn,
    Report,
    Traffic,
    add,
    bin_counts,
    categorical_column,
    column_from_json,
    count,
    count_traffic,
    drift_report,
    jensen_shannon,
    no_traffic,
    numeric_column,
    psi,
)

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-5, 5)
texts = st.sampled_from(["red", "green", "blue", "", "Ü", "1"])
anything = st.one_of(numbers, texts, st.none(), st.just(math.nan), st.just(math.inf))
columns = st.one_of(
    st.builds(numeric_column, st.just("n"), st.lists(anything, max_size=60)),
    st.builds(categorical_column, st.just("c"), st.lists(anything, max_size=60), st.just(3)),
)
same_bins = st.integers(1, 12).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 1000), min_size=k, max_size=k)] * 3)
)


def baseline(rows: int = 1000) -> Baseline:
    chance = random.Random(7)  # noqa: S311  # a sample, not a secret
    ages = [chance.gauss(40, 10) for _ in range(rows)]
    colours = [chance.choice("rgb") for _ in range(rows)]
    scores = [chance.random() for _ in range(rows)]
    return Baseline(
        rows,
        (numeric_column("age", ages), categorical_column("colour", colours)),
        numeric_column("prediction", scores),
    )


def traffic(of: Baseline, rows: int, *, older_by: float = 0.0) -> Traffic:
    chance = random.Random(8)  # noqa: S311  # a sample, not a secret
    return count_traffic(
        of,
        [[chance.gauss(40 + older_by, 10), chance.choice("rgb")] for _ in range(rows)],
        [chance.random() for _ in range(rows)],
    )


# --- bins -----------------------------------------------------------------------------------------


def test_a_numeric_column_has_bins_of_equal_frequency() -> None:
    column = numeric_column("n", range(1000))
    assert column.counts == (100,) * 10
    assert column.missing == 0


@given(st.lists(anything, max_size=80), st.integers(2, 10))
def test_edges_ascend_and_are_few(values: list[object], bins: int) -> None:
    edges = numeric_column("n", values, bins).edges
    assert list(edges) == sorted(set(edges))
    assert all(map(math.isfinite, edges))
    # One edge more than the inner quantiles where many values equal the minimum.
    assert len(edges) <= bins


def test_a_constant_column_has_a_bin_below_and_a_bin_above() -> None:
    column = numeric_column("n", [7, 7, 7])
    assert column.counts == (0, 3, 0)
    assert count(column, [6.999, 7, 7.001]) == (1, 1, 1, 0)


def test_a_sentinel_below_many_equal_values_is_seen() -> None:
    column = numeric_column("n", [0] * 95 + [1] * 5)
    drifted = count(column, [-1] * 95 + [1] * 5)
    assert psi(bin_counts(column), drifted) > 1


def test_a_column_without_values_is_all_missing() -> None:
    column = numeric_column("n", [None, "", "n/a"])
    assert (column.edges, column.counts, column.missing) == ((), (0,), 3)


@pytest.mark.parametrize("value", [None, "", "twelve", math.nan, math.inf, -math.inf, [1], "1,5"])
def test_what_is_not_a_finite_number_is_missing(value: object) -> None:
    assert count(numeric_column("n", [1, 2]), [value])[-1] == 1


def test_numbers_in_capture_lines_are_text() -> None:
    column = numeric_column("n", range(100))
    assert count(column, ["3", "97.5", " 5 "]) == count(column, [3, 97.5, 5])


def test_rare_categories_are_counted_as_others() -> None:
    column = categorical_column("c", ["a"] * 5 + ["b"] * 3 + ["c", None], limit=2)
    assert column == CategoricalColumn("c", ("a", "b"), (5, 3, 1), missing=1)
    assert count(column, ["a", "z", "", None, "c"]) == (1, 0, 2, 2)


def test_equally_frequent_categories_are_kept_in_the_same_order_every_time() -> None:
    assert categorical_column("c", "zyx").values == categorical_column("c", "xzy").values


@given(st.lists(anything, max_size=60))
def test_every_value_of_the_baseline_is_counted_once(values: list[object]) -> None:
    for column in (numeric_column("n", values), categorical_column("c", values, limit=2)):
        assert sum(bin_counts(column)) == len(values)
        assert count(column, values) == bin_counts(column)


@given(columns, st.lists(anything, max_size=60))
def test_counts_sum_to_the_rows(column: NumericColumn | CategoricalColumn, rows: object) -> None:
    assert isinstance(rows, list)
    assert sum(count(column, rows)) == len(rows)


# --- adding ---------------------------------------------------------------------------------------


@given(same_bins)
def test_counts_add_up_in_any_order(counts: tuple[list[int], list[int], list[int]]) -> None:
    a, b, c = counts
    assert add(a, b) == add(b, a)
    assert add(add(a, b), c) == add(a, add(b, c))
    assert add(a, [0] * len(a)) == tuple(a)


@given(columns, st.lists(anything, max_size=40), st.lists(anything, max_size=40))
def test_counting_in_parts_is_counting_at_once(
    column: NumericColumn | CategoricalColumn, first: list[object], second: list[object]
) -> None:
    assert add(count(column, first), count(column, second)) == count(column, first + second)


def test_counts_of_two_baselines_are_not_added() -> None:
    with pytest.raises(ValueError, match="2 and 3 bins cannot be added"):
        add([1, 2], [1, 2, 3])


def test_no_traffic_is_neutral() -> None:
    of = baseline()
    seen = traffic(of, 50)
    assert seen + no_traffic(of) == no_traffic(of) + seen == seen
    assert seen.rows == 50


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="1 values, and the baseline has 2 features"):
        count_traffic(baseline(), [[1]], [0.5])


def test_rows_and_scores_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="1 rows and 0 scores"):
        count_traffic(baseline(), [[1, "r"]], [])


# --- effect sizes ---------------------------------------------------------------------------------


@given(same_bins)
def test_psi_is_never_negative_and_zero_for_the_same(
    counts: tuple[list[int], list[int], list[int]],
) -> None:
    a, b, _ = counts
    assert psi(a, b) >= 0
    assert psi(a, a) == 0
    assert math.isfinite(psi(a, b))


@given(same_bins)
def test_jensen_shannon_is_a_symmetric_distance_up_to_one(
    counts: tuple[list[int], list[int], list[int]],
) -> None:
    a, b, _ = counts
    assert 0 <= jensen_shannon(a, b) <= 1
    assert jensen_shannon(a, b) == pytest.approx(jensen_shannon(b, a))
    assert jensen_shannon(a, a) == 0


def test_psi_of_a_worked_example() -> None:
    # Large counts, so that adding one half does not show: 0.3 ln 4 + (-0.3) ln (0.6/0.9) ...
    expected, actual = [900_000, 100_000], [600_000, 400_000]
    by_hand = (0.6 - 0.9) * math.log(0.6 / 0.9) + (0.4 - 0.1) * math.log(0.4 / 0.1)
    assert psi(expected, actual) == pytest.approx(by_hand, rel=1e-4)


def test_jensen_shannon_of_worked_examples() -> None:
    assert jensen_shannon([5, 0], [0, 9]) == 1
    # 1 bit of entropy of the middle (0.75, 0.25) less half a bit: H(0.75) - 0.5 H(0.5).
    middle = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert jensen_shannon([4, 0], [2, 2]) == pytest.approx(math.sqrt(middle - 0.5))


def test_bins_empty_on_both_sides_say_nothing() -> None:
    assert psi([10, 20, 0, 0], [30, 10, 0, 0]) == psi([10, 20], [30, 10])


def test_no_values_are_no_evidence() -> None:
    assert psi([1, 2], [0, 0]) == psi([0, 0], [1, 2]) == 0
    assert jensen_shannon([1, 2], [0, 0]) == jensen_shannon([0, 0], [1, 2]) == 0


# --- reports --------------------------------------------------------------------------------------


def test_traffic_like_the_training_data_does_not_drift() -> None:
    of = baseline()
    report = drift_report(of, traffic(of, 500), psi_threshold=0.2, min_samples=100)
    assert report.drifted_share == 0
    assert report.enough


def test_a_feature_that_moved_has_drifted_and_no_other() -> None:
    of = baseline()
    report = drift_report(of, traffic(of, 500, older_by=15), psi_threshold=0.2, min_samples=100)
    assert [column.name for column in report.columns if column.drifted] == ["age"]
    assert report.drifted_share == pytest.approx(1 / 3)
    assert report.max_psi == report.features[0].psi > 0.2


def test_a_feature_that_stops_arriving_has_drifted() -> None:
    of = baseline()
    rows = [["", "r"], ["", "g"], ["", "b"]] * 50
    report = drift_report(
        of, count_traffic(of, rows, [0.5] * 150), psi_threshold=0.2, min_samples=100
    )
    assert report.features[0].drifted
    assert not report.features[1].drifted


def test_too_few_samples_are_measured_but_never_called_drift() -> None:
    of = baseline()
    report = drift_report(of, traffic(of, 99, older_by=40), psi_threshold=0.2, min_samples=100)
    assert report.max_psi > 1
    assert not report.enough
    assert report.drifted_share == 0
    one_more = drift_report(of, traffic(of, 100, older_by=40), psi_threshold=0.2, min_samples=100)
    assert one_more.enough
    assert one_more.features[0].drifted


# --- formats --------------------------------------------------------------------------------------


@given(columns)
def test_columns_survive_json(column: NumericColumn | CategoricalColumn) -> None:
    assert column_from_json(json.loads(json.dumps(column.to_json()))) == column


def test_baselines_traffic_and_reports_survive_json() -> None:
    of = baseline()
    seen = traffic(of, 300, older_by=20)
    report = drift_report(of, seen, psi_threshold=0.2, min_samples=100)
    assert Baseline.from_json(json.loads(json.dumps(of.to_json()))) == of
    assert Traffic.from_json(json.loads(json.dumps(seen.to_json()))) == seen
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_baseline_has_the_documented_format() -> None:
    column = numeric_column("n", [1, 2, None], bins=2)
    assert Baseline(3, (column,), numeric_column("prediction", [0.5])).to_json() == {
        "version": 1,
        "rows": 3,
        "features": [
            {"name": "n", "kind": "numeric", "edges": [1.5], "counts": [1, 1], "missing": 1}
        ],
        "prediction": {
            "name": "prediction",
            "kind": "numeric",
            "edges": [math.nextafter(0.5, 0), 0.5],
            "counts": [0, 1, 0],
            "missing": 0,
        },
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "format version 2, and this code reads version 1"),
        ({"prediction": categorical_column("prediction", "ab").to_json()}, "must be a score"),
        ({"features": [{"name": "n", "kind": "date", "counts": []}]}, "kind 'date'"),
        (
            {"features": [{"name": "n", "kind": "numeric", "edges": [1], "counts": [1, 2, 3],
                           "missing": 0}]},
            "'n' has 2 bins",
        ),
        (
            {"features": [{"name": "n", "kind": "numeric", "edges": [2, 1], "counts": [1, 2, 3],
                           "missing": 0}]},
            "do not ascend",
        ),
        (
            {"features": [{"name": "c", "kind": "categorical", "values": ["a", "a"],
                           "counts": [1, 2, 3], "missing": 0}]},
            "repeat",
        ),
    ],
)  # fmt: skip
def test_a_baseline_that_is_not_one_is_refused_with_its_fault(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Baseline.from_json(baseline().to_json() | change)


def test_one_bin_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="at least 2 bins"):
        numeric_column("n", [1], bins=1)
