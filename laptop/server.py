"""The laptop AWS as a server: ministack in this process, on loopback, with IAM enforced.

``serve`` runs it in the foreground; ``LaptopAWS`` runs it as a child process that cannot outlive
its parent. What ministack lacks is added by ``laptop.patches``.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.session
import psutil

from . import ACCOUNT, REGION
from .errors import LaptopError

HOST = "127.0.0.1"
ROOT_KEY = "test"
"""Access key and secret of the account's root user, as in other local AWS emulators."""

SERVICES = "s3,sqs,sns,events,lambda,iam,sts,kms,logs,monitoring,ssm,secretsmanager,tagging"
"""What the loop uses, and what its neighbours in a stack are likely to: others are not served."""

START_SECONDS = 60.0
STOP_SECONDS = 10.0

KEEPS = "keep"

REPOSITORY = Path(__file__).resolve().parent.parent


def serve(
    port: int,
    workdir: Path,
    *,
    ready: Callable[[int], None] | None = None,
    parent_watch: bool = False,
) -> None:
    """Serve until SIGINT, SIGTERM or, with ``parent_watch``, end of file on standard input.

    ``port`` 0 takes a free one; ``ready`` is called with the port once requests are answered.
    Temporary files and logs go under ``workdir``. The environment of this process is changed:
    ministack and the Lambda functions read their settings from it. Every process started on behalf
    of a request has ended when this returns.

    Raises LaptopError if the port is taken.
    """
    with contextlib.closing(listen(port)) as listener:
        port = listener.getsockname()[1]
        environment(port, workdir)
        asyncio.run(run(listener, port, workdir, ready, parent_watch))


def listen(port: int) -> socket.socket:
    """A loopback listener, bound before anything expensive is imported."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise LaptopError(
            f"Port {port} on {HOST} cannot be listened on ({error.strerror}): "
            "stop the program that uses it, or choose another port (0 takes a free one)."
        ) from error
    return listener


def environment(port: int, workdir: Path) -> None:
    """Settings of ministack; nothing of the developer's own settings reaches a function."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "PYTHON"))]:
        del os.environ[name]
    temporary = workdir / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = None  # recomputed from TMPDIR
    os.environ |= {
        "AUTH": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": f"http://{HOST}:{port}",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "SERVICES": SERVICES,
        "SFTP_ENABLED": "0",
        "TMPDIR": str(temporary),
    }
    # No container engine is needed or wanted, and importing its client costs a second.
    sys.modules["docker"] = None  # type: ignore[assignment]  # None is how import is refused


async def run(
    listener: socket.socket,
    port: int,
    workdir: Path,
    ready: Callable[[int], None] | None,
    parent_watch: bool,
) -> None:
    """Serve on ``listener`` until told to stop, then end every process below this one."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config

    from . import patches

    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def request_stop() -> None:
        stop.set()
        threading.Thread(target=end_anyway, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, request_stop)
    if parent_watch:
        threading.Thread(
            target=await_parent, args=(loop, request_stop), daemon=True, name="parent-watch"
        ).start()

    app, shut_down = patches.install(endpoint_url=f"http://{HOST}:{port}", workdir=workdir)
    config = Config()
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    config.graceful_timeout = 0.5
    config.keep_alive_timeout = 75
    config.loglevel = os.environ["LOG_LEVEL"]
    announcement = asyncio.create_task(announce(port, ready))
    below: list[psutil.Process] = []

    async def stopping() -> None:
        await stop.wait()
        below.extend(descendants(os.getpid()))  # an orphan of a worker that ends is not seen later
        # While requests are answered still: endpoints have captured traffic and logs to write.
        await asyncio.to_thread(shut_down)

    try:
        await hypercorn_serve(origin_form(app), config, shutdown_trigger=stopping)
    finally:
        announcement.cancel()
        end([*below, *descendants(os.getpid())])


def origin_form(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """``app``, for requests that are sent as to a proxy, too: their target is a whole URL.

    AWS's SDKs put the account's number before the host of S3 Control, a name that no resolver
    knows. Set as the AWS provider's proxy, the laptop AWS answers such a request itself.
    """

    async def ask(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("http://"):
            _, _, path = scope["path"].removeprefix("http://").partition("/")
            _, _, raw_path = scope["raw_path"].removeprefix(b"http://").partition(b"/")
            scope = scope | {"path": f"/{path}", "raw_path": b"/" + raw_path}
        await app(scope, receive, send)

    return ask


async def announce(port: int, ready: Callable[[int], None] | None) -> None:
    """Call ``ready`` once the server answers."""
    while ready:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET /_ministack/health HTTP/1.1\r\nHost: laptop\r\n\r\n")
            status = await reader.readline()
            writer.close()
            if b" 200 " in status:
                ready(port)
                return
        await asyncio.sleep(0.02)


def await_parent(loop: asyncio.AbstractEventLoop, request_stop: Callable[[], None]) -> None:
    """Stop when standard input ends: the kernel closes it however the parent died."""
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(request_stop)


def end_anyway() -> None:
    """The last resort of a shutdown that hangs."""
    time.sleep(STOP_SECONDS)
    end(list(descendants(os.getpid())))
    os._exit(1)


def descendants(pid: int) -> Iterator[psutil.Process]:
    """Every process below ``pid``."""
    with contextlib.suppress(psutil.NoSuchProcess):
        yield from psutil.Process(pid).children(recursive=True)


def end(processes: list[psutil.Process]) -> None:
    """Kill those of the processes that still run."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=3)


class Session(boto3.Session):  # type: ignore[misc]  # boto3 ships no types
    """A boto3 session of the root user whose clients and resources reach the laptop AWS."""

    def __init__(self, endpoint_url: str) -> None:
        # Neither AWS_PROFILE nor a configuration file has a say.
        settings = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
        super().__init__(
            aws_access_key_id=ROOT_KEY,
            aws_secret_access_key=ROOT_KEY,
            region_name=REGION,
            botocore_session=botocore.session.Session(session_vars=settings),
        )
        self._endpoint_url = endpoint_url

    def client(self, service_name: str, *arguments: Any, **settings: Any) -> Any:
        settings.setdefault("endpoint_url", self._endpoint_url)
        return super().client(service_name, *arguments, **settings)

    def resource(self, service_name: str, *arguments: Any, **settings: Any) -> Any:
        settings.setdefault("endpoint_url", self._endpoint_url)
        return super().resource(service_name, *arguments, **settings)


class LaptopAWS:
    """The laptop AWS as a child process, ended with the ``with`` block or with this process.

    ``port`` 0 takes a free one. ``workdir`` holds its temporary files and ``laptop.log``; by
    default a temporary folder that ``stop`` removes. Entering raises LaptopError when the port is
    taken or the server does not start.
    """

    endpoint_url: str

    def __init__(self, port: int = 0, workdir: Path | None = None) -> None:
        self._port = port
        self._keeps_workdir = workdir is not None
        self.workdir = workdir or Path(tempfile.mkdtemp(prefix="perennial-laptop-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.workdir.mkdir(parents=True, exist_ok=True)
        fate = KEEPS if self._keeps_workdir else "temporary"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module under our interpreter
                [sys.executable, "-m", "laptop.server", str(self._port), str(self.workdir), fate],
                cwd=REPOSITORY,  # how `-m` finds this package, without PYTHONPATH in every function
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the parent, which decides when to stop
            )
        try:
            answer = self._answer(self._process)
            if "error" in answer:
                raise LaptopError(answer["error"])
        except BaseException:
            self.stop()
            raise
        self.endpoint_url = f"http://{HOST}:{answer['port']}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def log_path(self) -> Path:
        """Where the server, and the functions that fail, write."""
        return self.workdir / "laptop.log"

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._running().pid

    def session(self) -> boto3.Session:
        """A session of the account's root user."""
        return Session(self.endpoint_url)

    def client(self, service_name: str) -> Any:
        """A boto3 client of the account's root user."""
        return self.session().client(service_name)

    def wait(self) -> None:
        """Block until the server ends."""
        self._running().wait()

    def stop(self) -> None:
        """End the server and everything below it; harmless when it has ended."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.ExitStack() as pipes:
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipes.callback(pipe.close)
                below = list(descendants(process.pid))
                process.terminate()
                try:
                    process.wait(timeout=STOP_SECONDS + 5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            end(below)
        if not self._keeps_workdir:
            shutil.rmtree(self.workdir, ignore_errors=True)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise LaptopError("The laptop AWS is not running: use it inside its `with` block.")
        return self._process

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The line in which the child says that it is ready, or why it is not."""
        lines: list[bytes] = []
        output = process.stdout
        if output is not None:
            reader = threading.Thread(target=lambda: lines.append(output.readline()), daemon=True)
            reader.start()
            reader.join(START_SECONDS)
        if not any(lines):
            how = "ended while starting" if lines else f"is not ready after {START_SECONDS:g} s"
            raise LaptopError(f"The laptop AWS {how}; its log ends with: {self._log_tail()}")
        answer: dict[str, Any] = json.loads(lines[0])
        return answer

    def _log_tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-1000:].strip() or "(nothing)"


def main(port: int, workdir: Path, keeps: bool) -> None:
    """The child process of ``LaptopAWS``: answers with one JSON line, then serves."""
    try:
        serve(port, workdir, ready=lambda port: say(port=port), parent_watch=True)
    except LaptopError as error:
        say(error=str(error))
    finally:
        if not keeps:  # the parent may be gone
            shutil.rmtree(workdir, ignore_errors=True)


def say(**answer: Any) -> None:
    """One line to the parent."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), keeps=sys.argv[3] == KEEPS)
