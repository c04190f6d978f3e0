"""The distribution: what a user gets who installs `perennial-mlops`."""

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

ROOT = Path(__file__).parents[1]
COMPONENTS = ROOT / "components"
EXAMPLE = ROOT / "examples" / "platform-python"

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

# Run with the interpreter of the empty environment: prints what its users would see.
PROBE = """
import importlib.metadata, pathlib, pulumi, perennial_mlops
from perennial_mlops._code import runtime_archive
folder = pathlib.Path(perennial_mlops.__file__).parent
print(importlib.metadata.version("perennial-mlops"))
print(*sorted(runtime_archive().assets))
print(*sorted(perennial_mlops.__all__))
"""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    result = subprocess.run(  # noqa: S603  # fixed commands
        [str(part) for part in command], cwd=cwd, capture_output=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def uv() -> Path:
    """The installer: where `make` put it, otherwise the one on the path."""
    local = ROOT / ".cache" / "uv" / "bin" / "uv"
    return local if local.is_file() else Path("uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the folder as `pip install` would."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, COMPONENTS)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with nothing but the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("empty")
    python = folder / "bin" / "python"
    run(uv(), "venv", "--quiet", "--clear", "--python", sys.executable, folder)
    run(uv(), "pip", "install", "--quiet", "--python", python, wheel)
    return python


def files(pattern: str) -> set[str]:
    return {path.relative_to(COMPONENTS).as_posix() for path in COMPONENTS.glob(pattern)}


def test_the_wheel_holds_the_components_the_runtime_and_nothing_else(wheel: Path) -> None:
    prefix = "perennial_mlops/"
    found = {
        name.removeprefix(prefix)
        for name in zipfile.ZipFile(wheel).namelist()
        if name.startswith(prefix)
    }
    expected = {"py.typed", "PulumiPlugin.yaml"}
    for pattern in ("*.py", "cli/*.py", "runtime/*.py"):
        expected |= files(pattern)
    assert found == expected
    top = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"perennial_mlops"}


def test_the_wheel_installed_in_an_empty_environment_imports(python: Path) -> None:
    version, assets, names = run(python, "-W", "ignore", "-c", PROBE).splitlines()
    project = tomllib.loads((COMPONENTS / "pyproject.toml").read_text())["project"]
    assert version == project["version"]
    assert set(assets.split()) == files("runtime/*.py")
    assert "DataStore" in names.split()


def test_the_command_line_works_once_it_is_installed(python: Path) -> None:
    perennial = python.parent / "perennial"
    assert run(perennial, "--help").startswith("usage: perennial [-h] COMMAND")
    assert "--since TIME" in run(perennial, "why", "--help")
    code = "import sys, perennial_mlops.cli.main; print('pulumi' in sys.modules)"
    assert run(python, "-c", code) == "False\n"


def served(*command: str | Path) -> dict[str, Any]:
    """The schema that a plugin serves: started as the engine does it, it prints its port."""
    engine = "127.0.0.1:1"  # which the plugin does not call yet
    with subprocess.Popen(  # noqa: S603  # fixed commands
        [*map(str, command), engine], stdout=subprocess.PIPE, encoding="utf-8"
    ) as plugin:
        try:
            assert plugin.stdout is not None
            port = int(plugin.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                provider = provider_pb2_grpc.ResourceProviderStub(channel)
                answer = provider.GetSchema(provider_pb2.GetSchemaRequest(), timeout=30)
        finally:
            plugin.kill()
    schema: dict[str, Any] = json.loads(answer.schema)
    return schema


def test_the_installed_package_is_the_same_however_it_is_served(python: Path) -> None:
    """By Pulumi's Python host, which knows no version, and by the executable of the wheel."""
    by_host = served(python, "-W", "ignore", "-m", "pulumi.run.plugin", "perennial-mlops")
    by_executable = served(python.parent / "pulumi-resource-perennial-mlops")
    project = tomllib.loads((COMPONENTS / "pyproject.toml").read_text())["project"]
    assert by_executable == {**by_host, "version": project["version"]}
    assert by_executable["name"] == project["name"]
    assert "perennial-mlops:index:DataStore" in by_executable["resources"]


def test_the_checkout_serves_what_the_wheel_serves(python: Path) -> None:
    executable = "pulumi-resource-perennial-mlops"
    assert served(sys.executable, COMPONENTS / executable) == served(python.parent / executable)


def test_the_python_example_installs_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """`requirements.txt` names it as a file, which a new version has to change."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("dist"))
    (tmp_path / "dist").mkdir()
    shutil.copy(wheel, tmp_path / "dist")
    run(uv(), "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    command = (uv(), "pip", "install", "--quiet", "--python", python, "-r", "requirements.txt")
    run(*command, cwd=tmp_path)
    version, *_ = run(python, "-W", "ignore", "-c", PROBE).splitlines()
    assert version in wheel.name


def test_the_version_stands_in_one_place() -> None:
    version = tomllib.loads((COMPONENTS / "pyproject.toml").read_text())["project"]["version"]
    found = [
        path.name
        for path in (
            *COMPONENTS.rglob("*.py"),
            *COMPONENTS.glob("*.yaml"),
            *COMPONENTS.glob("*.md"),
        )
        if version in path.read_text()
    ]
    assert not found
