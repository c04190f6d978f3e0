"""Pulumi's provider protocol, answered by the resource handlers.

The methods are named by the protocol (pulumi/proto/pulumi/provider.proto); what it expects of each
is documented there.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from .. import resources
from ..errors import LaptopError, sentence
from ..resources.handler import Cloud, Handler, Mistake, PartlyCreated, load, random_digits
from ..resources.shape import Properties
from . import settings, state, wire
from .settings import Settings

VERSION = version("pulumi_aws")
"""What the provider says that it is: the version of the package whose types it serves."""

_log = logging.getLogger(__name__)
_Kind = provider_pb2.PropertyDiff.Kind


class _Halfway(grpc.Status):  # type: ignore[misc]  # grpc ships no types
    """A creation that failed halfway: the engine keeps what exists in its state."""

    def __init__(self, reason: str, outputs: Properties, secret: frozenset[str]) -> None:
        self.code = grpc.StatusCode.FAILED_PRECONDITION
        self.details = reason
        detail = provider_pb2.ErrorResourceInitFailed(
            id=outputs["id"], properties=wire.write(outputs, secret), reasons=[reason]
        )
        status = status_pb2.Status(code=self.code.value[0], message=reason)
        status.details.add().Pack(detail)
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider ``aws``. Safe to call from several threads; what it keeps is connections.

    The engine configures it once for each provider resource of the program, each over a
    connection of its own: that is what tells them apart.
    """

    def __init__(self) -> None:
        self._latest = Settings()
        self._settings: dict[str, Settings] = {}  # by the peer that configured
        self._clouds: dict[Settings, Cloud] = {}
        self._connecting = threading.Lock()

    # What it is

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, supports_autonaming_configuration=True
        )

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def GetSchema(self, request: Any, context: Any) -> Any:
        schema = json.dumps({"name": "aws", "version": VERSION})
        return provider_pb2.GetSchemaResponse(schema=schema)

    # Its configuration

    def CheckConfig(self, request: Any, context: Any) -> Any:
        found = settings.mistakes(wire.read(request.news))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(found))

    def DiffConfig(self, request: Any, context: Any) -> Any:
        # What is in one region is not in another.
        moved = wire.read(request.olds).get("region") != wire.read(request.news).get("region")
        replaces = ["region"] if moved else []
        return provider_pb2.DiffResponse(changes=_changes(moved), diffs=replaces, replaces=replaces)

    def Configure(self, request: Any, context: Any) -> Any:
        self._latest = Settings.of(wire.read(request.args))
        self._settings[context.peer()] = self._latest
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    # Resources

    def Check(self, request: Any, context: Any) -> Any:
        name, news, olds = _name(request), wire.read(request.news), wire.read(request.olds)
        try:
            handler = resources.handler_of(_type(request))
            found = [*handler.mistakes(news), *_unnamed(handler, news, request.autonaming)]
            if found:
                return provider_pb2.CheckResponse(failures=_failures(found))
            proposed = request.autonaming.proposed_name
            inputs = state.completed(handler, name, news, olds, _digits(request), proposed)
        except LaptopError as error:
            found = [Mistake("", sentence(_title(request), error))]
            return provider_pb2.CheckResponse(failures=_failures(found))
        return provider_pb2.CheckResponse(inputs=wire.write(inputs, wire.secrets(request.news)))

    def Diff(self, request: Any, context: Any) -> Any:
        return _answer(request, context, lambda: self._diff(request))

    def _diff(self, request: Any) -> Any:
        handler = resources.handler_of(_type(request))
        olds, old_inputs = wire.read(request.olds), wire.read(request.old_inputs)
        news = wire.read(request.news)
        changes = state.changed(handler, olds, old_inputs, news)
        replaces = state.replacing(handler, olds, news, changes)
        before = olds if state.INCOMPLETE in olds else old_inputs
        detailed = {}
        for name in sorted(changes | replaces):
            for path, kind in state.detail(before.get(name), news.get(name), name).items():
                kind = f"{kind}_replace" if name in replaces else kind
                detailed[path] = provider_pb2.PropertyDiff(
                    kind=_Kind.Value(kind.upper()), inputDiff=True
                )
        return provider_pb2.DiffResponse(
            changes=_changes(bool(changes | replaces)),
            diffs=sorted(changes),
            replaces=sorted(replaces),
            detailedDiff=detailed,
            hasDetailedDiff=bool(detailed),
            deleteBeforeReplace=bool(replaces) and state.collides(handler, olds, news),
        )

    def Create(self, request: Any, context: Any) -> Any:
        def create() -> Any:
            handler, news = resources.handler_of(_type(request)), wire.read(request.properties)
            secret = state.sealed(handler, wire.secrets(request.properties))
            cloud = self._cloud(context)
            if request.preview:
                _refuse(handler, cloud, news)
                outputs = state.foreseen(handler, cloud.where, news)
                return provider_pb2.CreateResponse(properties=wire.write(outputs, secret))
            try:
                outputs = handler.create(cloud, _loaded(news))
            except PartlyCreated as part:
                found = _found(handler, cloud, part.outputs)
                outputs = state.halfway(handler, news, part.outputs, found)
                reason = sentence(_title(request), part.__cause__)
                context.abort_with_status(_Halfway(reason, outputs, secret))
            outputs = state.made(handler, news, outputs, _found(handler, cloud, outputs))
            properties = wire.write(outputs, secret)
            return provider_pb2.CreateResponse(id=outputs["id"], properties=properties)

        return _answer(request, context, create)

    def Read(self, request: Any, context: Any) -> Any:
        def read() -> Any:
            handler = resources.handler_of(_type(request))
            olds, old_inputs = wire.read(request.properties), wire.read(request.inputs)
            cloud = self._cloud(context)
            known = olds or handler.identified(cloud.where, request.id)
            found = handler.read(cloud, known)
            if found is None:
                return provider_pb2.ReadResponse()
            if olds:
                outputs, inputs = state.refreshed(handler, olds, old_inputs, found)
            else:
                inputs = state.found_inputs(handler, found)
                outputs = handler.preview(cloud.where, known | inputs)
                if old_inputs:  # what an engine was making that was killed: it may be half made
                    inputs = old_inputs
                    outputs = state.halfway(handler, inputs, outputs, found)
                else:
                    outputs = state.made(handler, inputs, outputs, found)
            secret = wire.secrets(request.inputs)
            return provider_pb2.ReadResponse(
                id=outputs["id"],
                properties=wire.write(
                    outputs, state.sealed(handler, secret | wire.secrets(request.properties))
                ),
                inputs=wire.write(inputs, secret),
            )

        return _answer(request, context, read)

    def Update(self, request: Any, context: Any) -> Any:
        def update() -> Any:
            handler = resources.handler_of(_type(request))
            olds, news = wire.read(request.olds), wire.read(request.news)
            changes = state.changed(handler, olds, wire.read(request.old_inputs), news)
            cloud = self._cloud(context)
            if request.preview:
                _refuse(handler, cloud, news)
                outputs = state.changing(handler, olds, news, changes)
            else:
                outputs = handler.update(cloud, changes, olds, _loaded(news))
                outputs = state.made(handler, news, outputs, _found(handler, cloud, outputs))
            secret = state.sealed(handler, wire.secrets(request.news))
            return provider_pb2.UpdateResponse(properties=wire.write(outputs, secret))

        return _answer(request, context, update)

    def Delete(self, request: Any, context: Any) -> Any:
        def delete() -> Any:
            handler = resources.handler_of(_type(request))
            handler.delete(self._cloud(context), wire.read(request.properties))
            return empty_pb2.Empty()

        return _answer(request, context, delete)

    def Invoke(self, request: Any, context: Any) -> Any:
        def invoke() -> Any:
            result = resources.invoke(self._cloud(context), request.tok, wire.read(request.args))
            return provider_pb2.InvokeResponse(**{"return": wire.write(result)})

        return _answer(request, context, invoke, about=request.tok)

    def _cloud(self, context: Any) -> Cloud:
        # An engine that was silent for long comes back over a new connection.
        place = self._settings.get(context.peer(), self._latest)
        with self._connecting:
            if place not in self._clouds:
                self._clouds[place] = place.connect()
            return self._clouds[place]


def _found(handler: Handler, cloud: Cloud, outputs: Properties) -> Properties | None:
    """What was just made, as AWS has it; None if that cannot be told: it exists all the same."""
    try:
        return handler.read(cloud, outputs)
    except (BotoCoreError, ClientError):
        return None


def _answer(request: Any, context: Any, action: Callable[[], Any], about: str | None = None) -> Any:
    """The answer of ``action``; what AWS or a handler refuses is one sentence.

    A code says whether anything may have happened: the engine trusts its state after
    FAILED_PRECONDITION, and warns of an unknown state after UNKNOWN.
    """
    title = about or _title(request)
    try:
        return action()
    except (ClientError, LaptopError) as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, sentence(title, error))
    except BotoCoreError as error:
        context.abort(grpc.StatusCode.UNKNOWN, sentence(title, error))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # A mistake of a handler. What it tripped over may be a secret: only the log has it.
        _log.debug("%s", title, exc_info=True)
        reason = f"the laptop's provider failed ({type(error).__name__}): please report it"
        context.abort(grpc.StatusCode.UNKNOWN, f"{title}: {reason}.")


def _unnamed(handler: Handler, news: Properties, autonaming: Any) -> Iterator[Mistake]:
    """A name that is missing where the project's configuration says that none is made up."""
    naming = handler.naming
    if naming and autonaming.mode == autonaming.DISABLE and not news.get(naming.property):
        rule = "pulumi:autonaming is disabled, so no name is made up"
        yield Mistake(naming.property, f"{rule}: give {naming.property!r}")


def _failures(found: Iterable[Mistake]) -> list[Any]:
    return [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in found]


def _changes(some: bool) -> Any:
    kinds = provider_pb2.DiffResponse
    return kinds.DIFF_SOME if some else kinds.DIFF_NONE


def _refuse(handler: Handler, cloud: Cloud, news: Properties) -> None:
    """Refuse inputs that AWS would refuse for their form alone, once all of them are known."""
    if wire.knows(news):
        for call in handler.creation(cloud.where, _loaded(news)):
            cloud.check(call)


def _loaded(news: Properties) -> Properties:
    return load(wire.assets(state.declared(news)))


def _digits(request: Any) -> Callable[[int], str]:
    """Digits that follow from the engine's seed, so that a preview and its update agree."""
    if not request.randomSeed:
        return random_digits
    return lambda count: hashlib.sha256(request.randomSeed).hexdigest()[:count]


def _type(request: Any) -> str:
    return str(request.type or request.urn.split("::")[2].rsplit("$", 1)[-1])


def _name(request: Any) -> str:
    return str(request.name or request.urn.split("::", 3)[3])


def _title(request: Any) -> str:
    return f"{_type(request)} {_name(request)}"
