"""An engine that is killed in an up: nothing is lost, nothing is left.

The program is ``every_kind``, which has each type of resource of the real one once: so many ups of
the whole would take too long.
"""

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pytest

from laptop.automation import Provider
from laptop.errors import LaptopError
from laptop.inventory import inventory
from laptop.server import LaptopAWS, Session
from tests.engine.conftest import PROGRAM, Stack, changes, configured, maker
from tests.engine.proxy import Proxy, Request, proxying

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

CONFIG = {"aws:region": "eu-west-1"}
SEEDS = range(10)


def trust(service: str) -> str:
    who = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [who]})


def every_kind() -> None:
    """Each type of resource that the program declares, once."""
    role = aws.iam.Role("role", assume_role_policy=trust("lambda.amazonaws.com"))
    everything = {"Effect": "Allow", "Action": ["sqs:*", "logs:*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    allowed = aws.iam.RolePolicy("allowed", role=role.name, policy=policy)
    stack = pulumi.get_stack()
    logs = f"/aws/lambda/function-{stack}"
    log = aws.cloudwatch.LogGroup("log", name=logs, retention_in_days=7)
    queue = aws.sqs.Queue("queue", visibility_timeout_seconds=60)
    function = aws.lambda_.Function(
        "function",
        name=f"function-{stack}",
        role=role.arn,
        runtime="python3.12",
        handler="index.handler",
        code=pulumi.AssetArchive({"index.py": pulumi.StringAsset("def handler(*_): return {}\n")}),
        opts=pulumi.ResourceOptions(depends_on=[allowed, log]),
    )
    aws.lambda_.Invocation("invocation", function_name=function.name, input="{}")
    aws.lambda_.EventSourceMapping(
        "mapping", function_name=function.arn, event_source_arn=queue.arn, batch_size=1
    )
    rule = aws.cloudwatch.EventRule("rule", schedule_expression="rate(1 hour)")
    aws.cloudwatch.EventTarget("target", rule=rule.name, arn=queue.arn)
    aws.cloudwatch.MetricAlarm(
        "alarm",
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        metric_name="Depth",
        namespace="Test",
        period=60,
        statistic="Maximum",
        threshold=1,
    )
    bucket = aws.s3.Bucket("bucket", force_destroy=True, tags={"a": "b"})
    aws.s3.BucketVersioning(
        "versioning", bucket=bucket.id, versioning_configuration={"status": "Enabled"}
    )
    aws.s3.BucketOwnershipControls(
        "ownership", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}
    )
    aws.s3.BucketPublicAccessBlock("block", bucket=bucket.id, block_public_acls=True)
    aws.s3.BucketNotification("notification", bucket=bucket.id, eventbridge=True)
    aws.s3.BucketLifecycleConfiguration(
        "lifecycle",
        bucket=bucket.id,
        rules=[{"id": "r", "status": "Enabled", "filter": {}, "expiration": {"days": 9}}],
    )
    aws.s3.BucketPolicy("policy", bucket=bucket.id, policy=bucket.arn.apply(tls_only))
    aws.s3.BucketObjectv2("object", bucket=bucket.id, key="k", source=pulumi.StringAsset("text"))
    aws.sagemaker.ModelPackageGroup("group", model_package_group_name=f"group-{stack}")
    fail = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}
    pipeline_role = aws.iam.Role("runs", assume_role_policy=trust("sagemaker.amazonaws.com"))
    aws.sagemaker.Pipeline(
        "pipeline",
        pipeline_name=f"pipeline-{stack}",
        pipeline_display_name=f"pipeline-{stack}",
        role_arn=pipeline_role.arn,
        pipeline_definition=json.dumps({"Version": "2020-12-01", "Steps": [fail]}),
    )


def tls_only(bucket_arn: str) -> str:
    plain = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": f"{bucket_arn}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [plain]})


class World:
    """An account behind a proxy, and a stack whose engine and provider may be lost and renewed."""

    def __init__(self, account: LaptopAWS, proxy: Proxy, folder: Path) -> None:
        self.account, self.proxy, self.folder = account, proxy, folder
        self.session = account.session()
        self.processes = ExitStack()

    def start(self, *, destroys: bool = True) -> Stack:
        """The stack, with a provider of its own; what ran before has ended."""
        self.processes.close()
        self.proxy.idle()
        self.proxy.reset()
        provider = self.processes.enter_context(Provider(Session(self.proxy.url)))
        make = self.processes.enter_context(maker(self.account, provider, destroys=destroys))
        return make(every_kind, CONFIG, name="s", folder=self.folder)

    def agrees(self, stack: Stack) -> bool:
        """Whether the account holds exactly what the state holds."""
        found, known = inventory(self.session), stack.state_holds()
        assert found == known
        return True


@pytest.fixture(scope="module")
def proxy(account: LaptopAWS) -> Iterator[Proxy]:
    with proxying(account.endpoint_url) as between:
        yield between


@pytest.fixture
def world(account: LaptopAWS, proxy: Proxy, tmp_path: Path) -> Iterator[World]:
    made = World(account, proxy, tmp_path)
    with made.processes:
        yield made
        proxy.reset()


@pytest.fixture(scope="module")
def requests(account: LaptopAWS, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many requests of an up of ``every_kind`` change something."""
    world = World(account, proxy, tmp_path_factory.mktemp("counted"))
    with world.processes:
        world.start().up()
        count = proxy.count
    assert inventory(world.session) == []
    return count


def test_what_is_killed_has_every_kind_of_resource_of_the_program(world: World) -> None:
    stack = world.start()
    small = {title.split()[0] for title in stack.preview().created}
    stack.program, stack.config = PROGRAM, configured("dev")
    assert {title.split()[0] for title in stack.preview().created} == small


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_killed_engine_was_making_is_found_and_the_next_up_completes(
    world: World, requests: int, seed: int
) -> None:
    drawn = random.Random(seed)  # noqa: S311  it draws a moment, no secret
    moment, arrives = drawn.randint(1, requests), drawn.random() < 0.75
    stack = world.start(destroys=False)

    def kill(number: int, request: Request) -> bool:
        del request
        if number < moment:
            return True
        if stack.process is not None:
            stack.process.kill()
        return False

    if arrives:
        world.proxy.after = kill
    else:
        world.proxy.before = kill
    with pytest.raises(LaptopError, match="SIGKILL"):
        stack.up()
    stack = world.start()
    stack.cancel()
    stack.up()
    assert world.agrees(stack)
    assert changes(stack.preview()) == {}
    assert not stack.export_state().get("pending_operations")
