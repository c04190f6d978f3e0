"""Callers of the endpoint."""

import threading
from collections.abc import Iterator
from typing import Any

import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError


class Traffic:
    """Sends rows to an endpoint from a thread of its own, at a steady pace, and counts what fails.

    ``features`` may be replaced at any time: the next request takes its rows from there.
    """

    def __init__(
        self,
        runtime: Any,
        endpoint: str,
        features: pd.DataFrame,
        *,
        rows: int = 8,
        pause: float = 0.1,
    ) -> None:
        self._runtime = runtime
        self._endpoint = endpoint
        self._rows = rows
        self._pause = pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="traffic", daemon=True)
        self.features = features
        self.sent = 0
        self.errors: list[str] = []

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        bodies = self._bodies()
        while not self._stop.wait(self._pause):
            try:
                self._runtime.invoke_endpoint(
                    EndpointName=self._endpoint, ContentType="text/csv", Body=next(bodies)
                )["Body"].read()
            except (ClientError, BotoCoreError) as error:
                self.errors.append(str(error))
            self.sent += 1

    def _bodies(self) -> Iterator[bytes]:
        number = 0
        while True:
            number += 1
            rows = self.features.sample(self._rows, random_state=number)
            yield rows.to_csv(index=False, header=False).encode()
