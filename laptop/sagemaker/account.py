"""The account that the laptop's SageMaker serves: names, credentials of roles, one lock."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.config

from . import shapes

_CREATING = threading.Lock()
"""botocore: a client is safe to share between threads, the session that creates it is not."""


@dataclass(frozen=True)
class Account:
    """What every part of the service shares.

    :param endpoint_url: the laptop AWS; everything that is done for a role goes through it.
    :param workdir: where jobs and endpoints keep their files and logs.
    :param step_python: the interpreter that jobs and containers run under.
    :param credentials: environment variables (``AWS_ACCESS_KEY_ID`` ...) for the ARN of a role.
    """

    region: str
    id: str
    endpoint_url: str
    workdir: Path
    step_python: str
    credentials: Callable[[str], dict[str, str]]
    changed: threading.Condition = field(default_factory=threading.Condition)
    """Guards all state of the service; notified at every change of a status."""

    def arn(self, kind: str, name: str) -> str:
        """The ARN of a resource, for instance ``("endpoint", "churn")``."""
        return f"arn:aws:sagemaker:{self.region}:{self.id}:{kind}/{name}"

    def environment(self, role_arn: str) -> dict[str, str]:
        """What a container that runs as a role finds in its environment."""
        return {
            **self.credentials(role_arn),
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, role_arn: str) -> Any:
        """A client of the laptop AWS that acts as a role."""
        keys = self.credentials(role_arn)
        with _CREATING:
            return shapes.session().create_client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint_url,
                aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
                aws_session_token=keys.get("AWS_SESSION_TOKEN"),
                config=botocore.config.Config(retries={"mode": "standard", "max_attempts": 3}),
            )


def now() -> float:
    """The time as SageMaker's JSON carries it: seconds since the epoch."""
    return round(time.time(), 3)
