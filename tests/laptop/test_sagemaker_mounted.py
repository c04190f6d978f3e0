"""The laptop's SageMaker behind the real laptop AWS: boto3 in front, IAM enforced behind."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import botocore.exceptions
import botocore.waiter
import pytest

from laptop import ACCOUNT, REGION
from tests.laptop.test_sagemaker_endpoints import INFERENCE
from tests.laptop.test_sagemaker_pipelines import PREPARE, TRAIN, definition, gate, prepare, tar
from tests.laptop.test_sagemaker_pipelines import train as train_step

Clients = Callable[[str], Any]
WAIT = {"Delay": 0.05, "MaxAttempts": 600}


def role(client: Clients, name: str, *statements: tuple[str | list[str], str]) -> str:
    """A role for SageMaker that may do what the statements say: (actions, resource)."""
    trust = [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]
    arn = client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
    )["Role"]["Arn"]
    allowed = [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in statements
    ]
    client("iam").put_role_policy(
        RoleName=name,
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
    )
    return str(arn)


@pytest.fixture
def loop(client: Clients, name: str) -> Iterator[dict[str, str]]:
    """A bucket with code and data, the roles, a group and a pipeline of that name."""
    bucket = f"{name}-artifacts"
    objects = f"arn:aws:s3:::{bucket}/*"
    client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    for key, body in {
        "code/prepare.py": PREPARE.encode(),
        "source/sourcedir.tar.gz": tar({"train.py": TRAIN}),
        "data/a.csv": b"1,2\n",
    }.items():
        client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    job = role(
        client,
        f"{name}-job",
        (["s3:GetObject", "s3:PutObject"], objects),
        ("s3:ListBucket", f"arn:aws:s3:::{bucket}"),
        ("logs:*", "*"),
    )
    own = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
    pipeline = role(
        client,
        f"{name}-pipeline",
        ("sagemaker:CreateProcessingJob", f"{own}:processing-job/pipelines-*"),
        ("sagemaker:CreateTrainingJob", f"{own}:training-job/pipelines-*"),
        ("sagemaker:CreateModelPackage", f"{own}:model-package-group/{name}"),
        ("s3:GetObject", objects),
        ("iam:PassRole", job),
    )
    client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    text = definition(prepare(), train_step(), gate(1))
    for old, new in (
        ("arn:aws:iam::123456789012:role/training", job),
        ("s3://artifacts", f"s3://{bucket}"),
        ("s3://data/in", f"s3://{bucket}/data"),
        ('"churn"', f'"{name}"'),
    ):
        text = text.replace(old, new)
    client("sagemaker").create_pipeline(
        PipelineName=name, PipelineDefinition=text, RoleArn=pipeline
    )
    yield {"name": name, "bucket": bucket, "job": job, "pipeline": pipeline}


def ended(client: Clients, arn: str) -> dict[str, Any]:
    """The execution's steps by name and its status under '', once it has ended."""
    sagemaker = client("sagemaker")
    status = ended_status(sagemaker, arn)
    steps = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    return {"": status, **{it["StepName"]: it for it in steps["PipelineExecutionSteps"]}}


def ended_status(sagemaker: Any, arn: str) -> str:
    """The status of an execution, once it has ended."""
    config = {
        "version": 2,
        "waiters": {
            "Ended": {
                "operation": "DescribePipelineExecution",
                "delay": 0.05,
                "maxAttempts": 600,
                "acceptors": [
                    {
                        "matcher": "path",
                        "argument": "PipelineExecutionStatus",
                        "expected": status,
                        "state": "success",
                    }
                    for status in ("Succeeded", "Failed", "Stopped")
                ],
            }
        },
    }
    model = botocore.waiter.WaiterModel(config)
    waiter = botocore.waiter.create_waiter_with_client("Ended", model, sagemaker)
    waiter.wait(PipelineExecutionArn=arn)
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
    return str(described["PipelineExecutionStatus"])


def test_a_pipeline_runs_with_exactly_the_rights_of_its_roles(
    client: Clients, loop: dict[str, str]
) -> None:
    arn = client("sagemaker").start_pipeline_execution(PipelineName=loop["name"])
    steps = ended(client, arn["PipelineExecutionArn"])
    assert steps[""] == "Succeeded", steps
    package = steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    assert client("sagemaker").describe_model_package(ModelPackageName=package)
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/sagemaker/")["logGroups"]
    assert "/aws/sagemaker/ProcessingJobs" in {it["logGroupName"] for it in groups}


@pytest.mark.parametrize(
    ("who", "missing", "step"),
    [
        ("pipeline", "iam:PassRole", "Prepare"),
        ("pipeline", "sagemaker:CreateTrainingJob", "Train"),
        ("job", "s3:PutObject", "Prepare"),
    ],
)
def test_a_right_that_is_missing_fails_the_step_that_needs_it(
    client: Clients, loop: dict[str, str], who: str, missing: str, step: str
) -> None:
    denial = {"Effect": "Deny", "Action": missing, "Resource": "*"}
    client("iam").put_role_policy(
        RoleName=f"{loop['name']}-{who}",
        PolicyName="denied",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denial]}),
    )
    arn = client("sagemaker").start_pipeline_execution(PipelineName=loop["name"])
    steps = ended(client, arn["PipelineExecutionArn"])
    assert steps[""] == "Failed"
    assert steps[step]["StepStatus"] == "Failed"
    assert step == "Prepare" or steps["Prepare"]["StepStatus"] == "Succeeded"


def test_an_endpoint_serves_and_captures_behind_the_laptop(
    client: Clients, loop: dict[str, str]
) -> None:
    sagemaker, name, bucket = client("sagemaker"), loop["name"], loop["bucket"]
    client("s3").put_object(
        Bucket=bucket,
        Key="model.tar.gz",
        Body=tar({"model.txt": "v1", "code/inference.py": INFERENCE}),
    )
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=loop["job"],
        PrimaryContainer={"Image": "image", "ModelDataUrl": f"s3://{bucket}/model.tar.gz"},
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{bucket}/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        },
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig=WAIT)
    answer = client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, ContentType="text/csv", Body=b"1,2\n"
    )
    assert json.loads(answer["Body"].read())["predictions"] == [{"label": "v1", "score": 3}]
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig=WAIT)
    listed = client("s3").list_objects_v2(Bucket=bucket, Prefix=f"capture/{name}/AllTraffic/20")
    assert listed["KeyCount"] == 1
    with pytest.raises(botocore.exceptions.ClientError, match="not found"):
        client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"1")
