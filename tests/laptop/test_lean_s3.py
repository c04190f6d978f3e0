"""The lean S3 client answers as boto3 does, and leaves to boto3 whatever is not a plain answer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from components.runtime.lean_s3 import CONFIG, LeanS3
from laptop import REGION
from laptop.server import LaptopAWS

MEMBERS = ("ETag", "VersionId", "ContentLength", "LastModified")


class Watched:
    """A client that remembers which operations boto3 itself was asked for."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("head_object", "get_object"):
            self.asked.append(name)
        return getattr(self.client, name)


@pytest.fixture
def watched(laptop: LaptopAWS) -> Watched:
    return Watched(laptop.session().client("s3", config=CONFIG))


@pytest.fixture
def lean(watched: Watched) -> Iterator[LeanS3]:
    with closing(LeanS3(watched, 10)) as lean:
        yield lean


@pytest.mark.parametrize("key", ["data/a.csv", "data/ä b+c%2F&=?#'(1).csv", "data/雪/\U0001f600"])
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_an_object_is_told_as_boto3_tells_it(
    lean: LeanS3, watched: Watched, bucket: str, key: str, algorithm: str
) -> None:
    watched.client.put_object(Bucket=bucket, Key=key, Body=b"1,2\n", ChecksumAlgorithm=algorithm)
    request = {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED"}
    expected = watched.client.head_object(**request)
    told = lean.head_object(**request)
    assert {name: told[name] for name in MEMBERS} == {name: expected[name] for name in MEMBERS}
    assert told[f"Checksum{algorithm}"] == expected[f"Checksum{algorithm}"]
    assert {name for name in told if name.startswith("Checksum")} == {f"Checksum{algorithm}"}
    assert watched.asked == []


def test_an_object_without_versions_has_no_version_id(
    lean: LeanS3, watched: Watched, name: str
) -> None:
    watched.client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    watched.client.put_object(Bucket=name, Key="a", Body=b"")
    assert "VersionId" not in lean.head_object(Bucket=name, Key="a")


def test_what_is_not_there_is_refused_as_boto3_refuses_it(
    lean: LeanS3, watched: Watched, bucket: str
) -> None:
    refusals = []
    for client in (lean, watched.client):
        with pytest.raises(ClientError) as refused:
            client.head_object(Bucket=bucket, Key="gone", ChecksumMode="ENABLED")
        refusals.append((refused.value.response["Error"], str(refused.value)))
    assert refusals[0] == refusals[1]
    assert watched.asked == []


def test_a_deleted_object_is_not_there(lean: LeanS3, watched: Watched, bucket: str) -> None:
    watched.client.put_object(Bucket=bucket, Key="a", Body=b"1")
    watched.client.delete_object(Bucket=bucket, Key="a")
    with pytest.raises(ClientError, match="404"):
        lean.head_object(Bucket=bucket, Key="a")


def test_a_part_of_an_object_is_read_without_boto3(
    lean: LeanS3, watched: Watched, bucket: str
) -> None:
    watched.client.put_object(Bucket=bucket, Key="a", Body=b"0123456789")
    part = lean.get_object(Bucket=bucket, Key="a", Range="bytes=2-4")
    assert part["Body"].read() == b"234"
    assert part["ContentLength"] == 3
    assert watched.asked == []


def test_a_whole_object_and_all_other_operations_are_boto3s(
    lean: LeanS3, watched: Watched, bucket: str
) -> None:
    lean.put_object(Bucket=bucket, Key="a", Body=b"1")
    assert lean.get_object(Bucket=bucket, Key="a")["Body"].read() == b"1"
    assert watched.asked == ["get_object"]


def test_what_the_role_may_not_read_is_explained_by_boto3(
    role: Callable[..., str], acting_as: Any, bucket: str
) -> None:
    arn = role({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"})
    watched = Watched(acting_as(arn, "s3"))
    with closing(LeanS3(watched, 10)) as lean:
        for _ in range(2):
            with pytest.raises(ClientError, match="403"):
                lean.head_object(Bucket=bucket, Key="a")
    assert watched.asked == ["head_object"] * 2


# --- a server that does not answer plainly ---------------------------------------------------


class Server:
    """An S3 that answers presigned requests as told, and all others well."""

    def __init__(self) -> None:
        self.presigned = 0
        self.fault: Callable[[BaseHTTPRequestHandler], None] | None = None
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing."""

            def do_HEAD(self) -> None:
                signed = "X-Amz-Signature" in self.path
                world.presigned += signed
                if signed and world.fault:
                    world.fault(self)
                    return
                self.send_response(200)
                for name, value in (
                    ("ETag", '"e"'),
                    ("Content-Length", "7"),
                    ("Last-Modified", "Sun, 01 Mar 2026 00:00:00 GMT"),
                ):
                    self.send_header(name, value)
                self.end_headers()

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=[0.01], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    it = Server()
    yield it
    it.http.shutdown()
    it.http.server_close()


@pytest.fixture
def strained(server: Server) -> Iterator[LeanS3]:
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106  # loopback
        config=CONFIG.merge(Config(retries={"total_max_attempts": 1})),
    )
    with closing(client), closing(LeanS3(client, 10)) as lean:
        yield lean


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    ("fault", "asked_so"),
    [
        pytest.param(status(503), 3, id="throttled: tried again the next time"),
        pytest.param(status(403), 1, id="refused: never again"),
        pytest.param(status(307), 1, id="redirected: never again"),
        pytest.param(hang_up, 1, id="no way through: never again"),
    ],
)
def test_boto3_is_asked_where_there_is_no_plain_answer(
    server: Server, strained: LeanS3, fault: Any, asked_so: int
) -> None:
    server.fault = fault
    for _ in range(3):
        assert strained.head_object(Bucket="data", Key="a")["ContentLength"] == 7
    assert server.presigned == asked_so


def test_a_kept_connection_that_was_closed_meanwhile_does_not_close_the_way(
    server: Server, strained: LeanS3
) -> None:
    strained.head_object(Bucket="data", Key="a")
    server.fault = hang_up
    assert strained.head_object(Bucket="data", Key="a")["ContentLength"] == 7
    server.fault = None
    strained.head_object(Bucket="data", Key="a")
    assert server.presigned == 3
