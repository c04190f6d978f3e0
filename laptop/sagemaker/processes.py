"""Child processes, each in a process group of its own, so that none outlives the service."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 2.0
"""Between SIGTERM and SIGKILL when a job is stopped; SageMaker gives a container 120 seconds."""


class ClosedError(Exception):
    """The service is shutting down and starts nothing more."""


class Process:
    """A child whose output goes to a log file."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen

    def wait(self) -> int:
        """Wait for its end, end whatever it left running, and return the exit code."""
        code = self._popen.wait()
        self.kill()
        if self._popen.stdin:
            self._popen.stdin.close()
        return code

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and end it (SIGKILL) after a grace period; returns at once."""
        self._signal(signal.SIGTERM)
        timer = threading.Timer(GRACE_SECONDS, self.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        """End it and everything it started, at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a zombie
            os.killpg(self._popen.pid, number)


class Processes:
    """All children of the service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: set[Process] = set()
        self._closed = False

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        log: Path,
        pass_fds: Sequence[int] = (),
        hold_stdin: bool = False,
    ) -> Process:
        """Start a child; the caller must :meth:`wait` for it.

        :param environment: all that the child finds in its environment.
        :param hold_stdin: keep its standard input open, so that it sees our death as end of file.
        :raises ClosedError: after :meth:`close`.
        """
        with self._lock, log.open("ab") as output:
            if self._closed:
                raise ClosedError
            process = Process(
                subprocess.Popen(  # noqa: S603 - to run what the definition says is the purpose
                    command,
                    env=dict(environment),
                    cwd=directory,
                    stdin=subprocess.PIPE if hold_stdin else subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=pass_fds,
                )
            )
            self._alive.add(process)
        return process

    def wait(self, process: Process) -> int:
        """The exit code of a child, after which it is forgotten."""
        code = process.wait()
        with self._lock:
            self._alive.discard(process)
        return code

    def close(self) -> None:
        """Start nothing more, and end everything at once."""
        with self._lock:
            self._closed = True
            alive = list(self._alive)
        for process in alive:
            process.kill()
