"""What a component says of arguments that do not fit, whatever language they come from."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import EndpointMode, NetworkArgs
from components._args import ArgumentError, check


class KilnArgs(TypedDict):
    """One input of each type that the components have."""

    clay: pulumi.Input[str]
    degrees: int
    door: NotRequired[bool]
    glaze: NotRequired[float]
    marks: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    mode: NotRequired[EndpointMode]
    network: NotRequired[NetworkArgs]
    plan: NotRequired[pulumi.Asset]
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]


FINE: dict[str, Any] = {"clay": "red", "degrees": 900}


later = pulumi.Output.from_input
"""An output, as of a resource."""


def refusal(args: Callable[[], Any]) -> str:
    """What is said of arguments, which may hold outputs; empty if they are taken."""

    async def run() -> str:
        try:
            check(args(), KilnArgs)
        except ArgumentError as error:
            return str(error)
        finally:  # of the outputs, none is left pending
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        return ""

    return asyncio.run(run())


GOOD: dict[str, Callable[[], dict[str, Any]]] = {
    "only what is required": dict,
    "everything": lambda: {
        "door": False,
        "glaze": 1,
        "marks": ["a", "b"],
        "mode": EndpointMode.PINNED,
        "network": {"subnet_ids": ["s"], "security_group_ids": ["g"]},
        "plan": pulumi.StringAsset("plan"),
        "tags": {"team": "growth"},
    },
    "as it comes from other languages": lambda: {"degrees": 900.0, "mode": "pinned"},
    "nothing, said aloud": lambda: {"door": None, "marks": None, "network": None},
    "outputs for what may be one": lambda: {
        "clay": later("red"),
        "marks": later(["a"]),
        "tags": {"team": later("growth")},
        "network": {"subnet_ids": later(["s"]), "security_group_ids": [later("g")]},
    },
}


@pytest.mark.parametrize("what", GOOD)
def test_what_fits_is_taken(what: str) -> None:
    assert refusal(lambda: {**FINE, **GOOD[what]()}) == ""


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no dict": (
        lambda: None,
        "The arguments of Kiln are None, and they must be a dict: write {} for none.",
    ),
    "a misspelt name": (
        lambda: {**FINE, "glase": 1},
        "Kiln is given glase, and it has no such input: did you mean glaze?",
    ),
    "a name of another language": (
        lambda: {"Degrees": 900, "clay": "red"},
        "Kiln is given Degrees, and it has no such input: did you mean degrees?",
    ),
    "a name like no other": (
        lambda: {**FINE, "wheel": 1},
        "Kiln is given wheel, and it has no such input: choose among clay, degrees, door, glaze, "
        "marks, mode, network, plan, tags, or remove it.",
    ),
    "a misspelt name inside": (
        lambda: {**FINE, "network": {"subnets": ["s"], "security_group_ids": ["g"]}},
        "network is given subnets, and it has no such input: did you mean subnet_ids?",
    ),
    "something required that is missing": (
        lambda: {"degrees": 900},
        "Kiln is given no clay, and it cannot do without: add clay to its arguments.",
    ),
    "something required that is None": (
        lambda: {"clay": "red", "degrees": None},
        "Kiln is given no degrees, and it cannot do without: add degrees to its arguments.",
    ),
    "a text for a number": (
        lambda: {**FINE, "degrees": "hot"},
        "degrees is 'hot', and it must be a whole number: change it.",
    ),
    "a boolean for a number": (
        lambda: {**FINE, "glaze": True},
        "glaze is True, and it must be a number: change it.",
    ),
    "a number for a boolean": (
        lambda: {**FINE, "door": 1.0},
        "door is 1, and it must be a boolean, true or false: change it.",
    ),
    "a number for a text": (
        lambda: {**FINE, "clay": 7.0},
        "clay is 7, and it must be a text: change it.",
    ),
    "a text for a list": (
        lambda: {**FINE, "marks": "a"},
        "marks is 'a', and it must be a list: change it.",
    ),
    "a wrong element": (
        lambda: {**FINE, "marks": ["a", None]},
        "marks[1] is None, and it must be a text: change it.",
    ),
    "a list for a map": (
        lambda: {**FINE, "tags": ["team"]},
        "tags is ['team'], and it must be a map: change it.",
    ),
    "a wrong value in a map": (
        lambda: {**FINE, "tags": {"team": ["growth"]}},
        "tags.team is ['growth'], and it must be a text: change it.",
    ),
    "a text for a structure": (
        lambda: {**FINE, "network": "vpc-1"},
        "network is 'vpc-1', and it must be a structure: change it.",
    ),
    "a wrong type inside": (
        lambda: {**FINE, "network": {"subnet_ids": "s", "security_group_ids": ["g"]}},
        "network.subnet_ids is 's', and it must be a list: change it.",
    ),
    "a path for a file": (
        lambda: {**FINE, "plan": "plan.txt"},
        "plan is 'plan.txt', and it must be an asset, such as a pulumi.FileAsset: change it.",
    ),
    "an output for what shapes the tree": (
        lambda: {**FINE, "degrees": later(900)},
        "degrees is known only when something else is made, and it shapes what is made here: give "
        "a value that the program knows.",
    ),
    "a very long value": (
        lambda: {**FINE, "degrees": "9" * 500},
        f"degrees is '{'9' * 76}..., and it must be a whole number: change it.",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_fit_is_refused_in_one_sentence(what: str) -> None:
    args, sentence = BAD[what]
    assert refusal(args) == sentence


def test_a_refusal_is_a_value_error_that_pulumi_prints_without_a_stack_trace() -> None:
    assert issubclass(ArgumentError, ValueError)
    assert issubclass(ArgumentError, pulumi.RunError)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text("a'{\n")
values = plain | st.lists(plain) | st.dictionaries(st.just("a"), plain)


@given(st.dictionaries(st.sampled_from([*KilnArgs.__annotations__, "wheel"]), values))
def test_anything_else_is_taken_or_refused_and_never_an_accident(args: dict[str, Any]) -> None:
    with contextlib.suppress(ArgumentError):
        check(args, KilnArgs)


@given(st.integers(-(2**53), 2**53), st.sampled_from(["clay", "door", "marks", "tags"]))
def test_a_whole_number_is_told_the_same_from_every_language(number: int, name: str) -> None:
    told = []
    for arrived in (number, float(number)):
        with pytest.raises(ArgumentError) as refused:
            check({**FINE, name: arrived}, KilnArgs)
        told.append(str(refused.value))
    assert told[0] == told[1]
