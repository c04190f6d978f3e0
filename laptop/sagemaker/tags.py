"""Tags of every resource of the service, by ARN."""

from collections.abc import Mapping, Sequence
from typing import Any

from laptop.errors import AwsError

from .account import Account

MAX_TAGS = 50
"""Tags a resource can have; API reference, AddTags."""


class Tags:
    """Who has which tags; a resource without an entry does not exist."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._tags: dict[str, dict[str, str]] = {}

    def keep(self, arn: str, tags: Sequence[Mapping[str, str]]) -> None:
        """A resource was made, with these tags."""
        self._tags[arn] = {tag["Key"]: tag["Value"] for tag in tags}

    def drop(self, arn: str) -> None:
        """A resource was deleted."""
        self._tags.pop(arn, None)

    def of(self, arn: str) -> dict[str, str]:
        """The tags of a resource."""
        return dict(self._tags.get(arn, {}))

    def add_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """AddTags."""
        with self._account.changed:
            tags = self._existing(request["ResourceArn"])
            merged = tags | {tag["Key"]: tag["Value"] for tag in request["Tags"]}
            if len(merged) > MAX_TAGS:
                raise AwsError(
                    "ResourceLimitExceeded",
                    f"{request['ResourceArn']} would have {len(merged)} tags; "
                    f"a resource can have {MAX_TAGS}.",
                )
            tags.update(merged)
            return {"Tags": _listed(tags)}

    def list_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """ListTags, in one page: a resource has at most 50."""
        with self._account.changed:
            return {"Tags": _listed(self._existing(request["ResourceArn"]))}

    def delete_tags(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteTags."""
        with self._account.changed:
            tags = self._existing(request["ResourceArn"])
            for key in request["TagKeys"]:
                tags.pop(key, None)
        return {}

    def _existing(self, arn: str) -> dict[str, str]:
        if arn not in self._tags:
            raise AwsError("ValidationException", f"Could not find resource {arn}.")
        return self._tags[arn]


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
