"""A Pulumi program, run in this process: what it registers is handed to a ``Registrar``.

Pulumi's SDK talks to its engine through a resource monitor. Ours has no process and no wire behind
it; it speaks the requests of the engine's protocol (pulumi/proto/pulumi/resource.proto).
"""

import asyncio
import contextvars
import logging
import runpy
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc, settings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

from .errors import LaptopError
from .resources.shape import Properties

Program = Path | Callable[[], object]
"""A file that is run as ``__main__``, or a function."""

_log = logging.getLogger(__name__)
_STACK_TYPE = "pulumi:pulumi:Stack"
_ONE_PROGRAM = threading.Lock()
_PARALLEL = 8
"""What the genuine engine works on at a time, unless told otherwise, on a machine of two cores."""


@dataclass(frozen=True)
class Registration:
    """What a program declared about one resource: its inputs (by wire name) and its options."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    dependencies: frozenset[str] = frozenset()
    property_dependencies: Mapping[str, frozenset[str]] | None = None
    protect: bool = False
    retain_on_delete: bool = False
    delete_before_replace: bool | None = None
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: frozenset[str] = frozenset()
    deleted_with: str = ""

    @property
    def title(self) -> str:
        """How people are told about it: the type and the logical name."""
        return f"{self.type} {self.name}"


class Registrar(Protocol):
    """What becomes of the resources and calls of a program."""

    def register(self, registration: Registration) -> Properties:
        """The outputs of a resource, ``id`` among them."""

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """The result of a function of a provider."""


def run(
    program: Program,
    registrar: Registrar,
    *,
    project: str,
    stack: str,
    config: Mapping[str, str],
    preview: bool,
) -> Properties:
    """Run ``program`` to its end and return the stack's outputs.

    ``config`` maps keys such as ``perennial:loop`` to strings. The program may be run any number of
    times in one process: nothing of a run is left in Pulumi's settings. A registration or call that
    fails stops the run with its error; otherwise the program's own exception is raised.
    """
    monitor = _Monitor(registrar, project, stack)
    try:
        evaluate(
            program,
            config,
            project=project,
            stack=stack,
            monitor=monitor,
            engine=_Log(),
            dry_run=preview,
            organization="laptop",
            finish=monitor.stop,
        )
    except Exception as error:
        # Whatever waited for a failed resource fails too; the first failure is the cause.
        cause = monitor.failure or error
        if isinstance(cause, LaptopError):
            raise cause from cause.__cause__
        raise failed(cause) from cause
    return monitor.outputs


def evaluate(
    program: Program,
    config: Mapping[str, str],
    *,
    secret_keys: Sequence[str] = (),
    finish: Callable[[], None] = lambda: None,
    **options: Any,
) -> None:
    """Run ``program`` until all that it registered has landed; raises whatever it raises.

    ``options`` are those of ``pulumi.runtime.settings.Settings``. ``finish`` is called when the
    program has ended, however it did, before what it left is cleared away. One program at a time:
    it takes the place of this process's only ``__main__``.
    """

    def run_in_own_loop() -> None:
        settings.configure(settings.Settings(**options))
        pulumi.runtime.set_all_config(dict(config), secret_keys=list(secret_keys))
        loop = asyncio.new_event_loop()
        # A registration holds a thread until the engine answers; as many as Pulumi's language host
        # has (sdk/python/cmd/pulumi-language-python-exec), so that programs take as long as there.
        parallel = max(options.get("parallel", _PARALLEL), 1)
        loop.set_default_executor(ThreadPoolExecutor(4 * parallel))
        # An error is raised once, below; asyncio would log every future that shares it.
        loop.set_exception_handler(lambda *_: None)
        try:
            loop.run_until_complete(run_in_stack(lambda: execute(program)))
        finally:
            finish()
            _close(loop)

    with _ONE_PROGRAM, warnings.catch_warnings():
        # Deprecations inside Pulumi's SDK, and coroutines dropped by a run that failed.
        warnings.filterwarnings("ignore", module=r"pulumi")
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
        contextvars.Context().run(run_in_own_loop)


def failed(cause: BaseException) -> LaptopError:
    """What people are told when a program raises; of a RunError, its sentence, as Pulumi does."""
    if isinstance(cause, pulumi.RunError):
        return LaptopError(str(cause))
    return LaptopError(f"The program failed: {type(cause).__name__}: {cause}")


def execute(program: Program) -> None:
    """Run the program's own code; what it registers may not have landed when this returns."""
    if callable(program):
        program()
    else:
        runpy.run_path(str(program), run_name="__main__")


def _close(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


class _Monitor:
    """The engine's side of the protocol: one registration at a time, none after a failure."""

    def __init__(self, registrar: Registrar, project: str, stack: str) -> None:
        self._registrar = registrar
        self._project = project
        self._stack = stack
        self._turn = threading.Lock()
        self._stopped = False
        self._urns: set[str] = set()
        self.failure: Exception | None = None
        self.outputs: Properties = {}

    def stop(self) -> None:
        """Refuse what is registered from now on (the run was interrupted)."""
        self._stopped = True

    # The methods below are named by the protocol.

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: N802  gRPC names it
        del request
        return resource_pb2.DeploymentInfo(
            supportedFeatures=[
                resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
            ]
        )

    def SupportsFeature(self, request: Any) -> Any:  # noqa: N802  gRPC names it
        return resource_pb2.SupportsFeatureResponse(
            hasSupport=request.id in {"aliasSpecs", "deletedWith"}
        )

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  gRPC names it
        urn = self._urn(request)
        if request.type == _STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        outputs = self._in_turn(lambda: self._register(urn, request))
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=outputs.get("id", ""), object=_struct(outputs)
        )

    def ReadResource(self, request: Any) -> Any:  # noqa: N802  gRPC names it
        return self._in_turn(
            lambda: _refuse(
                f"{request.type} {request.name}: the laptop AWS cannot adopt what exists "
                f"({request.id}): declare the resource instead of getting it."
            )
        )

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  gRPC names it
        if f"::{_STACK_TYPE}::" in request.urn:
            self.outputs = _plain(rpc.deserialize_properties(request.outputs))
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802  gRPC names it
        arguments = _plain(rpc.deserialize_properties(request.args))
        result = self._in_turn(lambda: self._registrar.invoke(request.tok, arguments))
        return resource_pb2.ResourceInvokeResponse(**{"return": _struct(result)})

    def SignalAndWaitForShutdown(self, request: Any) -> Any:  # noqa: N802  gRPC names it
        del request
        return empty_pb2.Empty()

    def _urn(self, request: Any) -> str:
        types = request.type
        parent = request.parent.split("::")[2] if request.parent else _STACK_TYPE
        if parent != _STACK_TYPE:
            types = f"{parent}${types}"
        return f"urn:pulumi:{self._stack}::{self._project}::{types}::{request.name}"

    def _register(self, urn: str, request: Any) -> Properties:
        if urn in self._urns:
            raise LaptopError(
                f"{request.type} {request.name} is declared twice: give one of them another name."
            )
        self._urns.add(urn)
        return self._registrar.register(_registration(urn, request))

    def _in_turn(self, action: Callable[[], Any]) -> Any:
        # The SDK registers from several threads. An action under way when another fails is
        # finished, so that what it made is in the state.
        with self._turn:
            if self._stopped or self.failure:
                raise LaptopError("The run has stopped.")
            try:
                return action()
            except Exception as error:
                self.failure = error
                raise


class _Log:
    """Where the SDK sends its log: errors come back as exceptions, the rest is for debugging."""

    def Log(self, request: Any) -> Any:  # noqa: N802 - named by the protocol
        _log.debug("%s", request.message)
        return empty_pb2.Empty()


def _registration(urn: str, request: Any) -> Registration:
    inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
    for name, value in inputs.items():
        if rpc.contains_unknowns(value):
            raise LaptopError(
                f"{request.type} {request.name}: {name!r} depends on an output that the laptop AWS "
                "does not give: use another output, or teach it to laptop/resources/."
            )
    return Registration(
        urn=urn,
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=_plain(inputs),
        parent=request.parent,
        dependencies=frozenset(request.dependencies),
        property_dependencies={
            name: frozenset(value.urns) for name, value in request.propertyDependencies.items()
        },
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=(
            request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None
        ),
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=frozenset(request.replaceOnChanges),
        deleted_with=request.deletedWith,
    )


def _plain(value: Any) -> Any:
    """The wire has one kind of number: a whole one is an int."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _struct(properties: Properties) -> struct_pb2.Struct:
    return json_format.ParseDict(properties, struct_pb2.Struct())


def _refuse(sentence: str) -> None:
    raise LaptopError(sentence)
