"""A language host in this process: the genuine engine calls it to run a program.

Pulumi's own is a process that the command line starts, and the one inside its Automation API leaves
threads and event loops behind when the engine is killed. This one has ended when its block ends.
"""

import asyncio
import contextlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
    resource_pb2_grpc,
)

from .program import Program, evaluate, execute, failed

_LOOK_AGAIN = 0.2  # seconds

TO_THE_ENGINE = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),  # as Pulumi's own SDK has it
    # Else channels to one address share a connection, and an engine that listens where one before
    # it was killed would not be found: gRPC waits before it tries such an address again.
    ("grpc.use_local_subchannel_pool", 1),
]
"""Options of a channel."""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves ``program`` on ``address`` while the ``with`` block lasts.

    ``failure`` is what the program raised, if it did; with ``cut_off`` it was for want of an engine
    that answers, and what the engine says of that is the better reason. The methods are those of
    pulumi/proto/pulumi/language.proto that the engine calls.
    """

    address: str

    def __init__(self, program: Program) -> None:
        self._program = program
        self._over = False
        self._idle = threading.Event()
        self._idle.set()
        self._task: asyncio.Task[Any] | None = None
        self.failure: Exception | None = None
        self.cut_off = False

    def __enter__(self) -> Self:
        self._server = grpc.server(ThreadPoolExecutor(4))
        language_pb2_grpc.add_LanguageRuntimeServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()
        self._over = True
        while not self._idle.wait(_LOOK_AGAIN):  # the engine went, and the program waits for it
            if self._task is not None:
                with contextlib.suppress(RuntimeError):  # its loop has just ended
                    self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        """Run the program; what it raised is the error."""
        del context
        self._idle.clear()
        try:
            with (
                grpc.insecure_channel(request.monitor_address, options=TO_THE_ENGINE) as monitor,
                grpc.insecure_channel(request.args[0], options=TO_THE_ENGINE) as engine,
            ):
                evaluate(
                    self._run,
                    request.config,
                    secret_keys=request.configSecretKeys,
                    project=request.project,
                    stack=request.stack,
                    monitor=resource_pb2_grpc.ResourceMonitorStub(monitor),
                    engine=engine_pb2_grpc.EngineStub(engine),
                    parallel=request.parallel,
                    dry_run=request.dryRun,
                    organization=request.organization,
                )
        except asyncio.CancelledError:
            return language_pb2.RunResponse(bail=True)  # nobody listens any more
        except Exception as error:
            self.failure, self.cut_off = error, _found_no_engine(error)
            if self.cut_off:
                return language_pb2.RunResponse(bail=True)
            return language_pb2.RunResponse(error=str(failed(error)))
        finally:
            self._task = None
            self._idle.set()
        return language_pb2.RunResponse()

    def _run(self) -> None:
        if self._over:
            raise asyncio.CancelledError
        self._task = asyncio.current_task()
        execute(self._program)

    def About(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        """What runs the program."""
        del request, context
        version = ".".join(map(str, sys.version_info[:3]))
        return language_pb2.AboutResponse(executable=sys.executable, version=version)

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        """Nothing: this is no plugin that could be installed."""
        del request, context
        return plugin_pb2.PluginInfo()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        """None: the provider is attached."""
        del request, context
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802  gRPC names it
        """None: the provider is attached."""
        del request, context
        return language_pb2.GetRequiredPackagesResponse()


def _found_no_engine(error: BaseException | None) -> bool:
    """Whether a program failed only because the engine, which had a reason, did not answer it."""
    while error is not None:
        if isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.UNAVAILABLE:
            return True
        error = error.__cause__ or error.__context__
    return False
