"""Pulumi's provider protocol, answered by the resource handlers.

The methods are named by the protocol (pulumi/proto/pulumi/provider.proto); what it expects of each
is documented there.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from .. import resources
from ..errors import LaptopError, sentence
from ..resources.handler import Cloud, Handler, PartlyCreated, load, random_digits
from ..resources.shape import Properties
from . import state, wire
from .settings import Settings

VERSION = version("pulumi_aws")
"""What the provider says that it is: the version of the package whose types it serves."""

_Kind = provider_pb2.PropertyDiff.Kind


class _Failure(grpc.Status):  # type: ignore[misc]  # grpc ships no types
    """A refusal with a detail that Pulumi's engine understands."""

    def __init__(self, message: str, detail: Any) -> None:
        self.code = grpc.StatusCode.FAILED_PRECONDITION
        self.details = message
        status = status_pb2.Status(code=self.code.value[0], message=message)
        status.details.add().Pack(detail)
        self.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider ``aws``. Safe to call from several threads; what it keeps is connections.

    The engine configures it once for each provider resource of the program, each over a
    connection of its own: that is what tells them apart.
    """

    def __init__(self) -> None:
        self._settings: dict[str, Settings] = {}  # by the peer that configured
        self._clouds: dict[Settings, Cloud] = {}
        self._connecting = threading.Lock()

    # What it is

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

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
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        self._settings[context.peer()] = Settings.of(wire.read(request.args))
        return provider_pb2.ConfigureResponse(
            supportsPreview=True, supports_autonaming_configuration=True
        )

    # Resources

    def Check(self, request: Any, context: Any) -> Any:
        name, news, olds = _name(request), wire.read(request.news), wire.read(request.olds)
        try:
            handler = resources.handler_of(_type(request))
            failures = [
                provider_pb2.CheckFailure(property=mistake.property, reason=mistake.sentence)
                for mistake in handler.mistakes(news)
            ]
            if failures:
                return provider_pb2.CheckResponse(failures=failures)
            inputs = state.completed(handler, name, news, olds, _digits(request))
        except LaptopError as error:
            return provider_pb2.CheckResponse(
                failures=[provider_pb2.CheckFailure(reason=sentence(_title(request), error))]
            )
        return provider_pb2.CheckResponse(inputs=wire.write(inputs))

    def Diff(self, request: Any, context: Any) -> Any:
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
        some = bool(changes | replaces)
        return provider_pb2.DiffResponse(
            changes=(
                provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE
            ),
            diffs=sorted(changes),
            replaces=sorted(replaces),
            detailedDiff=detailed,
            hasDetailedDiff=bool(detailed),
            deleteBeforeReplace=bool(replaces) and state.collides(handler, olds, news),
        )

    def Create(self, request: Any, context: Any) -> Any:
        handler, news = resources.handler_of(_type(request)), wire.read(request.properties)

        def create() -> Any:
            cloud = self._cloud(context)
            if request.preview:
                _refuse(handler, cloud, news)
                return provider_pb2.CreateResponse(
                    properties=wire.write(state.foreseen(handler, cloud.where, news))
                )
            try:
                outputs = handler.create(cloud, _loaded(news))
            except PartlyCreated as part:
                return self._partly(handler, cloud, news, part, request, context)
            outputs = state.made(handler, news, outputs, handler.read(cloud, outputs))
            return provider_pb2.CreateResponse(id=outputs["id"], properties=wire.write(outputs))

        return _answer(request, context, create)

    def Read(self, request: Any, context: Any) -> Any:
        handler = resources.handler_of(_type(request))
        olds, old_inputs = wire.read(request.properties), wire.read(request.inputs)

        def read() -> Any:
            cloud = self._cloud(context)
            known = olds or handler.identified(cloud.where, request.id)
            found = handler.read(cloud, known)
            if found is None:
                return provider_pb2.ReadResponse()
            if olds:
                outputs, inputs = state.refreshed(handler, olds, old_inputs, found)
            else:
                inputs = state.found_inputs(handler, found)
                outputs = state.made(
                    handler, inputs, handler.preview(cloud.where, known | inputs), found
                )
            return provider_pb2.ReadResponse(
                id=outputs["id"], properties=wire.write(outputs), inputs=wire.write(inputs)
            )

        return _answer(request, context, read)

    def Update(self, request: Any, context: Any) -> Any:
        handler = resources.handler_of(_type(request))
        olds, old_inputs = wire.read(request.olds), wire.read(request.old_inputs)
        news = wire.read(request.news)
        changes = state.changed(handler, olds, old_inputs, news)

        def update() -> Any:
            cloud = self._cloud(context)
            if request.preview:
                _refuse(handler, cloud, news)
                outputs = state.changing(handler, olds, news, changes)
            else:
                outputs = handler.update(cloud, changes, olds, _loaded(news))
                outputs = state.made(handler, news, outputs, handler.read(cloud, outputs))
            return provider_pb2.UpdateResponse(properties=wire.write(outputs))

        return _answer(request, context, update)

    def Delete(self, request: Any, context: Any) -> Any:
        handler, olds = resources.handler_of(_type(request)), wire.read(request.properties)

        def delete() -> Any:
            handler.delete(self._cloud(context), olds)
            return empty_pb2.Empty()

        return _answer(request, context, delete)

    def Invoke(self, request: Any, context: Any) -> Any:
        def invoke() -> Any:
            result = resources.invoke(self._cloud(context), request.tok, wire.read(request.args))
            return provider_pb2.InvokeResponse(**{"return": wire.write(result)})

        return _answer(request, context, invoke, about=request.tok)

    def _cloud(self, context: Any) -> Cloud:
        settings = self._settings.get(context.peer())
        if settings is None:
            raise LaptopError("the provider is not configured: configure it first")
        with self._connecting:
            if settings not in self._clouds:
                self._clouds[settings] = settings.connect()
            return self._clouds[settings]

    def _partly(
        self,
        handler: Handler,
        cloud: Cloud,
        news: Properties,
        part: PartlyCreated,
        request: Any,
        context: Any,
    ) -> Any:
        """Refuse, but let the engine keep what was made halfway, as AWS has it."""
        try:
            found = handler.read(cloud, part.outputs)
        except (BotoCoreError, ClientError):
            found = None
        outputs = state.made(handler, news, part.outputs, found) | {state.INCOMPLETE: True}
        reason = sentence(_title(request), part.__cause__)
        detail = provider_pb2.ErrorResourceInitFailed(
            id=outputs["id"],
            properties=wire.write(outputs),
            inputs=wire.write(news),
            reasons=[reason],
        )
        context.abort_with_status(_Failure(reason, detail))


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


def _refuse(handler: Handler, cloud: Cloud, news: Properties) -> None:
    """Refuse inputs that AWS would refuse for their form alone, once all of them are known."""
    if wire.knows(news):
        for call in handler.creation(cloud.where, _loaded(news)):
            cloud.check(call)


def _loaded(news: Properties) -> Properties:
    return load(wire.assets(news))


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
