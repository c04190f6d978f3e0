"""When two values of a property mean the same to AWS."""

import json
from typing import Any

from .shape import UNKNOWN

_ASSET_HASH = "hash"
_SIGNATURE = "4dabf18193072939515e22adb298388d"  # marks Pulumi's assets and archives on the wire


def is_asset(value: Any) -> bool:
    """Whether a value is an asset or an archive as Pulumi's wire spells it."""
    return isinstance(value, dict) and _SIGNATURE in value


def same(one: Any, other: Any) -> bool:
    """Whether both mean the same.

    Nothing and a value without content do; JSON documents that differ in spelling only, and
    policies whose lists differ in order (AWS keeps neither); assets of the same content. An
    unknown value is the same as no other.
    """
    if UNKNOWN in (one, other):
        return False
    if _empty(one) and _empty(other):
        return True
    if is_asset(one) and is_asset(other):
        return bool(one.get(_ASSET_HASH) == other.get(_ASSET_HASH))
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one.get(name), other.get(name)) for name in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, str) and isinstance(other, str) and one != other:
        documents = _document(one), _document(other)
        return None not in documents and documents[0] == documents[1]
    return bool(one == other)


def _empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_empty, value.values()))
    return value is None or value == "" or value == []


def _document(text: str) -> Any:
    """A JSON object or list as a value to compare; None for any other text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return _policy(found) if isinstance(found, dict) and "Statement" in found else found


def _policy(value: Any) -> Any:
    # IAM takes one string for a list of one, and no list of a policy has an order.
    if isinstance(value, dict):
        return {name: _policy(item) for name, item in value.items()}
    if isinstance(value, list):
        items = sorted(
            (_policy(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True)
        )
        return items[0] if len(items) == 1 else items
    return value
