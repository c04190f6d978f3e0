"""How the genuine engine is driven: what callers see of it, and that nothing of it is left."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pulumi
import pulumi_aws as aws
import pytest

from laptop.automation import Provider, PulumiEngine
from laptop.errors import LaptopError
from laptop.server import LaptopAWS
from tests.engine.conftest import ROOT, MakeStack, changes

pytestmark = pytest.mark.engine

CONFIG = {"aws:region": "eu-west-1"}
QUEUES = [f"aws:sqs/queue:Queue q{number}" for number in range(3)]


def queues() -> None:
    """Three queues, each made after the one before."""
    before: list[pulumi.Resource] = []
    for number in range(3):
        options = pulumi.ResourceOptions(depends_on=before)
        before = [aws.sqs.Queue(f"q{number}", visibility_timeout_seconds=60, opts=options)]
    pulumi.export("last", before[0].urn)


def refused() -> None:
    """A queue that AWS has, and the policy of a role that it does not have."""
    good = aws.sqs.Queue("good")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    after = pulumi.ResourceOptions(depends_on=[good])
    aws.iam.RolePolicy("bad", role="nobody", policy=policy, opts=after)


def test_each_step_is_told_with_its_type_and_name_and_the_seconds_it_took(
    stack: MakeStack,
) -> None:
    told: list[tuple[str, str, str, float]] = []
    made = stack(queues, CONFIG, on_change=lambda *step: told.append(step))
    result = made.up()
    assert [f"{action} {kind} {name}" for action, kind, name, _ in told] == [
        f"create {title}" for title in QUEUES
    ]
    assert all(0 < seconds < 60 for *_, seconds in told)
    assert changes(result) == {"created": QUEUES}
    assert result.outputs["last"].endswith("::q2")


def test_a_changed_property_is_one_update_and_a_resource_no_longer_declared_is_deleted(
    stack: MakeStack,
) -> None:
    made = stack(queues, CONFIG)
    made.up()
    made.program = lambda: aws.sqs.Queue("q0", visibility_timeout_seconds=61)
    expected = {"updated": QUEUES[:1], "deleted": QUEUES[1:]}
    assert changes(made.preview()) == expected
    assert changes(made.up()) == expected
    assert made.account_holds() == made.state_holds()


def test_a_mistake_of_the_program_is_its_own_sentence_and_nothing_was_created(
    stack: MakeStack,
) -> None:
    def mistaken() -> None:
        aws.sqs.Queue("q")
        raise ValueError("min-samples is -1, and it must be positive: correct it.")

    made = stack(mistaken, CONFIG)
    with pytest.raises(LaptopError) as error:
        made.up()
    assert str(error.value) == (
        "The program failed: ValueError: min-samples is -1, and it must be positive: correct it."
    )
    assert made.account_holds() == []


def test_a_mistake_inside_an_apply_is_its_own_sentence_too(stack: MakeStack) -> None:
    def mistaken() -> None:
        def fail(_: str) -> None:
            raise ValueError("an ARN was expected.")

        pulumi.Output.from_input("known").apply(fail)

    with pytest.raises(LaptopError, match=r"^The program failed: ValueError: an ARN was expected"):
        stack(mistaken, CONFIG).up()


def test_what_a_resource_is_refused_for_names_the_resource(stack: MakeStack) -> None:
    made = stack(refused, CONFIG)
    with pytest.raises(LaptopError) as error:
        made.up()
    assert str(error.value).startswith("aws:iam/rolePolicy:RolePolicy bad: ")
    assert "\n" not in str(error.value)
    assert made.account_holds() == made.state_holds()


def test_a_setting_that_the_provider_refuses_is_told_and_not_that_the_engine_went(
    stack: MakeStack,
) -> None:
    dev = stack()
    dev.config["aws:defaultTags"] = '{"tags": {"team": "growth"}}'
    with pytest.raises(LaptopError, match="does not act on 'aws:defaultTags': leave it out"):
        dev.up()
    assert dev.account_holds() == []


def test_what_is_gone_behind_its_back_is_seen_by_refresh_and_made_again_by_up(
    stack: MakeStack, account: LaptopAWS
) -> None:
    made = stack(queues, CONFIG)
    made.up()
    sqs = account.client("sqs")
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if "/q1-" in url]
    sqs.delete_queue(QueueUrl=url)
    assert changes(made.refresh()) == {"deleted": QUEUES[1:2]}
    assert changes(made.up()) == {"created": QUEUES[1:2]}


def test_what_exists_is_adopted_and_then_unchanged(stack: MakeStack, account: LaptopAWS) -> None:
    account.client("s3").create_bucket(
        Bucket="grown-elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    made = stack(lambda: aws.s3.Bucket("data", bucket="grown-elsewhere"), CONFIG)
    made.adopt("aws:s3/bucket:Bucket", "data", "grown-elsewhere")
    assert made.state_holds() == ["bucket grown-elsewhere"]
    assert changes(made.up()) == {}


def test_an_engine_that_is_killed_leaves_a_locked_stack_that_the_next_up_completes(
    stack: MakeStack,
) -> None:
    def kill(*_: object) -> None:
        if made.process is not None:
            made.process.kill()

    made = stack(queues, CONFIG, on_change=kill)
    with pytest.raises(LaptopError, match=r"ended by SIGKILL.*`cancel`"):
        made.up()
    made.engine._on_change = lambda *_: None
    with pytest.raises(LaptopError, match="locked"):
        made.up()
    made.cancel()
    made.up()
    assert sorted(made.resources) == QUEUES


def test_leaving_the_block_leaves_neither_process_nor_folder(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    processes = set(psutil.Process().children(recursive=True))
    with PulumiEngine(provider, project="p", stack="s") as engine:
        engine.up(queues, CONFIG)
        engine.destroy()
    assert set(psutil.Process().children(recursive=True)) == processes
    assert list(tmp_path.iterdir()) == []


INTERRUPTED = """
import signal
import sys
from laptop.automation import Provider, PulumiEngine
from laptop.server import Session
import pulumi
import pulumi_aws as aws

def program():
    before = []
    for number in range(30):
        options = pulumi.ResourceOptions(depends_on=before)
        before = [aws.sqs.Queue(f"interrupted{number}", opts=options)]

signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
process = None  # the one that runs when the first step is told
with Provider(Session(sys.argv[1])) as provider:
    def told(*step):
        global process
        process = process or engine.command.process
        print(*step, flush=True)

    with PulumiEngine(provider, project="p", stack="s", on_change=told) as engine:
        try:
            engine.up(program, {"aws:region": "eu-west-1"})
            process = None
            engine.destroy()
        except KeyboardInterrupt:
            print("interrupted, the engine ended:", process.poll() is not None, flush=True)
            engine.destroy()
"""


@pytest.mark.parametrize("moment", ["create", "delete"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_runs_on_when_the_process_that_drives_it_is_interrupted_or_killed(
    account: LaptopAWS, tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    driver = subprocess.Popen(  # noqa: S603  our own code under our interpreter
        [sys.executable, "-c", INTERRUPTED, account.endpoint_url],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # what is killed leaves its folder
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert driver.stdout is not None
    assert any(line.startswith(moment) for line in driver.stdout)
    below = psutil.Process(driver.pid).children(recursive=True)
    assert len(below) >= 2  # the engine and the provider
    os.killpg(driver.pid, number)
    said = driver.stdout.read()
    driver.wait()
    driver.stdout.close()
    _, alive = psutil.wait_procs(below, timeout=30)
    assert not alive
    if number is signal.SIGINT:
        assert "interrupted, the engine ended: True" in said
        left = account.client("sqs").list_queues(QueueNamePrefix="interrupted")
        assert left.get("QueueUrls", []) == []
