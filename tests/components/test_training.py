"""TrainingPipeline: one compiled definition, bound to this environment."""

import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipelines
from components import TrainingPipeline, TrainingPipelineArgs
from components._definition import bind, check
from pipelines.check import problems
from tests.components.conftest import IMAGE
from tests.conftest import Deploy, Engine, Refusal

JOB = {"ProcessingResources": {"ClusterConfig": {}}, "ProcessingOutputConfig": {"Outputs": []}}
FIT = {"ResourceConfig": {}, "OutputDataConfig": {}, "EnableNetworkIsolation": False}
DEFINITION = json.dumps(
    {
        "Version": "2020-12-01",
        "Parameters": [
            {"Name": "SnapshotId", "Type": "String"},
            {"Name": "CodeVersion", "Type": "String"},
            {"Name": "RoleArn", "Type": "String", "DefaultValue": "somebody"},
            {"Name": "TargetColumn", "Type": "String"},
            {"Name": "Kind", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
            {"Name": "MinRocAuc", "Type": "Float", "DefaultValue": 0.5},
            {"Name": "Rounds", "Type": "Integer", "DefaultValue": 10},
            {"Name": "Deep", "Type": "Boolean", "DefaultValue": False},
        ],
        "Steps": [
            {"Name": "Prepare", "Type": "Processing", "Arguments": JOB},
            {"Name": "Train", "Type": "Training", "Arguments": FIT},
            {
                "Name": "Gate",
                "Type": "Condition",
                "Arguments": {
                    "Conditions": [],
                    "IfSteps": [{"Name": "Check", "Type": "Processing", "Arguments": JOB}],
                    "ElseSteps": [{"Name": "Refused", "Type": "Fail", "Arguments": {}}],
                },
            },
        ],
    }
)
GIVEN = {"TargetColumn": "churned"}


def steps(bound: str) -> dict[str, dict[str, Any]]:
    prepare, train, gate = json.loads(bound)["Steps"]
    inner = gate["Arguments"]["IfSteps"] + gate["Arguments"]["ElseSteps"]
    return {step["Name"]: step["Arguments"] for step in (prepare, train, gate, *inner)}


def defaults(bound: str) -> dict[str, Any]:
    return {
        each["Name"]: each["DefaultValue"]
        for each in json.loads(bound)["Parameters"]
        if "DefaultValue" in each
    }


def test_parameters_become_defaults_in_their_own_type() -> None:
    given = {"TargetColumn": "7", "MinRocAuc": "0.75", "Rounds": "3", "Deep": "true", "Kind": "b"}
    assert defaults(bind(DEFINITION, given, {"RoleArn": "me", "Unused": "x"})) == {
        "TargetColumn": "7",
        "RoleArn": "me",
        "MinRocAuc": 0.75,
        "Rounds": 3,
        "Deep": True,
        "Kind": "b",
    }


def test_what_is_not_given_keeps_its_default() -> None:
    assert defaults(bind(DEFINITION, GIVEN, {}))["Rounds"] == 10


def test_without_network_key_and_isolation_the_steps_stay_as_they_are() -> None:
    assert json.loads(bind(DEFINITION, GIVEN, {}))["Steps"] == json.loads(DEFINITION)["Steps"]


def test_the_network_reaches_every_job_those_inside_of_conditions_too() -> None:
    bound = steps(bind(DEFINITION, GIVEN, {}, subnets=["subnet-1"], security_groups=["sg-1"]))
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert bound["Prepare"]["NetworkConfig"] == {"VpcConfig": vpc}
    assert bound["Check"]["NetworkConfig"] == {"VpcConfig": vpc}
    assert bound["Train"]["VpcConfig"] == vpc
    assert bound["Refused"] == {}


def test_the_key_reaches_volumes_and_outputs_of_every_job() -> None:
    bound = steps(bind(DEFINITION, GIVEN, {}, kms_key_arn="arn:key"))
    for name in ("Prepare", "Check"):
        cluster = bound[name]["ProcessingResources"]["ClusterConfig"]
        assert cluster == {"VolumeKmsKeyId": "arn:key"}
        assert bound[name]["ProcessingOutputConfig"]["KmsKeyId"] == "arn:key"
    assert bound["Train"]["ResourceConfig"] == {"VolumeKmsKeyId": "arn:key"}
    assert bound["Train"]["OutputDataConfig"] == {"KmsKeyId": "arn:key"}


def test_only_training_is_isolated() -> None:
    """The other steps read S3 by version, which SageMaker cannot do for them."""
    bound = steps(bind(DEFINITION, GIVEN, {}, isolate_training=True))
    assert bound["Train"]["EnableNetworkIsolation"] is True
    assert "NetworkConfig" not in bound["Prepare"]


@given(st.permutations(["TargetColumn", "Rounds", "MinRocAuc"]), st.integers(0, 9))
def test_a_bound_definition_does_not_depend_on_the_order_of_its_parameters(
    order: list[str], value: int
) -> None:
    expected = bind(DEFINITION, {name: str(value) for name in sorted(order)}, {})
    assert bind(DEFINITION, {name: str(value) for name in order}, {}) == expected


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "parameters has no TargetColumn, and the definition has no default for it"),
        (GIVEN | {"Sede": "1"}, "parameters has 'Sede', and the definition declares only Deep, "),
        (GIVEN | {"SnapshotId": "s"}, "parameters has SnapshotId, and each run is given its own"),
        (GIVEN | {"RoleArn": "r"}, "parameters has RoleArn, and the component sets it"),
        (GIVEN | {"Rounds": "many"}, "Rounds is 'many', and its type is Integer"),
        (GIVEN | {"Deep": "yes"}, "Deep is 'yes', and its type is Boolean"),
        (GIVEN | {"Kind": "c"}, "Kind is 'c', and it may be one of a, b"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_before_anything_is_built(
    refusal: Refusal, parameters: dict[str, str], sentence: str
) -> None:
    args: TrainingPipelineArgs = {**NEEDED, "parameters": parameters}
    assert sentence in refusal(lambda: TrainingPipeline("churn", args))


@pytest.mark.parametrize(
    ("definition", "sentence"), [("{", "definition is not JSON"), ("{}", "JSON without Steps")]
)
def test_what_is_no_definition_is_refused(definition: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check(definition, {})


NEEDED: TrainingPipelineArgs = {
    "definition": DEFINITION,
    "code": pulumi.StringAsset("bundle"),
    "code_version": "c" * 64,
    "image": IMAGE,
    "data_bucket_name": "data",
    "artifact_bucket_name": "artifacts",
    "model_package_group_name": "perennial-test-churn",
    "parameters": GIVEN,
}


@pytest.fixture(scope="module")
def engine(deploy: Deploy) -> Engine:
    return deploy(lambda: TrainingPipeline("churn", NEEDED))


def test_the_pipeline_runs_as_one_role_and_its_jobs_as_another(engine: Engine) -> None:
    pipeline = engine.one("Pipeline")
    roles = {role.name: role.outputs["arn"] for role in engine.all("Role")}
    assert pipeline.inputs["pipelineName"] == "perennial-test-churn"
    assert pipeline.inputs["roleArn"] == roles["churn-pipeline"]
    assert defaults(pipeline.inputs["pipelineDefinition"])["RoleArn"] == roles["churn-training"]


def test_no_run_can_start_before_policies_and_code_are_there(engine: Engine) -> None:
    needs = {policy.urn for policy in engine.all("RolePolicy")}
    needs.add(engine.one("BucketObjectv2", "churn-code").urn)
    assert needs <= engine.one("Pipeline").depends_on


def test_old_code_stays_because_old_models_name_it(engine: Engine) -> None:
    code = engine.one("BucketObjectv2", "churn-code")
    assert code.inputs["key"] == f"code/{'c' * 64}/sourcedir.tar.gz"
    assert code.retain_on_delete


def test_the_current_code_is_named_only_when_it_is_there(engine: Engine) -> None:
    current = engine.one("BucketObjectv2", "churn-current-code")
    assert current.inputs["key"] == "code/current.json"
    content = current.json("content")
    assert (content["code_version"], content["git_commit"]) == ("c" * 64, "unknown")
    for what in (engine.one("BucketObjectv2", "churn-code"), engine.one("Pipeline")):
        assert what.urn in current.depends_on


def test_the_values_that_a_run_is_given_are_named_with_the_code(engine: Engine) -> None:
    """All that the pipeline has but where it works: a changed one is another run."""
    named = engine.one("BucketObjectv2", "churn-current-code").json("content")["parameters"]
    assert named == {
        "TargetColumn": "churned",
        "Kind": "a",
        "MinRocAuc": "0.5",
        "Rounds": "10",
        "Deep": "false",
    }
    assert bind(DEFINITION, named, {}) == bind(DEFINITION, GIVEN, {})


def test_a_definition_may_come_from_another_resource(deploy: Deploy) -> None:
    def program() -> None:
        TrainingPipeline("churn", {**NEEDED, "definition": pulumi.Output.from_input(DEFINITION)})

    bound = deploy(program).one("Pipeline").inputs["pipelineDefinition"]
    assert defaults(bound)["TargetColumn"] == "churned"


def test_the_definition_of_the_repository_is_taken_by_aws_when_it_is_bound() -> None:
    """As far as botocore's models of the job requests go."""
    bound = bind(
        pipelines.compile_definition(),
        GIVEN,
        {
            "ArtifactBucket": "artifacts",
            "RoleArn": "arn:aws:iam::123456789012:role/training",
            "ModelPackageGroupName": "perennial-test-churn",
            "Image": IMAGE,
        },
        subnets=["subnet-1"],
        security_groups=["sg-1"],
        kms_key_arn="arn:aws:kms:eu-west-1:123456789012:key/k",
        isolate_training=True,
    )
    assert problems(json.loads(bound)) == []
    assert bound.count("VolumeKmsKeyId") == 3
