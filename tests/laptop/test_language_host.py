"""What the language host says of a program that failed, to an engine and to whoever asked."""

import socket
from collections.abc import Iterator
from typing import Any

import grpc
import pulumi
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from laptop.language_host import LanguageHost


class Component(pulumi.ComponentResource):
    """Something to register."""

    def __init__(self) -> None:
        super().__init__("test:index:Component", "it")


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def ran(host: LanguageHost, engine: str) -> Any:
    """The answer to an engine that has the program run, and is at an address."""
    with grpc.insecure_channel(host.address) as channel:
        return language_pb2_grpc.LanguageRuntimeStub(channel).Run(
            language_pb2.RunRequest(
                project="p", stack="s", monitor_address=engine, args=[engine], parallel=1
            )
        )


def test_that_the_engine_went_is_no_failure_of_the_program_for_the_engine_has_the_reason(
    nowhere: str,
) -> None:
    with LanguageHost(Component) as host:
        answer = ran(host, nowhere)
    assert host.failure is None
    assert (answer.bail, answer.error) == (True, "")
