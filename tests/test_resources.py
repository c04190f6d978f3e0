"""docs/resources.md says what each resource of a loop is for: none is missing, none is made up."""

import re
from collections import Counter
from typing import Any

import pytest

from tests.conftest import ACCOUNT, Deploy, Engine
from tests.test_program import ROOT, config, program

PAGE = (ROOT / "docs" / "resources.md").read_text()
FORCE_DESTROY = {"force-destroy": True}
KEY = {"kms-key-arn": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"}
PINNED = {
    "endpoint-mode": "pinned",
    "model-package-arn": f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:model-package/group/3",
}
Resources = Counter[tuple[str, str]]


def described(heading: str) -> Resources:
    """The rows below a heading: names and types."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+`) \| `(.+)` \| .+ \|$", section, flags=re.MULTILINE)
    return Counter((name, kind) for names, kind in rows for name in re.findall(r"`([^`]+)`", names))


def declared(engine: Engine) -> Resources:
    """What the program registered besides components, as the page writes it."""

    def kind(token: str) -> str:  # aws:s3/bucket:Bucket
        return f"{token.split(':')[1].split('/')[0]}.{token.split(':')[2]}"

    return Counter((each.name.removeprefix("loop-"), kind(each.type)) for each in engine.children())


@pytest.fixture(scope="module")
def up(deploy: Deploy) -> Any:
    return lambda **more: declared(deploy(program, config=config("staging", **more)))


@pytest.fixture(scope="module")
def every(up: Any) -> Resources:
    found: Resources = up()
    return found


def test_the_resources_of_every_loop_are_described(every: Resources) -> None:
    assert described("Every loop") == every


@pytest.mark.parametrize(
    ("heading", "more"),
    [
        ("More with `force-destroy`", FORCE_DESTROY),
        ("More with a KMS key", KEY),
        ("More with a pinned version", PINNED),
    ],
)
def test_what_a_setting_adds_is_described(
    up: Any, every: Resources, heading: str, more: dict[str, Any]
) -> None:
    assert described(heading) == up(**more) - every


def test_no_setting_takes_away(up: Any, every: Resources) -> None:
    assert not every - up(**FORCE_DESTROY, **KEY)
    assert not every - up(**PINNED)


def test_the_numbers_are_those_of_the_program(up: Any, every: Resources) -> None:
    found = dict(re.findall(r"^\| (.+) \| (\d+) \|$", PAGE, flags=re.MULTILINE))
    assert {case: int(number) for case, number in found.items()} == {
        "the defaults (`staging`, `prod`)": every.total(),
        "`force-destroy` (`dev`, `laptop`)": up(**FORCE_DESTROY).total(),
        "a KMS key of its own": up(**KEY).total(),
        "`force-destroy` and a KMS key": up(**FORCE_DESTROY, **KEY).total(),
        "a pinned version": up(**PINNED).total(),
    }
