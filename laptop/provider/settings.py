"""The provider's own configuration: where its AWS is, and with which keys."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ..errors import LaptopError
from ..resources import provider
from ..resources.handler import Cloud, Mistake
from ..resources.shape import Properties

# What would change what the resources are, and what nothing here acts on.
_UNKNOWN = ("assumeRoles", "assumeRoleWithWebIdentity", "defaultTags", "ignoreTags")
# Names of services in the provider's `endpoints` that botocore knows by another.
_BOTOCORE = {
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "s3api": "s3",
}


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
        return cls(
            region=config.get("region"),
            profile=config.get("profile"),
            access_key=config.get("accessKey"),
            secret_key=config.get("secretKey"),
            token=config.get("token"),
            endpoints=tuple(sorted(_endpoints(config.get("endpoints")).items())),
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


def mistakes(config: Properties) -> Iterator[Mistake]:
    """What is wrong with the provider's configuration, by the name of the setting."""
    known = provider.settings()
    for name in config:
        if name in _UNKNOWN:
            rule = f"the laptop's provider does not act on 'aws:{name}'"
            yield Mistake(name, f"{rule}: leave it out for the stack 'laptop'")
        elif name not in known and name not in {"version", "pluginDownloadURL"}:
            yield Mistake(name, f"the provider aws has no setting {name!r}: correct its name")
    try:
        _endpoints(config.get("endpoints"))
    except (AttributeError, TypeError, ValueError):
        form = '[{"s3": "http://127.0.0.1:4566", ...}]'
        yield Mistake("endpoints", f"'endpoints' is no list of services and URLs: give {form}")


def _endpoints(setting: Any) -> dict[str, str]:
    """URLs by botocore's names; nested settings of a default provider come as JSON text."""
    groups = json.loads(setting) if isinstance(setting, str) else setting or []
    return {
        _BOTOCORE.get(name, name): url
        for group in groups
        for name, url in group.items()
        if isinstance(url, str) and url
    }
