"""Pipeline definitions: references, parameters, conditions, cache keys, and what is refused."""

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laptop.errors import AwsError
from laptop.sagemaker import caching, conditions, parameters, references
from laptop.sagemaker.definition import parse
from laptop.sagemaker.execution import ready
from tests.laptop.test_sagemaker_pipelines import definition, gate, prepare, train

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


def resolve(value: Any, world: dict[str, Any]) -> Any:
    def get(path: str) -> Any:
        return references.walk(world, references.split(path))

    def json_get(source: Any, path: str) -> Any:
        uri = source.get("S3Uri") or source["PropertyFile"]
        return references.walk(world[uri], references.split(path))

    return references.resolve(value, get, json_get)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("Parameters.Name", ["Parameters", "Name"]),
        ("Steps.Train.Outputs['a b'].Uri", ["Steps", "Train", "Outputs", "a b", "Uri"]),
        ('Steps.X.List[2]["k"]', ["Steps", "X", "List", 2, "k"]),
        ("Steps.my-step.Y", ["Steps", "my-step", "Y"]),
    ],
)
def test_a_path_is_split_into_names_and_indexes(path: str, segments: list[str | int]) -> None:
    assert references.split(path) == segments


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a['x]", "a b", "[x]"])
def test_a_path_that_does_not_parse_is_refused(path: str) -> None:
    with pytest.raises(references.BadReferenceError):
        references.split(path)


@given(
    st.lists(NAMES | st.integers(0, 99), min_size=1, max_size=5).filter(
        lambda it: isinstance(it[0], str)
    )
)
def test_a_path_that_is_written_out_is_read_back(segments: list[str | int]) -> None:
    path = "".join(f"[{it}]" if isinstance(it, int) else f".{it}" for it in segments)
    assert references.split(path.lstrip(".")) == segments


@given(PLAIN)
def test_a_value_without_references_stays_as_it_is(value: Any) -> None:
    assert references.resolve(value, _never, _never) == value


def _never(*_: Any) -> Any:
    raise AssertionError("there is no reference to resolve")


@given(PLAIN.filter(lambda it: not isinstance(it, list)))
def test_a_reference_is_replaced_wherever_it_stands(value: Any) -> None:
    document = {"Environment": [{"A": {"Get": "x.y"}}]}
    assert resolve(document, {"x": {"y": value}}) == {"Environment": [{"A": value}]}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ({"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "p.bucket"}, "k"]}}, "s3://b/k"),
        ({"Std:Join": {"On": "", "Values": [{"Get": "p.number"}]}}, "0.5"),
        ({"Std:Join": {"On": ",", "Values": [True, 3, {"Get": "p.bucket"}]}}, "true,3,b"),
        ({"Std:JsonGet": {"PropertyFile": {"Get": "file"}, "Path": "metrics.auc"}}, 0.9),
        (
            {
                "Std:JsonGet": {
                    "S3Uri": {"Std:Join": {"On": "", "Values": ["fi", "le"]}},
                    "Path": "list[1]",
                }
            },
            "second",
        ),
        (
            {"Std:Join": {"On": " ", "Values": [{"Std:Join": {"On": "-", "Values": ["a", 1]}}]}},
            "a-1",
        ),
    ],
)
def test_functions_are_computed(expression: Any, value: Any) -> None:
    world = {
        "p": {"bucket": "b", "number": 0.5},
        "file": {"metrics": {"auc": 0.9}, "list": ["first", "second"]},
    }
    assert resolve(expression, world) == value


def test_an_element_of_a_list_is_found_by_its_name() -> None:
    outputs = [{"OutputName": "train", "Uri": 1}, {"OutputName": "test", "Uri": 2}]
    assert references.walk({"Outputs": outputs}, ["Outputs", "test", "Uri"]) == 2
    with pytest.raises(references.BadReferenceError, match="there is no 'none'"):
        references.walk({"Outputs": outputs}, ["Outputs", "none"])


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_comparisons_agree_with_arithmetic(left: float, right: float) -> None:
    assert conditions.holds(compare("Equals", left, right)) == (left == right)
    assert conditions.holds(compare("GreaterThan", left, right)) == (left > right)
    assert conditions.holds(compare("GreaterThanOrEqualTo", left, right)) == (left >= right)
    assert conditions.holds(compare("LessThan", left, right)) == (left < right)
    assert conditions.holds(compare("LessThanOrEqualTo", left, right)) == (left <= right)


@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_or_and_not_are_the_logical_ones(values: list[bool]) -> None:
    parts = [compare("Equals", it, True) for it in values]
    either = {"Type": "Or", "Conditions": parts}
    assert conditions.holds(either) == any(values)
    assert conditions.holds({"Type": "Not", "Condition": either}) == (not any(values))


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        ({"Type": "In", "QueryValue": "b", "Values": ["a", "b"]}, True),
        ({"Type": "In", "QueryValue": "1", "Values": [1]}, False),
        (compare("Equals", "1", 1), False),
        (compare("Equals", True, 1), False),
        (compare("LessThan", "a", "b"), True),
    ],
)
def test_a_text_is_never_a_number(condition: dict[str, Any], outcome: bool) -> None:
    assert conditions.holds(condition) is outcome


@pytest.mark.parametrize(("left", "right"), [("1", 2), (None, 1), (True, 1), ([], [])])
def test_what_has_no_order_is_refused(left: Any, right: Any) -> None:
    with pytest.raises(ValueError, match="give two numbers or two strings"):
        conditions.holds(compare("GreaterThan", left, right))


DECLARED: list[dict[str, Any]] = [
    {"Name": "Uri", "Type": "String"},
    {"Name": "Depth", "Type": "Integer", "DefaultValue": 3},
    {"Name": "Rate", "Type": "Float", "DefaultValue": 0.5},
    {"Name": "Fast", "Type": "Boolean", "DefaultValue": False},
    {"Name": "Why", "Type": "String", "DefaultValue": "data", "EnumValues": ["data", "drift"]},
]


def bind(**given_: str) -> dict[str, Any]:
    return parameters.bind(
        DECLARED, [{"Name": name, "Value": value} for name, value in given_.items()]
    )


def test_parameters_have_the_type_that_is_declared() -> None:
    assert bind(Uri="u", Depth="7", Rate="0.25", Fast="true", Why="drift") == {
        "Uri": "u",
        "Depth": 7,
        "Rate": 0.25,
        "Fast": True,
        "Why": "drift",
    }
    assert bind(Uri="u")["Depth"] == 3


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        ({}, "Uri"),
        ({"Uri": "u", "Depht": "7"}, "Depht"),
        ({"Uri": "u", "Depth": "7.5"}, "Depth"),
        ({"Uri": "u", "Rate": "fast"}, "Rate"),
        ({"Uri": "u", "Rate": "nan"}, "Rate"),
        ({"Uri": "u", "Fast": "yes"}, "Fast"),
        ({"Uri": "u", "Why": "weather"}, "Why"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(given_: dict[str, str], named: str) -> None:
    with pytest.raises(AwsError, match=named) as caught:
        bind(**given_)
    assert caught.value.code == "ValidationException"


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_a_value_that_is_written_out_is_bound_as_itself(depth: int, rate: float, uri: str) -> None:
    bound = bind(Uri=uri, Depth=str(depth), Rate=repr(rate))
    assert (bound["Uri"], bound["Depth"], bound["Rate"]) == (uri, depth, rate)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30d", timedelta(days=30)),
        ("5y", timedelta(days=5 * 365)),
        ("T16m", timedelta(minutes=16)),
        ("30dT5h", timedelta(days=30, hours=5)),
        ("P1M", timedelta(days=30)),
        ("PT1M", timedelta(minutes=1)),
        ("P2W", timedelta(weeks=2)),
    ],
)
def test_durations_are_read_as_the_guide_writes_them(text: str, value: timedelta) -> None:
    assert caching.duration(text) == value


@pytest.mark.parametrize("text", ["", "P", "T", "30", "30s", "1h", "-1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        caching.duration(text)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"Environment": {"RUN": "other"}}, False),
        ({"AppSpecification": {"ImageUri": "other"}}, False),
        ({"ProcessingInputs": []}, False),
        ({"ProcessingOutputConfig": {"Outputs": []}}, True),
        ({"ProcessingResources": {}}, True),
        ({"RoleArn": "other"}, True),
    ],
)
def test_only_what_the_guide_lists_is_part_of_a_cache_key(
    change: dict[str, Any], same: bool
) -> None:
    arguments = prepare()["Arguments"]
    before = caching.key("arn", "Prepare", "Processing", arguments)
    after = caching.key("arn", "Prepare", "Processing", {**arguments, **change})
    assert (before == after) is same
    assert before != caching.key("arn", "Prepare2", "Processing", arguments)
    assert before != caching.key("arn2", "Prepare", "Processing", arguments)


def test_a_success_is_reused_until_it_expires() -> None:
    cache = caching.StepCache()
    hit = caching.Hit(1000.0, "arn", {}, {})
    cache.put("k", hit)
    assert cache.get("k", 1000.0 + 3600, "T1h".upper()) is hit
    assert cache.get("k", 1000.0 + 3601, "PT1H") is None
    assert cache.get("k", 1e12, None) is hit
    assert cache.get("other", 0, None) is None


def whole() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(definition(prepare(), train(), gate(2)))
    return copy.deepcopy(document)


def test_a_definition_is_read_with_what_each_step_needs() -> None:
    read = parse(json.dumps(whole()))
    assert read.roots == ("Prepare", "Train", "Gate")
    assert read.steps["Train"].needs == {"Prepare"}
    assert read.steps["Gate"].needs == {"Prepare", "Train"}
    assert read.steps["Register"].needs == {"Train"}
    assert read.steps["Gate"].branches == {True: ("Register",), False: ("Refused",)}


def test_a_step_is_ready_when_all_it_needs_has_succeeded() -> None:
    read = parse(json.dumps(whole()))
    assert ready(read, read.roots, []) == ["Prepare"]
    assert ready(read, ["Train", "Gate"], ["Prepare"]) == ["Train"]
    assert ready(read, ["Gate"], ["Prepare", "Train"]) == ["Gate"]


def at(*path: str | int) -> Callable[[dict[str, Any], Any], None]:
    def put(document: dict[str, Any], value: Any) -> None:
        holder: Any = document
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = value

    return put


PREPARE_ARGUMENTS = ("Steps", 0, "Arguments")


@pytest.mark.parametrize(
    ("put", "value", "told"),
    [
        (at("Version"), "2019-01-01", "Version must be '2020-12-01'"),
        (at("Steps"), [], "at least one step"),
        (at("Steps", 0, "Type"), "Quantum", "'Prepare', Type: 'Quantum' cannot run here"),
        (at("Steps", 0, "Name"), "Train", "more than once: ['Train']"),
        (at("Steps", 0, "Arguments"), None, "'Prepare', Arguments: it must be an object"),
        (at(*PREPARE_ARGUMENTS, "Roel"), "x", "'Prepare', Arguments: .*Roel"),
        (at(*PREPARE_ARGUMENTS, "AppSpecification"), {}, "'Prepare'.*ImageUri"),
        (at(*PREPARE_ARGUMENTS, "Environment"), {"A": 1}, "'Prepare'.*Environment"),
        (at(*PREPARE_ARGUMENTS, "ProcessingInputs"), {"Get": "Parameters.Data"}, "for a list"),
        (
            at(*PREPARE_ARGUMENTS, "Environment", "A"),
            {"Get": "Parameters.Nme"},
            "'Prepare' refers to parameter 'Nme', which does not exist",
        ),
        (at(*PREPARE_ARGUMENTS, "RoleArn"), {"Get": "Execution.Id"}, "'Execution.Id'"),
        (at(*PREPARE_ARGUMENTS, "RoleArn"), {"Get": "Somewhere.Else"}, "no parameter and no step"),
        (
            at(*PREPARE_ARGUMENTS, "RoleArn"),
            {"Get": "Steps.Trian.RoleArn"},
            "'Prepare' depends on step 'Trian', which does not exist",
        ),
        (
            at(*PREPARE_ARGUMENTS, "RoleArn"),
            {"Get": "Steps.Register.X"},
            "'Register', which is inside a branch",
        ),
        (
            at(*PREPARE_ARGUMENTS, "RoleArn"),
            {"Get": "Steps.Train.RoleArn"},
            "wait for each other: .*Train",
        ),
        (at("Steps", 0, "DependsOn"), ["Gate"], "wait for each other"),
        (at("Steps", 0, "CacheConfig"), {"Enabled": True, "ExpireAfter": "soon"}, "CacheConfig"),
        (
            at("Steps", 2, "Arguments", "Conditions", 0, "Type"),
            "Resembles",
            "'Gate', Conditions: type 'Resembles'",
        ),
        (
            at("Steps", 2, "Arguments", "Conditions", 0),
            {"Type": "Not", "Condition": {"Type": "Equals", "LeftValue": 1}},
            "Equals needs ['RightValue']",
        ),
        (at("Steps", 0, "PropertyFiles"), [], "property file 'Report' of step 'Prepare'"),
        (at("Parameters", 0, "Type"), "Date", "parameter 'Data': Type 'Date'"),
        (at("Parameters", 2, "DefaultValue"), "deep", "Depth"),
        (at("Parameters", 1, "Name"), "Data", "more than once: ['Data']"),
    ],
)
def test_a_definition_that_cannot_run_is_refused_with_step_and_field(
    put: Callable[[dict[str, Any], Any], None], value: Any, told: str
) -> None:
    document = whole()
    put(document, value)
    with pytest.raises(AwsError) as caught:
        parse(json.dumps(document))
    assert caught.value.code == "ValidationException"
    for part in told.split(".*"):
        assert part in caught.value.message


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(AwsError, match="it is not JSON"):
        parse("{")
