"""The engine: programs of a few resources, deployed to the laptop AWS again and again."""

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest
from pulumi_aws import cloudwatch, dynamodb, get_caller_identity, iam, s3, sqs

from laptop.engine import Engine, UpResult, dependents
from laptop.errors import LaptopError
from laptop.inventory import inventory

Changes = list[tuple[str, str]]

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


class Stack:
    """An engine, what it told while it worked, and the program that it was given last."""

    def __init__(self, session: boto3.Session) -> None:
        self.changes: Changes = []
        self.engine = Engine(session, project="trial", stack="laptop", on_change=self._note)

    def up(self, program: Callable[[], object] | Path, **config: str) -> UpResult:
        self.changes.clear()
        return self.engine.up(program, {f"trial:{key}": value for key, value in config.items()})

    def destroy(self) -> None:
        self.changes.clear()
        self.engine.destroy()

    def _note(self, action: str, type_: str, name: str, seconds: float) -> None:
        assert type_.startswith("aws:")
        assert seconds >= 0
        self.changes.append((action, name))


@pytest.fixture(scope="module")
def before(session: boto3.Session) -> list[str]:
    """What other tests left in the account."""
    return inventory(session)


@pytest.fixture
def stack(session: boto3.Session, before: list[str]) -> Iterator[Stack]:
    """A stack that starts from nothing and must leave nothing."""
    made = Stack(session)
    yield made
    made.destroy()
    assert made.engine.resources == ()
    assert inventory(session) == before


class Inbox(pulumi.ComponentResource):
    """A bucket whose events arrive in a queue."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trial:index:Inbox", name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        bucket = s3.Bucket(name, opts=inside)
        s3.BucketNotification(name, bucket=bucket.bucket, eventbridge=True, opts=inside)
        self.queue = sqs.Queue(name, opts=inside)
        pattern = pulumi.Output.json_dumps(
            {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket.bucket]}}}
        )
        rule = cloudwatch.EventRule(name, event_pattern=pattern, opts=inside)
        cloudwatch.EventTarget(name, rule=rule.name, arn=self.queue.arn, opts=inside)
        self.bucket = bucket.bucket
        self.register_outputs({"bucket": self.bucket})


def inbox() -> None:
    made = Inbox("inbox")
    pulumi.export("bucket", made.bucket)
    pulumi.export("queue", made.queue.url)
    pulumi.export("account", get_caller_identity().account_id)


def test_a_program_is_deployed_and_its_outputs_are_what_aws_made(
    stack: Stack, client: Callable[[str], Any]
) -> None:
    result = stack.up(inbox)
    assert sorted(result.created) == [
        "aws:cloudwatch/eventRule:EventRule inbox",
        "aws:cloudwatch/eventTarget:EventTarget inbox",
        "aws:s3/bucket:Bucket inbox",
        "aws:s3/bucketNotification:BucketNotification inbox",
        "aws:sqs/queue:Queue inbox",
    ]
    assert result.outputs["account"] == "123456789012"
    assert client("s3").head_bucket(Bucket=result.outputs["bucket"])
    assert client("sqs").get_queue_attributes(QueueUrl=result.outputs["queue"])


def test_a_second_deployment_of_the_same_program_changes_nothing(stack: Stack) -> None:
    first = stack.up(inbox)
    again = stack.up(inbox)
    assert again == UpResult(outputs=first.outputs, unchanged=len(first.created))
    assert stack.changes == []


def test_a_program_in_a_file_reads_its_config(stack: Stack, tmp_path: Path) -> None:
    program = tmp_path / "__main__.py"
    program.write_text(
        "import pulumi\n"
        "from pulumi_aws import sqs\n"
        "seconds = pulumi.Config().require_int('seconds')\n"
        "queue = sqs.Queue('jobs', visibility_timeout_seconds=seconds)\n"
        "pulumi.export('seconds', queue.visibility_timeout_seconds)\n"
    )
    assert stack.up(program, seconds="60").outputs == {"seconds": 60}
    changed = stack.up(program, seconds="90")
    assert changed.outputs == {"seconds": 90}
    assert changed.updated == ["aws:sqs/queue:Queue jobs"]


def test_config_that_is_missing_is_one_sentence_and_nothing_is_created(stack: Stack) -> None:
    def program() -> None:
        sqs.Queue("jobs")
        pulumi.Config().require("nowhere")

    with pytest.raises(
        LaptopError, match="Missing required configuration variable 'trial:nowhere'"
    ):
        stack.up(program)
    assert stack.engine.resources == ()


def queues(seconds: int = 30, name: str | None = None, tag: str = "a") -> Callable[[], object]:
    def program() -> None:
        jobs = sqs.Queue("jobs", name=name, visibility_timeout_seconds=seconds, tags={"t": tag})
        sqs.Queue("other")
        pulumi.export("jobs", jobs.arn)

    return program


def test_a_changed_property_updates_that_resource_and_no_other(stack: Stack) -> None:
    stack.up(queues(30))
    result = stack.up(queues(60, tag="b"))
    assert result.updated == ["aws:sqs/queue:Queue jobs"]
    assert (result.unchanged, result.created, result.replaced) == (1, [], [])
    assert stack.changes == [("update", "jobs")]


def test_a_replacing_property_makes_a_new_resource_before_the_old_one_goes(
    stack: Stack, name: str
) -> None:
    stack.up(queues())
    result = stack.up(queues(name=name))
    assert result.replaced == ["aws:sqs/queue:Queue jobs"]
    assert result.outputs["jobs"].endswith(name)
    assert result.deleted == []
    assert stack.changes == [("replace", "jobs"), ("delete", "jobs")]


def test_a_replacement_of_the_same_name_waits_until_the_old_resource_is_gone(
    stack: Stack, name: str, client: Callable[[str], Any]
) -> None:
    def program(path: str) -> Callable[[], object]:
        def declare() -> None:
            role = iam.Role("jobs", name=name, path=path, assume_role_policy=TRUST)
            deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
            iam.RolePolicy("jobs", name="deny", role=role.name, policy=policy)

        return declare

    stack.up(program("/a/"))
    result = stack.up(program("/b/"))
    # The policy is on the role by the role's name, so it goes first and comes back after.
    assert sorted(result.replaced) == [
        "aws:iam/role:Role jobs",
        "aws:iam/rolePolicy:RolePolicy jobs",
    ]
    assert client("iam").get_role(RoleName=name)["Role"]["Path"] == "/b/"
    assert client("iam").get_role_policy(RoleName=name, PolicyName="deny")


def test_what_is_no_longer_declared_is_deleted(stack: Stack) -> None:
    stack.up(queues())
    result = stack.up(lambda: sqs.Queue("other"))
    assert result.deleted == ["aws:sqs/queue:Queue jobs"]
    assert stack.engine.resources == ("aws:sqs/queue:Queue other",)


def test_everything_is_made_after_what_it_depends_on_and_deleted_before(stack: Stack) -> None:
    def program() -> None:
        last = sqs.Queue("c")
        middle = sqs.Queue("b", opts=pulumi.ResourceOptions(depends_on=[last]))
        sqs.Queue("a", opts=pulumi.ResourceOptions(depends_on=[middle]))

    stack.up(program)
    assert stack.changes == [("create", "c"), ("create", "b"), ("create", "a")]
    stack.destroy()
    assert stack.changes == [("delete", "a"), ("delete", "b"), ("delete", "c")]


def nothing_is_made(stack: Stack, program: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(LaptopError, match=sentence):
        stack.up(program)
    assert stack.changes == []
    assert stack.engine.resources == ()


def test_an_unknown_type_stops_before_anything_is_created(stack: Stack) -> None:
    def program() -> None:
        queue = sqs.Queue("jobs")
        dynamodb.Table("table", opts=pulumi.ResourceOptions(depends_on=[queue]))

    nothing_is_made(stack, program, "aws:dynamodb/table:Table table: the laptop AWS does not know")


def test_an_unknown_property_stops_before_anything_is_created(stack: Stack) -> None:
    def program() -> None:
        queue = sqs.Queue("jobs")
        s3.Bucket("data", acl="private", opts=pulumi.ResourceOptions(depends_on=[queue]))

    nothing_is_made(
        stack, program, "aws:s3/bucket:Bucket data: .* does not know the property 'acl'"
    )


def test_a_value_that_aws_would_refuse_stops_before_anything_is_created(stack: Stack) -> None:
    def program() -> None:
        sqs.Queue("jobs")
        cloudwatch.EventRule("tick", name="a b", schedule_expression="rate(1 minute)")

    nothing_is_made(stack, program, "aws:cloudwatch/eventRule:EventRule tick: Name")


def test_an_output_that_the_laptop_does_not_give_stops_before_anything_is_created(
    stack: Stack,
) -> None:
    def program() -> None:
        site = s3.Bucket("site")
        sqs.Queue("jobs", tags={"site": site.website_endpoint})

    nothing_is_made(stack, program, "aws:sqs/queue:Queue jobs: 'tags' depends on an output")


def test_an_unknown_function_of_the_provider_stops_before_anything_is_created(
    stack: Stack,
) -> None:
    nothing_is_made(
        stack,
        lambda: s3.get_bucket("b"),
        "^The laptop AWS does not know the function aws:s3/getBucket:getBucket",
    )


def test_a_resource_declared_twice_is_refused(stack: Stack) -> None:
    def program() -> None:
        sqs.Queue("jobs")
        sqs.Queue("jobs")

    nothing_is_made(stack, program, "aws:sqs/queue:Queue jobs is declared twice")


def test_an_exception_of_the_program_is_named(stack: Stack) -> None:
    def program() -> None:
        regions: dict[str, str] = {}
        sqs.Queue("jobs").arn.apply(lambda _: regions["missing"])

    nothing_is_made(stack, program, "The program failed: KeyError: 'missing'")


def test_an_interrupted_deployment_leaves_what_it_made_to_destroy(stack: Stack) -> None:
    def program() -> None:
        sqs.Queue("jobs")
        if not pulumi.runtime.is_dry_run():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stack.up(program)
    assert stack.engine.resources == ("aws:sqs/queue:Queue jobs",)


def test_of_many_resources_the_one_that_failed_is_named_and_nothing_is_logged(
    stack: Stack, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def program() -> None:
        pulumi.log.warn("deprecated")
        lost = s3.BucketObjectv2("lost", bucket="there-is-no-such-bucket", key="k", content="")
        for number in range(6):
            after = sqs.Queue(f"after-{number}", tags={"etag": lost.etag})
            after.arn.apply(lambda arn: sqs.Queue(f"later-{arn[-3:]}"))
        for number in range(12):
            sqs.Queue(f"beside-{number}")
        pulumi.export("etag", lost.etag)

    sentence = failure(stack, program)
    gc.collect()  # asyncio complains of a future that failed unseen when it is collected
    assert "lost: NoSuchBucket from PutObject" in sentence
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def failure(stack: Stack, program: Callable[[], object]) -> str:
    """The sentence of a failure; unlike pytest.raises, it keeps nothing else of it."""
    try:
        stack.up(program)
    except LaptopError as error:
        return str(error)
    return ""


def test_an_aws_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    nowhere = boto3.Session("test", "test", region_name="eu-west-1")
    engine = Engine(nowhere, project="trial", stack="laptop")
    with pytest.raises(LaptopError, match=r"does not answer .*is the laptop AWS running"):
        engine.destroy()


def test_getting_an_existing_resource_is_refused(stack: Stack) -> None:
    nothing_is_made(stack, lambda: s3.Bucket.get("b", "some-bucket"), "cannot adopt what exists")


def protected(protect: bool, name: str | None = None) -> Callable[[], object]:
    return lambda: sqs.Queue("jobs", name=name, opts=pulumi.ResourceOptions(protect=protect))


def test_a_protected_resource_is_not_deleted_nor_replaced_until_it_is_released(
    stack: Stack, name: str
) -> None:
    stack.up(protected(True))
    refused = "aws:sqs/queue:Queue jobs is protected and .*: run `up` with protect=False first"
    for attempt in (
        stack.destroy,
        lambda: stack.up(lambda: None),
        lambda: stack.up(protected(True, name)),
    ):
        with pytest.raises(LaptopError, match=refused):
            attempt()
        assert stack.changes == []
    stack.up(protected(False))


def test_a_resource_that_is_retained_outlives_the_stack(
    session: boto3.Session, name: str, client: Callable[[str], Any]
) -> None:
    keep = pulumi.ResourceOptions(retain_on_delete=True)
    stack = Stack(session)
    url = stack.up(
        lambda: pulumi.export("url", sqs.Queue("jobs", name=name, opts=keep).url)
    ).outputs["url"]
    stack.destroy()
    assert stack.engine.resources == ()
    client("sqs").delete_queue(QueueUrl=url)


def test_changes_that_are_ignored_change_nothing(stack: Stack) -> None:
    def program(seconds: int, tag: str) -> Callable[[], object]:
        ignored = pulumi.ResourceOptions(ignore_changes=["visibility_timeout_seconds"])
        return lambda: sqs.Queue(
            "q", visibility_timeout_seconds=seconds, tags={"t": tag}, opts=ignored
        )

    stack.up(program(45, "a"))
    assert stack.up(program(60, "a")).unchanged == 1
    assert stack.up(program(60, "b")).updated == ["aws:sqs/queue:Queue q"]


def test_a_refusal_of_aws_names_the_resource_and_leaves_what_exists_to_destroy(
    stack: Stack, session: boto3.Session
) -> None:
    def program() -> None:
        queue = sqs.Queue("jobs")
        s3.BucketObjectv2(
            "lost",
            bucket="there-is-no-such-bucket",
            key="k",
            content="",
            opts=pulumi.ResourceOptions(depends_on=[queue]),
        )

    with pytest.raises(
        LaptopError, match="aws:s3/bucketObjectv2:BucketObjectv2 lost: NoSuchBucket from PutObject"
    ):
        stack.up(program)
    assert stack.changes == [("create", "jobs")]
    assert stack.engine.resources == ("aws:sqs/queue:Queue jobs",)
    stack.destroy()
    assert not any("jobs-" in left for left in inventory(session))


def test_a_resource_that_was_made_but_not_finished_is_replaced_by_the_next_deployment(
    stack: Stack,
) -> None:
    def program(days: int) -> Callable[[], object]:
        return lambda: cloudwatch.LogGroup("log", retention_in_days=days)

    # The group is created, then its retention is refused: CloudWatch Logs knows no two days.
    log = "aws:cloudwatch/logGroup:LogGroup log"
    with pytest.raises(LaptopError, match=f"{log}: InvalidParameter.* from PutRetentionPolicy"):
        stack.up(program(2))
    assert stack.engine.resources == (log,)
    assert stack.up(program(3)).replaced == [log]


def test_a_replacement_that_could_not_be_finished_loses_neither_the_old_nor_the_new(
    stack: Stack, name: str
) -> None:
    def program(named: str | None, days: int) -> Callable[[], object]:
        return lambda: cloudwatch.LogGroup("log", name=named, retention_in_days=days)

    stack.up(program(None, 3))
    with pytest.raises(LaptopError, match="from PutRetentionPolicy"):
        stack.up(program(name, 2))
    stack.up(program(name, 3))
    assert stack.changes[-1] == ("delete", "log")  # the fixture sees that nothing is left


def test_destroy_goes_on_past_a_failure_and_reports_it_at_the_end(
    stack: Stack, client: Callable[[str], Any]
) -> None:
    def program() -> None:
        queue = sqs.Queue("jobs")
        bucket = s3.Bucket("data", opts=pulumi.ResourceOptions(depends_on=[queue]))
        pulumi.export("bucket", bucket.bucket)

    bucket = stack.up(program).outputs["bucket"]
    client("s3").put_object(Bucket=bucket, Key="k", Body=b"")
    with pytest.raises(
        LaptopError,
        match="1 of the resources could not be deleted: aws:s3/bucket:Bucket data: BucketNotEmpty",
    ):
        stack.destroy()
    assert stack.engine.resources == ("aws:s3/bucket:Bucket data",)
    client("s3").delete_object(Bucket=bucket, Key="k")


def test_dependents_are_those_that_a_change_would_replace(stack: Stack) -> None:
    def program() -> None:
        bucket = s3.Bucket("data")
        s3.BucketNotification("by-replacement", bucket=bucket.bucket)
        sqs.Queue("by-update", tags={"bucket": bucket.bucket})

    stack.up(program)
    urn = "urn:pulumi:laptop::trial::aws:s3/bucket:Bucket::data"
    state = stack.engine._state
    found = [record.registration.name for record in dependents(state, urn)]
    assert found == ["by-replacement"]
