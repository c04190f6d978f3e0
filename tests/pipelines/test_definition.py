"""The compiled definition: its bytes, its steps, and what AWS would refuse in it."""

import copy
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.check import problems
from tests.pipelines.conftest import ROOT

Json = dict[str, Any]


# `python -m <name>.compile`, ended at once by any use of the network.
OFFLINE = """
import os, runpy, socket, sys
def refused(*_):
    print("the network was used", file=sys.stderr, flush=True)
    os._exit(1)
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refused
sys.path.insert(0, "")
runpy.run_module(f"{sys.argv[1]}.compile", run_name="__main__")
"""


@pytest.fixture(scope="session")
def compilations(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The definition compiled offline in two processes, two folders and two hash seeds."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "other"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "pipelines", elsewhere, ignore=ignored)
    processes = [
        subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-c", OFFLINE, folder.name],
            cwd=folder.parent,
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "AWS_DEFAULT_REGION": region},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        for folder, seed, zone, region in (
            (ROOT / "pipelines", "1", "UTC", "eu-west-1"),
            (elsewhere, "2", "Asia/Tokyo", "us-west-2"),
        )
    ]
    compiled = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], compiled
    return [output for output, _ in compiled]


@pytest.fixture
def definition(compilations: list[str]) -> Json:
    """A copy that a test may spoil."""
    compiled: Json = json.loads(compilations[0])
    return compiled


def step(definition: Json, name: str) -> Json:
    gate = next(each for each in definition["Steps"] if each["Type"] == "Condition")["Arguments"]
    inner = [*gate["IfSteps"], *gate["ElseSteps"]]
    found: Json = next(each for each in [*definition["Steps"], *inner] if each["Name"] == name)
    return found


def test_two_processes_folders_and_hash_seeds_compile_the_same_bytes_without_a_network(
    compilations: list[str],
) -> None:
    assert compilations[0] == compilations[1]


def test_the_json_is_normalised(compilations: list[str]) -> None:
    normal = json.dumps(json.loads(compilations[0]), sort_keys=True, separators=(",", ":"))
    assert compilations[0] == normal + "\n"


def test_the_steps_are_those_of_the_loop(definition: Json) -> None:
    assert [(each["Name"], each["Type"]) for each in definition["Steps"]] == [
        ("Prepare", "Processing"),
        ("Train", "Training"),
        ("Evaluate", "Processing"),
        ("Gate", "Condition"),
    ]
    gate = step(definition, "Gate")["Arguments"]
    assert [each["Name"] for each in gate["IfSteps"]] == ["Register"]
    assert [each["Name"] for each in gate["ElseSteps"]] == ["Refused"]


def test_the_parameters_are_those_of_the_contract(definition: Json) -> None:
    declared = {each["Name"]: each["Type"] for each in definition["Parameters"]}
    strings = (
        "SnapshotId CodeVersion ArtifactBucket RoleArn ModelPackageGroupName Image TargetColumn "
        "ProcessingInstanceType TrainingInstanceType InferenceInstanceType ProtectedColumn Seed"
    )
    assert declared == {
        **dict.fromkeys(strings.split(), "String"),
        **dict.fromkeys(("MinRocAuc", "MaxFairnessGap", "MaxChampionLoss"), "Float"),
        **dict.fromkeys(
            ("VolumeSizeInGB", "MaxRuntimeInSeconds", "TrainingInstanceCount"), "Integer"
        ),
    }
    without_default = {
        each["Name"] for each in definition["Parameters"] if "DefaultValue" not in each
    }
    assert {"SnapshotId", "CodeVersion"} <= without_default


def test_a_model_version_always_waits_for_a_person(definition: Json) -> None:
    assert step(definition, "Register")["Arguments"]["ModelApprovalStatus"] == (
        "PendingManualApproval"
    )


def test_nothing_that_the_step_cache_compares_differs_between_two_runs(definition: Json) -> None:
    for name in ("Prepare", "Train"):
        found = step(definition, name)
        assert found["CacheConfig"]["Enabled"]
        compared = {
            key: value
            for key, value in found["Arguments"].items()
            if key not in ("ProcessingOutputConfig", "OutputDataConfig")
        }
        assert "Execution." not in json.dumps(compared)
    assert "CacheConfig" not in step(definition, "Evaluate")


def test_no_step_but_evaluate_knows_the_thresholds_beside_the_gate(definition: Json) -> None:
    conditions = step(definition, "Gate")["Arguments"]["Conditions"]
    assert [
        (
            condition["LeftValue"]["Std:JsonGet"]["Path"],
            condition["Type"],
            condition["RightValue"]["Get"],
        )
        for condition in conditions
    ] == [
        ("metrics.roc_auc", "GreaterThanOrEqualTo", "Parameters.MinRocAuc"),
        ("fairness.gap", "LessThanOrEqualTo", "Parameters.MaxFairnessGap"),
        ("champion.loss", "LessThanOrEqualTo", "Parameters.MaxChampionLoss"),
    ]


def test_aws_would_accept_the_definition(definition: Json) -> None:
    assert problems(definition) == []


def arguments(name: str) -> Callable[[Json], Json]:
    return lambda definition: step(definition, name)["Arguments"]


train, evaluate, register = arguments("Train"), arguments("Evaluate"), arguments("Register")


def condition(definition: Json) -> Json:
    first: Json = step(definition, "Gate")["Arguments"]["Conditions"][0]
    return first


def s3_input(definition: Json) -> Json:
    found: Json = evaluate(definition)["ProcessingInputs"][1]["S3Input"]
    return found


# Mistake -> how to make it, and the words that have to name it.
MISTAKES: dict[str, tuple[Callable[[Json], Any], str]] = {
    "a required member left out": (
        lambda d: train(d).pop("RoleArn"),
        "Train: Arguments.RoleArn is missing, and required.",
    ),
    "a member misspelt": (
        lambda d: train(d).update(StopingCondition={}),
        "Train: Arguments: 'StopingCondition' is not known here. Did you mean StoppingCondition?",
    ),
    "an instance type that does not exist": (
        lambda d: train(d)["ResourceConfig"].update(InstanceType="ml.m5.larg"),
        "Train: Arguments.ResourceConfig.InstanceType: 'ml.m5.larg' is not known here.",
    ),
    "a number where text is wanted": (
        lambda d: train(d)["HyperParameters"].update(seed=7),
        "Train: Arguments.HyperParameters.seed: 7 is not text, which it must be.",
    ),
    "true where a number is wanted": (
        lambda d: train(d)["ResourceConfig"].update(InstanceCount=True),
        "Train: Arguments.ResourceConfig.InstanceCount: True is not a whole number",
    ),
    "a reference to an unknown parameter": (
        lambda d: evaluate(d).update(Environment={"A": {"Get": "Parameters.Sead"}}),
        "Evaluate: Arguments.Environment.A: Parameters.Sead: 'Sead' is not known here. "
        "Did you mean Seed?",
    ),
    "a reference to a parameter of another type": (
        lambda d: evaluate(d).update(Environment={"A": {"Get": "Parameters.MinRocAuc"}}),
        "Evaluate: Arguments.Environment.A: {'Get': 'Parameters.MinRocAuc'} is a double or float, "
        "and a string is wanted.",
    ),
    "a reference to an unknown step": (
        lambda d: s3_input(d).update(S3Uri={"Get": "Steps.Trian.ModelArtifacts"}),
        "Evaluate: Arguments.ProcessingInputs[1].S3Input.S3Uri: Steps.Trian.ModelArtifacts: "
        "'Trian' is not known here. Did you mean Train?",
    ),
    "a reference inside of a join": (
        lambda d: s3_input(d).update(
            S3Uri={"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.Nope"}]}}
        ),
        "Parameters.Nope: 'Nope' is not known here.",
    ),
    "a reference for a structure": (
        lambda d: train(d).update(StoppingCondition={"Get": "Parameters.CodeVersion"}),
        "Train: Arguments.StoppingCondition: a reference cannot stand for a structure.",
    ),
    "no S3 URI": (
        lambda d: train(d)["OutputDataConfig"].update(S3OutputPath="/tmp/model"),  # noqa: S108  # the mistake itself
        "Train: Arguments.OutputDataConfig.S3OutputPath: '/tmp/model' does not match the pattern",
    ),
    "a value that is not in the enum": (
        lambda d: s3_input(d).update(S3DataType="Manifest"),
        "S3Input.S3DataType: 'Manifest' is not known here. Did you mean ManifestFile?",
    ),
    "a role that is no ARN": (
        lambda d: train(d).update(RoleArn="myrole"),
        "Train: Arguments.RoleArn: ",
    ),
    "an unknown property file": (
        lambda d: condition(d)["LeftValue"]["Std:JsonGet"]["PropertyFile"].update(
            Get="Steps.Evaluate.PropertyFiles.Evaluaton"
        ),
        "Gate: Conditions[0].LeftValue: PropertyFile Steps.Evaluate.PropertyFiles.Evaluaton: "
        "'Evaluaton' is not known here. Did you mean Evaluation?",
    ),
    "a condition type misspelt": (
        lambda d: condition(d).update(Type="GreaterThanOrEqual"),
        "Gate: Conditions[0].Type 'GreaterThanOrEqual' is not known here. "
        "Did you mean GreaterThanOrEqualTo?",
    ),
    "a condition without its right side": (
        lambda d: condition(d).pop("RightValue"),
        "Gate: Conditions[0].RightValue is missing.",
    ),
    "a property that a step does not have": (
        lambda d: s3_input(d).update(S3Uri={"Get": "Steps.Train.ModelArtefacts.S3"}),
        "Steps.Train.ModelArtefacts.S3: 'ModelArtefacts' is not known here. "
        "Did you mean ModelArtifacts?",
    ),
    "an output that a step does not have": (
        lambda d: s3_input(d).update(
            S3Uri={"Get": "Steps.Prepare.ProcessingOutputConfig.Outputs['tset'].S3Output.S3Uri"}
        ),
        "output 'tset' is not known here. Did you mean test?",
    ),
    "a property file of an unknown output": (
        lambda d: step(d, "Evaluate")["PropertyFiles"][0].update(OutputName="reprot"),
        "Evaluate: PropertyFiles Evaluation, OutputName 'reprot' is not known here.",
    ),
    "a key of a step misspelt": (
        lambda d: step(d, "Train").update(DependOn=["Prepare"]),
        "Train: 'DependOn' is not known here. Did you mean DependsOn?",
    ),
    "a dependency on an unknown step": (
        lambda d: step(d, "Train").update(DependsOn=["Perpare"]),
        "Train: DependsOn 'Perpare' is not known here. Did you mean Prepare?",
    ),
    "a step type that does not exist": (
        lambda d: step(d, "Train").update(Type="Traning"),
        "Train: Type 'Traning' is not known here. Did you mean Training?",
    ),
    "two steps of one name": (
        lambda d: d["Steps"].append(copy.deepcopy(d["Steps"][0])),
        "Prepare: 2 steps have this name.",
    ),
    "an unknown execution variable": (
        lambda d: evaluate(d).update(Environment={"A": {"Get": "Execution.PipelineExecutionID"}}),
        "'PipelineExecutionID' is not known here. Did you mean PipelineExecutionId?",
    ),
    "a number beyond its limit": (
        lambda d: train(d)["ResourceConfig"].update(InstanceCount=-1),
        "Train: Arguments.ResourceConfig.InstanceCount: -1 is below the minimum of 0.",
    ),
    "text beyond its limit": (
        lambda d: register(d)["CustomerMetadataProperties"].update(seed="x" * 257),
        "Register: Arguments.CustomerMetadataProperties.seed: the length 257 is above the maximum",
    ),
    "a metadata value with a character that is not allowed": (
        lambda d: register(d)["CustomerMetadataProperties"].update(seed="7;"),
        "Register: Arguments.CustomerMetadataProperties.seed: '7;' does not match the pattern",
    ),
    "a parameter type that does not exist": (
        lambda d: d["Parameters"][0].update(Type="Text"),
        "Parameters.SnapshotId: Type 'Text' is not known here.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_step_and_field(mistake: str, definition: Json) -> None:
    make, words = MISTAKES[mistake]
    make(definition)
    found = problems(definition)
    assert any(words in problem for problem in found), found
