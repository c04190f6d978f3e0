"""Pipelines that run on the laptop: steps as processes, as the roles that AWS would use."""

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from laptop.errors import AwsError
from tests.laptop.sagemaker_world import JOB_ROLE, ROLE, World, check_response, world

PREPARE = """
import json, os, pathlib, sys
data, out, message = map(pathlib.Path, sys.argv[1:4])
rows = sorted(p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file())
print("preparing", rows)
if "corrupt.csv" in rows:
    message.write_text("corrupt.csv: column age: not a number: 'x'")
    sys.exit(1)
(out / "train").mkdir(exist_ok=True)
(out / "train/rows.json").write_text(json.dumps({"rows": rows, "env": sorted(os.environ)}))
(out / "report/report.json").write_text(json.dumps({"count": len(rows), "name": os.environ["RUN"]}))
"""

TRAIN = """
import argparse, json, os, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
given = parser.parse_args()
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
rows = json.loads(pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.json").read_text())["rows"]
config = pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"])
(model / "model.json").write_text(json.dumps({
    "rows": rows, "depth": given.depth, "hps": json.loads(os.environ["SM_HPS"]),
    "resources": json.loads((config / "resourceconfig.json").read_text()),
    "channels": json.loads((config / "inputdataconfig.json").read_text()),
}))
if given.depth > 9:
    pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("depth is at most 9")
    sys.exit(3)
"""


def ref(path: str) -> dict[str, str]:
    return {"Get": path}


def join(*values: Any, on: str = "/") -> dict[str, Any]:
    return {"Std:Join": {"On": on, "Values": list(values)}}


RUN = join("s3://artifacts/runs", ref("Execution.PipelineExecutionId"))


def s3_input(name: str, uri: Any, kind: str = "S3Prefix") -> dict[str, Any]:
    return {
        "InputName": name,
        "AppManaged": False,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": kind,
            "S3InputMode": "File",
        },
    }


def prepare(**changes: Any) -> dict[str, Any]:
    step = {
        "Name": "Prepare",
        "Type": "Processing",
        "Arguments": {
            "RoleArn": JOB_ROLE,
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 30,
                }
            },
            "AppSpecification": {
                "ImageUri": "image",
                "ContainerEntrypoint": ["sh", "-c"],
                "ContainerArguments": [
                    "python3 /opt/ml/processing/input/code/prepare.py /opt/ml/processing/input/data"
                    " /opt/ml/processing/output /opt/ml/output/message"
                ],
            },
            "Environment": {"RUN": ref("Parameters.Name")},
            "ProcessingInputs": [
                s3_input("code", "s3://artifacts/code"),
                s3_input("data", ref("Parameters.Data")),
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": name,
                        "AppManaged": False,
                        "S3Output": {
                            "S3Uri": join(RUN, "Prepare", name),
                            "LocalPath": f"/opt/ml/processing/output/{name}",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                    for name in ("train", "report")
                ]
            },
        },
        "PropertyFiles": [
            {"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}
        ],
    }
    return {**step, **changes}


def train(**hyperparameters: str) -> dict[str, Any]:
    return {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "RoleArn": JOB_ROLE,
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 30,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "s3://artifacts/source/sourcedir.tar.gz",
                "depth": "3",
                **hyperparameters,
            },
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": ref(
                                "Steps.Prepare.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"
                            ),
                        }
                    },
                }
            ],
            "OutputDataConfig": {"S3OutputPath": join(RUN, "Train")},
        },
    }


REGISTER = {
    "Name": "Register",
    "Type": "RegisterModel",
    "Arguments": {
        "ModelPackageGroupName": "churn",
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": "image",
                    "ModelDataUrl": ref("Steps.Train.ModelArtifacts.S3ModelArtifacts"),
                }
            ],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        "CustomerMetadataProperties": {"count": join(ref("Parameters.Name"), on="")},
    },
}


def gate(minimum: float) -> dict[str, Any]:
    count = {
        "Std:JsonGet": {"PropertyFile": ref("Steps.Prepare.PropertyFiles.Report"), "Path": "count"}
    }
    return {
        "Name": "Gate",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {"Type": "GreaterThanOrEqualTo", "LeftValue": count, "RightValue": minimum}
            ],
            "IfSteps": [REGISTER],
            "ElseSteps": [
                {
                    "Name": "Refused",
                    "Type": "Fail",
                    "Arguments": {"ErrorMessage": join("only", count, "files", on=" ")},
                }
            ],
        },
        "DependsOn": ["Train"],
    }


def definition(*steps: dict[str, Any]) -> str:
    return json.dumps(
        {
            "Version": "2020-12-01",
            "Parameters": [
                {"Name": "Data", "Type": "String", "DefaultValue": "s3://data/in"},
                {"Name": "Name", "Type": "String", "DefaultValue": "first"},
                {"Name": "Depth", "Type": "Integer", "DefaultValue": 3},
            ],
            "Steps": list(steps),
        }
    )


def tar(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "work") as it:
        it.objects |= {
            "artifacts/code/prepare.py": PREPARE.encode(),
            "artifacts/source/sourcedir.tar.gz": tar({"train.py": TRAIN}),
            "data/in/a.csv": b"1,2\n",
            "data/in/more/b.csv": b"3,4\n",
        }
        it.call("CreateModelPackageGroup", ModelPackageGroupName="churn")
        yield it


def create(aws: World, *steps: dict[str, Any], **more: Any) -> None:
    aws.call(
        "CreatePipeline",
        PipelineName="loop",
        ClientRequestToken="c" * 32,
        RoleArn=ROLE,
        PipelineDefinition=definition(*steps),
        **more,
    )


def run_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def test_a_pipeline_prepares_trains_judges_and_registers(aws: World) -> None:
    create(aws, prepare(), train(), gate(minimum=2))
    arn = aws.start(Name="second")
    execution = aws.finished(arn)
    assert execution["PipelineExecutionStatus"] == "Succeeded", aws.steps(arn)
    steps = aws.steps(arn)
    assert list(steps) == ["Register", "Gate", "Train", "Prepare"]  # the latest first
    assert steps["Gate"]["Metadata"] == {"Condition": {"Outcome": "True"}}

    package = aws.call(
        "DescribeModelPackage",
        ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"],
    )
    assert package["ModelPackageVersion"] == 1
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["CustomerMetadataProperties"] == {"count": "second"}
    assert package["MetadataProperties"]["GeneratedBy"] == arn

    url = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    assert url.startswith(f"s3://artifacts/runs/{run_id(arn)}/Train/pipelines-{run_id(arn)}-Train-")
    archive = aws.objects[url.removeprefix("s3://")]
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        model = json.loads(content.extractfile("model.json").read())  # type: ignore[union-attr]  # it is a file
    assert model["rows"] == ["a.csv", "more/b.csv"]
    assert (model["depth"], model["hps"]) == (3, {"depth": 3})
    assert model["channels"]["train"]["TrainingInputMode"] == "File"
    assert model["resources"]["current_host"] == "algo-1"


def test_everything_is_moved_with_the_role_of_the_job(aws: World) -> None:
    create(aws, prepare())
    aws.finished(aws.start())
    assert set(aws.writers.values()) == {"training"}


def test_a_job_sees_nothing_of_this_machines_environment(
    aws: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "leaked")
    create(aws, prepare())
    arn = aws.start()
    aws.finished(arn)
    made = json.loads(aws.objects[f"artifacts/runs/{run_id(arn)}/Prepare/train/rows.json"])
    assert set(made["env"]) - {"PWD", "SHLVL", "_", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"} == {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HOME",
        "LANG",
        "PATH",
        "PYTHONUNBUFFERED",
        "RUN",
        "TMPDIR",
    }


def test_the_log_of_a_job_is_in_cloudwatch(aws: World) -> None:
    create(aws, prepare())
    arn = aws.start()
    aws.finished(arn)
    (key,) = aws.logs
    assert key[0] == "/aws/sagemaker/ProcessingJobs"
    assert key[1].startswith(f"pipelines-{run_id(arn)}-Prepare-")
    assert aws.logs[key] == ["preparing ['a.csv', 'more/b.csv']"]


def test_a_role_that_may_not_write_logs_still_runs_its_job(aws: World) -> None:
    aws.denied = {("training", "CreateLogStream"), ("training", "PutLogEvents")}
    create(aws, prepare())
    assert aws.finished(aws.start())["PipelineExecutionStatus"] == "Succeeded"


def test_a_refused_gate_fails_the_execution_with_its_reason(aws: World) -> None:
    create(aws, prepare(), train(), gate(minimum=5))
    arn = aws.start()
    execution = aws.finished(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    refused = aws.steps(arn)["Refused"]
    assert refused["FailureReason"] == "only 2 files"
    assert refused["Metadata"] == {"Fail": {"ErrorMessage": "only 2 files"}}
    assert "Register" not in aws.steps(arn)
    assert not aws.call("ListModelPackages", ModelPackageGroupName="churn")[
        "ModelPackageSummaryList"
    ]


def test_after_a_failure_no_further_step_starts(aws: World) -> None:
    fail = {"Name": "Fail", "Type": "Fail", "Arguments": {"ErrorMessage": "enough"}}
    create(aws, fail, {**sleeper(seconds=1), "Name": "Slow"}, prepare(DependsOn=["Slow"]))
    arn = aws.start()
    assert aws.finished(arn)["PipelineExecutionStatus"] == "Failed"
    assert "Prepare" not in aws.steps(arn)


def test_a_failed_processing_job_tells_its_exit_message_and_uploads_nothing(aws: World) -> None:
    aws.objects["data/in/corrupt.csv"] = b"x"
    create(aws, prepare(), train())
    arn = aws.start()
    assert aws.finished(arn)["PipelineExecutionStatus"] == "Failed"
    step = aws.steps(arn)["Prepare"]
    assert step["FailureReason"] == (
        "ClientError: AlgorithmError: See job logs for more information"
    )
    name = step["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    job = aws.call("DescribeProcessingJob", ProcessingJobName=name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["ExitMessage"] == "corrupt.csv: column age: not a number: 'x'"
    assert not [key for key in aws.objects if key.startswith("artifacts/runs/")]
    assert "Train" not in aws.steps(arn)


def test_a_failed_training_job_tells_what_it_wrote_to_output_failure(aws: World) -> None:
    create(aws, prepare(), train(depth="12"))
    arn = aws.start()
    aws.finished(arn)
    assert aws.steps(arn)["Train"]["FailureReason"] == (
        "ClientError: AlgorithmError: depth is at most 9, exit code: 3"
    )
    assert not [key for key in aws.objects if key.endswith("model.tar.gz")]


@pytest.mark.parametrize(
    ("prefix", "directory"),
    [
        ("source", "/opt/ml/input/data/code/sourcedir.tar.gz"),
        ("unpacked", "/opt/ml/input/data/code"),
    ],
)
def test_code_may_come_through_a_channel(aws: World, prefix: str, directory: str) -> None:
    aws.objects["artifacts/unpacked/train.py"] = TRAIN.encode()
    step = train(sagemaker_submit_directory=directory)
    channel = {"S3DataType": "S3Prefix", "S3Uri": f"s3://artifacts/{prefix}"}
    step["Arguments"]["InputDataConfig"].append(
        {"ChannelName": "code", "DataSource": {"S3DataSource": channel}}
    )
    create(aws, prepare(), step)
    assert aws.finished(aws.start())["PipelineExecutionStatus"] == "Succeeded"


def test_code_that_is_no_archive_fails_the_job(aws: World) -> None:
    aws.objects["artifacts/source/sourcedir.tar.gz"] = b"pickle"
    create(aws, prepare(), train())
    arn = aws.start()
    aws.finished(arn)
    assert "could not be unpacked" in aws.steps(arn)["Train"]["FailureReason"]


def test_an_input_that_is_not_there_is_told_with_the_role_that_looked(aws: World) -> None:
    create(aws, prepare())
    arn = aws.start(Data="s3://data/nothing")
    aws.finished(arn)
    reason = aws.steps(arn)["Prepare"]["FailureReason"]
    assert 'No S3 objects found under S3 URL "s3://data/nothing"' in reason
    assert JOB_ROLE in reason


@pytest.mark.parametrize(
    ("role", "action", "told"),
    [
        ("training", "s3:PutObject", "Data upload failed"),
        ("training", "s3:GetObject", "Data download failed"),
        ("pipeline", "CreateProcessingJob", "Failed to invoke sagemaker:CreateProcessingJob"),
    ],
)
def test_what_a_role_may_not_do_fails_the_step(
    aws: World, role: str, action: str, told: str
) -> None:
    aws.denied = {(role, action)}
    create(aws, prepare())
    arn = aws.start()
    assert aws.finished(arn)["PipelineExecutionStatus"] == "Failed"
    reason = aws.steps(arn)["Prepare"]["FailureReason"]
    assert told in reason and "not authorized" in reason


def test_property_files_are_read_as_the_role_of_the_pipeline(aws: World) -> None:
    aws.denied = {("pipeline", "s3:GetObject")}
    create(aws, prepare(), train(), gate(minimum=1))
    arn = aws.start()
    aws.finished(arn)
    assert "not authorized" in aws.steps(arn)["Gate"]["FailureReason"]


def test_the_same_token_is_the_same_execution(aws: World) -> None:
    create(aws, prepare())
    assert aws.start() == aws.start()
    with pytest.raises(AwsError, match="another request") as caught:
        aws.start(Name="other")
    assert caught.value.code == "ConflictException"
    executions = aws.call("ListPipelineExecutions", PipelineName="loop")
    assert len(executions["PipelineExecutionSummaries"]) == 1


def test_parameters_are_listed_with_defaults_and_given_values(aws: World) -> None:
    create(aws, prepare())
    arn = aws.start(Depth="7")
    listed = aws.call("ListPipelineParametersForExecution", PipelineExecutionArn=arn)
    assert {"Name": "Depth", "Value": "7"} in listed["PipelineParameters"]
    assert {"Name": "Name", "Value": "first"} in listed["PipelineParameters"]


def test_a_cached_step_is_not_run_again_until_what_it_reads_changes(aws: World) -> None:
    create(aws, prepare(CacheConfig={"Enabled": True, "ExpireAfter": "P1D"}), train())
    first, second, third = _run(aws, "a", "x"), _run(aws, "b", "x"), _run(aws, "c", "y")
    hit = aws.steps(second)["Prepare"]
    assert hit["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert "CacheHitResult" not in aws.steps(second)["Train"]
    assert "CacheHitResult" not in aws.steps(third)["Prepare"]
    trained = aws.steps(second)["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    job = aws.call("DescribeTrainingJob", TrainingJobName=trained)
    channel = job["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    assert run_id(first) in channel["S3Uri"]  # the outputs are those of the first run


def _run(aws: World, letter: str, name: str) -> str:
    arn = aws.start(token=letter * 32, Name=name)
    aws.finished(arn)
    return arn


def test_a_failed_step_is_never_a_cache_hit(aws: World) -> None:
    aws.objects["data/in/corrupt.csv"] = b"x"
    create(aws, prepare(CacheConfig={"Enabled": True}))
    _run(aws, "a", "x")
    del aws.objects["data/in/corrupt.csv"]
    assert "CacheHitResult" not in aws.steps(_run(aws, "b", "x"))["Prepare"]


def sleeper(seconds: int = 60, limit: int = 60) -> dict[str, Any]:
    step = prepare()
    step["Arguments"] |= {
        "ProcessingInputs": [],
        "StoppingCondition": {"MaxRuntimeInSeconds": limit},
        "AppSpecification": {
            "ImageUri": "image",
            "ContainerEntrypoint": ["sh", "-c"],
            # a child of a child, to see that the whole group ends
            "ContainerArguments": [
                f"sleep {seconds} & echo $$ $! > /opt/ml/output/pids; exec sleep {seconds}"
            ],
        },
    }
    return step


def sleeping(aws: World, arn: str) -> list[int]:
    """The processes of the step that sleeps, once they run."""
    step = aws.until(lambda: aws.steps(arn).get("Prepare", {}), lambda it: "Metadata" in it)
    name = step["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    pids = aws.workdir / "jobs" / name / "opt/ml/output/pids"
    deadline = time.monotonic() + 30
    while not (pids.exists() and pids.read_text().endswith("\n")):
        assert time.monotonic() < deadline, f"{pids} was never written"
        os.sched_yield()
    return [int(pid) for pid in pids.read_text().split()]


def gone(pid: int) -> bool:
    """Whether a process has ended; one that was killed may take a moment, and then is a zombie."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        os.sched_yield()
    return False


def test_stopping_an_execution_ends_its_processes(aws: World) -> None:
    create(aws, sleeper(), train())
    arn = aws.start()
    pids = sleeping(aws, arn)
    aws.call("StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken="s" * 32)
    execution = aws.finished(arn)
    assert execution["PipelineExecutionStatus"] == "Stopped"
    assert aws.steps(arn)["Prepare"]["StepStatus"] == "Stopped"
    assert "Train" not in aws.steps(arn)
    assert all(map(gone, pids))
    with pytest.raises(AwsError, match="only one that is Executing"):
        aws.call("StopPipelineExecution", PipelineExecutionArn=arn, ClientRequestToken="s" * 32)


def test_an_execution_whose_job_was_stopped_by_itself_is_stopped(aws: World) -> None:
    create(aws, sleeper(), train())
    arn = aws.start()
    sleeping(aws, arn)
    name = aws.steps(arn)["Prepare"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    aws.call("StopProcessingJob", ProcessingJobName=name)
    assert aws.finished(arn)["PipelineExecutionStatus"] == "Stopped"
    with pytest.raises(AwsError, match="in status Stopped"):
        aws.call("StopProcessingJob", ProcessingJobName=name)


def test_a_job_that_is_made_while_its_execution_stops_is_stopped_too(aws: World) -> None:
    create(aws, sleeper())
    create_job = aws.sagemaker._operations["CreateProcessingJob"]

    def stop_then_create(request: Any) -> dict[str, Any]:
        (running,) = aws.call("ListPipelineExecutions", PipelineName="loop")[
            "PipelineExecutionSummaries"
        ]
        stop = {"PipelineExecutionArn": running["PipelineExecutionArn"]}
        aws.call("StopPipelineExecution", ClientRequestToken="s" * 32, **stop)
        return create_job(request)

    aws.sagemaker._operations["CreateProcessingJob"] = stop_then_create
    assert aws.finished(aws.start())["PipelineExecutionStatus"] == "Stopped"


@pytest.mark.parametrize("role", ["pipeline", "training"])
def test_a_role_that_cannot_be_assumed_fails_the_execution(aws: World, role: str) -> None:
    create(aws, prepare())
    aws.denied = {(role, "sts:AssumeRole")}
    arn = aws.start()
    execution = aws.finished(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    reasons = [execution["FailureReason"], *(it["FailureReason"] for it in aws.steps(arn).values())]
    assert any("Could not assume role" in reason for reason in reasons)


def test_a_job_that_runs_too_long_is_ended(aws: World) -> None:
    create(aws, sleeper(limit=1))
    arn = aws.start()
    assert aws.finished(arn)["PipelineExecutionStatus"] == "Failed"
    assert "MaxRuntimeExceeded" in aws.steps(arn)["Prepare"]["FailureReason"]


def test_shutdown_leaves_no_process(tmp_path: Path) -> None:
    with world(tmp_path / "work") as aws:
        create(aws, sleeper())
        arn = aws.start()
        pids = sleeping(aws, arn)
    assert all(map(gone, pids))
    assert aws.finished(arn)["PipelineExecutionStatus"] == "Failed"


def test_each_change_of_an_execution_and_its_steps_is_an_event(aws: World) -> None:
    create(aws, prepare())
    arn = aws.start()
    aws.finished(arn)
    aws.sagemaker._bus.close()
    kind = "SageMaker Model Building Pipeline Execution Status Change"
    assert aws.event_statuses(kind, "currentPipelineExecutionStatus") == ["Executing", "Succeeded"]
    _, detail, resources = next(it for it in reversed(aws.events) if it[0] == kind)
    pipeline = arn.partition("/execution/")[0]
    assert resources == [pipeline, arn]
    assert detail["previousPipelineExecutionStatus"] == "Executing"
    assert detail["pipelineArn"] == pipeline
    assert detail["executionEndTime"] >= detail["executionStartTime"]
    kind = "SageMaker Model Building Pipeline Execution Step Status Change"
    assert aws.event_statuses(kind, "currentStepStatus") == ["Executing", "Succeeded"]
    last = next(detail for it, detail, _ in reversed(aws.events) if it == kind)
    assert last["metadata"]["processingJob"]["arn"].startswith("arn:aws:sagemaker:")
    kind = "SageMaker Processing Job State Change"
    assert aws.event_statuses(kind, "ProcessingJobStatus") == ["InProgress", "Completed"]


def test_a_pipeline_is_described_updated_listed_and_deleted_with_its_executions(aws: World) -> None:
    create(aws, prepare(), Tags=[{"Key": "loop", "Value": "churn"}])
    described = aws.call("DescribePipeline", PipelineName="loop")
    assert described["RoleArn"] == ROLE
    assert aws.call("ListTags", ResourceArn=described["PipelineArn"])["Tags"] == [
        {"Key": "loop", "Value": "churn"}
    ]
    arn = _run(aws, "a", "x")
    aws.call("UpdatePipeline", PipelineName="loop", PipelineDescription="the loop")
    other = {**sleeper(), "Name": "Other"}
    aws.call("UpdatePipeline", PipelineName="loop", PipelineDefinition=definition(other))
    then = aws.call("DescribePipelineDefinitionForExecution", PipelineExecutionArn=arn)
    assert then["PipelineDefinition"] == definition(prepare())
    (summary,) = aws.call("ListPipelines")["PipelineSummaries"]
    assert summary["PipelineDescription"] == "the loop"
    running = aws.start(token="r" * 32)
    aws.until(lambda: set(aws.steps(running)), bool)
    with pytest.raises(AwsError, match="stop every execution") as caught:
        aws.call("DeletePipeline", PipelineName="loop", ClientRequestToken="d" * 32)
    assert caught.value.code == "ConflictException"
    aws.call("StopPipelineExecution", PipelineExecutionArn=running, ClientRequestToken="s" * 32)
    aws.finished(running)
    assert set(aws.steps(running)) == {"Other"}
    aws.call("DeletePipeline", PipelineName="loop", ClientRequestToken="d" * 32)
    for operation, request in (
        ("DescribePipeline", {"PipelineName": "loop"}),
        ("DescribePipelineExecution", {"PipelineExecutionArn": arn}),
    ):
        with pytest.raises(AwsError, match="does not exist") as missing:
            aws.call(operation, **request)
        assert missing.value.code == "ResourceNotFound"


def test_a_manifest_brings_the_objects_that_it_lists(aws: World) -> None:
    manifest = [{"prefix": "s3://data/in/"}, "more/b.csv"]
    aws.objects["data/manifest.json"] = json.dumps(manifest).encode()
    step = prepare()
    step["Arguments"]["ProcessingInputs"][1] = s3_input(
        "data", "s3://data/manifest.json", "ManifestFile"
    )
    create(aws, step)
    arn = _run(aws, "a", "x")
    made = json.loads(aws.objects[f"artifacts/runs/{run_id(arn)}/Prepare/train/rows.json"])
    assert made["rows"] == ["more/b.csv"]


def test_boto3_reads_what_the_service_says(aws: World) -> None:
    create(aws, prepare())
    arn = aws.start()
    aws.finished(arn)
    client = aws.client("sagemaker")
    answer = client.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    (step,) = answer["PipelineExecutionSteps"]
    assert step["EndTime"] >= step["StartTime"]
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.describe_pipeline(PipelineName="none")


def test_responses_are_held_against_the_model() -> None:
    with pytest.raises(AssertionError, match="Unknown parameter"):
        check_response("DeletePipeline", {"PipelineARN": "arn"})
    with pytest.raises(AssertionError, match="Invalid type"):
        check_response("DeletePipeline", {"PipelineArn": 1})
