"""The provider's own configuration: where its AWS is, and with which keys."""

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ..errors import LaptopError
from ..resources.handler import Cloud
from ..resources.shape import Properties


@dataclass(frozen=True)
class Settings:
    """A place to connect to. What is None comes from the environment, as everywhere in boto3."""

    region: str | None = None
    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    token: str | None = None
    endpoints: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, config: Properties) -> "Settings":
        """The settings in the provider's configuration (``aws:region`` and so on)."""
        endpoints = _value(config.get("endpoints")) or []
        return cls(
            region=config.get("region"),
            profile=config.get("profile"),
            access_key=config.get("accessKey"),
            secret_key=config.get("secretKey"),
            token=config.get("token"),
            endpoints=tuple(sorted((n, u) for group in endpoints for n, u in group.items())),
        )

    def connect(self) -> Cloud:
        """The AWS that is meant. Raises LaptopError if it does not answer."""
        try:
            session = boto3.Session(
                region_name=self.region,
                profile_name=self.profile,
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                aws_session_token=self.token,
            )
            return Cloud(session, dict(self.endpoints))
        except (BotoCoreError, ClientError) as error:
            raise LaptopError(
                f"the AWS to deploy to does not answer ({error}): is the laptop AWS running, and "
                "are aws:region and the endpoint set?"
            ) from error


def _value(setting: Any) -> Any:
    """Nested settings of a default provider come as JSON text."""
    return json.loads(setting) if isinstance(setting, str) else setting
