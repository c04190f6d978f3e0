"""A stack of the version before is brought to this one: what holds data or versions stays.

The lists below are of the version in ``previous_state.json``; both are renewed at a release
(CONTRIBUTING.md says how), and then tell what an upgrade from that release costs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from laptop.demo.loop import Loop, Names
from laptop.engine import UpResult
from laptop.server import LaptopAWS
from tests.engine.conftest import MakeStack, Stack, changes
from tests.engine.previous import replay
from tests.test_deployment import ANSWERS, register

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

CREATED = [
    "aws:cloudwatch/metricAlarm:MetricAlarm loop-dead-letters",
    "aws:cloudwatch/metricAlarm:MetricAlarm loop-person-needed",
]
REPLACED = [
    "aws:lambda/eventSourceMapping:EventSourceMapping loop-deploy-wakeups",
    "aws:lambda/eventSourceMapping:EventSourceMapping loop-monitor-wakeups",
    "aws:lambda/eventSourceMapping:EventSourceMapping loop-retrain-wakeups",
    "aws:s3/bucketObjectv2:BucketObjectv2 loop-code",  # another key; the old archive is kept
    "aws:sqs/queue:Queue loop-deploy-wakeups",  # it has a fixed name now
    "aws:sqs/queue:Queue loop-monitor-wakeups",
    "aws:sqs/queue:Queue loop-retrain-wakeups",
]
DELETED = [
    "aws:cloudwatch/eventRule:EventRule loop-deploy-sweep",  # the other rule sweeps too
    "aws:cloudwatch/eventRule:EventRule loop-monitor-sweep",
    "aws:cloudwatch/eventRule:EventRule loop-retrain-sweep",
    "aws:cloudwatch/eventTarget:EventTarget loop-deploy-sweep",
    "aws:cloudwatch/eventTarget:EventTarget loop-monitor-sweep",
    "aws:cloudwatch/eventTarget:EventTarget loop-retrain-sweep",
    # S3 encrypts without being told
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration "
    "loop-artifacts",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration "
    "loop-data",
    "aws:sqs/queuePolicy:QueuePolicy loop-deploy-wakeups",  # a queue is made with its policy
    "aws:sqs/queuePolicy:QueuePolicy loop-monitor-wakeups",
    "aws:sqs/queuePolicy:QueuePolicy loop-retrain-wakeups",
]
LASTING = (
    "aws:s3/bucket:Bucket",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup",
    "aws:sagemaker/pipeline:Pipeline",
    "aws:cloudwatch/logGroup:LogGroup",
)
"""What holds data, versions, runs or logs."""


@dataclass
class Seen:
    """What was seen of an upgrade, in this order."""

    objects: list[tuple[str, str, str]]
    versions: list[str]
    previewed: UpResult
    upgraded: UpResult
    previewed_again: UpResult
    in_account: list[str]
    in_state: list[str]
    objects_after: list[tuple[str, str, str]]
    versions_after: list[str]
    after_destroy: list[str]


@pytest.fixture(scope="module")
def seen(lasting_stack: MakeStack, account: LaptopAWS) -> Seen:
    stack = replay(lasting_stack, account)
    loop = in_use(stack, account)
    before = list(object_versions(account)), registered(loop)
    previewed, upgraded, again = stack.preview(), stack.up(), stack.preview()
    held = stack.account_holds(), stack.state_holds()
    after = list(object_versions(account)), registered(loop)
    stack.destroy()
    return Seen(*before, previewed, upgraded, again, *held, *after, stack.account_holds())


def in_use(stack: Stack, account: LaptopAWS) -> Loop:
    """The loop of a replayed stack, with data, an artifact and a version of the model in it."""
    ids = {
        each["urn"].rpartition("::")[2]: each["id"]
        for each in stack.export_state()["resources"]
        if each["type"] in LASTING
    }
    names = dict.fromkeys(Names.__dataclass_fields__, "") | {
        "data_bucket": ids["loop-data"],
        "artifact_bucket": ids["loop-artifacts"],
        "model_package_group": ids["loop-models"],
    }
    loop = Loop(account.session(), Names(**names))
    for rows in (b"a,b\n1,2\n", b"a,b\n3,4\n"):
        loop.s3.put_object(Bucket=ids["loop-data"], Key="data/rows.csv", Body=rows)
    register(loop, 1, ANSWERS.format(version=1))
    return loop


def registered(loop: Loop) -> list[str]:
    """The versions of the model."""
    return [each["ModelPackageArn"] for each in loop.versions()]


def object_versions(account: LaptopAWS) -> Iterator[tuple[str, str, str]]:
    """Every version of every object in the account: bucket, key, version id."""
    s3 = account.client("s3")
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"]):
            for version in page.get("Versions", ()):
                yield bucket["Name"], version["Key"], version["VersionId"]


def test_what_holds_data_or_versions_is_neither_replaced_nor_deleted(seen: Seen) -> None:
    gone = seen.upgraded.replaced + seen.upgraded.deleted
    assert [title for title in gone if title.partition(" ")[0] in LASTING] == []


def test_every_version_of_every_object_and_of_the_model_is_still_there(seen: Seen) -> None:
    keys = [key for _, key, _ in seen.objects]
    assert keys.count("data/rows.csv") == 2
    assert any(key.startswith("code/") for key in keys)
    assert set(seen.objects) <= set(seen.objects_after)
    assert len(seen.versions) == 1
    assert seen.versions_after == seen.versions


def test_what_an_upgrade_makes_and_takes_away_is_this_and_the_preview_says_so(seen: Seen) -> None:
    assert changes(seen.upgraded) == changes(seen.previewed)
    assert sorted(seen.upgraded.created) == CREATED
    assert sorted(seen.upgraded.replaced) == REPLACED
    assert sorted(seen.upgraded.deleted) == DELETED


def test_after_an_upgrade_nothing_is_left_to_change_and_nothing_is_left_over(seen: Seen) -> None:
    assert changes(seen.previewed_again) == {}
    assert seen.in_account == seen.in_state
    assert seen.after_destroy == []
