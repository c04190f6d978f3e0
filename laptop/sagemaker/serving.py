"""Serve a model as SageMaker's framework containers do: GET /ping, POST /invocations.

Run by the interpreter of the steps, not imported: ``serving.py MODEL_DIR PORT_FD``. It loads the
user's module (``SAGEMAKER_PROGRAM``, by default ``inference.py``) from MODEL_DIR/code, calls
``model_fn``, binds a free port on loopback, writes its number to the descriptor PORT_FD, and ends
when its standard input does. Standard library only, plus numpy if a default function is used.

Source of the contract: Amazon SageMaker AI Developer Guide, "Custom Inference Code with Hosting
Services"; of the functions: SageMaker Python SDK, "Using Scikit-learn with the SageMaker Python
SDK".
"""

import importlib.util
import io
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

TEXT_TYPES = ("application/json", "text/csv")
"""Content types whose body reaches ``input_fn`` as str; any other reaches it as bytes."""

DEFAULT_ACCEPT = "application/json"
MAX_BODY = 6 * 1024 * 1024

Transform = Callable[[Any, Any, str, str], Any]


class UnsupportedFormatError(Exception):
    """A content type, or an accepted type, that the default functions do not know."""


class Model:
    """A user's model and the functions around it."""

    def __init__(self, module: ModuleType, model_dir: str) -> None:
        self._transform = transform_function(module)
        self._model = module.model_fn(model_dir)

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The response body and its content type."""
        kind = content_type.partition(";")[0].strip()
        data = body.decode() if kind in TEXT_TYPES else body
        result = self._transform(self._model, data, kind, accept)
        if isinstance(result, tuple):
            result, accept = result
        return (result.encode() if isinstance(result, str) else bytes(result)), accept


def transform_function(module: ModuleType) -> Transform:
    """``transform_fn``, or the three functions that stand for it.

    :raises ValueError: if the module has both.
    """
    parts = [getattr(module, name, None) for name in ("input_fn", "predict_fn", "output_fn")]
    whole: Transform | None = getattr(module, "transform_fn", None)
    if whole and any(parts):
        raise ValueError(
            "The module has transform_fn and also input_fn, predict_fn or output_fn; keep one way."
        )
    if whole:
        return whole
    input_fn = parts[0] or decode
    predict_fn = parts[1] or (lambda data, model: model.predict(data))
    output_fn = parts[2] or encode
    return lambda model, data, kind, accept: output_fn(
        predict_fn(input_fn(data, kind), model), accept
    )


def decode(data: Any, content_type: str) -> Any:
    """The default ``input_fn``: a numpy array from CSV, JSON or NPY."""
    import numpy as np  # a model that brings its own functions need not have it

    if content_type == "text/csv":
        return np.genfromtxt(io.StringIO(data), delimiter=",", dtype="float32")
    if content_type == "application/json":
        return np.array(json.loads(data), dtype="float32")
    if content_type == "application/x-npy":
        return np.load(io.BytesIO(data), allow_pickle=False)
    raise UnsupportedFormatError(content_type)


def encode(prediction: Any, accept: str) -> bytes | str:
    """The default ``output_fn``: a numpy array as CSV, JSON or NPY."""
    import numpy as np

    array = np.asarray(prediction)
    if accept == "text/csv":
        text = io.StringIO()
        np.savetxt(text, np.atleast_2d(array), delimiter=",", fmt="%s")
        return text.getvalue()
    if accept == "application/json":
        return json.dumps(array.tolist())
    if accept == "application/x-npy":
        binary = io.BytesIO()
        np.save(binary, array)
        return binary.getvalue()
    raise UnsupportedFormatError(accept)


def load(model_dir: str, program: str) -> ModuleType:
    """Import the user's module from ``model_dir``/code, its neighbours importable."""
    code = Path(model_dir) / "code"
    sys.path.insert(0, str(code))
    name = Path(program).stem
    spec = importlib.util.spec_from_file_location(name, code / program)
    if spec is None or spec.loader is None:
        raise ImportError(f"{code / program} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Handler(BaseHTTPRequestHandler):
    """Answers the requests that SageMaker makes of a container."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one segment
    disable_nagle_algorithm = True
    model: Model

    def do_GET(self) -> None:
        """GET /ping."""
        self._reply(HTTPStatus.OK if self.path == "/ping" else HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """POST /invocations."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.close_connection = True
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(length)
        if self.path != "/invocations":
            self._reply(HTTPStatus.NOT_FOUND)
            return
        accept = self.headers.get("Accept") or "*/*"
        if accept == "*/*":
            accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", DEFAULT_ACCEPT)
        content_type = self.headers.get("Content-Type") or DEFAULT_ACCEPT
        try:
            answer, content_type = self.model.answer(body, content_type, accept)
        except UnsupportedFormatError as error:
            self._fail(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content type {error} is not supported.")
        except Exception as error:  # the user's code may raise anything
            traceback.print_exc()
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            self._reply(HTTPStatus.OK, answer, content_type)

    def _fail(self, status: HTTPStatus, message: str) -> None:
        self._reply(status, json.dumps({"error": message}).encode())

    def _reply(
        self, status: HTTPStatus, body: bytes = b"", content_type: str = DEFAULT_ACCEPT
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing for each request: the log is for what the model prints."""


def end_with_parent() -> None:
    """End when standard input does: then whoever started us is gone."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main(model_dir: str, port_fd: int) -> None:
    """Load the model, then serve it until standard input ends."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    module = load(model_dir, os.environ.get("SAGEMAKER_PROGRAM", "inference.py"))
    Handler.model = Model(module, model_dir)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with os.fdopen(port_fd, "w") as parent:
        parent.write(f"{server.server_port}\n")
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
