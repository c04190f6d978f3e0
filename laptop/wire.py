"""HTTP requests as boto3 and the AWS provider send them, read back into an operation and its
parameters.

The protocols of the services that the loop uses: JSON (sagemaker, sqs, events, cloudwatch, logs,
kms, ssm, secretsmanager), query (iam, sts, sns), rest-json (lambda, sagemaker-runtime), rest-xml
(s3) and smithy-rpc-v2-cbor (cloudwatch, as AWS's Go SDK asks it). Not read: the metadata headers of
S3 objects, and the bodies of S3 objects, which carry no parameters.
"""

import base64
import binascii
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import cbor2
from botocore.model import OperationModel, Shape

from .strict import service_model

REST = ("rest-json", "rest-xml")
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ElementTree.ParseError,
    cbor2.CBORError,
)


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names in lower case, ``query`` as parse_qs gives it."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


def read(service: str, request: Request) -> tuple[str, dict[str, Any]] | None:
    """The operation of botocore's ``service`` that is asked for, and its parameters as boto3 takes
    them; None where the request cannot be read so: the service itself then says what is wrong."""
    try:
        if "x-amz-target" in request.headers:
            return read_json(service, request)
        if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
            return read_cbor(service, request)
        if service_model(service).protocol in REST:
            return read_rest(service, request)
        return read_query(service, request)
    except UNREADABLE:
        return None


def read_json(service: str, request: Request) -> tuple[str, dict[str, Any]]:
    name = request.headers["x-amz-target"].rpartition(".")[2]
    shape = operation(service, name).input_shape
    return name, from_json(shape, json.loads(request.body or b"{}"))


def read_cbor(service: str, request: Request) -> tuple[str, dict[str, Any]]:
    name = request.path.rpartition("/operation/")[2]
    shape = operation(service, name).input_shape
    return name, from_json(shape, cbor2.loads(request.body) if request.body else {})


def read_query(service: str, request: Request) -> tuple[str, dict[str, Any]]:
    form = {**request.query, **parse_qs(request.body.decode(), keep_blank_values=True)}
    name = form["Action"][0]
    shape = operation(service, name).input_shape
    flat = {key: values[0] for key, values in form.items()}
    return name, from_query(shape, flat, "") if shape else {}


def operation(service: str, name: str) -> OperationModel:
    """The operation's model; KeyError if the service has none of that name."""
    model = service_model(service)
    if name not in model.operation_names:
        raise KeyError(name)
    return model.operation_model(name)


# --- Values


def wire_name(shape: Shape, default: str) -> str:
    """The name under which a member travels."""
    name: str = shape.serialization.get("name", default)
    return name


def scalar(shape: Shape, text: str) -> Any:
    """A value that travelled as text; text that is not such a value stays text, to be refused."""
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name in ("float", "double"):
            return float(text)
        if shape.type_name == "blob":
            return base64.b64decode(text)
    except (ValueError, binascii.Error):
        return text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


def from_json(shape: Shape | None, value: Any) -> Any:
    """A JSON document with its members' own names and its blobs as bytes."""
    if shape is None:
        return value
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        return renamed(shape.members, value)
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, item) for key, item in value.items()}
    return scalar(shape, value) if kind == "blob" and isinstance(value, str) else value


def renamed(members: Mapping[str, Shape], document: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object by its members' own names; one that is not a member keeps its name."""
    names = {wire_name(member, name): name for name, member in members.items()}
    return {
        names.get(key, key): from_json(members.get(names.get(key, key)), item)
        for key, item in document.items()
    }


def from_query(shape: Shape, form: Mapping[str, str], prefix: str) -> Any:
    """The value at ``prefix`` of a form, whose keys spell paths."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            path = f"{prefix}.{wire_name(member, name)}" if prefix else wire_name(member, name)
            if any(key == path or key.startswith(f"{path}.") for key in form):
                found[name] = from_query(member, form, path)
        return found
    if shape.type_name == "list":
        inner = (
            "" if shape.serialization.get("flattened") else f".{wire_name(shape.member, 'member')}"
        )
        return [
            from_query(shape.member, form, f"{prefix}{inner}.{number}")
            for number in numbers(form, f"{prefix}{inner}.")
        ]
    if shape.type_name == "map":
        inner = "" if shape.serialization.get("flattened") else ".entry"
        key, value = wire_name(shape.key, "key"), wire_name(shape.value, "value")
        entries = [f"{prefix}{inner}.{number}" for number in numbers(form, f"{prefix}{inner}.")]
        return {
            form[f"{at}.{key}"]: from_query(shape.value, form, f"{at}.{value}") for at in entries
        }
    return scalar(shape, form[prefix])


def numbers(form: Mapping[str, str], prefix: str) -> list[int]:
    """The positions under a list's prefix."""
    found = {key[len(prefix) :].partition(".")[0] for key in form if key.startswith(prefix)}
    return sorted(int(number) for number in found if number.isdigit())


def from_xml(shape: Shape, element: ElementTree.Element) -> Any:
    """An XML element, whose namespace does not matter."""
    if shape.type_name == "structure":
        return members_of(shape.members, element)
    if shape.type_name == "list":
        return [from_xml(shape.member, child) for child in element]
    return scalar(shape, element.text or "")


def members_of(shapes: Mapping[str, Shape], element: ElementTree.Element) -> dict[str, Any]:
    """The members that are there, each under its own tag or, if it says so, in an attribute."""
    found: dict[str, Any] = {}
    for name, member in shapes.items():
        tag = wire_name(member, name)
        children = [child for child in element if local(child) == tag]
        if member.serialization.get("xmlAttribute"):
            attribute = tag.partition(":")[2]  # ElementTree spells the prefix out
            for key, text in element.items():
                if key.endswith(attribute):
                    found[name] = text
        elif children and member.serialization.get("flattened"):
            found[name] = [from_xml(member.member, child) for child in children]
        elif children:
            found[name] = from_xml(member, children[0])
    return found


def local(element: ElementTree.Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


# --- REST


@dataclass(frozen=True)
class Route:
    """How one operation's request is recognised."""

    operation: OperationModel
    path: re.Pattern[str]
    query: frozenset[str]
    headers: frozenset[str]

    def takes(self, request: Request) -> bool:
        return (
            self.query <= request.query.keys()
            and self.headers <= request.headers.keys()
            and self.path.fullmatch(request.path) is not None
        )


@functools.cache
def routes(service: str, method: str) -> list[Route]:
    """The operations of a REST service with this HTTP method, the most particular first."""
    model = service_model(service)
    models = [model.operation_model(name) for name in model.operation_names]
    # S3 keeps deprecated operations beside their successors, under the same URI.
    found = [route(one) for one in models if not one.deprecated and one.http["method"] == method]
    return sorted(found, key=lambda one: (-len(one.query | one.headers), -len(one.path.pattern)))


def route(model: OperationModel) -> Route:
    """The route of an operation; ``x-id`` in its URI is for people."""
    path, _, marks = model.http["requestUri"].partition("?")
    literal = {mark.partition("=")[0] for mark in marks.split("&") if mark} - {"x-id"}
    query, headers = set(literal), set()
    shape = model.input_shape
    for name in shape.required_members if shape else ():
        member = shape.members[name]
        if member.serialization.get("location") == "querystring":
            query.add(wire_name(member, name))
        elif member.serialization.get("location") == "header":
            headers.add(wire_name(member, name).lower())
    pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", path_group, re.escape(path.rstrip("/")))
    return Route(model, re.compile(pattern + "/?"), frozenset(query), frozenset(headers))


def path_group(found: re.Match[str]) -> str:
    """A label of a URI template: ``{Key+}`` spans slashes."""
    return f"(?P<{found[1]}>.+)" if found[2] else f"(?P<{found[1]}>[^/]+)"


def read_rest(service: str, request: Request) -> tuple[str, dict[str, Any]] | None:
    taken = next((one for one in routes(service, request.method) if one.takes(request)), None)
    if taken is None:
        return None
    model, matched = taken.operation, taken.path.fullmatch(request.path)
    shape = model.input_shape
    if shape is None or matched is None:
        return model.name, {}
    found: dict[str, Any] = {}
    inside = {}
    for name, member in shape.members.items():
        place = member.serialization.get("location")
        key = wire_name(member, name)
        if place == "uri":
            found[name] = scalar(member, matched[key])  # ASGI has decoded the path
        elif place == "header" and key.lower() in request.headers:
            text = request.headers[key.lower()]
            found[name] = (
                [scalar(member.member, item.strip()) for item in text.split(",")]
                if member.type_name == "list"
                else scalar(member, text)
            )
        elif place == "querystring" and key in request.query:
            values = request.query[key]
            found[name] = (
                [scalar(member.member, value) for value in values]
                if member.type_name == "list"
                else scalar(member, values[0])
            )
        elif place is None:
            inside[name] = member
    return model.name, found | body_of(model, inside, request.body)


def body_of(model: OperationModel, inside: Mapping[str, Shape], body: bytes) -> dict[str, Any]:
    """The members that travel in the body."""
    if not body or not inside:
        return {}
    payload = model.input_shape.serialization.get("payload")
    kind = inside[payload].type_name if payload else ""
    if kind == "blob":
        return {} if model.service_model.service_name == "s3" else {payload: body}
    if kind == "string":
        return {payload: body.decode()}
    if model.service_model.protocol == "rest-json":
        document = json.loads(body)
        return (
            {payload: from_json(inside[payload], document)}
            if payload
            else renamed(inside, document)
        )
    root = ElementTree.fromstring(body)  # noqa: S314 - from this machine; expat bounds entities
    return {payload: from_xml(inside[payload], root)} if payload else members_of(inside, root)
