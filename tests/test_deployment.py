"""Deployment end to end: what the deploy controller does with a version whose container is broken.

The program is the real one, on the laptop AWS; only the model is made by hand, so that it can be
broken where the pipeline's own would not be.
"""

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from laptop.demo.loop import Loop, Names
from laptop.demo.scenario import ROOT, STACK
from laptop.engine import Engine, load_config
from laptop.server import LaptopAWS

pytestmark = [pytest.mark.loop, pytest.mark.timeout(300)]

ANSWERS = """
def model_fn(folder): return None
def input_fn(body, content_type): return body
def predict_fn(data, model): return data
def output_fn(prediction, accept): return "{{\\"version\\": {version}}}", "application/json"
"""
BROKEN = """
def model_fn(folder): raise ValueError("scikit-learn 0.1 is not what this model was made with")
"""


@pytest.fixture(scope="module")
def provisioned() -> Iterator[tuple[LaptopAWS, Loop]]:
    with LaptopAWS() as aws:
        engine = Engine(aws.session(), project="perennial", stack=STACK)
        config = load_config(ROOT, STACK) | {"perennial:target-column": "y"}
        outputs = engine.up(ROOT / "__main__.py", config).outputs
        names = Names(**{name: outputs[name] for name in Names.__dataclass_fields__})
        yield aws, Loop(aws.session(), names)
        engine.destroy()


@pytest.fixture(scope="module")
def loop(provisioned: tuple[LaptopAWS, Loop]) -> Loop:
    """A loop whose version 1 is live, and whose version 2 is approved and does not come up."""
    _, loop = provisioned
    register(loop, 1, ANSWERS.format(version=1))
    loop.approve(1, "works")
    eventually(lambda: loop.live_version() == 1)
    register(loop, 2, BROKEN)
    loop.approve(2, "looked fine")
    eventually(lambda: "mark failed" in decisions(loop))
    return loop


def register(loop: Loop, version: int, inference: str) -> None:
    """Register a version whose container runs this ``inference.py``."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(inference.encode())
        tar.addfile(member, io.BytesIO(inference.encode()))
    bucket, key = loop.names.artifact_bucket, f"runs/by-hand-{version}/model.tar.gz"
    loop.s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())
    loop.sagemaker.create_model_package(
        ModelPackageGroupName=loop.names.model_package_group,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [
                {
                    "Image": "141502667606.dkr.ecr.eu-west-1.amazonaws.com/any:1",
                    "ModelDataUrl": f"s3://{bucket}/{key}",
                    "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
                }
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )


def decisions(loop: Loop) -> dict[str, dict[str, Any]]:
    """The deploy controller's decisions; of equal ones the newest."""
    return {
        entry["decision"]: entry for entry in loop.ledger(set()) if entry["controller"] == "deploy"
    }


def answer(loop: Loop) -> int:
    """The version that answers."""
    reply = loop.runtime.invoke_endpoint(
        EndpointName=loop.names.endpoint, ContentType="text/csv", Body=b"1"
    )
    return int(json.loads(reply["Body"].read())["version"])


def eventually(check: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for the loop, which acts on its own."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "the loop did not get there"
        time.sleep(0.3)


def test_the_old_version_keeps_serving(loop: Loop) -> None:
    assert loop.live_version() == 1
    assert answer(loop) == 1


def test_the_broken_version_is_marked_failed_with_what_its_container_said(loop: Loop) -> None:
    entry = decisions(loop)["mark failed"]
    assert "ersion 2" in entry["reason"]
    state = json.loads(
        loop.s3.get_object(Bucket=loop.names.artifact_bucket, Key="state/deploy.json")[
            "Body"
        ].read()
    )
    assert "scikit-learn 0.1 is not what this model was made with" in json.dumps(state)


def test_the_broken_version_is_not_tried_again_and_a_newer_one_is(loop: Loop) -> None:
    register(loop, 3, ANSWERS.format(version=3))
    loop.approve(3, "mended")
    eventually(lambda: loop.live_version() == 3)
    assert answer(loop) == 3
    updates = [
        entry["reason"]
        for entry in loop.ledger(set())
        if (entry["controller"], entry["decision"]) == ("deploy", "update")
    ]
    assert len(updates) == 2  # to version 2, once, and to version 3


def test_a_version_that_a_person_rejects_gives_way_to_the_one_before(loop: Loop) -> None:
    newest = loop.versions()[-1]
    loop.sagemaker.update_model_package(
        ModelPackageArn=newest["ModelPackageArn"], ModelApprovalStatus="Rejected"
    )
    eventually(lambda: loop.live_version() == 1)
    assert answer(loop) == 1
