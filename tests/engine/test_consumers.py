"""The component package in the stacks of others, in Python and in TypeScript, on the real engine.

The Python example imports the wheel. The TypeScript example uses the package that is generated from
the schema; Node's Automation API runs it, so that no language host is needed, and the engine finds
the executable of the checkout on PATH.
"""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import components
from components._plugin import PACKAGE, version
from laptop import pulumi_cli
from laptop.automation import PASSPHRASE, Provider
from laptop.errors import LaptopError
from laptop.inventory import inventory
from laptop.server import LaptopAWS
from tests.components import contract
from tests.engine.conftest import MakeStack

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXECUTABLE = ROOT / "components" / "pulumi-resource-perennial-mlops"
IMAGE = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
REGION = {"aws:region": "eu-west-1"}

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # fixed commands
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | env,
        capture_output=True,
        encoding="utf-8",
    )


def succeed(*command: str | Path, cwd: Path, **env: str) -> str:
    result = run(*command, cwd=cwd, **env)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def path() -> str:
    """PATH with the engine, the interpreter of these tests, and the executable of the checkout."""
    first = (pulumi_cli.find().parent, Path(sys.executable).parent, EXECUTABLE.parent)
    return os.pathsep.join([*map(str, first), os.environ["PATH"]])


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the engine is told by the executable of the checkout."""
    folder = tmp_path_factory.mktemp("home")
    command = (pulumi_cli.find(), "package", "get-schema", EXECUTABLE)
    return succeed(*command, cwd=folder, PATH=path(), PULUMI_HOME=str(folder))


def test_the_engine_is_told_the_contract(schema: str) -> None:
    told = json.loads(schema)
    assert contract.document(told) == contract.DOCUMENT.read_text()
    assert (told["name"], told["version"]) == (PACKAGE, version())


# Python


@pytest.fixture
def distribution(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """`perennial_mlops` from the wheel, for the length of a test."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    succeed(*build, ROOT / "components", cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    monkeypatch.syspath_prepend(folder / "site")
    yield folder / "site"
    for name in [each for each in sys.modules if each.partition(".")[0] == "perennial_mlops"]:
        monkeypatch.delitem(sys.modules, name)


def test_two_teams_share_a_stack_in_python(stack: MakeStack, distribution: Path) -> None:
    program = EXAMPLES / "platform-python" / "__main__.py"
    platform = stack(program, {"perennial:image": IMAGE, **REGION})
    first = platform.up()
    source = sys.modules["perennial_mlops"].__file__
    assert source and Path(source).is_relative_to(distribution)
    assert platform.account_holds() == platform.state_holds()
    mine = [each for each in first.created if each.endswith(" on-call")]
    teams = {
        team: sorted(
            each.partition(f" {team}-")[2] for each in first.created if f" {team}-" in each
        )
        for team in ("churn", "fraud")
    }
    assert teams["churn"] == teams["fraud"] != []
    assert len(first.created) == len(mine) + len(teams["churn"]) + len(teams["fraud"])

    second = platform.up()
    assert not (second.created or second.updated or second.replaced or second.deleted)
    platform.destroy()
    assert platform.account_holds() == []


# TypeScript


@dataclass(frozen=True)
class TypeScript:
    """A copy of the TypeScript example, installed, and the engine that runs what is in it."""

    folder: Path
    provider: Provider
    project: str = "platform"
    stack: str = "dev"
    settings: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, operation: str, *programs: str) -> list[dict[str, Any]]:
        """What came of ``up``, ``preview`` or ``destroy`` of each program; see consumer.cjs."""
        printed = succeed(
            *("node", "consumer.cjs", operation, *programs),
            cwd=self.folder,
            PATH=path(),
            PROJECT=self.project,
            STACK=self.stack,
            SETTINGS=json.dumps(self.settings),
            PULUMI_BACKEND_URL=f"file://{self.folder / 'state'}",
            PULUMI_CONFIG_PASSPHRASE=PASSPHRASE,
            PULUMI_DEBUG_PROVIDERS=f"aws:{self.provider.port}",
            PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION="true",
            PULUMI_HOME=str(self.folder / "home"),
            PULUMI_SKIP_UPDATE_CHECK="true",
        )
        came: list[dict[str, Any]] = json.loads(printed)
        return came

    def compile(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run("node", "node_modules/typescript/bin/tsc", *arguments, cwd=self.folder)


def _left_out() -> str:
    """Why the tests of TypeScript cannot run here; empty if they can."""
    missing = [each for each in ("node", "npm") if shutil.which(each) is None]
    if missing:
        return f"There is no {' and no '.join(missing)} on PATH: install Node.js 20 or newer."
    if not pulumi_cli.tool("sdkgen").exists():
        return "There is no sdkgen: run `make engine`, which builds it."
    return ""


@pytest.fixture(scope="module")
def installed(schema: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, the package of the schema beside it as `pulumi package add` would put it."""
    left_out = _left_out()
    if left_out and os.environ.get("CI") == "true":
        pytest.fail(f"{left_out} With CI=true the tests of TypeScript must run.", pytrace=False)
    if left_out:
        pytest.skip(left_out)
    folder = tmp_path_factory.mktemp("node") / "platform-typescript"
    shutil.copytree(
        EXAMPLES / "platform-typescript",
        folder,
        ignore=shutil.ignore_patterns("node_modules", "sdks", "bin"),
    )
    for each in ("state", "home"):
        (folder / each).mkdir()
    shutil.copy(Path(__file__).with_name("consumer.cjs"), folder)
    subprocess.run(  # noqa: S603  # our own tool
        [pulumi_cli.tool("sdkgen"), "sdks/perennial-mlops"],
        input=schema,
        cwd=folder,
        encoding="utf-8",
        check=True,
    )
    succeed("npm", "ci", "--no-audit", "--no-fund", cwd=folder)
    return folder


@pytest.fixture
def typescript(installed: Path, provider: Provider) -> TypeScript:
    return TypeScript(installed, provider, settings={"platform:image": IMAGE, **REGION})


def test_a_platform_in_typescript_is_made_once_and_goes(
    typescript: TypeScript, account: LaptopAWS
) -> None:
    compiled = typescript.compile()
    assert compiled.returncode == 0, compiled.stdout
    program = "./bin/index.js"
    (previewed,) = typescript("preview", program)
    (first,) = typescript("up", program)
    assert first["error"] is None
    assert first["changes"].keys() == {"create"}
    assert first["changes"] == previewed["changes"]
    assert f"bucket {first['outputs']['dataBucket']}" in inventory(account.session())
    assert first["outputs"]["endpointName"] == "platform-dev-churn"

    (second,) = typescript("up", program)
    assert second["changes"] == {"same": first["changes"]["create"]}
    assert second["outputs"] == first["outputs"]
    (gone,) = typescript("destroy", program)
    assert gone["changes"] == {"delete": first["changes"]["create"]}
    assert inventory(account.session()) == []


EVERY_KIND = f"""
const perennial = require("@pulumi/perennial-mlops");
const pulumi = require("@pulumi/pulumi");
const made = new perennial.TrainingPipeline("churn", {{
    artifactBucketName: pulumi.output("artifacts"),
    code: new pulumi.asset.StringAsset("bundle"),
    codeVersion: "{"c" * 64}",
    dataBucketName: pulumi.secret("data"),
    definition: JSON.stringify({{ Version: "2020-12-01", Parameters: [], Steps: [] }}),
    image: "{IMAGE}",
    isolateTraining: true,
    modelPackageGroupName: "models",
    network: {{ subnetIds: ["subnet-1"], securityGroupIds: [pulumi.output("sg-1")] }},
    parameters: {{}},
    tags: {{ team: pulumi.output("churn") }},
}});
const endpoint = new perennial.ModelEndpoint("churn", {{
    artifactBucketName: "artifacts",
    image: "{IMAGE}",
    instanceCount: 2,
    mode: perennial.EndpointMode.Follow,
    modelPackageGroupName: "models",
}});
module.exports = {{ pipeline: made.pipelineName, endpoint: endpoint.endpointName }};
"""


def test_every_kind_of_input_arrives_from_typescript(typescript: TypeScript) -> None:
    """Assets, structures, lists, maps, enums, numbers, and outputs and secrets of all these."""
    program = typescript.folder / "every-kind.cjs"
    program.write_text(EVERY_KIND)
    (came,) = typescript("preview", str(program))
    assert came["error"] is None
    assert came["changes"]["create"] > 20


WRONG = """
import * as perennial from "@pulumi/perennial-mlops";
new perennial.DriftMonitor("churn", { artifactBucketName: "a", endpointName: "e" });
new perennial.ModelRegistry("churn", { logRetentionDays: "ninety" });
new perennial.ModelRegistry("churn", { logRetentionDay: 90 });
"""


def test_the_compiler_refuses_what_does_not_fit(typescript: TypeScript) -> None:
    (typescript.folder / "wrong.ts").write_text(WRONG)
    checked = typescript.compile(
        *("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "wrong.ts")
    )
    assert checked.returncode != 0
    lines = checked.stdout.splitlines()
    assert [each.partition("(")[2].partition(",")[0] for each in lines if "error" in each] == [
        *("3", "4", "5")
    ]
    for told in ("modelPackageGroupName", "type 'string' is not assignable", "logRetentionDays"):
        assert told.lower() in checked.stdout.lower()


# The same mistakes in both


@dataclass(frozen=True)
class Mistake:
    """Arguments of a component that cannot be, as both languages write them."""

    component: str
    python: Mapping[str, Any]
    typescript: Mapping[str, Any]
    sentence: str
    name: str = "churn"


MISTAKES = {
    "a value that AWS does not know": Mistake(
        "ModelRegistry",
        {"log_retention_days": 91},
        {"logRetentionDays": 91},
        "log_retention_days is 91, and CloudWatch Logs keeps logs only for 1, 3, 5, ",
    ),
    "a number out of range": Mistake(
        "DriftMonitor",
        {
            "artifact_bucket_name": "a",
            "endpoint_name": "e",
            "model_package_group_name": "g",
            "drifted_share": 2,
        },
        {
            "artifactBucketName": "a",
            "endpointName": "e",
            "modelPackageGroupName": "g",
            "driftedShare": 2,
        },
        "drifted_share is 2, and it must be between 0.001 and 1: change it.",
    ),
    "a type that is wrong": Mistake(
        "ModelRegistry",
        {"log_retention_days": "ninety"},
        {"logRetentionDays": "ninety"},
        "log_retention_days is 'ninety', and it must be a whole number: change it.",
    ),
    "a boolean in quotes": Mistake(
        "DataStore",
        {"protect": "false"},
        {"protect": "false"},
        "protect is 'false', and it must be a boolean, true or false: change it.",
    ),
    "a number where a text belongs": Mistake(
        "DataStore",
        {"tags": {"team": 7}},
        {"tags": {"team": 7}},
        "tags.team is 7, and it must be a text: change it.",
    ),
    "a required input that is missing": Mistake(
        "RetrainingTriggers",
        {"artifact_bucket_name": "a", "data_bucket_name": "d", "pipeline_name": None},
        {"artifactBucketName": "a", "dataBucketName": "d", "pipelineName": None},
        "RetrainingTriggers is given no pipeline_name, and it cannot do without: add "
        "pipeline_name to its arguments.",
    ),
    "half of a structure": Mistake(
        "ModelRegistry",
        {"network": {"subnet_ids": ["subnet-1"]}},
        {"network": {"subnetIds": ["subnet-1"]}},
        "network has subnet_ids and no security_group_ids, and AWS takes them only together: "
        "give both.",
    ),
    "a choice that there is not": Mistake(
        "ModelEndpoint",
        {
            "artifact_bucket_name": "a",
            "model_package_group_name": "g",
            "image": IMAGE,
            "mode": "chase",
        },
        {"artifactBucketName": "a", "modelPackageGroupName": "g", "image": IMAGE, "mode": "chase"},
        "mode is 'chase', and it may be follow or pinned: choose one.",
    ),
    "a name that is too long": Mistake(
        "ModelRegistry",
        {},
        {},
        f"The name perennial-mistakes-{'c' * 50} has 69 characters, and AWS allows 63 here: ",
        name="c" * 50,
    ),
}


@pytest.fixture(scope="module")
def told_in_typescript(installed: Path, provider: Provider) -> dict[str, str]:
    """What the engine said about each mistake; the compiler was not asked."""
    programs = {}
    for number, (mistake, made) in enumerate(MISTAKES.items()):
        programs[mistake] = installed / f"mistake{number}.cjs"
        programs[mistake].write_text(
            'const perennial = require("@pulumi/perennial-mlops");\n'
            f"new perennial.{made.component}({made.name!r}, {json.dumps(made.typescript)});\n"
        )
    consumer = TypeScript(installed, provider, project="perennial", stack="mistakes")
    came = consumer("up", *map(str, programs.values()))
    return {mistake: each["error"] or "" for mistake, each in zip(programs, came, strict=True)}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_the_same_sentence_in_both(
    mistake: str, told_in_typescript: dict[str, str], stack: MakeStack
) -> None:
    made = MISTAKES[mistake]

    def program() -> None:
        getattr(components, made.component)(made.name, made.python)

    mistaken = stack(program, {}, name="mistakes")
    with pytest.raises(LaptopError) as refused:
        mistaken.up()
    sentence = str(refused.value)
    assert sentence.startswith(made.sentence)
    assert told_in_typescript[mistake].endswith(f" has a problem: {sentence}")
    assert mistaken.account_holds() == []
