"""Finding a loop: an artifact bucket whose ledger says which loop writes it.

`DataStore` calls the bucket `<name>-artifacts-<random>`, so the buckets in the region that have
`-artifacts` in their names are looked into. A bucket of another name is found with `--bucket`.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..runtime.ledger import THREADS, Entry, Ledger
from .errors import Refusal, sentence

RETRAIN = "retrain"
_PART_OF_NAME = "-artifacts"


@dataclass(frozen=True)
class Loop:
    """A loop by its name in AWS (`<project>-<stack>-<name>`), and where it writes."""

    name: str
    bucket: str
    newest: Mapping[str, Entry]
    """The entry that each of its controllers has written last."""

    def answers_to(self, name: str) -> bool:
        """Whether it is called so: by its whole name or the end of it, as in `churn`."""
        return self.name == name or self.name.endswith(f"-{name}")


def find(s3: Any, region: str, *, name: str | None, bucket: str | None) -> Loop:
    """The loop of this name, in this bucket, or the only one there is.

    Raises Refusal with one sentence if there is none, or more than one.
    """
    if bucket is not None:
        loop = look_into(s3, bucket)
        if loop is None:
            raise Refusal(
                f"s3://{bucket} has no ledger of a loop: give the artifact bucket of one whose "
                "controllers have decided something already (pulumi stack output artifact_bucket)."
            )
        return choose([loop], name, region, [])
    found, unseen = everything(s3, region)
    return choose(found, name, region, unseen)


def choose(found: Sequence[Loop], name: str | None, region: str, unseen: Sequence[str]) -> Loop:
    """The one that is meant; `unseen` are sentences about buckets that could not be looked into."""
    exact = [loop for loop in found if loop.name == name]
    named = exact or [loop for loop in found if name is None or loop.answers_to(name)]
    if len(named) == 1:
        return named[0]
    if named and len({loop.name for loop in named}) == 1:
        buckets = ", ".join(loop.bucket for loop in named)
        raise Refusal(f"{named[0].name} has written several buckets, give --bucket: {buckets}.")
    if named:
        names = ", ".join(sorted(loop.name for loop in named))
        raise Refusal(f"There are several loops in {region}, give one with --loop: {names}.")
    if found:
        names = ", ".join(sorted(loop.name for loop in found))
        raise Refusal(f"There is no loop {name} in {region}: there is {names}.")
    what = f"no loop {name}" if name else "no loop"
    if unseen:
        raise Refusal(
            f"There is {what} among the buckets of {region} that you may read; of others: "
            f"{unseen[0]}"
        )
    raise Refusal(
        f"There is {what} in {region}: look at AWS_REGION and AWS_PROFILE, or give --bucket. A "
        "loop is seen once its controllers have decided something, minutes after pulumi up."
    )


def everything(s3: Any, region: str) -> tuple[list[Loop], list[str]]:
    """The loops in the region, and a sentence for each bucket that could not be looked into."""
    pages = s3.get_paginator("list_buckets").paginate(BucketRegion=region)
    names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", [])]
    loops, unseen = [], []
    with ThreadPoolExecutor(THREADS) as pool:
        candidates = [name for name in names if _PART_OF_NAME in name]
        for seen in pool.map(lambda name: _try(s3, name), candidates):
            if isinstance(seen, Loop):
                loops.append(seen)
            elif seen:
                unseen.append(seen)
    return loops, unseen


def _try(s3: Any, bucket: str) -> Loop | str | None:
    """Other people's buckets may have such a name, too, and be none of ours to read."""
    try:
        return look_into(s3, bucket)
    except ClientError as error:
        return sentence(error)


def look_into(s3: Any, bucket: str) -> Loop | None:
    """The loop that writes this bucket, or None."""
    newest = Ledger(s3, bucket, "").newest()
    if not newest:
        return None
    entry = newest.get(RETRAIN) or max(newest.values(), key=lambda each: str(each["time"]))
    return Loop(str(entry["loop"]), bucket, newest)
