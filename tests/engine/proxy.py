"""A proxy before the laptop AWS that loses or refuses requests which change something."""

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

READS = ("Describe", "Get", "Head", "List")

JSON = '{{"__type": "{0}", "message": "{1}"}}'
XML = "<ErrorResponse><Error><Code>{0}</Code><Message>{1}</Message></Error></ErrorResponse>"
S3 = "<Error><Code>{0}</Code><Message>{1}</Message></Error>"
CODE, MESSAGE = "AccessDeniedException", "The test refuses it."


class Request(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The operation, where a header or the body says it; otherwise the method."""
        if target := self.headers.get("x-amz-target"):
            return target.rpartition(".")[2]
        if "/operation/" in self.path:
            return self.path.rpartition("/")[2]
        if self._is_form:
            return parse_qs(self.body.decode())["Action"][0]
        return self.method

    @property
    def changes(self) -> bool:
        """Whether AWS may hold something else afterwards."""
        return self.operation != "GET" and not self.operation.startswith((*READS, "HEAD"))

    @property
    def thing(self) -> str:
        """What it asks for, but for digits made up anew each time: the same when asked again."""
        whole = f"{self.method} {self.path} {self.operation} ".encode() + self.body
        made_up = rb"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=-)[0-9a-f]{7}(?![0-9a-f])"
        return re.sub(made_up, b"", whole).decode("latin-1")

    @property
    def refusal(self) -> bytes:
        """The body of an answer that refuses it, as its service would write one."""
        if self._is_form:
            shape = XML
        elif "x-amz-content-sha256" in self.headers and "json" not in self.headers.get(
            "content-type", ""
        ):
            shape = S3
        else:
            shape = JSON
        return shape.format(CODE, MESSAGE).encode()

    @property
    def _is_form(self) -> bool:
        return "x-www-form-urlencoded" in self.headers.get("content-type", "")


Judge = Callable[[int, Request], bool]
"""Told of each request that changes something, numbered from 1: False refuses it."""


class Proxy:
    """Passes everything on to ``target``; whoever sets ``before`` or ``after`` has a say."""

    def __init__(self, target: str, url: str) -> None:
        self.target = urlsplit(target).netloc
        self.url = url
        self.counting = threading.Condition()
        self.busy = 0
        self.reset()

    def idle(self) -> None:
        """Wait until AWS has answered all that was passed on."""
        with self.counting:
            self.counting.wait_for(lambda: self.busy == 0)

    def reset(self) -> None:
        """Count from 1 again, and let everything pass."""
        self.count = 0
        self.before: Judge = lambda *_: True
        self.after: Judge = lambda *_: True


@contextmanager
def proxying(target: str) -> Iterator[Proxy]:
    """A proxy before the AWS at the URL ``target``, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one packet an answer

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:  # who asked was killed
                self.close_connection = True

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            if not request.changes:
                return self.send(*self.passed_on(request))
            with proxy.counting:
                proxy.count += 1
                number = proxy.count
                passes = proxy.before(number, request)
            if not passes:
                said = [("Content-Type", headers.get("content-type", "application/xml"))]
                return self.send(403, [*said, ("x-amzn-ErrorType", CODE)], request.refusal)
            found = self.passed_on(request)
            if proxy.after(number, request):
                return self.send(*found)
            self.close_connection = True  # the answer is lost
            return None

        def passed_on(self, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
            with proxy.counting:
                proxy.busy += 1
            connection = http.client.HTTPConnection(proxy.target, timeout=900)
            ours = ("host", "connection", "content-length", "expect")
            headers = {name: value for name, value in request.headers.items() if name not in ours}
            try:
                connection.request(request.method, request.path, request.body, headers)
                reply = connection.getresponse()
                return reply.status, reply.getheaders(), reply.read()
            finally:
                connection.close()
                with proxy.counting:
                    proxy.busy -= 1
                    proxy.counting.notify_all()

        def send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            ours = {"connection", "content-length", "transfer-encoding"}
            if self.command == "HEAD":  # it says the length of what GET would give
                ours = {"connection"}
            for name, value in headers:
                if name.lower() not in ours:
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """The requests are not printed."""

    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"):
        setattr(Handler, f"do_{method}", Handler.answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        proxy = Proxy(target, f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
