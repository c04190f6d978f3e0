"""Each resource type through the provider's protocol: made, unchanged, changed, adopted, gone."""

import json
from collections.abc import Iterator

import boto3
import pytest

from laptop.resources import HANDLERS
from laptop.resources.handler import Cloud
from laptop.resources.shape import UNKNOWN, Properties
from tests.laptop.engine_side import EngineSide, elided
from tests.laptop.resource_cases import CASES, Case, World

CALLED = Case(
    "aws:lambda/invocation:Invocation",
    lambda made: {
        "functionName": made["function"]["name"],
        "input": json.dumps({"bucket": "a"}),
        "lifecycleScope": "CRUD",
    },
    lambda made: {
        "functionName": made["function"]["name"],
        "input": json.dumps({"bucket": "b"}),
        "lifecycleScope": "CRUD",
    },
    ("role", "function"),
)
SERVED = Case(
    "aws:sagemaker/endpoint:Endpoint",
    lambda made: {"endpointConfigName": made["configuration"]["name"], "tags": {"a": "1"}},
    lambda made: {"endpointConfigName": made["other configuration"]["name"], "tags": {"a": "2"}},
    ("bucket", "reader", "artifact", "served model", "configuration", "other configuration"),
)
ALL = [*CASES, CALLED, SERVED]

# Nothing in AWS stands for these by themselves.
NOT_IMPORTED = {"aws:lambda/invocation:Invocation"}
# They outlive their deletion, as settings of something that lives on.
NEVER_GONE = {
    "aws:lambda/invocation:Invocation",
    "aws:s3/bucketNotification:BucketNotification",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
}


@pytest.fixture
def world(session: boto3.Session, name: str) -> Iterator[World]:
    built = World(Cloud(session), name)
    yield built
    built.clear()


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.type} {case.name}".strip())
def test_what_the_engine_does_to_a_resource_happens_and_nothing_else(
    case: Case, world: World, provider: EngineSide
) -> None:
    world.build(case.ground)
    type_, handler = case.type, HANDLERS[case.type]

    inputs = provider.check(type_, world.name, case.before(world.made))
    foreseen = provider.create(type_, inputs, preview=True)
    outputs = provider.create(type_, inputs)
    id_ = outputs["id"]
    try:
        # A preview promises nothing that turns out otherwise, and withholds nothing that is there.
        assert {
            n: v for n, v in foreseen.items() if UNKNOWN not in str(v)
        }.items() <= outputs.items()
        assert foreseen.keys() >= outputs.keys() - {"id"} - handler.properties()

        assert not provider.diff(type_, id_, outputs, inputs, inputs).changes
        assert provider.read(type_, id_, outputs, inputs) == (elided(outputs), elided(inputs))

        if type_ not in NOT_IMPORTED:
            adopted = provider.read(type_, import_id(type_, outputs))
            assert adopted
            hidden = handler.hidden() - handler.defaults.keys()
            difference = provider.diff(type_, id_, *adopted, inputs)
            assert difference.properties <= hidden, difference
            assert not difference.replaces

        if case.after:
            news = provider.check(type_, world.name, case.after(world.made), inputs)
            wanted = provider.diff(type_, id_, outputs, inputs, news)
            assert wanted.changes
            assert not wanted.replaces
            promised = provider.update(type_, id_, outputs, inputs, news, preview=True)
            assert wanted.detail
            outputs, before = provider.update(type_, id_, outputs, inputs, news), outputs
            inputs = news
            assert outputs["id"] == id_
            for name in promised:
                assert promised[name] in (UNKNOWN, outputs.get(name)), name
            for name in before.keys() - wanted.properties - promised.keys():
                assert name not in outputs, name
            assert not provider.diff(type_, id_, outputs, inputs, inputs).changes
            assert provider.read(type_, id_, outputs, inputs) == (elided(outputs), elided(inputs))
    finally:
        provider.delete(type_, id_, outputs)
    provider.delete(type_, id_, outputs)  # a second time is harmless
    assert type_ in NEVER_GONE or provider.read(type_, id_, outputs, inputs) is None


def import_id(type_: str, outputs: Properties) -> str:
    """The id by which ``pulumi import`` finds it, as the documentation of the type has it."""
    formats = {
        "aws:cloudwatch/eventTarget:EventTarget": "{rule}/{targetId}",
        "aws:lambda/permission:Permission": "{function}/{statementId}",
        "aws:iam/rolePolicy:RolePolicy": "{role}:{name}",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "{role}/{policyArn}",
    }
    return formats.get(type_, "{id}").format_map(outputs)


def test_every_type_has_a_case() -> None:
    assert {case.type for case in ALL} == HANDLERS.keys()
