"""What stands between an event and a function: delivery, delay, batching windows, schedules."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from laptop import ACCOUNT, REGION
from laptop.patches import batches
from laptop.server import LaptopAWS

Client = Callable[[str], Any]

REPORTS_ITS_BATCH = """
import boto3
import json

def handler(event, context):
    bodies = [record["body"] for record in event["Records"]]
    boto3.client("sqs").send_message(QueueUrl=QUEUE, MessageBody=json.dumps(bodies))
"""


@pytest.fixture
def mapped(
    client: Client,
    name: str,
    queue: tuple[str, str],
    role: Callable[..., str],
    function: Callable[[str, str], str],
) -> Callable[..., str]:
    """Maps the queue to a function that reports each batch; gives the URL of its reports."""

    def make(**settings: Any) -> str:
        _, source = queue
        report: str = client("sqs").create_queue(QueueName=f"{name}-report")["QueueUrl"]
        reads = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        arn = role(
            {"Effect": "Allow", "Action": reads, "Resource": source},
            {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"{source}-report"},
        )
        code = REPORTS_ITS_BATCH.replace("QUEUE", repr(report), 1)
        client("lambda").create_event_source_mapping(
            EventSourceArn=source, FunctionName=function(code, arn), **settings
        )
        return report

    return make


def batch_reported(client: Client, report: str) -> list[str]:
    (message,) = client("sqs").receive_message(QueueUrl=report, WaitTimeSeconds=10)["Messages"]
    bodies: list[str] = json.loads(message["Body"])
    return bodies


def test_a_window_gathers_more_than_ten_messages_into_one_batch(
    client: Client, queue: tuple[str, str], mapped: Callable[..., str]
) -> None:
    report = mapped(BatchSize=100, MaximumBatchingWindowInSeconds=1)
    bodies = [str(number) for number in range(25)]
    for start in range(0, len(bodies), 10):
        entries = [{"Id": body, "MessageBody": body} for body in bodies[start : start + 10]]
        client("sqs").send_message_batch(QueueUrl=queue[0], Entries=entries)
    assert batch_reported(client, report) == bodies


class Arriving(list[dict[str, Any]]):
    """Messages, of which another comes whenever somebody looks."""

    def __getitem__(self, which: Any) -> Any:
        found = super().__getitem__(which)
        self.append({"receipt_handle": None})
        return found


def test_a_message_that_comes_while_a_batch_is_deleted_stays() -> None:
    messages = Arriving([{"receipt_handle": handle} for handle in ("a", "b", None)])
    batches.remove(messages, {"a", "b"})
    assert list(messages) == [{"receipt_handle": None}] * 2


def test_a_full_batch_does_not_wait_for_its_window(
    client: Client, queue: tuple[str, str], mapped: Callable[..., str]
) -> None:
    report = mapped(BatchSize=2, MaximumBatchingWindowInSeconds=300)
    entries = [{"Id": body, "MessageBody": body} for body in "ab"]
    client("sqs").send_message_batch(QueueUrl=queue[0], Entries=entries)
    assert batch_reported(client, report) == ["a", "b"]


def test_a_batch_of_more_than_ten_needs_a_window(mapped: Callable[..., str]) -> None:
    with pytest.raises(ClientError, match="BatchSize 11 is more than 10: set Maximum"):
        mapped(BatchSize=11)


def test_a_mapping_is_made_by_the_functions_arn_and_keeps_it_when_its_window_goes(
    client: Client, queue: tuple[str, str], mapped: Callable[..., str]
) -> None:
    mapped(BatchSize=11, MaximumBatchingWindowInSeconds=1)
    (made,) = client("lambda").list_event_source_mappings(EventSourceArn=queue[1])[
        "EventSourceMappings"
    ]
    assert made["FunctionArn"].startswith(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:")
    with pytest.raises(ClientError, match="BatchSize 11 is more than 10"):
        client("lambda").update_event_source_mapping(
            UUID=made["UUID"], MaximumBatchingWindowInSeconds=0
        )


moments = st.lists(st.floats(0, 200), max_size=20)


@given(moments, st.floats(0, 200), st.integers(1, 20), st.floats(0, 300))
def test_a_batch_goes_when_it_is_full_or_a_window_after_its_first_message(
    visible_at: list[float], now: float, size: int, window: float
) -> None:
    visible = [moment for moment in visible_at if moment <= now]
    due = batches.batch_due(visible_at, now, size, window)
    if not visible:
        assert due is None
    elif len(visible) >= size:
        assert due == now
    else:
        assert due == max(now, min(visible) + window)


def test_an_event_is_dropped_where_the_queues_policy_does_not_let_its_rule_send(
    laptop: LaptopAWS, client: Client, name: str, queue: tuple[str, str], policy: Callable[..., str]
) -> None:
    url, arn = queue
    rule = client("events").put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    client("events").put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    for sender, received in ((f"{rule['RuleArn']}-other", 0), (rule["RuleArn"], 1)):
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": sender}},
        }
        client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(allowed)})
        client("events").put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": "{}"}])
        counted = client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        assert int(counted) == received
    assert f"the policy of {arn} does not let {rule['RuleArn']} send" in laptop.log_path.read_text()


def test_a_delayed_message_is_received_only_after_its_delay(client: Client, name: str) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="wake up", DelaySeconds=1)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert message["Body"] == "wake up"


def test_a_failed_message_alone_is_received_again(
    client: Client,
    queue: tuple[str, str],
    role: Callable[..., str],
    function: Callable[[str, str], str],
) -> None:
    url, source = queue
    client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "120"})
    code = """
def handler(event, context):
    failed = [r["messageId"] for r in event["Records"] if r["body"] == "poison"]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}
"""
    arn = function(code, role({"Effect": "Allow", "Action": "sqs:*", "Resource": source}))
    client("lambda").create_event_source_mapping(
        EventSourceArn=source,
        FunctionName=arn,
        BatchSize=2,
        MaximumBatchingWindowInSeconds=5,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    entries = [{"Id": body, "MessageBody": body} for body in ("good", "poison")]
    client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
    (mapping,) = client("lambda").list_event_source_mappings(EventSourceArn=source)[
        "EventSourceMappings"
    ]
    assert left_in(client, url, mapping["UUID"]) == 1


def left_in(client: Client, url: str, mapping: str) -> int:
    """Messages in flight once the mapping has processed a batch; bounded."""
    for _ in range(600):
        result = client("lambda").get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
        if result.startswith("OK"):
            break
    attribute = "ApproximateNumberOfMessagesNotVisible"
    counted = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[attribute])
    return int(counted["Attributes"][attribute])


@pytest.fixture
def dead(client: Client, name: str) -> tuple[str, str]:
    """The URLs of a queue and of its dead letters, among which are two of its messages."""
    sqs = client("sqs")
    letters = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    target = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dead"
    redrive = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 1})
    settings = {"RedrivePolicy": redrive, "VisibilityTimeout": "0"}
    url = sqs.create_queue(QueueName=name, Attributes=settings)["QueueUrl"]
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    for _ in range(2):
        sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return url, letters


def bodies_in(client: Client, url: str) -> list[str]:
    received = client("sqs").receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return sorted(message["Body"] for message in received.get("Messages", []))


def test_dead_letters_go_back_to_the_queue_they_came_from(
    client: Client, name: str, dead: tuple[str, str]
) -> None:
    url, letters = dead
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dead"
    client("sqs").send_message(QueueUrl=letters, MessageBody="sent here")
    assert client("sqs").start_message_move_task(SourceArn=source)["TaskHandle"]
    assert bodies_in(client, url) == ["a", "b"]
    assert bodies_in(client, letters) == ["sent here"]


def test_moving_messages_needs_a_permission_on_the_queue_they_are_moved_from(
    client: Client,
    name: str,
    dead: tuple[str, str],
    role: Callable[..., str],
    acting_as: Callable[[str, str], Any],
) -> None:
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dead"
    statement = {"Effect": "Allow", "Action": "sqs:StartMessageMoveTask"}
    arn = role(statement | {"Resource": f"{source}-other"})
    with pytest.raises(ClientError, match="StartMessageMoveTask"):
        acting_as(arn, "sqs").start_message_move_task(SourceArn=source)
    assert bodies_in(client, dead[1]) == ["a", "b"]


def test_messages_are_not_moved_from_a_queue_that_is_not_there(client: Client, name: str) -> None:
    with pytest.raises(client("sqs").exceptions.ResourceNotFoundException):
        client("sqs").start_message_move_task(SourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")


@pytest.mark.parametrize(("rate", "seconds"), [("rate(1 minute)", 60), ("rate(5 minutes)", 300)])
def test_a_schedule_fires_into_its_queue_each_time_its_rate_has_passed(
    monkeypatch: pytest.MonkeyPatch, name: str, rate: str, seconds: int
) -> None:
    from ministack.core.responses import request_scope
    from ministack.services import eventbridge, sqs

    logging.getLogger("eventbridge").setLevel(logging.ERROR)
    clock = {"now": 1_000_000_000.0}
    monkeypatch.setattr(eventbridge, "_now_ts", lambda: clock["now"])
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    with request_scope(ACCOUNT, REGION):
        eventbridge._ensure_default_bus()
        sqs._act_create_queue({"QueueName": name}, "")
        eventbridge._put_rule({"Name": name, "ScheduleExpression": rate})
        eventbridge._put_targets({"Rule": name, "Targets": [{"Id": "queue", "Arn": arn}]})
        fired = []
        for _ in range(2 * seconds):
            clock["now"] += 1
            eventbridge._tick_scheduled_rules()
            fired.append(len(sqs._queue_by_arn(arn)["messages"]))
        (first, _) = sqs._queue_by_arn(arn)["messages"]
    assert [fired.index(1) + 1, fired.index(2) + 1] == [seconds, 2 * seconds]
    assert json.loads(first["body"])["detail-type"] == "Scheduled Event"
