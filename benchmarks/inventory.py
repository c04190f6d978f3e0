"""What the inventory of a data set of a million objects costs: seconds, memory, requests, dollars.

    python -m benchmarks.inventory [--objects 1000000] [--changes 1000] [--rounds 15]

The S3 is our own: a data bucket whose objects follow from their numbers, and an artifact bucket in
a folder, with the semantics that the inventory uses (versions, delete markers, ranges, conditional
writes). A million real objects would need more memory and time than a laptop has. *Adoption* calls
it in process, in steps of `STEP_SECONDS`, each by a new controller. *Decisions* go through boto3
and HTTP on loopback to a process of its own, so that boto3's processor time counts; what a network
adds does not. At the end the id is computed from scratch, and must be the same.
"""

import argparse
import base64
import functools
import hashlib
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from bisect import bisect_right, insort
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from components.runtime import lean_s3, set_hash
from components.runtime.inventory import CONNECTIONS, RESERVE_SECONDS, Hints, InventoryStore
from components.runtime.segment import Entry
from components.runtime.snapshot import Snapshot

PREFIX = "data/"
STEP_SECONDS = 90.0
"""The function's timeout (120 s) without the reserve."""
UPLOADED = datetime(2026, 3, 1, tzinfo=UTC)
PAGE = 1000
REQUEST_SECONDS = 20.0

# USD a request, S3 Standard, eu-west-1 (aws.amazon.com/s3/pricing, "Requests & data retrievals").
DOLLARS = {
    "list_object_versions": 0.005 / 1000,
    "put_object": 0.005 / 1000,
    "get_object": 0.0004 / 1000,
    "head_object": 0.0004 / 1000,
}


def data_key(number: int) -> str:
    return f"{PREFIX}{number // 1000:05}/{number % 1000:03}.csv"


def entry(key: str, version: int) -> Entry:
    """What the object at `key` is, in its how-manieth version."""
    digest = hashlib.sha256(f"{key} {version}".encode())
    checksum = base64.b64encode(digest.digest()[:8]).decode()
    return Entry(key, digest.hexdigest()[:32], digest.digest()[9] * 4096, f"crc64nvme:{checksum}")


class DataBucket:
    """`objects` objects, and what `change` has done to some of them."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        self.versions: dict[str, int | None] = {}
        """Of those that were changed; None: deleted."""
        self.added: list[str] = []

    def change(self, changes: int, number: int) -> list[str]:
        """Change so many objects at random: 6 of 10 overwritten, 2 deleted, 2 added."""
        draw = random.Random(number)  # noqa: S311  # test data
        keys = []
        for _ in range(changes):
            key = data_key(draw.randrange(self.objects))
            kind = draw.choices(("overwrite", "delete", "add"), (6, 2, 2))[0]
            if kind == "add":
                key = f"{key}.{number}"
                if key not in self.versions:
                    insort(self.added, key)
            self.versions[key] = None if kind == "delete" else number
            keys.append(key)
        return keys

    def get(self, key: str) -> Entry | None:
        version = self.versions.get(key, 0)
        return None if version is None else entry(key, version)

    def page(self, after: str) -> tuple[list[tuple[str, Entry | None]], bool]:
        """The latest versions of the keys after `after`, and whether more follow."""
        low = 0 if not after else self._first_after(after)
        keys = [data_key(number) for number in range(low, min(low + PAGE, self.objects))]
        at = bisect_right(self.added, after)
        keys = sorted([*keys, *self.added[at : at + PAGE]])
        more = len(keys) > PAGE or low + PAGE < self.objects
        return [(key, self.get(key)) for key in keys[:PAGE]], more

    def _first_after(self, after: str) -> int:
        low, high = 0, self.objects
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if data_key(middle) <= after else (low, middle)
        return low

    def everything(self) -> list[str]:
        return [*map(data_key, range(self.objects)), *self.added]


class LocalS3:
    """The data bucket, and an artifact bucket in a folder, as boto3 would show them."""

    def __init__(self, data: DataBucket, folder: Path) -> None:
        self.data = data
        self.folder = folder
        self._etags: dict[str, str] = {}
        """Of what nobody has written since it was computed."""

    def _path(self, key: str) -> Path:
        return self.folder / key.replace("/", "+")

    def list_object_versions(self, *, Bucket: str, Prefix: str, KeyMarker: str = "") -> Any:  # noqa: ARG002, N803  # as boto3 names them
        rows, more = self.data.page(KeyMarker)
        item = {"IsLatest": True, "LastModified": UPLOADED}
        return {
            "IsTruncated": more,
            "Versions": [{"Key": k, "VersionId": e.version_id, **item} for k, e in rows if e],
            "DeleteMarkers": [{"Key": k, "VersionId": "gone", **item} for k, e in rows if not e],
        }

    def head_object(self, *, Bucket: str, Key: str, ChecksumMode: str) -> Any:  # noqa: ARG002, N803  # as boto3 names them
        found = self.data.get(Key)
        if found is None:
            raise ClientError({"Error": {"Code": "404"}}, "HeadObject")
        return {
            "ETag": '"x"',
            "VersionId": found.version_id,
            "ContentLength": found.size,
            "LastModified": UPLOADED,
            "ChecksumCRC64NVME": found.checksum.partition(":")[2],
        }

    def get_object(self, *, Bucket: str, Key: str, Range: str = "") -> Any:  # noqa: ARG002, N803  # as boto3 names them
        start, _, last = Range.removeprefix("bytes=").partition("-")
        try:
            with self._path(Key).open("rb") as file:
                if Key not in self._etags:
                    self._etags[Key] = _etag(file.read())
                file.seek(int(start or 0))
                body = file.read(int(last) + 1 - int(start) if last else -1)
        except FileNotFoundError:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject") from None
        return {"Body": io.BytesIO(body), "ETag": self._etags[Key], "ContentLength": len(body)}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **headers: str) -> Any:  # noqa: ARG002, N803  # as boto3 names them
        path = self._path(Key)
        there = path.exists()
        wrong = "IfMatch" in headers and not (
            there and _etag(path.read_bytes()) == headers["IfMatch"]
        )
        if wrong or (headers.get("IfNoneMatch") == "*" and there):
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        path.write_bytes(Body)
        self._etags[Key] = _etag(Body)
        return {"ETag": self._etags[Key]}


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


# --- S3 as a process ----------------------------------------------------------------------------


def serve(objects: int, folder: Path) -> None:
    """Answer on loopback until standard input ends; the port is the first line of the output."""
    s3 = LocalS3(DataBucket(objects), folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
            headers = {"Content-Length": str(len(body)), **headers}
            lines = [f"HTTP/1.1 {status} -", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
            self.wfile.write("\r\n".join(lines).encode() + body)

        def parts(self) -> tuple[str, dict[str, str]]:
            url = urlsplit(self.path)
            key = unquote(url.path).lstrip("/").partition("/")[2]
            query = parse_qs(url.query, keep_blank_values=True)
            return key, {name: values[0] for name, values in query.items()}

        def do_HEAD(self) -> None:
            key, _ = self.parts()
            found = s3.data.get(key)
            if found is None:
                self.answer(404, {})
                return
            headers = {
                "Content-Length": str(found.size),
                "ETag": '"x"',
                "Last-Modified": "Sun, 01 Mar 2026 00:00:00 GMT",
                "x-amz-version-id": found.version_id,
                "x-amz-checksum-crc64nvme": found.checksum.partition(":")[2],
            }
            self.answer(200, headers)

        def do_GET(self) -> None:
            key, query = self.parts()
            if "change" in query:
                keys = s3.data.change(int(query["change"]), int(query["number"]))
                self.answer(200, {}, json.dumps(keys).encode())
            elif "versions" in query:
                page = s3.list_object_versions(
                    Bucket="", Prefix="", KeyMarker=query.get("key-marker", "")
                )
                self.answer(200, {"Content-Type": "application/xml"}, _xml(page))
            else:
                try:
                    got = s3.get_object(Bucket="", Key=key, Range=self.headers["Range"] or "")
                except ClientError as error:
                    self.answer(404, {}, _error(error))
                    return
                status = 206 if self.headers["Range"] else 200
                self.answer(status, {"ETag": got["ETag"]}, got["Body"].read())

        def do_PUT(self) -> None:
            key, _ = self.parts()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "aws-chunked" in (self.headers["Content-Encoding"] or ""):
                size, _, rest = body.partition(b"\r\n")
                body = rest[: int(size, 16)]
            names = {"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match"}
            headers = {ours: self.headers[name] for ours, name in names.items()}
            given = {name: value for name, value in headers.items() if value}
            try:
                made = s3.put_object(Bucket="", Key=key, Body=body, **given)
            except ClientError as error:
                self.answer(412, {}, _error(error))
                return
            self.answer(200, {"ETag": made["ETag"]})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def _error(error: ClientError) -> bytes:
    return f"<Error><Code>{error.response['Error']['Code']}</Code></Error>".encode()


def _xml(page: dict[str, Any]) -> bytes:
    def rows(name: str, items: list[dict[str, Any]]) -> str:
        return "".join(
            f"<{name}><Key>{escape(item['Key'])}</Key><VersionId>{item['VersionId']}</VersionId>"
            "<IsLatest>true</IsLatest><LastModified>2026-03-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;x&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></{name}>"
            for item in items
        )

    truncated = str(page["IsTruncated"]).lower()
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult><EncodingType>url</EncodingType>'
        f"<IsTruncated>{truncated}</IsTruncated>{rows('Version', page['Versions'])}"
        f"{rows('DeleteMarker', page['DeleteMarkers'])}</ListVersionsResult>"
    ).encode()


# --- measuring ----------------------------------------------------------------------------------


class Counted:
    """An S3 client that counts its requests, and the bytes of bodies."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.requests: Counter[str] = Counter()
        self.read = self.written = 0

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.s3, name)

        def call(**request: Any) -> Any:
            self.requests[name] += 1
            self.written += len(request.get("Body", b""))
            answer = operation(**request)
            if name == "get_object":
                self.read += answer["ContentLength"]
            return answer

        return call

    @property
    def dollars(self) -> float:
        return sum(DOLLARS[name] * count for name, count in self.requests.items())

    def __str__(self) -> str:
        requests = ", ".join(f"{count:,} {name}" for name, count in self.requests.most_common())
        megabytes = f"{self.read / 1e6:.1f} MB read, {self.written / 1e6:.1f} MB written"
        return f"{requests}; {megabytes}; {self.dollars:.6f} USD"


def peak() -> str:
    """The most memory that this process ever had."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"


def adopt(objects: int, folder: Path) -> str:
    """Adopt the bucket, each step by a new controller; returns the id."""
    s3 = Counted(LocalS3(DataBucket(objects), folder))
    started = time.monotonic()
    steps, adopted = 0, False
    while not adopted:
        end = time.monotonic() + STEP_SECONDS + RESERVE_SECONDS
        store = InventoryStore(s3, "data", PREFIX, "artifacts")
        time_left = functools.partial(_seconds_until, end)
        inventory = store.look(Hints(), datetime.now(UTC), time_left)
        store.tidy(datetime.now(UTC), time_left)
        steps, adopted = steps + 1, inventory.adopted
        print(f"  step {steps}: {inventory.objects:,} objects so far", file=sys.stderr)
    seconds = time.monotonic() - started
    print(f"  {seconds:.1f} s (without boto3), peak {peak()}; {s3}", file=sys.stderr)
    return store.save(inventory).id


def _seconds_until(end: float) -> float:
    return end - time.monotonic()


def decide(url: str, since: str) -> str:
    """What a decision reads and writes: from the messages to the id, its changes, its manifest."""
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # loopback
        config=lean_s3.CONFIG.merge(Config(max_pool_connections=CONNECTIONS)),
    )
    client = lean_s3.LeanS3(client, REQUEST_SECONDS)
    messages = sys.stdin.read().splitlines()
    now = datetime.now(UTC)
    s3 = Counted(client)
    store = InventoryStore(s3, "data", PREFIX, "artifacts")
    started, busy = time.monotonic(), time.process_time()
    hints = Hints.of(messages, "data", PREFIX)
    store.look(hints, now, _plenty)
    recorded = time.monotonic()
    inventory = store.read(now)
    store.changes(inventory, since)
    store.save(inventory)
    seconds, busy = time.monotonic() - started, time.process_time() - busy
    what = f"{len(hints.keys):,} hints" if hints.keys else "sweep"
    print(
        f"  {what}: {seconds:.2f} s, of it {recorded - started:.2f} s for recording "
        f"(processor {busy:.2f} s), peak {peak()}; {s3}",
        file=sys.stderr,
    )
    s3 = Counted(client)
    started = time.monotonic()
    InventoryStore(s3, "data", PREFIX, "artifacts").tidy(now, _plenty)
    if s3.requests["put_object"]:
        seconds = time.monotonic() - started
        print(f"    then folding: {seconds:.2f} s, peak {peak()}; {s3}", file=sys.stderr)
    return inventory.snapshot_id


def _plenty() -> float:
    """Of time."""
    return 900.0


def message(key: str) -> str:
    """The body of an SQS message about an upload."""
    detail = {"bucket": {"name": "data"}, "object": {"key": key, "sequencer": "0"}}
    return json.dumps({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})


def check(data: DataBucket, folder: Path, snapshot_id: str) -> None:
    """The id from scratch, and the entries that a reader is given."""
    keys = sorted(key for key in data.everything() if data.get(key))
    entries = [data.get(key) for key in keys]
    product = set_hash.joined(set_hash.EMPTY, (each.content for each in entries if each))
    assert set_hash.digest(product) == snapshot_id  # noqa: S101  # what the figures are worth
    store = InventoryStore(LocalS3(data, folder), "data", PREFIX, "artifacts")
    snapshot = Snapshot.load(store.s3, "artifacts", snapshot_id)
    assert snapshot and list(snapshot.entries(store.segments)) == entries  # noqa: S101  # the same
    print(f"The id and all {len(entries):,} entries are those of a computation from scratch.")


def main() -> None:
    parser = argparse.ArgumentParser(description="The inventory of a large data set, measured.")
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--since", help=argparse.SUPPRESS)
    given = parser.parse_args()
    match given.part:
        case "adopt":
            print(adopt(given.objects, Path(given.place)))
        case "serve":
            serve(given.objects, Path(given.place))
        case "decide":
            print(decide(given.place, given.since))
        case _:
            with tempfile.TemporaryDirectory() as folder:
                measure(given.objects, given.changes, given.rounds, Path(folder))


def measure(objects: int, changes: int, rounds: int, folder: Path) -> None:
    """Each part in a process of its own, so that its memory is its own."""

    def part(name: str, place: str, *more: str, **how: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.inventory", f"--objects={objects}"]
        return subprocess.Popen(  # noqa: S603  # this very file
            [*command, f"--part={name}", f"--place={place}", *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **how,
        )

    print(f"Adoption of {objects:,} objects, in steps of {STEP_SECONDS:g} s:", flush=True)
    since = part("adopt", str(folder)).communicate()[0].strip()
    with part("serve", str(folder)) as server:
        assert server.stdout and server.stdin  # noqa: S101  # both are pipes
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        data = DataBucket(objects)
        print(f"{rounds} times {changes:,} changes at random, each a new process:", flush=True)
        for number in range(1, rounds + 1):
            query = f"{url}/data/?change={changes}&number={number}"
            urllib.request.urlopen(query).close()  # noqa: S310  # loopback
            messages = "\n".join(map(message, data.change(changes, number)))
            decision = part("decide", url, f"--since={since}")
            since = decision.communicate(messages)[0].strip()
        print("A sweep that finds nothing:", flush=True)
        sweep = part("decide", url, f"--since={since}").communicate("sweep")[0].strip()
        assert sweep == since  # noqa: S101  # nothing has changed
        server.stdin.close()
    check(data, folder, since)


if __name__ == "__main__":
    main()
