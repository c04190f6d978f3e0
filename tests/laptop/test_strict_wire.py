"""What boto3 sends is read back as it was given: a request misread is one falsely refused."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from botocore.model import OperationModel, Shape
from botocore.serialize import create_serializer

from laptop import strict, wire

SERVICES = (
    "cloudwatch",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sagemaker",
    "sagemaker-runtime",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
)
ON_ANOTHER_HOST = {"ListDirectoryBuckets"}


def one_of_everything(shape: Shape, above: tuple[str, ...] = ()) -> Any:
    """A value with every member that is read back: timestamps and free documents are not."""
    kind = shape.type_name
    if kind == "structure":
        return {
            name: one_of_everything(member, (*above, shape.name))
            for name, member in shape.members.items()
            if readable(member, (*above, shape.name))
        }
    if kind == "list":
        return [one_of_everything(shape.member, (*above, shape.name))]
    if kind == "map":
        key = one_of_everything(shape.key, above)
        return {key: one_of_everything(shape.value, (*above, shape.name))}
    if kind in ("integer", "long"):
        return 7
    if kind in ("float", "double"):
        return 0.5
    if kind == "blob":
        return b"bytes"
    return True if kind == "boolean" else (shape.enum or ["text"])[0]


def readable(shape: Shape, above: tuple[str, ...]) -> bool:
    if shape.name in above or shape.type_name == "timestamp":
        return False
    if shape.serialization.get("location") == "headers" or shape.serialization.get("eventstream"):
        return False
    if getattr(shape, "is_document_type", False) or shape.serialization.get("jsonvalue"):
        return False
    inner = {"list": ("member",), "map": ("key", "value")}.get(shape.type_name, ())
    return all(readable(getattr(shape, name), (*above, shape.name)) for name in inner)


def as_sent(
    operation: OperationModel, params: dict[str, Any], protocol: str | None = None
) -> wire.Request:
    """The request of botocore's own serializer, as the server receives it."""
    serializer = create_serializer(
        protocol or operation.service_model.resolved_protocol, include_validation=False
    )
    sent = serializer.serialize_to_request(params, operation)
    path, _, in_path = sent["url_path"].partition("?")
    query = parse_qs(in_path, keep_blank_values=True)
    for name, value in dict(sent["query_string"] or {}).items():
        query[name] = [str(one) for one in (value if isinstance(value, list) else [value])]
    body = sent["body"]
    if isinstance(body, dict):  # a form
        form = {name: [str(value)] for name, value in body.items()}
        return wire.Request(sent["method"], path, form, lowered(sent["headers"]), b"")
    body = body.encode() if isinstance(body, str) else body
    return wire.Request(sent["method"], unquote(path), query, lowered(sent["headers"]), body)


def lowered(headers: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in headers.items()}


def requests(service: str) -> Iterator[tuple[OperationModel, dict[str, Any]]]:
    """Each operation with one of everything that is read of it."""
    model = strict.service_model(service)
    for name in sorted(set(model.operation_names) - ON_ANOTHER_HOST):
        operation = model.operation_model(name)
        shape = operation.input_shape
        given = one_of_everything(shape) if shape else {}
        payload = shape.serialization.get("payload") if shape else None
        if service == "s3" and payload and shape.members[payload].type_name == "blob":
            given.pop(payload, None)  # an object's bytes are no parameter
        if not operation.deprecated:
            yield operation, given


@pytest.mark.parametrize("service", SERVICES)
def test_every_request_that_boto3_serializes_is_read_back_as_it_was_given(service: str) -> None:
    for operation, given in requests(service):
        assert wire.read(service, as_sent(operation, given)) == (operation.name, given)


def test_what_the_go_sdk_sends_to_cloudwatch_is_read_back_as_it_was_given() -> None:
    for operation, given in requests("cloudwatch"):
        sent = as_sent(operation, given, "smithy-rpc-v2-cbor")
        assert wire.read("cloudwatch", sent) == (operation.name, given)


def test_a_cbor_body_that_is_cut_off_is_left_to_the_service() -> None:
    path, headers = "/service/Granite/operation/PutDashboard", {"smithy-protocol": "rpc-v2-cbor"}
    for body in (b"\xa1", b"\xa1aa", b"\xff"):
        assert wire.read("cloudwatch", wire.Request("POST", path, {}, headers, body)) is None


@pytest.mark.parametrize("service", ["sagemaker", "iam", "lambda", "s3"])
def test_a_request_that_cannot_be_read_is_left_to_the_service(service: str) -> None:
    headers = {"x-amz-target": "SageMaker.CreatePipeline"} if service == "sagemaker" else {}
    for body in (b"", b"{", b"<", b"Action=Nothing", b"\xff"):
        for path in ("/", "/2015-03-31/functions/f/code", "/bucket?versioning"):
            asked = wire.read(service, wire.Request("PATCH", path, {}, headers, body))
            assert asked is None or asked == ("CreatePipeline", {})


def test_a_nested_member_of_a_query_is_named_by_its_path() -> None:
    body = b"Action=CreateRole&RoleName=r&AssumeRolePolicyDocument={}&Tags.member.1.Key="
    read = wire.read("iam", wire.Request("POST", "/", {}, {}, body))
    assert read == (
        "CreateRole",
        {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": [{"Key": ""}]},
    )
    assert strict.problems("iam", *read) == [
        "Tags[0].Value is required.",
        "Tags[0].Key has 0 characters, and must have 1 to 128.",
        "Tags[0].Key is '', and must match the pattern [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+.",
    ]


def test_text_where_a_number_belongs_stays_text_and_is_refused() -> None:
    body = b"Action=GetSessionToken&DurationSeconds=soon"
    read = wire.read("sts", wire.Request("POST", "/", {}, {}, body))
    assert read is not None
    assert strict.problems("sts", *read) == ["DurationSeconds must be of type integer, not 'soon'."]
