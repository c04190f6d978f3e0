"""Which ``pulumi`` is run, and how one is built: with commands made for the test on PATH."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laptop import pulumi_cli
from laptop.__main__ import main
from laptop.errors import LaptopError
from laptop.pulumi_cli import PINNED, supported

ROOT = Path(__file__).parents[2]

Script = Callable[[str, str], Path]
"""Puts a command on PATH: its name, and what its shell script does."""


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """A PATH with no other command than those of the test, and an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def put(name: str, does: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)
        return path

    return put


GO = """
while [ "$1" != -o ]; do shift; done
out=$2
shift 2
for package in "$@"; do echo "echo v{version}" > "$out${{package##*/}}"; done
{then}
"""
"""Builds what it is asked for, as `go build -o folder/ package...` does."""


def go(then: str = "") -> str:
    return GO.format(version=PINNED, then=then)


def test_an_engine_on_path_that_is_new_enough_is_used(on_path: Script) -> None:
    for version in (f"v{PINNED}", "v3.1000.0"):
        command = on_path("pulumi", f"echo {version}")
        assert pulumi_cli.find() == command


@pytest.mark.parametrize("version", ["v3.258.9", "v3.9.0", "2.300.0", "v4.0.0", "devel", ""])
def test_an_engine_that_is_not_supported_is_refused_with_what_is_needed(
    on_path: Script, version: str
) -> None:
    command = on_path("pulumi", f"echo {version}")
    with pytest.raises(LaptopError) as error:
        pulumi_cli.find()
    assert str(error.value) == (
        f"{command} is {version or 'of no known version'}, and Perennial needs pulumi {PINNED} or "
        f"a newer 3.x: upgrade it, or run `make engine`, which builds {PINNED}."
    )


def test_without_an_engine_it_is_said_how_to_get_one(on_path: Script) -> None:
    del on_path
    with pytest.raises(LaptopError, match=r"^There is no `pulumi` on PATH.* run `make engine`"):
        pulumi_cli.find()


@pytest.mark.parametrize("older", [True, False])
def test_one_that_was_built_is_used_where_path_has_none_that_is_new_enough(
    on_path: Script, older: bool
) -> None:
    if older:
        on_path("pulumi", "echo v3.1.0")
    on_path("go", go())
    pulumi_cli.make()
    assert pulumi_cli.find() == pulumi_cli.tool("pulumi")
    assert f"/perennial/pulumi-{PINNED}-" in str(pulumi_cli.find())


def test_what_is_built_is_not_built_again(on_path: Script) -> None:
    on_path("go", go())
    pulumi_cli.make()
    on_path("go", "exit 1")
    pulumi_cli.make()


def test_a_build_that_fails_leaves_nothing_that_would_pass_for_an_engine(on_path: Script) -> None:
    on_path("go", go(then="exit 2"))  # after its output was written
    with pytest.raises(LaptopError, match=r"could not build .*exit code 2"):
        pulumi_cli.make()
    assert list(pulumi_cli.tool("pulumi").parent.iterdir()) == []


def test_other_pins_are_another_folder(
    on_path: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del on_path
    before = pulumi_cli.tool("pulumi")
    (tmp_path / "module").mkdir()
    for name in ("go.mod", "go.sum"):
        text = (pulumi_cli.FOLDER / name).read_text()
        (tmp_path / "module" / name).write_text(text + "\n")
    monkeypatch.setattr(pulumi_cli, "FOLDER", tmp_path / "module")
    assert pulumi_cli.tool("pulumi") != before


def test_without_go_it_is_said_what_is_missing_and_how_to_get_it(
    on_path: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    del on_path
    assert main(["engine"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "there is no `go` on PATH: install Go 1.25 or newer (https://go.dev/dl)" in said


def test_an_unknown_engine_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--engine", "terraform"]) == 1
    assert capsys.readouterr().err == "ENGINE is 'terraform', and it must be laptop or pulumi.\n"


@given(st.tuples(*[st.integers(0, 10_000)] * 2), st.sampled_from(["", "v"]))
def test_versions_are_compared_as_numbers(rest: tuple[int, int], prefix: str) -> None:
    pinned = tuple(int(part) for part in PINNED.split("."))
    assert supported(f"{prefix}3.{rest[0]}.{rest[1]}\n") is ((3, *rest) >= pinned)


@given(st.text())
def test_any_answer_of_a_command_is_a_version_or_none(text: str) -> None:
    version = pulumi_cli.version_in(text)
    assert version is None or all(part >= 0 for part in version)


@pytest.mark.parametrize(
    ("ci", "code", "processes"), [("", 0, []), ("", 0, ["-n", "1"]), ("true", 1, [])]
)
def test_without_an_engine_its_tests_are_left_out_and_said_so_last_but_never_in_ci(
    on_path: Script, ci: str, code: int, processes: list[str]
) -> None:
    del on_path
    run = subprocess.run(  # noqa: S603  # these very tests
        [
            sys.executable,
            "-m",
            "pytest",
            "tests/engine/test_first_up.py",
            "-q",
            "-p",
            "no:cacheprovider",
            *processes,
        ],
        cwd=ROOT,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
    )
    assert run.returncode == code, run.stdout
    last = run.stdout.splitlines()[-1]
    left_out = last.startswith("LEFT OUT: 6 tests on the genuine Pulumi engine")
    assert (left_out and "`make engine`" in last) is (not ci)
