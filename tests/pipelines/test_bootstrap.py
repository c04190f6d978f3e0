"""What a step has installed before it starts, and the facts that go into a package's metadata."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import bootstrap
from pipelines.steps.provenance import metadata_value
from tests.pipelines.conftest import ROOT


def write(folder: Path, text: str) -> Path:
    file = folder / "requirements.txt"
    file.write_text(text)
    return file


def test_pins_are_read_without_comments(tmp_path: Path) -> None:
    file = write(tmp_path, "# all\npandera==0.35.0  # why\n\nfairlearn == 0.15.0\n")
    assert bootstrap.pins(file) == {"pandera": "0.35.0", "fairlearn": "0.15.0"}


def test_a_requirement_without_an_exact_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Write lightgbm==<version>"):
        bootstrap.pins(write(tmp_path, "lightgbm>=4"))


def test_only_this_very_version_satisfies_a_pin() -> None:
    assert bootstrap.satisfied("pytest", pytest.__version__)
    assert not bootstrap.satisfied("pytest", "1.0")
    assert not bootstrap.satisfied("no-such-package", "1.0")


def test_a_package_that_cannot_be_installed_is_named_in_the_exit_message(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pipelines" / "bootstrap.py", tmp_path)
    write(tmp_path, "no-such-package-of-perennial==1.0")
    message = tmp_path / "output" / "message"
    ended = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "bootstrap.py", "steps/prepare.py", "--message", str(message)],
        cwd=tmp_path,
        env={"PIP_NO_INDEX": "1"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 1
    assert message.read_text().startswith(
        "pip cannot install no-such-package-of-perennial==1.0. Give the step an image"
    )


@given(st.text(max_size=300))
def test_any_column_name_becomes_a_metadata_value_that_aws_takes(name: str) -> None:
    assert re.fullmatch(r"[\w .:/=+\-@]*", metadata_value(name))
    assert len(metadata_value(name)) <= 256


def test_a_usual_column_name_stays_as_it_is() -> None:
    assert metadata_value("hours-per-week @home 2") == "hours-per-week @home 2"
