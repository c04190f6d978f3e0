"""What an engine that was killed leaves in doubt: which of it exists, and so is in the state."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .errors import LaptopError, sentence
from .resources import handler_of
from .resources.handler import Cloud


def pending_creates(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources in ``pending_operations`` that were being created."""
    pending = state.get("pending_operations") or ()
    return [each["resource"] for each in pending if each["type"] == "creating"]


def taken_in(state: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The state without its pending creations, but with those that ``ids`` names, by their URN.

    They have no outputs yet: a refresh reads them, and drops those that AWS does not have. What
    one was to replace is to be deleted.
    """
    taken = {each["urn"]: each for each in pending_creates(state) if each["urn"] in ids}
    before = [
        each | ({"delete": True} if each["urn"] in taken else {})
        for each in state.get("resources") or ()
    ]
    added = [each | {"id": ids[urn], "outputs": {}} for urn, each in taken.items()]
    pending = state.get("pending_operations") or ()
    others = [each for each in pending if each["type"] != "creating"]
    return {**state, "resources": before + added, "pending_operations": others}


def ids(cloud: Cloud, state: Mapping[str, Any]) -> dict[str, str]:
    """The ids of the pending creations, by their URN, whether AWS has them or not.

    Those that nothing identifies are left out. Raises LaptopError for one that AWS does not tell.
    """
    return dict(_ids(cloud, state))


def _ids(cloud: Cloud, state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for each in pending_creates(state):
        try:
            found = handler_of(each["type"]).identify(cloud, each["inputs"])
        except (BotoCoreError, ClientError) as error:
            raise LaptopError(sentence(each["urn"], error)) from error
        if found is not None:
            yield each["urn"], found
