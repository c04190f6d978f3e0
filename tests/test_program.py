"""The program at the root: what `pulumi up` would register for each stack."""

import runpy
from collections import Counter
from pathlib import Path

import pytest

from laptop.project import load_config
from tests.conftest import Deploy, Engine

ROOT = Path(__file__).parents[1]
STACKS = ["dev", "staging", "prod", "laptop"]


@pytest.fixture(scope="module")
def up(deploy: Deploy):
    def run(stack: str, **changed: str) -> Engine:
        config = load_config(ROOT, stack) | changed
        return deploy(lambda: runpy.run_path(str(ROOT / "__main__.py")), config=config, stack=stack)

    return run


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_wires_all_six_stages(up, stack: str) -> None:
    engine = up(stack)
    print(len(engine.resources), engine.outputs)
    assert Counter(each.type for each in engine.resources if each.is_component).total() == 6
