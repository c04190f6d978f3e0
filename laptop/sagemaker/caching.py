"""Step caching: which attributes make two runs of a step the same, and for how long.

Source: Amazon SageMaker AI Developer Guide, "Caching Pipeline Steps", "Turn on step caching" and
"Default cache key attributes by pipeline step type".
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any

KEY_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
}
"""The step types that can be cached here, and the attributes that are compared."""

_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", re.IGNORECASE
)


def duration(text: str) -> timedelta:
    """An ``ExpireAfter``: ISO 8601 without seconds, the P optional (``30d``, ``T16m``, ``P30D``).

    A month counts 30 days and a year 365.

    :raises ValueError: if the text is no such duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(
            f"ExpireAfter {text!r} is not an ISO 8601 duration; write for instance P30D or PT12H."
        )
    years, months, weeks, days, hours, minutes = (int(part or 0) for part in match.groups())
    return timedelta(
        days=365 * years + 30 * months + 7 * weeks + days, hours=hours, minutes=minutes
    )


def key(pipeline_arn: str, step: str, kind: str, arguments: Mapping[str, Any]) -> str:
    """Digest of what two runs of a step must share for the second to reuse the first."""
    attributes = {name: arguments.get(name) for name in KEY_ATTRIBUTES[kind]}
    canonical = json.dumps([pipeline_arn, step, attributes], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Hit:
    """A successful run of a step: when it ended (epoch seconds), whose it was, what it made."""

    ended: float
    execution_arn: str
    properties: Mapping[str, Any]
    metadata: Mapping[str, Any]


class StepCache:
    """The most recent successful run under each key."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hits: dict[str, Hit] = {}

    def put(self, key: str, hit: Hit) -> None:
        """Remember a success."""
        with self._lock:
            self._hits[key] = hit

    def get(self, key: str, now: float, expire_after: str | None) -> Hit | None:
        """The last success that is not older than ``expire_after`` (None: of any age)."""
        with self._lock:
            hit = self._hits.get(key)
        if hit is None or expire_after is None:
            return hit
        return hit if now - hit.ended <= duration(expire_after).total_seconds() else None
