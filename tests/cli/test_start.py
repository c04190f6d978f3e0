"""The command line starts without Pulumi, and the package has its components all the same."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, in which nothing is imported yet."""
    return subprocess.run(  # noqa: S603  # our own code under our interpreter
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_the_command_line_imports_no_pulumi() -> None:
    code = "import sys; from components.cli import main; print('pulumi' in sys.modules)"
    assert run(code).stdout == "False\n"


@pytest.mark.parametrize("first", ["import components", "import pulumi, components"])
def test_the_components_are_there_whoever_is_imported_first(first: str) -> None:
    code = f"{first}; from components import *; print(DataStore is components.DataStore)"
    assert run(code).stdout == "True\n"


def test_a_name_that_the_package_does_not_have_is_an_error() -> None:
    assert "ImportError: cannot import name 'Nope'" in run("from components import Nope").stderr


def test_pulumis_host_finds_the_components_in_the_package() -> None:
    code = (
        "from pulumi.provider.experimental.host import components_from_module as find; "
        "import components; print(len(find(components)))"
    )
    assert run(code).stdout == "6\n"


MAIN = "import sys; from components.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("command", ["why", "status", "retrain", "pause", "resume", "redrive"])
def test_every_command_explains_itself(command: str) -> None:
    assert f"    {command} " in run(MAIN, "--help").stdout
    helped = run(MAIN, command, "--help")
    assert helped.returncode == 0
    assert helped.stdout.startswith(f"usage: perennial {command} [-h] [--loop LOOP]")


@pytest.mark.parametrize("typed", [(), ("explain",), ("pause",), ("why", "--sinec", "7d")])
def test_what_is_no_command_is_answered_with_how_to_type_it(typed: tuple[str, ...]) -> None:
    answer = run(MAIN, *typed)
    assert answer.returncode == 2
    assert answer.stderr.startswith("usage: perennial ")
