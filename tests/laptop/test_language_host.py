"""What the language host says of a program that failed, to an engine and to whoever asked."""

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pulumi
import pytest
from google.protobuf import empty_pb2
from pulumi.automation import CommandResult
from pulumi.automation.errors import create_command_error
from pulumi.automation.events import DiagnosticEvent, EngineEvent
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from laptop.automation import _Operation
from laptop.language_host import TO_THE_ENGINE, LanguageHost


class Component(pulumi.ComponentResource):
    """Something to register."""

    def __init__(self) -> None:
        super().__init__("test:index:Component", "it")


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that nothing listens on, and that an engine may take."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


class Engine(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """What a program needs of an engine; ``registered`` has the types of what it declared."""

    def __init__(self) -> None:
        self.registered: list[str] = []

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        del request, context
        return resource_pb2.DeploymentInfo()

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        del context
        self.registered.append(request.type)
        urn = f"urn:pulumi:s::p::{request.type}::{request.name}"
        return resource_pb2.RegisterResourceResponse(urn=urn)

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        del request, context
        return empty_pb2.Empty()

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        del request, context
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        del request, context
        return empty_pb2.Empty()


@contextmanager
def serving(engine: Engine, address: str) -> Iterator[None]:
    """The engine listens while the block lasts."""
    server = grpc.server(ThreadPoolExecutor(2))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, server)
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    server.add_insecure_port(address)
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


def ran(host: LanguageHost, engine: str, parallel: int = 1) -> Any:
    """The answer to an engine that has the program run, and is at an address."""
    with grpc.insecure_channel(host.address) as channel:
        return language_pb2_grpc.LanguageRuntimeStub(channel).Run(
            language_pb2.RunRequest(
                project="p", stack="s", monitor_address=engine, args=[engine], parallel=parallel
            )
        )


def test_that_the_engine_went_is_no_failure_of_the_program_for_the_engine_has_the_reason(
    nowhere: str,
) -> None:
    with LanguageHost(Component) as host:
        answer = ran(host, nowhere)
    assert host.failure is not None
    assert host.cut_off
    assert (answer.bail, answer.error) == (True, "")


@pytest.mark.parametrize("said", ["", "no such setting"])
def test_what_an_engine_says_is_the_reason_and_else_that_it_did_not_answer(
    nowhere: str, said: str
) -> None:
    with LanguageHost(Component) as host:
        ran(host, nowhere)
    operation = _Operation(lambda *_: None)
    if said:
        diagnostic = DiagnosticEvent(said, "never", "error")
        operation.on_event(EngineEvent(1, 0, diagnostic_event=diagnostic))
    error = create_command_error(CommandResult("Previewing update (s):", "", 1))
    reason = str(operation.reason(error, host))
    assert reason == said if said else "Resource monitor has terminated" in reason


def test_four_registrations_may_wait_for_each_thing_that_the_engine_does_at_a_time(
    nowhere: str,
) -> None:
    """As under Pulumi's own host; with more, programs contend, and a benchmark says what is not."""
    threads: list[int] = []

    def program() -> None:
        executor = asyncio.get_running_loop()._default_executor  # type: ignore[attr-defined]  # nothing public says it
        threads.append(executor._max_workers)

    with serving(Engine(), nowhere), LanguageHost(program) as host:
        ran(host, nowhere, parallel=3)
    assert threads == [12]


def test_an_engine_is_found_where_one_before_it_has_gone(nowhere: str) -> None:
    held = grpc.insecure_channel(nowhere, TO_THE_ENGINE)  # as a program of before may leave it
    with pytest.raises(grpc.RpcError):
        resource_pb2_grpc.ResourceMonitorStub(held).GetDeploymentInfo(empty_pb2.Empty())
    engine = Engine()
    with serving(engine, nowhere), LanguageHost(Component) as host:
        answer = ran(host, nowhere)
    assert (answer.bail, answer.error) == (False, "")
    assert engine.registered == ["pulumi:pulumi:Stack", "test:index:Component"]
