"""The provider as a process: ``python -m laptop.provider`` prints its port and serves."""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from .servicer import Provider

_THREADS = 32
_LOOK_AFTER_PARENT = 1.0  # seconds


def main() -> int:
    """Serve until SIGTERM or SIGINT, or until the parent process is gone; returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = grpc.server(
        ThreadPoolExecutor(_THREADS),
        options=[
            ("grpc.max_receive_message_length", -1),  # an asset may be large
            ("grpc.max_send_message_length", -1),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    parent = os.getppid()
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    while not stop.wait(_LOOK_AFTER_PARENT) and os.getppid() == parent:
        pass
    server.stop(grace=5).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
