"""The laptop AWS as a process: ready when it says so, on loopback only, leaving nothing behind."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from laptop import ACCOUNT, REGION
from laptop.errors import LaptopError
from laptop.server import HOST, REPOSITORY, LaptopAWS, Session

FUNCTION = """
import os
import subprocess

def handler(event, context):
    below = subprocess.Popen(["sleep", "600"])
    mine = [name for name in ("AWS_PROFILE", "PYTHONPATH") if name in os.environ]
    return {"processes": [os.getpid(), below.pid], "settings of the developer": mine}
"""

PARENT = """
import sys
from laptop.server import LaptopAWS

with LaptopAWS() as aws:
    print(aws.pid, aws.endpoint_url, aws.workdir, flush=True)
    sys.stdin.read()
"""


def invoked(endpoint_url: str) -> dict[str, Any]:
    """What a function of an otherwise empty account says; its processes run on."""
    session = Session(endpoint_url)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", FUNCTION)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    trust |= {"Principal": {"Service": "lambda.amazonaws.com"}}  # type: ignore[dict-item]  # JSON
    role = session.client("iam").create_role(
        RoleName="function", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    functions = session.client("lambda")
    functions.create_function(
        FunctionName="function",
        Runtime="python3.12",
        Handler="index.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": code.getvalue()},
    )
    said: dict[str, Any] = json.loads(functions.invoke(FunctionName="function")["Payload"].read())
    assert all(psutil.pid_exists(pid) for pid in said["processes"])
    return said


def left(pids: list[int]) -> list[int]:
    """Those of the processes that have not ended within the time a shutdown may take."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return [process.pid for process in psutil.wait_procs(processes, timeout=15)[1]]


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A program that runs a laptop AWS and has told where."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and source
        [sys.executable, "-c", PARENT],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        yield program
        program.kill()


def test_it_answers_once_it_is_entered_and_listens_on_loopback_only(laptop: LaptopAWS) -> None:
    caller = laptop.client("sts").get_caller_identity()
    assert (caller["Account"], laptop.session().region_name) == (ACCOUNT, REGION)
    listening = {
        connection.laddr.ip
        for connection in psutil.Process(laptop.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {HOST}


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaptopError) as refused, LaptopAWS(port=port):
            pass
    assert str(refused.value) == (
        f"Port {port} on 127.0.0.1 cannot be listened on (Address already in use): stop the "
        "program that uses it, or choose another port (0 takes a free one)."
    )


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "tmp").write_text("a file where a folder belongs")
    with pytest.raises(LaptopError, match=r"ended while starting; its log ends with:(.|\n)*exist"):
        LaptopAWS(workdir=tmp_path).__enter__()


def test_it_is_not_running_outside_its_block(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match="use it inside its `with` block"):
        LaptopAWS(workdir=tmp_path).wait()


def test_leaving_ends_every_process_and_keeps_only_a_workdir_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the developer's own")
    monkeypatch.setenv("PYTHONPATH", "the developer's own")
    with LaptopAWS(workdir=tmp_path) as aws:
        port = int(aws.endpoint_url.rpartition(":")[2])
        said = invoked(aws.endpoint_url)
        pids = [aws.pid, *said["processes"]]
    assert said["settings of the developer"] == []
    assert left(pids) == []
    assert tmp_path.exists()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((HOST, port))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_server_ends_it_and_all_below(number: int) -> None:
    with LaptopAWS() as aws:
        pids = [aws.pid, *invoked(aws.endpoint_url)["processes"]]
        os.kill(aws.pid, number)
        aws.wait()
        assert left(pids) == []
    assert not aws.workdir.exists()


def test_nothing_outlives_a_parent_that_is_killed(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    pid, endpoint_url, workdir = parent.stdout.readline().split()
    pids = [int(pid), *invoked(endpoint_url)["processes"]]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert left(pids) == []
    assert not Path(workdir).exists()
