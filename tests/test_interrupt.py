"""Ctrl-C during the demo: no process is left, whatever was under way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from laptop.demo.meter import descendants

pytestmark = [pytest.mark.loop, pytest.mark.timeout(180)]


@pytest.mark.parametrize(
    ("engine", "moment"),
    [
        ("laptop", "create aws:s3/bucket:Bucket"),
        ("laptop", "run 1 started"),
        ("laptop", "InService"),
        ("pulumi", "create aws:s3/bucket:Bucket"),
        ("pulumi", "run 1 started"),
    ],
)
def test_an_interrupted_demo_leaves_no_process(tmp_path: Path, engine: str, moment: str) -> None:
    demo = subprocess.Popen(  # noqa: S603  our own module under our interpreter
        [
            *(sys.executable, "-m", "laptop", "demo", "--engine", engine),
            *("--report", str(tmp_path / "report.html")),
        ],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    seen = next((line for line in demo.stdout if moment in line), None)
    assert seen, "the demo ended before the moment came"
    below = descendants(psutil.Process(demo.pid))
    assert below
    os.killpg(demo.pid, signal.SIGINT)
    output, _ = demo.communicate()
    assert demo.returncode == 130, output
    assert "everything that was started has been stopped" in output
    gone, alive = psutil.wait_procs(below, timeout=10)
    assert len(gone) == len(below), alive
