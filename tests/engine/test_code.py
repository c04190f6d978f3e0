"""What a push of code changes, and what it does not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import _code
from laptop.automation import Provider
from laptop.demo.scenario import push_code
from tests.engine.conftest import ROOT, MakeStack, Stack, changes, configured

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

# Deploys from the checkout it stands in, and prints what was done.
DEPLOY = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from laptop.automation import PulumiEngine
port, stack, folder, config = sys.argv[1:]
provider = SimpleNamespace(port=int(port))
with PulumiEngine(provider, project="perennial", stack=stack, folder=Path(folder)) as engine:
    done = engine.up(Path("__main__.py").resolve(), json.loads(config))
print(json.dumps(asdict(done)))
"""


def git(*arguments: str) -> str:
    """What git says of this checkout."""
    return subprocess.run(  # noqa: S603  fixed commands
        ["git", *arguments],  # noqa: S607  the git of whoever runs the tests
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def running(lasting_stack: MakeStack) -> Stack:
    """A stack that is up, whose tests each leave it as the checkout has it."""
    dev = lasting_stack()
    dev.up()
    return dev


def test_new_model_code_is_a_new_bundle_and_the_name_of_what_shall_run(
    running: Stack, tmp_path: Path
) -> None:
    """No function is deployed anew, and the code of older models stays in the bucket."""
    copy = tmp_path / "pipelines"
    shutil.copytree(ROOT / "pipelines", copy, ignore=shutil.ignore_patterns("__pycache__"))
    push_code(copy)
    try:
        done = changes(running.up(pipelines=str(copy)))
    finally:
        running.up(pipelines="pipelines")
    assert done == {
        "replaced": ["aws:s3/bucketObjectv2:BucketObjectv2 loop-code"],
        "updated": ["aws:s3/bucketObjectv2:BucketObjectv2 loop-current-code"],
    }


def test_new_code_of_the_functions_updates_the_functions_and_nothing_else(
    running: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "runtime"
    shutil.copytree(_code._RUNTIME, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "ledger.py").write_text((copy / "ledger.py").read_text() + "# changed\n")
    with monkeypatch.context() as patched:
        patched.setattr(_code, "_RUNTIME", copy)
        done = changes(running.up())
    names = ("deploy", "monitor", "registry-teardown", "retrain")
    assert done == {
        "updated": [f"aws:lambda/function:Function loop-{name}" for name in names],
    }
    running.up()


def test_another_checkout_of_the_same_code_changes_nothing(
    stack: MakeStack, provider: Provider, tmp_path: Path
) -> None:
    """In another folder, with other time stamps: archives are compared by what they hold."""
    folder = tmp_path / "pulumi"
    here = stack(name="elsewhere", folder=folder)
    here.up()
    checkout = tmp_path / "elsewhere" / "perennial"
    git("clone", "--quiet", str(ROOT), str(checkout))
    for name in filter(None, git("ls-files", "-z").split("\0")):  # also what is not committed yet
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, checkout / name)
    arguments = [str(provider.port), "elsewhere", str(folder), json.dumps(configured("dev"))]
    there = subprocess.run(  # noqa: S603  our own interpreter on the script above
        [sys.executable, "-W", "ignore", "-c", DEPLOY, *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
    )
    assert there.returncode == 0, there.stderr
    done = json.loads(there.stdout.splitlines()[-1])
    assert {
        each: done[each] for each in ("created", "updated", "replaced", "deleted") if done[each]
    } == {}
