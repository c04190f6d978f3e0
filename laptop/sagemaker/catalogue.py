"""Models and endpoint configurations: named records that never change."""

from collections.abc import Mapping
from typing import Any

from laptop.errors import AwsError

from . import paging, shapes
from .account import Account, now
from .tags import Tags

Request = Mapping[str, Any]
Response = dict[str, Any]


class Catalogue:
    """Records of one noun: created, described, listed, deleted.

    :param noun: as in the names of the operations, for instance ``EndpointConfig``.
    :param kind: as in its ARN, for instance ``endpoint-config``.
    :param words: as in messages, for instance ``endpoint configuration``.
    :param collection: the member of the list response.
    """

    def __init__(
        self, account: Account, tags: Tags, *, noun: str, kind: str, words: str, collection: str
    ) -> None:
        self._account = account
        self._tags = tags
        self._noun = noun
        self._kind = kind
        self._words = words
        self._collection = collection
        self._records: dict[str, dict[str, Any]] = {}

    def create(self, request: Request) -> Response:
        """Create a record; a name is taken once."""
        name = request[f"{self._noun}Name"]
        arn = self._account.arn(self._kind, name)
        with self._account.changed:
            if name in self._records:
                raise AwsError(
                    "ValidationException", f'Cannot create already existing {self._words} "{arn}".'
                )
            self._records[name] = {**request, f"{self._noun}Arn": arn, "CreationTime": now()}
            self._tags.keep(arn, request.get("Tags", []))
        return {f"{self._noun}Arn": arn}

    def describe(self, request: Request) -> Response:
        """Describe a record."""
        return shapes.response(f"Describe{self._noun}", self.record(request[f"{self._noun}Name"]))

    def list(self, request: Request) -> Response:
        """List records, newest first unless asked otherwise."""
        with self._account.changed:
            page, more = paging.listed(self._records.values(), request, name=f"{self._noun}Name")
            summaries = [shapes.summary(f"{self._noun}Summary", it) for it in page]
        return {self._collection: summaries, **more}

    def delete(self, request: Request) -> Response:
        """Delete a record. As on AWS, one that an endpoint uses can be deleted too."""
        with self._account.changed:
            record = self.record(request[f"{self._noun}Name"])
            del self._records[record[f"{self._noun}Name"]]
            self._tags.drop(record[f"{self._noun}Arn"])
        return {}

    def record(self, name: str) -> dict[str, Any]:
        """A record by its name.

        :raises AwsError: ValidationException if there is none.
        """
        with self._account.changed:
            if name not in self._records:
                arn = self._account.arn(self._kind, name)
                raise AwsError("ValidationException", f'Could not find {self._words} "{arn}".')
            return self._records[name]
