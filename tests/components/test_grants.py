"""Each function's role allows what the function says it calls, and nothing else."""

import re
from pathlib import Path

import pytest

import components
from tests.components.conftest import Loop
from tests.components.test_roles import actions, policies
from tests.conftest import Deploy, Engine

RUNTIME = Path(components.__file__).parent / "runtime"
MODULES = {
    "deploy": "deploy_controller",
    "monitor": "drift_monitor",
    "registry-teardown": "registry_teardown",
    "retrain": "retrain_controller",
}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"


@pytest.fixture(scope="module")
def engine(deploy: Deploy, loop: Loop) -> Engine:
    return deploy(lambda: loop(force_destroy=True, kms_key_arn=KEY))


def said(module: str) -> set[str]:
    """The actions in the list in the module's docstring, which says what its role must allow."""
    source = (RUNTIME / f"{module}.py").read_text()
    (items,) = re.findall(r"What its role must allow.*?\n\n((?:(?:- |  ).*\n)+)", source)
    return set(re.findall(r"\b[a-z0-9]+:[A-Z]\w+", items))


@pytest.mark.parametrize("role", MODULES)
def test_a_function_may_do_what_it_says_it_does(engine: Engine, role: str) -> None:
    assert said(MODULES[role]) - actions(policies(engine)[role]) == set()


@pytest.mark.parametrize("role", MODULES)
def test_a_function_may_do_nothing_else(engine: Engine, role: str) -> None:
    others = {"kms:Decrypt", "kms:GenerateDataKey"}  # Lambda's own use, for the environment
    if role == "deploy":
        others.add("sagemaker:DescribeModelPackage")  # SageMaker's own use, in CreateModel
    assert actions(policies(engine)[role]) - said(MODULES[role]) - others == set()
