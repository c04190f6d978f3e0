"""The end of the demo: it answers for what it has started, and for nothing else."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from laptop.demo.main import check_nothing_runs
from laptop.demo.meter import descendants
from laptop.errors import LaptopError

WAITS = [sys.executable, "-c", "input()"]


@pytest.fixture
def port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_process_that_the_demo_leaves_is_an_error_and_one_of_before_is_not(port: int) -> None:
    with subprocess.Popen(WAITS, stdin=subprocess.PIPE):  # noqa: S603  # our own python
        before = descendants(psutil.Process())
        check_nothing_runs(port, before)
        with (
            subprocess.Popen(WAITS, stdin=subprocess.PIPE) as left,  # noqa: S603  # the same
            pytest.raises(LaptopError, match=rf"left processes running: \[{left.pid}\]"),
        ):
            check_nothing_runs(port, before)
