"""A SageMaker of the laptop in this process, behind an HTTP endpoint with an S3 and a log service.

The S3 holds objects in a dictionary and knows what SageMaker's jobs need: get, put, list. Every
request carries the access key of the role that acts, so a test can forbid a role something.
"""

import json
import re
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import boto3
import botocore.parsers
import botocore.session
import botocore.validate

from laptop.errors import AwsError
from laptop.sagemaker.service import SageMaker

REGION, ACCOUNT = "eu-west-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline"
JOB_ROLE = f"arn:aws:iam::{ACCOUNT}:role/training"
ENDPOINT_ROLE = f"arn:aws:iam::{ACCOUNT}:role/endpoint"
WAIT = 30.0
T = TypeVar("T")
MODEL = botocore.session.get_session().get_service_model("sagemaker")


class World:
    """Everything around the SageMaker under test, and what has happened in it."""

    def __init__(self, workdir: Path) -> None:
        self.objects: dict[str, bytes] = {}
        """By ``bucket/key``."""

        self.writers: dict[str, str] = {}
        """Which role wrote an object, by ``bucket/key``."""

        self.logs: dict[tuple[str, str], list[str]] = {}
        self.events: list[tuple[str, dict[str, Any], list[str]]] = []
        self.denied: set[tuple[str, str]] = set()
        """(role, action) that is refused; an action is ``s3:PutObject`` or an operation's name."""

        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("H", (_Handler,), {"world": self})
        )
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()
        self.workdir = workdir
        self.sagemaker = SageMaker(
            region=REGION,
            account=ACCOUNT,
            endpoint_url=self.url,
            workdir=workdir,
            step_python=sys.executable,
            emit=lambda *event: self.events.append(event),
            credentials=self._keys,
        )

    @property
    def url(self) -> str:
        """The endpoint URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """A call whose response is held against botocore's model."""
        response = self.sagemaker.call(operation, request)
        check_response(operation, response)
        return response

    def client(self, service: str, role: str = "root") -> Any:
        """A boto3 client that acts as a role."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=role,
            aws_secret_access_key="secret",  # noqa: S106 - nobody checks it
        )

    def start(self, name: str = "loop", token: str = "t" * 32, **parameters: str) -> str:
        """Start an execution; its ARN."""
        given = [{"Name": key, "Value": value} for key, value in parameters.items()]
        response = self.call(
            "StartPipelineExecution",
            PipelineName=name,
            ClientRequestToken=token,
            PipelineParameters=given,
        )
        return str(response["PipelineExecutionArn"])

    def finished(self, arn: str) -> dict[str, Any]:
        """The execution, once it has ended."""
        return self.until(
            lambda: self.call("DescribePipelineExecution", PipelineExecutionArn=arn),
            lambda it: it["PipelineExecutionStatus"] not in ("Executing", "Stopping"),
        )

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        """The steps of an execution by name."""
        response = self.call("ListPipelineExecutionSteps", PipelineExecutionArn=arn, MaxResults=100)
        return {step["StepName"]: step for step in response["PipelineExecutionSteps"]}

    def endpoint(self, name: str = "churn") -> dict[str, Any]:
        """The endpoint, once nothing is being done to it."""
        return self.until(
            lambda: self.call("DescribeEndpoint", EndpointName=name),
            lambda it: it["EndpointStatus"] not in ("Creating", "Updating", "Deleting"),
        )

    def until(self, look: Callable[[], T], satisfied: Callable[[T], Any]) -> T:
        """What ``look`` gives once it is satisfying; looks again at every change of the service."""
        changed = self.sagemaker._account.changed
        with changed:
            assert changed.wait_for(lambda: satisfied(look()), WAIT), look()
            return look()

    def event_statuses(self, detail_type: str, member: str) -> list[str]:
        """The values of a member in the events of one type, in order."""
        return [detail[member] for kind, detail, _ in self.events if kind == detail_type]

    def _keys(self, role_arn: str) -> dict[str, str]:
        role = role_arn.rpartition("/")[2]
        if (role, "sts:AssumeRole") in self.denied:
            raise AwsError("ValidationException", f"Could not assume role {role_arn}.")
        return {
            "AWS_ACCESS_KEY_ID": role,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
        }

    def close(self) -> None:
        """Shut everything down."""
        self.sagemaker.shutdown()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def world(workdir: Path) -> Iterator[World]:
    """A world that is shut down at the end, whatever happened."""
    it = World(workdir)
    try:
        yield it
    finally:
        it.close()


def check_response(operation: str, response: Mapping[str, Any]) -> None:
    """Refuse a response that botocore would not read whole: unknown members, wrong types."""
    shape = MODEL.operation_model(operation).output_shape
    if shape is None:
        assert response == {}
        return
    wire = json.loads(json.dumps(response))
    report = botocore.validate.ParamValidator().validate(wire, shape)
    assert not report.has_errors(), report.generate_report()
    parsed = botocore.parsers.create_parser("json").parse(
        {"status_code": 200, "headers": {}, "body": json.dumps(response).encode()}, shape
    )
    assert parsed.keys() - {"ResponseMetadata"} == response.keys()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    world: World

    def log_message(self, *_: object) -> None:
        pass

    def handle_expect_100(self) -> bool:
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def _handle(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = re.search(r"Credential=([^/]+)/", self.headers.get("Authorization", ""))
        self.role = found[1] if found else ""
        service, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        path = urllib.parse.unquote(url.path).strip("/")
        if service == "SageMaker":
            self._sagemaker(operation)
        elif service == "Logs_20140328":
            self._logs(operation, json.loads(self.body))
        elif path.startswith("endpoints/"):
            headers = dict(self.headers.items())
            self._reply(*self.world.sagemaker.invoke(path.split("/")[1], self.body, headers))
        else:
            self._s3(path)

    do_GET = do_PUT = do_POST = _handle  # noqa: N815 - the names that http.server looks for

    def _refused(self, action: str) -> bool:
        if (self.role, action) not in self.world.denied:
            return False
        message = f"User: {self.role} is not authorized to perform: {action}"
        if action.startswith("s3:"):
            xml = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
            self._reply(403, {}, xml.encode())
        else:
            self._json(400, {"__type": "AccessDeniedException", "message": message})
        return True

    def _sagemaker(self, operation: str) -> None:
        if self._refused(operation):
            return
        try:
            self._json(200, self.world.sagemaker.call(operation, json.loads(self.body)))
        except AwsError as error:
            self._json(error.status, {"__type": error.code, "message": error.message})

    def _logs(self, operation: str, request: dict[str, Any]) -> None:
        if self._refused(operation):
            return
        if operation == "PutLogEvents":
            key = (request["logGroupName"], request["logStreamName"])
            lines = self.world.logs.setdefault(key, [])
            lines += [event["message"] for event in request["logEvents"]]
        self._json(200, {})

    def _s3(self, path: str) -> None:
        objects = self.world.objects
        bucket, _, key = path.partition("/")
        if self.command == "PUT":
            if not self._refused("s3:PutObject"):
                objects[path] = self.body
                self.world.writers[path] = self.role
                self._reply(200, {"ETag": '"e"'}, b"")
        elif not key:
            prefix = f"{bucket}/{self.query.get('prefix', '')}"
            keys = sorted(it for it in objects if it.startswith(prefix))
            listed = "".join(
                f"<Contents><Key>{it.partition('/')[2]}</Key><Size>1</Size></Contents>"
                for it in keys
            )
            xml = f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
            if not self._refused("s3:ListBucket"):
                self._reply(200, {}, xml.encode())
        elif not self._refused("s3:GetObject"):
            if path in objects:
                self._reply(200, {"ETag": '"e"'}, objects[path])
            else:
                xml = "<Error><Code>NoSuchKey</Code><Message>No such key.</Message></Error>"
                self._reply(404, {}, xml.encode())

    def _json(self, status: int, document: dict[str, Any]) -> None:
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        self._reply(status, headers, json.dumps(document).encode())

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
