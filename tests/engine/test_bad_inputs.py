"""A wrong setting is one sentence: the value, the rule, the remedy; and nothing is created.

Wrong arguments of components, from Python and from TypeScript, are in ``test_consumers.py``.
"""

import os
import sys
from pathlib import Path

import pulumi
import pytest
import yaml

from components import _plugin
from laptop.errors import LaptopError
from laptop.pulumi_cli import PINNED
from tests.engine.conftest import ROOT, MakeStack

WRONG: dict[str, tuple[dict[str, object], str]] = {
    "words where a number belongs": (
        {"drifted-share": "30%"},
        "perennial:drifted-share is '30%', and it must be a number: correct it with pulumi config "
        "set perennial:drifted-share.",
    ),
    "words where a whole number belongs": (
        {"min-samples": "many"},
        "perennial:min-samples is 'many', and it must be a whole number: correct it with pulumi "
        "config set perennial:min-samples.",
    ),
    "a fraction where a whole number belongs": (
        {"min-samples": 1.5},
        "perennial:min-samples is '1.5', and it must be a whole number: correct it with pulumi "
        "config set perennial:min-samples.",
    ),
    "a list where a whole number belongs": (
        {"min-samples": [200]},
        "perennial:min-samples is '[200]', and it must be a whole number: correct it with pulumi "
        "config set perennial:min-samples.",
    ),
    "a list where a text belongs": (
        {"image": ["a"]},
        """perennial:image is '["a"]', and it must be a text: correct it with pulumi config set """
        "perennial:image.",
    ),
    "a text where a list belongs": (
        {"subnet-ids": "subnet-1"},
        "perennial:subnet-ids is 'subnet-1', and it must be a list of texts: correct it with "
        "pulumi config set perennial:subnet-ids.",
    ),
    "yes where true belongs": (
        {"protect": "yes"},
        "perennial:protect is 'yes', and it must be true or false: correct it with pulumi config "
        "set perennial:protect.",
    ),
    "a choice that there is not": (
        {"endpoint-mode": "chase"},
        "perennial:endpoint-mode is 'chase', and it must be follow or pinned: correct it with "
        "pulumi config set perennial:endpoint-mode.",
    ),
    "a number out of range": (
        {"capture-percent": 0},
        "capture_percent is 0, and it must be between 1 and 100: change it.",
    ),
    "a slip in a name": (
        {"quite-period-seconds": 5},
        "perennial:quite-period-seconds is set and there is no such setting: did you mean "
        "perennial:quiet-period-seconds?",
    ),
    "the one that has to be set": (
        {"target-column": ""},
        "perennial:target-column is not set, and the model predicts it: name a column of the data "
        "with pulumi config set perennial:target-column.",
    ),
    "two that exclude each other": (
        {"model-package-arn": "arn:aws:sagemaker:eu-west-1:123456789012:model-package/m/1"},
        "model_package_arn is given and mode is follow, which chooses the version itself: remove "
        "it, or set mode to pinned.",
    ),
    "a tag that is none": (
        {"tags": ["growth"]},
        "The tag 'growth' is not key=value: correct it in perennial:tags.",
    ),
    "a folder without a pipeline": (
        {"pipelines": "/nowhere"},
        "perennial:pipelines is '/nowhere', and /nowhere has no definition.py: give the folder of "
        "a pipeline.",
    ),
}


@pytest.mark.engine
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_setting_is_one_sentence_before_anything_is_created(
    mistake: str, stack: MakeStack
) -> None:
    settings, sentence = WRONG[mistake]
    dev = stack()
    with pytest.raises(LaptopError) as refused:  # which is an exit code that is not 0
        dev.up(**settings)
    assert str(refused.value) == sentence
    assert dev.account_holds() == []
    assert dev.resources == ()


NEXT = "4.0.0"
"""A version that no engine here has: what an older engine does is seen by asking for more."""


@pytest.mark.engine
def test_an_engine_that_is_too_old_for_the_program_says_which_is_needed(
    stack: MakeStack, tmp_path: Path
) -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    assert project["requiredPulumiVersion"] == f">={PINNED}"
    project["requiredPulumiVersion"] = f">={NEXT}"
    (tmp_path / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    (tmp_path / "__main__.py").write_text("raise AssertionError('it is not run')")
    made = stack(tmp_path / "__main__.py")
    with pytest.raises(LaptopError) as refused:
        made.up()
    assert f'does not satisfy the version range ">={NEXT}"' in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.engine
def test_an_engine_that_is_too_old_for_the_package_is_told_which_is_needed(
    stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = yaml.safe_load((ROOT / "components" / "PulumiPlugin.yaml").read_text())
    assert plugin["requiredPulumiVersion"] == f">={_plugin.OLDEST_ENGINE}" == f">={PINNED}"
    executable = tmp_path / f"pulumi-resource-{_plugin.PACKAGE}"
    executable.write_text(
        f"#!{sys.executable}\n"
        f"import sys; sys.path[0] = {str(ROOT)!r}\n"
        "from components import _plugin\n"
        f"_plugin.OLDEST_ENGINE = {NEXT!r}\n"
        "_plugin.run()\n"
    )
    executable.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def program() -> None:
        pulumi.ComponentResource(f"{_plugin.PACKAGE}:index:DataStore", "data", {}, remote=True)

    made = stack(program, {"aws:region": "eu-west-1"})
    with pytest.raises(LaptopError) as refused:
        made.up()
    printed = str(refused.value.__cause__)
    assert f"needs Pulumi {NEXT} or newer, and this engine is older: upgrade" in printed
    assert "Traceback" not in printed
    assert made.account_holds() == []
