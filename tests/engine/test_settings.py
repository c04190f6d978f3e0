"""What each setting changes: one setting at a time, on a stack that is up.

Nothing that holds data or versions is ever replaced, and a preview says what the up then does.
"""

import json
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from laptop import ACCOUNT, REGION
from laptop.engine import UpResult
from laptop.server import LaptopAWS
from tests.engine.conftest import ROOT, MakeStack, Stack

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

FUNCTIONS = ("deploy", "monitor", "registry-teardown", "retrain")
CONTROLLERS = ("deploy", "monitor", "retrain")
ROLES = (*FUNCTIONS, "endpoint", "pipeline", "training")


def each(kind: str, names: Iterable[str], suffix: str = "") -> set[str]:
    return {f"{kind} loop-{name}{suffix}" for name in names}


PIPELINE = {"Pipeline loop-pipeline"}
LEARNED = PIPELINE | {"BucketObjectv2 loop-current-code"}  # a parameter: a reason to train
DEPLOY, MONITOR, RETRAIN = ({f"Function loop-{name}"} for name in CONTROLLERS)
ALARM = {"MetricAlarm loop-drift"}
ALARMS = each("MetricAlarm", ("drift", "dead-letters", "person-needed"))
BUCKETS = ("artifacts", "data")

# The setting, its new value, and what is updated. What is created or deleted besides is in MORE.
TABLE: dict[str, tuple[Any, set[str]]] = {
    "target-column": ("left", LEARNED),
    "protected-column": ("colour", LEARNED),
    "min-roc-auc": ("0.7", LEARNED),
    "max-fairness-gap": ("0.1", LEARNED),
    "max-champion-loss": ("0.01", LEARNED),
    "seed": (7, LEARNED),
    "image": (
        f"141502667606.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:3.2-0",
        LEARNED | each("RolePolicy", ("endpoint", "training")),  # who may pull it
    ),
    "processing-instance-type": ("ml.m5.xlarge", LEARNED),
    "training-instance-type": ("ml.m5.xlarge", LEARNED),
    "training-instance-count": (2, LEARNED),
    "volume-size-gb": (50, LEARNED),
    "max-runtime-seconds": (7200, LEARNED),
    "isolate-training": (True, PIPELINE),
    "endpoint-instance-type": ("ml.m5.xlarge", LEARNED | DEPLOY),
    "endpoint-instance-count": (2, DEPLOY),
    "capture-percent": (50, DEPLOY),
    "deploy-batch-window-seconds": (10, each("EventSourceMapping", ["deploy"], "-wakeups")),
    "drifted-share": ("0.5", ALARM),
    "psi-threshold": ("0.3", MONITOR),
    "min-samples": (1000, MONITOR),
    "drift-period-seconds": (600, ALARM),
    "drift-evaluation-periods": (4, ALARM),
    "drift-periods-to-alarm": (3, ALARM),
    "alarm-actions": ([f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call"], ALARMS),
    "monitor-batch-window-seconds": (30, each("EventSourceMapping", ["monitor"], "-wakeups")),
    "quiet-period-seconds": (60, RETRAIN),
    "max-wait-seconds": (7200, RETRAIN),
    "cool-down-seconds": (3600, RETRAIN),
    "runs-per-day": (5, RETRAIN),
    "training-hours-per-month": (40, RETRAIN),
    "retries": (1, RETRAIN),
    "retry-seconds": (600, RETRAIN),
    "retrain-batch-window-seconds": (10, each("EventSourceMapping", ["retrain"], "-wakeups")),
    "sweep-schedule": ("rate(30 minutes)", each("EventRule", CONTROLLERS, "-events")),
    "kms-key-arn": (
        f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        PIPELINE
        | each("Function", FUNCTIONS)
        | each("LogGroup", (*FUNCTIONS, "endpoint"))
        | each("Queue", CONTROLLERS, "-wakeups")
        | each("Queue", CONTROLLERS, "-dead-letters")
        | each("RolePolicy", ROLES),
    ),
    "permissions-boundary-arn": (
        f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        each("Role", ROLES),
    ),
    "log-retention-days": (30, each("LogGroup", (*FUNCTIONS, "endpoint"))),
    "tags": (
        ["stage=dev", "team=growth"],
        PIPELINE
        | ALARMS
        | DEPLOY  # tags the endpoints that it makes
        | {"ModelPackageGroup loop-models"}
        | each("Bucket", BUCKETS)
        | each("EventRule", CONTROLLERS, "-events")
        | each("EventSourceMapping", CONTROLLERS, "-wakeups")
        | each("Function", FUNCTIONS)
        | each("LogGroup", (*FUNCTIONS, "endpoint"))
        | each("Queue", CONTROLLERS, "-dead-letters")
        | each("Queue", CONTROLLERS, "-wakeups")
        | each("Role", ROLES),
    ),
}

MORE_CREATED = {"kms-key-arn": each("BucketServerSideEncryptionConfiguration", BUCKETS)}


@pytest.fixture(scope="module")
def running(account: LaptopAWS, lasting_stack: MakeStack) -> Stack:
    """The stack that the tests change in turn."""
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    account.session().client("iam").create_policy(
        PolicyName="boundary",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    dev = lasting_stack()
    dev.up()
    return dev


def changes(result: UpResult) -> dict[str, set[str]]:
    """What was done to which, as ``<kind> <logical name>``, without the module of the kind."""
    lists = ("created", "updated", "replaced", "deleted")
    return {
        name: {title.rpartition(":")[2] for title in getattr(result, name)}
        for name in lists
        if getattr(result, name)
    }


@pytest.mark.parametrize("setting", TABLE)
def test_a_setting_changes_what_it_is_about_and_nothing_else(running: Stack, setting: str) -> None:
    value, updated = TABLE[setting]
    expected = {"updated": updated}
    if setting in MORE_CREATED:
        expected["created"] = MORE_CREATED[setting]
    previewed = changes(running.preview(**{setting: value}))
    done = changes(running.up_at_once())  # in any case, or the next setting would be blamed for it
    assert previewed == expected
    assert done == previewed


def test_a_network_is_joined_by_what_can_join_one(running: Stack) -> None:
    """Half of it is refused (tests/test_program.py), so that both settings change together."""
    both = {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}
    previewed = changes(running.preview(**both))
    assert changes(running.up()) == previewed
    assert previewed == {
        "updated": PIPELINE
        | each("Function", FUNCTIONS)
        | each(
            "RolePolicy", (*FUNCTIONS, "endpoint", "training")
        )  # the pipeline's only starts jobs
    }


def test_protection_changes_nothing_that_holds_data_or_versions(
    running: Stack,
) -> None:
    """`protect` and `force-destroy` are about deletion, and exclude each other."""
    kept = [each for each in running.account_holds() if each.startswith(("bucket", "model", "pip"))]
    teardown = {
        f"{kind} loop-registry-teardown" for kind in ("Function", "LogGroup", "Role", "RolePolicy")
    } | {"Invocation loop-registry-teardown"}
    assert changes(running.up(force_destroy=False)) == {
        "updated": each("Bucket", BUCKETS),
        "deleted": teardown,  # what would empty the registry
    }
    assert changes(running.up(protect=True)) == {}
    assert changes(running.up(protect=False)) == {}
    assert kept == [
        each for each in running.account_holds() if each.startswith(("bucket", "model", "pip"))
    ]


def test_every_setting_is_in_the_table_or_has_a_test_of_its_own() -> None:
    elsewhere = {
        "endpoint-mode": "tests/engine/test_endpoint.py",
        "model-package-arn": "tests/engine/test_endpoint.py",
        "force-destroy": "above",
        "protect": "above",
        "subnet-ids": "above",
        "security-group-ids": "above",
        "loop": "tests/engine/test_environments.py",
        "pipelines": "tests/engine/test_code.py",
        "data-bucket-name": "tests/engine/test_adoption.py",
    }
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert TABLE.keys() | elsewhere.keys() == declared.keys()
