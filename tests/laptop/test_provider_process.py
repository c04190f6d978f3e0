"""The provider as a process: what it prints, where it listens, and that it never stays behind."""

import signal
import subprocess
import sys

import psutil
import pytest

from tests.laptop.engine_side import EngineSide, provider_process


def test_it_listens_on_loopback_only_and_prints_nothing_but_its_port(
    environment: dict[str, str],
) -> None:
    with provider_process(environment) as (process, port):
        listening = [
            (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
            for connection in psutil.Process(process.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", port)]
        side = EngineSide(port)
        assert side.mistakes("aws:sqs/queue:Queue", "q", {"delaySeconds": "soon"})
        side.close()
        process.terminate()
        assert process.stdout
        assert process.stdout.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_told_to(environment: dict[str, str], number: int) -> None:
    with provider_process(environment) as (process, _):
        process.send_signal(number)
        assert process.wait(timeout=20) == 0


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "laptop.provider"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_it_stops_when_its_parent_is_gone(environment: dict[str, str]) -> None:
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(timeout=20)
    assert not child.is_running()
