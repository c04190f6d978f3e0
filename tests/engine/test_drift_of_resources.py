"""What somebody changed or deleted by hand: `refresh` shows it, and `up` mends it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from laptop.server import LaptopAWS
from tests.engine.conftest import MakeStack, Stack, changes

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

Client = Callable[[str], Any]
Ids = dict[str, str]
ByHand = Callable[[Client, Ids], None]


@pytest.fixture(scope="module")
def running(lasting_stack: MakeStack) -> Stack:
    dev = lasting_stack()
    dev.up()
    return dev


@pytest.fixture
def ids(running: Stack) -> Ids:
    """The ids of the stack's resources by ``<Kind> <logical name>``."""
    return {
        f"{each['type'].rpartition(':')[2]} {each['urn'].rpartition('::')[2]}": each["id"]
        for each in running.export_state()["resources"]
        if "id" in each
    }


@pytest.fixture(scope="module")
def client(account: LaptopAWS) -> Client:
    return account.session().client  # type: ignore[no-any-return]  # boto3 ships no types


def slow_queue(client: Client, ids: Ids) -> None:
    url = ids["Queue loop-retrain-wakeups"]
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})


def open_queue(client: Client, ids: Ids) -> None:
    url = ids["Queue loop-deploy-wakeups"]
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def small_function(client: Client, ids: Ids) -> None:
    client("lambda").update_function_configuration(
        FunctionName=ids["Function loop-retrain"], Timeout=1
    )


def other_role_policy(client: Client, ids: Ids) -> None:
    role, _, name = ids["RolePolicy loop-training"].partition(":")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)


def unversioned_bucket(client: Client, ids: Ids) -> None:
    client("s3").put_bucket_versioning(
        Bucket=ids["Bucket loop-data"], VersioningConfiguration={"Status": "Suspended"}
    )


def public_bucket(client: Client, ids: Ids) -> None:
    client("s3").delete_public_access_block(Bucket=ids["Bucket loop-artifacts"])


def deaf_bucket(client: Client, ids: Ids) -> None:
    client("s3").put_bucket_notification_configuration(
        Bucket=ids["Bucket loop-data"], NotificationConfiguration={}
    )


def silent_rule(client: Client, ids: Ids) -> None:
    client("events").disable_rule(Name=ids["EventRule loop-monitor-events"])


def untold_rule(client: Client, ids: Ids) -> None:
    rule = ids["EventRule loop-deploy-events"]
    targets = client("events").list_targets_by_rule(Rule=rule)["Targets"]
    client("events").remove_targets(Rule=rule, Ids=[each["Id"] for each in targets])


def no_mapping(client: Client, ids: Ids) -> None:
    mapping = ids["EventSourceMapping loop-monitor-wakeups"]
    client("lambda").delete_event_source_mapping(UUID=mapping)


def no_alarm(client: Client, ids: Ids) -> None:
    client("cloudwatch").delete_alarms(AlarmNames=[ids["MetricAlarm loop-drift"]])


def no_log(client: Client, ids: Ids) -> None:
    client("logs").delete_log_group(logGroupName=ids["LogGroup loop-deploy"])


def short_memory(client: Client, ids: Ids) -> None:
    client("logs").put_retention_policy(
        logGroupName=ids["LogGroup loop-retrain"], retentionInDays=1
    )


def tagged_pipeline(client: Client, ids: Ids) -> None:
    name = ids["Pipeline loop-pipeline"]
    arn = client("sagemaker").describe_pipeline(PipelineName=name)["PipelineArn"]
    client("sagemaker").add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "prod"}])


def old_code(client: Client, ids: Ids) -> None:
    bucket = ids["Bucket loop-artifacts"]
    client("s3").delete_object(Bucket=bucket, Key="code/current.json")


CHANGED: dict[ByHand, str] = {
    slow_queue: "Queue loop-retrain-wakeups",
    open_queue: "Queue loop-deploy-wakeups",
    small_function: "Function loop-retrain",
    other_role_policy: "RolePolicy loop-training",
    unversioned_bucket: "BucketVersioning loop-data",
    deaf_bucket: "BucketNotification loop-data",
    silent_rule: "EventRule loop-monitor-events",
    short_memory: "LogGroup loop-retrain",
    tagged_pipeline: "Pipeline loop-pipeline",
}
DELETED: dict[ByHand, str] = {
    public_bucket: "BucketPublicAccessBlock loop-artifacts",
    untold_rule: "EventTarget loop-deploy-events",
    no_mapping: "EventSourceMapping loop-monitor-wakeups",
    no_alarm: "MetricAlarm loop-drift",
    no_log: "LogGroup loop-deploy",
    old_code: "BucketObjectv2 loop-current-code",
}


def short(done: dict[str, list[str]]) -> dict[str, list[str]]:
    """Without the modules of the types."""
    return {what: [each.rpartition(":")[2] for each in names] for what, names in done.items()}


@pytest.mark.parametrize("by_hand", CHANGED, ids=lambda change: change.__name__)
def test_what_was_changed_by_hand_is_seen_and_mended(
    running: Stack, client: Client, ids: Ids, by_hand: ByHand
) -> None:
    by_hand(client, ids)
    assert short(changes(running.refresh())) == {"updated": [CHANGED[by_hand]]}
    assert short(changes(running.up())) == {"updated": [CHANGED[by_hand]]}
    assert changes(running.refresh()) == {}


@pytest.mark.parametrize("by_hand", DELETED, ids=lambda change: change.__name__)
def test_what_was_deleted_by_hand_is_seen_and_made_again(
    running: Stack, client: Client, ids: Ids, by_hand: ByHand
) -> None:
    by_hand(client, ids)
    assert short(changes(running.refresh())) == {"deleted": [DELETED[by_hand]]}
    assert DELETED[by_hand] in short(changes(running.up()))["created"]
    assert changes(running.refresh()) == {}
    assert changes(running.preview()) == {}
