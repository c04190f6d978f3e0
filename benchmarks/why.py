"""What `perennial why` takes on a year of history: ``python -m benchmarks.why``.

The bucket is a process on loopback that answers LIST and GET and nothing else, so that little of
what is measured is the bucket's. Beside it stands the same with the laptop AWS for a bucket, and
reading the very same bytes plainly: the listing, the segments over as many connections, gunzip.
"""

import argparse
import gzip
import http.client
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from components.runtime.document import canonical
from components.runtime.ledger import ENTRIES_A_SEGMENT, PREFIX, THREADS
from laptop import REGION
from laptop.server import REPOSITORY, LaptopAWS

BUCKET = "churn-artifacts-0a1b2c3"
LOOP = "perennial-prod-churn"
YEAR = timedelta(days=365)
TARGET_SECONDS = 2.0
COMMANDS = {
    "why (7 days)": ("why",),
    "why --since 53w": ("why", "--since", "53w"),
    "why --since 53w --json": ("why", "--since", "53w", "--json"),
}


def segments(entries: int, now: datetime) -> dict[str, bytes]:
    """Objects by key: a year until `now` of decisions such as the retrain controller writes."""
    draw = random.Random(0)  # noqa: S311  # test data
    lines: dict[str, list[str]] = {}
    for number in range(entries):
        time = now - YEAR + number * (YEAR / entries)
        lines.setdefault(f"{time:%Y-%m}", []).append(canonical(entry(number, time, draw)))
    found = {}
    for month, written in lines.items():
        for start in range(0, len(written), ENTRIES_A_SEGMENT):
            body = "".join(f"{line}\n" for line in written[start : start + ENTRIES_A_SEGMENT])
            key = f"{PREFIX}{month}/retrain-{start // ENTRIES_A_SEGMENT + 1:04}.jsonl.gz"
            found[key] = gzip.compress(body.encode(), mtime=0)
    return found


def entry(number: int, time: datetime, draw: random.Random) -> dict[str, Any]:
    """The how-manieth decision: as long as one is, and as hard to compress."""
    moment = time.astimezone(UTC).isoformat()
    return {
        "version": 1,
        "time": moment,
        "loop": LOOP,
        "controller": "retrain",
        "decision": "wait",
        "rule": "quiet period",
        "reason": "data: uploads go on; a run starts 300 s after the last, or 21600 s after the "
        "first.",
        "inputs": {
            "snapshot_id": f"{draw.getrandbits(256):064x}",
            "code_version": f"{number // 1000:064x}",
            "parameters": None,
            "objects": number,
            "bytes": number * 4096,
            "last_change": moment,
            "alarms": [],
            "episodes": [],
            "active_runs": [],
            "live_version": number // 5000 or None,
            "request": None,
            "pause": None,
            "attempt": None,
            "token": None,
            "until": (time + timedelta(minutes=5)).isoformat(),
            "owner": f"{draw.getrandbits(128):032x}",
        },
    }


# --- the bucket ---------------------------------------------------------------------------------


def serve(folder: Path) -> None:
    """A bucket of the files in a folder, until standard input ends; prints its port."""
    objects = {path.name.replace("+", "/"): path.read_bytes() for path in folder.iterdir()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            key = url.path.removeprefix(f"/{BUCKET}").lstrip("/")
            if key in objects:
                self.answer(200, objects[key])
            elif key:
                self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            elif "list-type" in query:
                self.answer(200, listing(sorted(objects), query))
            else:
                names = f"<Bucket><Name>{BUCKET}</Name></Bucket>"
                self.answer(
                    200,
                    "<ListAllMyBucketsResult><Buckets>"
                    f"{names}</Buckets></ListAllMyBucketsResult>".encode(),
                )

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", '"x"')
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def listing(keys: list[str], query: dict[str, str]) -> bytes:
    """A whole listing; a year has less than the thousand keys of a page."""
    prefix, after = query.get("prefix", ""), query.get("start-after", "")
    rows = "".join(
        f"<Contents><Key>{escape(key)}</Key></Contents>"
        for key in keys
        if key.startswith(prefix) and key > after
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()


@contextmanager
def bucket(folder: Path) -> Iterator[str]:
    """The URL of the bucket in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.why", "--serve", str(folder)]
    with subprocess.Popen(  # noqa: S603  # this very file
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as server:
        assert server.stdin and server.stdout  # noqa: S101  # both are pipes
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.stdin.close()


# --- what is measured ---------------------------------------------------------------------------


def plainly(url: str) -> int:
    """List, read and unzip the same objects without an SDK; returns the bytes."""
    with urllib.request.urlopen(f"{url}/{BUCKET}?list-type=2&prefix={PREFIX}") as page:  # noqa: S310  # loopback
        keys = re.findall(r"<Key>(.*?)</Key>", page.read().decode())
    host = urlsplit(url).netloc
    local = threading.local()

    def read(key: str) -> int:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(host)
        local.connection.request("GET", f"/{BUCKET}/{key}")
        return len(gzip.decompress(local.connection.getresponse().read()))

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(read, keys))


def command(url: str, *arguments: str) -> None:
    """Run `perennial` as a user does, in a process of its own."""
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": REGION,
    }
    code = "import sys; from components.cli.main import main; sys.exit(main())"
    subprocess.run(  # noqa: S603  # our own code under our interpreter
        [sys.executable, "-c", code, *arguments],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def timed(what: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and processor seconds of this process and those that it has started and ended."""
    started, before = time.perf_counter(), os.times()
    what()
    seconds, after = time.perf_counter() - started, os.times()
    return seconds, sum(after[:4]) - sum(before[:4])


def show(name: str, what: Callable[[], object], runs: int) -> None:
    """Print the medians of so many runs."""
    figures = [timed(what) for _ in range(runs)]
    seconds, busy = (median(column) for column in zip(*figures, strict=True))
    print(f"  {name:24} {seconds:5.2f} s, processor {busy:5.2f} s", flush=True)


def measure(entries: int, runs: int) -> None:
    """Everything, in turn."""
    objects = segments(entries, datetime.now(UTC))
    megabytes = sum(map(len, objects.values())) / 1e6
    print(f"{entries:,} entries of a year: {len(objects)} objects, {megabytes:.1f} MB compressed")
    with tempfile.TemporaryDirectory() as folder:
        for key, body in objects.items():
            (Path(folder) / key.replace("/", "+")).write_bytes(body)
        with bucket(Path(folder)) as url:
            print(f"from a bucket that only answers (target {TARGET_SECONDS:g} s):")
            compare(url, runs)
    with LaptopAWS() as aws:
        s3 = aws.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, body in objects.items():
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        print("from the laptop AWS, which answers with one processor:")
        for name in ("why (7 days)", "why --since 53w"):
            show(name, partial(command, aws.endpoint_url, *COMMANDS[name]), runs)


def compare(url: str, runs: int) -> None:
    """The commands, and what they stand on."""
    show("perennial --help", partial(command, url, "--help"), runs)
    show("the same bytes plainly", partial(plainly, url), runs)
    for name, arguments in COMMANDS.items():
        show(name, partial(command, url, *arguments), runs)


def main() -> None:
    parser = argparse.ArgumentParser(description="What `perennial why` takes on a year of history.")
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    else:
        measure(given.entries, given.runs)


if __name__ == "__main__":
    main()
