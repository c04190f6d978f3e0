"""What every resource handler is: a table of properties, and the AWS calls that keep it true.

A handler says which calls create, change and delete its resource as plain values (``Call``), so
that they can be checked before anything is sent; only ``Cloud`` sends. Pulumi's runtime is unknown
here.
"""

import builtins
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import boto3
import pulumi
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from ..errors import LaptopError
from ..strict import problems, service_model
from . import provider
from .assets import content
from .compare import same
from .shape import Properties, Shape, from_aws, to_aws, unknown

_NAME_DIGITS = 7
_PREFIX_DIGITS = 26  # as the provider, whose suffix after a name_prefix has 26 characters
_INTERVAL = 0.25
_CONNECTIONS = 32  # to one service at a time: the real engine asks from as many threads


class Call(NamedTuple):
    """One request to AWS: the service and operation as botocore names them, and the members."""

    service: str
    operation: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Where:
    """The place that resources are created in: what an ARN is made of."""

    account: str
    region: str
    partition: str = "aws"


class Cloud:
    """The AWS behind a boto3 session: the only thing here that sends.

    ``endpoints`` are the URLs of services that the session does not know, by botocore's names.
    """

    def __init__(self, session: boto3.Session, endpoints: Mapping[str, str] | None = None) -> None:
        self._session = session
        self._endpoints = endpoints or {}
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        identity = self.client("sts").get_caller_identity()
        self.caller_arn: str = identity["Arn"]
        self.caller_id: str = identity["UserId"]
        self.where = Where(
            identity["Account"],
            self.client("sts").meta.region_name,
            self.client("sts").meta.partition,
        )

    def client(self, service: str) -> Any:
        """The client of a service; a Lambda may take its full 15 minutes to answer."""
        with self._making:  # clients may be shared between threads, but not made by several
            if service not in self._clients:
                settings = Config(
                    read_timeout=900,
                    retries={"mode": "standard"},
                    max_pool_connections=_CONNECTIONS,
                )
                if service == "lambda":  # a second attempt would be a second invocation
                    settings = settings.merge(Config(retries={"total_max_attempts": 1}))
                options: dict[str, Any] = {"config": settings}
                if service in self._endpoints:
                    options["endpoint_url"] = self._endpoints[service]
                self._clients[service] = self._session.client(service, **options)
            return self._clients[service]

    def send(self, call: Call) -> dict[str, Any]:
        """Send a call and return the answer.

        Raises botocore's ClientError when AWS refuses, ParamValidationError before sending.
        """
        method = getattr(self.client(call.service), xform_name(call.operation))
        answer: dict[str, Any] = method(**call.params)
        return answer

    def check(self, call: Call) -> None:
        """Refuse a call that AWS would refuse for its members alone; nothing is sent.

        Raises LaptopError with a sentence for each member that is wrong.
        """
        shape = service_model(call.service).operation_model(call.operation).input_shape
        tokens = {  # the client makes them up when they are left out
            name: "0" * 32
            for name, member in (shape.members if shape else {}).items()
            if member.metadata.get("idempotencyToken")
        }
        if found := problems(call.service, call.operation, tokens | call.params):
            raise LaptopError(" ".join(found))


class PartlyCreated(Exception):  # noqa: N818 - it says what is there, the cause says what went wrong
    """A creation failed after its first call: the resource exists, but not as asked."""

    def __init__(self, outputs: Properties) -> None:
        super().__init__(outputs["id"])
        self.outputs = outputs


Digits: TypeAlias = Callable[[int], str]
"""Gives so many hexadecimal digits."""


def random_digits(count: int) -> str:
    """Digits that nobody can foresee."""
    return secrets.token_hex(count)[:count]


@dataclass(frozen=True)
class Naming:
    """How a resource is named that the program does not name.

    As the Pulumi AWS provider: the logical name, a hyphen and 7 random hexadecimal digits; or
    ``prefix`` (a property) and 26 of them. ``longest`` is AWS's limit.
    """

    property: str
    longest: int
    prefix: str | None = None
    lower: bool = False

    def name(self, logical: str, inputs: Properties, digits: Digits = random_digits) -> str:
        """A new name. Raises LaptopError if it would be longer than AWS allows."""
        prefix = inputs.get(self.prefix) if self.prefix else None
        name = (
            f"{prefix}{digits(_PREFIX_DIGITS)}" if prefix else f"{logical}-{digits(_NAME_DIGITS)}"
        )
        if len(name) > self.longest:
            raise LaptopError(
                f"the name {name!r} has {len(name)} characters, and AWS allows {self.longest}: "
                f"give it a shorter one or set {self.property!r}"
            )
        return name.lower() if self.lower else name


class Mistake(NamedTuple):
    """What is wrong with the inputs of a resource: the path of the property, and a sentence."""

    property: str
    sentence: str


@dataclass(frozen=True)
class Tagging:
    """How a service tags: each has its own spelling of the same three operations.

    ``of`` is the property of the resource that ``target``, a member of the request, names it by.
    """

    service: str
    target: str
    of: str = "arn"
    tag: str = "TagResource"
    untag: str = "UntagResource"
    list: str = "ListTagsForResource"
    member: str = "Tags"
    keys: str = "TagKeys"
    as_map: bool = False
    pair: tuple[str, str] = ("Key", "Value")

    def encode(self, tags: Mapping[str, str]) -> Any:
        """Tags as the service takes them."""
        if self.as_map:
            return dict(tags)
        key, value = self.pair
        return [{key: name, value: text} for name, text in tags.items()]

    def decode(self, answer: Mapping[str, Any]) -> dict[str, str]:
        """The tags of an answer to the list operation."""
        found = answer.get(self.member) or {}
        if isinstance(found, dict):
            return dict(found)
        key, value = self.pair
        return {item[key]: item[value] for item in found}

    def change(self, old: Properties, new: Properties) -> builtins.list[Call]:
        """The calls that turn the tags of ``old`` into those of ``new``."""
        was, wanted = old.get("tags") or {}, new.get("tags") or {}
        target = {self.target: old[self.of]}
        calls = []
        if gone := sorted(was.keys() - wanted.keys()):
            calls.append(Call(self.service, self.untag, {**target, self.keys: gone}))
        if put := {name: text for name, text in wanted.items() if was.get(name) != text}:
            calls.append(Call(self.service, self.tag, {**target, self.member: self.encode(put)}))
        return calls

    def read(self, cloud: Cloud, outputs: Properties) -> Properties:
        """``tags`` and ``tagsAll`` as AWS has them."""
        answer = cloud.send(Call(self.service, self.list, {self.target: outputs[self.of]}))
        return with_tags(self.decode(answer))


@dataclass(frozen=True)
class Operations:
    """The operations of a service that create, read, update and delete one kind of resource."""

    service: str
    create: str
    read: str
    update: str | None
    delete: str


class Handler:
    """One resource type.

    Class attributes are its table: ``shape`` the properties it knows; ``key`` those that identify
    it in AWS; ``replaces`` those whose change makes a new resource (the argument reference of the
    Terraform AWS provider, which pulumi_aws bridges, says "Forces new resource"); ``defaults``
    the provider's defaults; ``no_effect`` properties that are sent and kept, but nothing on the
    laptop acts on, each with its reason; ``observes`` members of an answer that become outputs.
    ``id`` and ``arn`` are templates over the place and the properties.

    What tells a change from none: ``computed`` properties are AWS's own to fill in when the
    program leaves them out (Optional and Computed in the provider's schema); ``unread`` ones AWS
    never tells; ``digests`` maps an output that shows the content of unread properties to them;
    ``follows`` maps outputs that an update changes to the inputs they follow (none named: any).
    ``imports`` is the template of the id by which ``pulumi import`` finds it, None if nothing
    does. ``mendable``: one that was made halfway can be finished, and need not be made anew.
    """

    type: ClassVar[str]
    operations: ClassVar[Operations]
    shape: ClassVar[Shape]
    key: ClassVar[tuple[str, ...]]
    replaces: ClassVar[frozenset[str]]
    defaults: ClassVar[Mapping[str, Any]] = {}
    no_effect: ClassVar[Mapping[str, str]] = {}
    observes: ClassVar[Mapping[str, str]] = {}
    naming: ClassVar[Naming | None] = None
    tagging: ClassVar[Tagging | None] = None
    id: ClassVar[str]
    arn: ClassVar[str | None] = None
    computed: ClassVar[frozenset[str]] = frozenset()
    unread: ClassVar[frozenset[str]] = frozenset()
    digests: ClassVar[Mapping[str, frozenset[str]]] = {}
    follows: ClassVar[Mapping[str, frozenset[str]]] = {}
    imports: ClassVar[str | None] = ""
    mendable: ClassVar[bool] = True

    # What is decided without AWS

    def check(self, name: str, inputs: Properties, old: Properties | None = None) -> Properties:
        """The inputs as the provider completes them, assets read; see ``complete``.

        Raises LaptopError with the first mistake in them.
        """
        for mistake in self.mistakes(inputs):
            raise LaptopError(mistake.sentence)
        return load(self.complete(name, inputs, old))

    def mistakes(self, inputs: Properties) -> Iterator[Mistake]:
        """What is wrong with the inputs, as far as that shows without AWS; UNKNOWN never is."""
        tags = {"tags"} if self.tagging else set()
        for path in unknown(self.shape, {name: inputs[name] for name in inputs.keys() - tags}):
            yield Mistake(path, self._refusal(path))
        for path, given, wanted in provider.misfits(self.type, inputs):
            yield Mistake(path, f"{path!r} of {self.type} is {given}: give {wanted}")
        for name in provider.required(self.type):
            if inputs.get(name) is None:
                yield Mistake(name, f"{self.type} needs the property {name!r}: give it")

    def complete(
        self,
        name: str,
        inputs: Properties,
        old: Properties | None = None,
        digits: Digits = random_digits,
    ) -> Properties:
        """The inputs with the provider's defaults and a name; assets stay as they are.

        ``old`` are the inputs of the last deployment, whose generated name is kept; a new one
        ends in ``digits``. Raises LaptopError if it would be longer than AWS allows.
        """
        checked = {**self.defaults, **self.fill(name, inputs)}
        named = self.naming
        if named and not checked.get(named.property):
            kept = (old or {}).get(named.property)
            same_prefix = (old or {}).get(named.prefix or "") == inputs.get(named.prefix or "")
            checked[named.property] = (
                kept if kept and same_prefix else named.name(name, inputs, digits)
            )
        return checked

    def fill(self, name: str, inputs: Properties) -> Properties:
        """The inputs with what depends on them: the rest of the defaults, one way to spell them."""
        del name
        return inputs

    def preview(self, where: Where, inputs: Properties) -> Properties:
        """The outputs as far as they can be known without AWS; what AWS will say is made up."""
        outputs = {name: value for name, value in inputs.items() if not isinstance(value, bytes)}
        outputs |= {made: made for made in self.observes.values()}
        values = {**vars(where), **outputs}
        outputs["region"] = where.region
        outputs["id"] = self.id.format_map(values)
        if self.arn is not None:
            outputs["arn"] = self.arn.format_map(values)
        return outputs | ({"tagsAll": inputs.get("tags") or {}} if self.tagging else {})

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        """The calls that create the resource; if the first one fails, nothing exists."""
        del where
        params = to_aws(self.shape, inputs)
        if self.tagging and inputs.get("tags"):
            params[self.tagging.member] = self.tagging.encode(inputs["tags"])
        return [Call(self.operations.service, self.operations.create, params)]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        """The calls that turn the resource ``old`` (its outputs) into ``new`` (inputs).

        ``changed`` names the properties that differ; none of them is in ``replaces``.
        """
        del where
        calls = []
        if changed - {"tags"} and self.operations.update:
            params = to_aws(self.shape, new)
            calls.append(Call(self.operations.service, self.operations.update, params))
        if "tags" in changed and self.tagging:
            calls += self.tagging.change(old, new)
        return calls

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        """The calls that delete the resource ``old`` (its outputs)."""
        del where
        return [Call(self.operations.service, self.operations.delete, self.named(old))]

    def named(self, properties: Properties) -> dict[str, Any]:
        """The members of a request that name this resource."""
        return to_aws({name: self.shape[name] for name in self.key}, properties)

    def properties(self) -> frozenset[str]:
        """Names of all the inputs that are known."""
        return frozenset(self.shape) | ({"tags"} if self.tagging else frozenset())

    def hidden(self) -> frozenset[str]:
        """Names of the inputs that AWS never tells: ``unread``, and what a name began with."""
        prefix = self.naming.prefix if self.naming else None
        return self.unread | ({prefix} if prefix else frozenset())

    def difference(self, old: Properties, new: Properties) -> frozenset[str]:
        """Names of the inputs that ``new`` changes: another value, or none where AWS has none."""
        return frozenset(
            name
            for name in (old.keys() | new.keys()) & self.properties()
            if not same(old.get(name), new.get(name)) and (name in new or name not in self.computed)
        )

    def identified(self, where: Where, id_: str) -> Properties:
        """What an id to import by tells. Raises LaptopError if it has not the form of one."""
        if self.imports is None:
            raise LaptopError(f"{self.type} cannot be imported: declare it without 'import'")
        template = self.imports or self.id
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(template))
        match = re.fullmatch(pattern, id_)
        if match is None:
            raise LaptopError(f"{id_!r} is no id of {self.type}: give {template}")
        known = {**self.defaults, **match.groupdict()}
        if self.arn is not None:
            with suppress(KeyError):  # then AWS tells it
                known["arn"] = self.arn.format_map({**vars(where), **known})
        return known

    def replacing(self, changed: Iterable[str], new: Properties) -> frozenset[str]:
        """Those of the changed properties that need a new resource."""
        del new
        return self.replaces & frozenset(changed)

    def collides(self, old: Properties, new: Properties) -> bool:
        """Whether a replacement has the identity of what it replaces, so must come after it."""
        return all(old.get(name) == new.get(name) for name in self.key)

    # What AWS is asked

    def create(self, cloud: Cloud, inputs: Properties) -> Properties:
        """Create the resource and return its outputs.

        Raises PartlyCreated, with its cause, when it exists but could not be finished.
        """
        outputs = self.preview(cloud.where, inputs)
        exists = False
        try:
            for call in self.creation(cloud.where, inputs):
                outputs |= self.observed(cloud.send(call))
                exists = True
            return outputs | self.settle(cloud, outputs)
        except Exception as error:
            if exists:
                raise PartlyCreated(outputs) from error
            raise

    def identify(self, cloud: Cloud, inputs: Properties) -> str | None:
        """The id to import by of what ``inputs`` would make, whether it exists or not.

        None if nothing tells which one it is, or AWS has none.
        """
        if self.imports is None:
            return None
        try:
            return (self.imports or self.id).format_map({**vars(cloud.where), **inputs})
        except KeyError:  # AWS makes the id up
            return None

    def read(self, cloud: Cloud, old: Properties) -> Properties | None:
        """The properties as AWS has them now; None when the resource is gone."""
        try:
            properties = self.fetch(cloud, old)
            if properties is None:
                return None
            if self.tagging:
                properties |= self.tagging.read(cloud, old | properties)
            return properties
        except ClientError as error:
            if is_gone(error):
                return None
            raise

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        """What ``read`` finds, but for the tags; may raise the error that says it is gone."""
        answer = cloud.send(Call(self.operations.service, self.operations.read, self.named(old)))
        return from_aws(self.shape, answer)

    def update(
        self, cloud: Cloud, changed: frozenset[str], old: Properties, new: Properties
    ) -> Properties:
        """Change the resource in place and return its outputs."""
        outputs = self.preview(cloud.where, new)
        outputs |= {
            made: old[made] for made in ("id", "arn", *self.observes.values()) if made in old
        }
        for call in self.change(cloud.where, changed, old, new):
            outputs |= self.observed(cloud.send(call))
        return outputs | self.settle(cloud, outputs)

    def delete(self, cloud: Cloud, old: Properties) -> None:
        """Delete the resource and wait until it is gone; one that is gone already is fine."""
        for call in self.deletion(cloud.where, old):
            try:
                cloud.send(call)
            except ClientError as error:
                if not is_gone(error):
                    raise
        self.vanish(cloud, old)

    def observed(self, answer: Mapping[str, Any]) -> Properties:
        """The outputs that an answer to a creating or changing call holds."""
        return {made: answer[name] for name, made in self.observes.items() if name in answer}

    def settle(self, cloud: Cloud, outputs: Properties) -> Properties:
        """Wait until a created or changed resource is ready; the outputs that only then exist."""
        del cloud, outputs
        return {}

    def vanish(self, cloud: Cloud, old: Properties) -> None:
        """Wait until a deleted resource is gone."""

    def _refusal(self, path: str) -> str:
        if provider.has_property(self.type, path):
            return (
                f"the laptop AWS does not know the property {path!r} of {self.type}: leave it out "
                "for the stack 'laptop', or teach it to laptop/resources/"
            )
        return f"{self.type} has no property {path!r}: correct its name"


def wait_until(true: Callable[[], bool], what: str, seconds: float = 600.0) -> None:
    """Wait until ``true()`` holds, asking four times a second.

    Raises LaptopError after ``seconds``, which is less than the provider's own limits.
    """
    for _ in range(int(seconds / _INTERVAL)):
        if true():
            return
        time.sleep(_INTERVAL)
    raise LaptopError(f"{what} took more than {seconds:.0f} s: read the log of the laptop AWS")


def with_tags(tags: dict[str, str]) -> Properties:
    """``tags`` as read, in both spellings; none at all when there is no tag."""
    return {"tagsAll": tags} | ({"tags": tags} if tags else {})


def is_gone(error: ClientError) -> bool:
    """Whether AWS says that what was asked for does not exist."""
    said = error.response["Error"]
    code, message = str(said.get("Code")), str(said.get("Message"))
    if code == "ValidationException":  # SageMaker, which has no error of its own for most kinds
        return message.startswith("Could not find") or message.endswith("does not exist.")
    return code in _GONE or code.startswith("NoSuch") or "NotFound" in code


_GONE = frozenset({"404", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


def load(inputs: Properties) -> Properties:
    """The inputs with assets and archives read into bytes. Raises LaptopError if one cannot be."""
    return {
        name: content(value) if isinstance(value, pulumi.Asset | pulumi.Archive) else value
        for name, value in inputs.items()
    }


class Put(Handler):
    """A resource that AWS makes and changes by the same call."""

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> builtins.list[Call]:
        del changed, old
        return self.creation(where, new)
