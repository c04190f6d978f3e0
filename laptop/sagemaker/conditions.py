"""Conditions of a condition step, judged on resolved values.

Source: the SageMaker pipeline definition schema 2020-12-01, condition types.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
TYPES = frozenset({*COMPARISONS, "In", "Not", "Or"})


def holds(condition: Mapping[str, Any]) -> bool:
    """Whether a condition, every reference in it resolved, is true.

    :raises ValueError: if the type is unknown, or two values of different kinds are put in order.
    """
    kind = condition["Type"]
    if kind in COMPARISONS:
        return _compare(kind, condition["LeftValue"], condition["RightValue"])
    if kind == "In":
        return any(_compare("Equals", condition["QueryValue"], it) for it in condition["Values"])
    if kind == "Not":
        return not holds(condition["Condition"])
    if kind == "Or":
        return any(holds(it) for it in condition["Conditions"])
    raise ValueError(f"The condition type {kind!r} is not one of {', '.join(sorted(TYPES))}.")


def _compare(kind: str, left: Any, right: Any) -> bool:
    same_kind = _is_number(left) == _is_number(right) and isinstance(left, str) == isinstance(
        right, str
    )
    if kind == "Equals":
        return same_kind and bool(left == right)
    if not same_kind or not (_is_number(left) or isinstance(left, str)):
        raise ValueError(
            f"{kind} cannot compare {left!r} with {right!r}: give two numbers or two strings."
        )
    return COMPARISONS[kind](left, right)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parts(condition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conditions inside a condition: one for Not, several for Or, none otherwise."""
    if condition.get("Type") == "Not":
        return [condition["Condition"]]
    return list(condition["Conditions"]) if condition.get("Type") == "Or" else []
