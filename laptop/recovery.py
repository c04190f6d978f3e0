"""What an engine that was killed leaves in doubt: which of it exists, and so is in the state."""

from collections.abc import Iterator, Mapping, Sequence
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
    one was to replace is to be deleted, unless it was before: the new one may have its very id.
    """
    taken = {each["urn"]: each for each in pending_creates(state) if each["urn"] in ids}
    resources = [
        each | ({"delete": True} if each["urn"] in taken else {})
        for each in state.get("resources") or ()
        if not (each["urn"] in taken and each.get("pendingReplacement"))
    ]
    for urn, each in taken.items():
        added = each | {"id": ids[urn], "outputs": {}}
        resources.insert(_first_place(resources, each), added)
    pending = state.get("pending_operations") or ()
    others = [each for each in pending if each["type"] != "creating"]
    return {**state, "resources": resources, "pending_operations": others}


def _first_place(resources: Sequence[Mapping[str, Any]], added: Mapping[str, Any]) -> int:
    """The first place after all that ``added`` refers to, and so before what refers to it."""
    needed = {added.get("parent"), added.get("deletedWith"), *added.get("dependencies", ())}
    needed.add(added.get("provider", "").rpartition("::")[0])  # behind the URN is its id
    places = (place for place, each in enumerate(resources, start=1) if each["urn"] in needed)
    return max(places, default=0)


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
