"""What is seen of a loop on a laptop AWS from outside."""

import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from laptop.server import LaptopAWS

LOOK_SECONDS = 0.25
WAIT_SECONDS = 300.0


def wait(what: str, done: Callable[[], bool]) -> None:
    """Look until it is done. Raises TimeoutError after `WAIT_SECONDS`."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {WAIT_SECONDS:.0f} s for {what}, which did not come.")
        time.sleep(LOOK_SECONDS)


def requests_of(aws: LaptopAWS, function: str) -> Counter[str]:
    """What the code of a function has asked of AWS, such as `s3:GetObject`, and how often."""
    with urllib.request.urlopen(f"{aws.endpoint_url}/_laptop/requests") as answer:  # noqa: S310  # loopback
        counts = json.load(answer)
    ours = [asked for who, asked in counts.items() if who.endswith(f"/{function}")]
    return sum(map(Counter, ours), Counter())


def memory_of(aws: LaptopAWS, function: str) -> int:
    """The most bytes that a process of the function, of those that live, ever had resident (Linux).

    With the interpreter and boto3, as Lambda counts.
    """
    peak = 0
    for process in psutil.Process(aws.pid).children():
        with suppress(psutil.Error, OSError):
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == function:
                status = Path(f"/proc/{process.pid}/status").read_text()
                (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
                peak = max(peak, int(kib) * 1024)
    return peak
