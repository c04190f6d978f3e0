"""List operations: filter, sort and cut into pages, the way all of them do."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from laptop.errors import AwsError

DEFAULT_PAGE = 10
"""Results of a page when MaxResults is not given (API reference, ListEndpoints)."""


def listed(
    records: Iterable[Mapping[str, Any]],
    request: Mapping[str, Any],
    *,
    name: str,
    time: str = "CreationTime",
    order: str = "Descending",
    exact: Mapping[str, str] | None = None,
) -> tuple[list[Mapping[str, Any]], dict[str, str]]:
    """One page of records, and what the response says about the next.

    :param name: the member that NameContains looks at and that SortBy Name sorts by.
    :param time: the member that the other filters and sorts look at.
    :param order: the order if the request names none.
    :param exact: request member -> record member that must be equal if the request names it.
    :raises AwsError: ValidationException for a NextToken that is not ours.
    """
    chosen = [
        record
        for record in records
        if request.get("NameContains", "").lower() in str(record.get(name, "")).lower()
        and after(request, "CreationTimeAfter", "CreatedAfter") <= record[time]
        and record[time] <= before(request, "CreationTimeBefore", "CreatedBefore")
        and all(
            request[asked] == record.get(member)
            for asked, member in (exact or {}).items()
            if asked in request
        )
    ]
    by_time = request.get("SortBy", "CreationTime") == "CreationTime"
    chosen.sort(key=lambda record: record[time] if by_time else record.get(name, ""))
    if request.get("SortOrder", order) == "Descending":
        chosen.reverse()  # also those of one moment, so that the newest comes first
    return cut(chosen, request)


def cut(
    records: list[Mapping[str, Any]], request: Mapping[str, Any], size: int = DEFAULT_PAGE
) -> tuple[list[Mapping[str, Any]], dict[str, str]]:
    """The page that NextToken and MaxResults ask for, of records in their final order."""
    start = _offset(request.get("NextToken"))
    end = start + int(request.get("MaxResults", size))
    more = {"NextToken": _token(end)} if end < len(records) else {}
    return records[start:end], more


def after(request: Mapping[str, Any], *members: str) -> float:
    """The first of the request's members that is given, as a lower bound."""
    return float(next((request[it] for it in members if it in request), float("-inf")))


def before(request: Mapping[str, Any], *members: str) -> float:
    """The first of the request's members that is given, as an upper bound."""
    return float(next((request[it] for it in members if it in request), float("inf")))


def _token(offset: int) -> str:
    return base64.b64encode(f"offset:{offset}".encode()).decode()


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        kind, _, offset = base64.b64decode(token, validate=True).decode().partition(":")
        if kind == "offset" and int(offset) >= 0:
            return int(offset)
    except ValueError:
        pass
    raise AwsError("ValidationException", "The NextToken is not one that this operation returned.")
