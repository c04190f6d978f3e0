"""Endpoints that answer: created, updated blue/green, invoked, captured, deleted."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from laptop.errors import AwsError
from laptop.sagemaker import serving
from tests.laptop.sagemaker_world import ENDPOINT_ROLE, World, world
from tests.laptop.test_sagemaker_pipelines import tar

INFERENCE = """
import json, os, pathlib

def model_fn(model_dir):
    print("loading from", pathlib.Path(model_dir).name)
    return pathlib.Path(model_dir, "model.txt").read_text()

def transform_fn(model, body, content_type, accept):
    if "explode" in str(body):
        raise RuntimeError("this row cannot be scored")
    rows = body.strip().splitlines()
    answer = {"predictions": [{"label": model, "score": len(row)} for row in rows]}
    return json.dumps(answer), "application/json"
"""

BROKEN = "def model_fn(model_dir):\n    raise OSError('the model was made by another version')\n"
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://artifacts/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {
        "CsvContentTypes": ["text/csv"],
        "JsonContentTypes": ["application/json"],
    },
}
PING = (
    "The primary container for production variant AllTraffic did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "work") as it:
        yield it


def config(aws: World, version: str, code: str = INFERENCE, **more: Any) -> str:
    """A model of that version and an endpoint configuration that serves it."""
    key = f"artifacts/models/{version}/model.tar.gz"
    aws.objects[key] = tar({"model.txt": version, "code/inference.py": code})
    name = f"churn-{version}"
    aws.call(
        "CreateModel",
        ModelName=name,
        ExecutionRoleArn=ENDPOINT_ROLE,
        PrimaryContainer={"Image": "image", "ModelDataUrl": f"s3://{key}"},
    )
    aws.call(
        "CreateEndpointConfig",
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
        **more,
    )
    return name


def serve(aws: World, version: str = "v1", **more: Any) -> dict[str, Any]:
    name = config(aws, version, **more)
    aws.call("CreateEndpoint", EndpointName="churn", EndpointConfigName=name)
    return aws.endpoint()


def predict(aws: World, body: str = "1,2\n", **headers: str) -> Any:
    status, _, answer = aws.sagemaker.invoke(
        "churn", body.encode(), {"Content-Type": "text/csv", **headers}
    )
    return json.loads(answer) if status == 200 else (status, json.loads(answer))


def captured(aws: World) -> list[dict[str, Any]]:
    keys = sorted(key for key in aws.objects if key.startswith("artifacts/capture/"))
    return [json.loads(line) for key in keys for line in aws.objects[key].splitlines()]


def test_an_endpoint_answers_over_http_through_boto3(aws: World) -> None:
    endpoint = serve(aws)
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == "churn-v1"
    (variant,) = endpoint["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentInstanceCount"]) == ("AllTraffic", 1)
    response = aws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="churn", ContentType="text/csv", Body=b"1,2\n3,4,5\n"
    )
    assert json.loads(response["Body"].read()) == {
        "predictions": [{"label": "v1", "score": 3}, {"label": "v1", "score": 5}]
    }
    assert response["InvokedProductionVariant"] == "AllTraffic"
    assert response["ContentType"] == "application/json"


def test_a_model_package_is_served_with_the_environment_of_its_container(aws: World) -> None:
    aws.objects["artifacts/m.tar.gz"] = tar({"model.txt": "v7", "code/entry.py": INFERENCE})
    aws.call("CreateModelPackageGroup", ModelPackageGroupName="churn")
    container = {
        "Image": "image",
        "ModelDataUrl": "s3://artifacts/m.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "entry.py"},
    }
    package = aws.call(
        "CreateModelPackage",
        ModelPackageGroupName="churn",
        InferenceSpecification={"Containers": [container]},
    )["ModelPackageArn"]
    aws.call(
        "CreateModel",
        ModelName="churn-v7",
        ExecutionRoleArn=ENDPOINT_ROLE,
        Containers=[{"ModelPackageName": package}],
    )
    aws.call(
        "CreateEndpointConfig",
        EndpointConfigName="churn-v7",
        ProductionVariants=[{"VariantName": "AllTraffic", "ModelName": "churn-v7"}],
    )
    aws.call("CreateEndpoint", EndpointName="churn", EndpointConfigName="churn-v7")
    aws.endpoint()
    assert predict(aws)["predictions"][0]["label"] == "v7"


def test_while_an_endpoint_is_updated_the_old_version_answers_every_request(aws: World) -> None:
    serve(aws, "v1")
    seen: list[str] = []
    failures: list[Any] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            answer = predict(aws)
            if isinstance(answer, tuple):
                failures.append(answer)
            else:
                seen.append(answer["predictions"][0]["label"])

    client = threading.Thread(target=ask)
    client.start()
    aws.call("UpdateEndpoint", EndpointName="churn", EndpointConfigName=config(aws, "v2"))
    during = aws.call("DescribeEndpoint", EndpointName="churn")
    endpoint = aws.endpoint()
    enough.set()
    client.join()
    assert during["EndpointStatus"] == "Updating"
    assert during["EndpointConfigName"] == "churn-v1"
    assert during["PendingDeploymentSummary"]["EndpointConfigName"] == "churn-v2"
    assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "churn-v2")
    assert not failures
    assert seen == sorted(seen) and seen[0] == "v1"
    assert predict(aws)["predictions"][0]["label"] == "v2"


def test_an_update_that_does_not_come_up_leaves_the_old_version_in_service(aws: World) -> None:
    serve(aws, "v1")
    broken = config(aws, "v2", code=BROKEN)
    aws.call("UpdateEndpoint", EndpointName="churn", EndpointConfigName=broken)
    endpoint = aws.endpoint()
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == "churn-v1"
    assert endpoint["FailureReason"] == PING
    assert predict(aws)["predictions"][0]["label"] == "v1"
    logged = [line for key, lines in aws.logs.items() for line in lines]
    assert "OSError: the model was made by another version" in logged
    assert {group for group, _ in aws.logs} == {"/aws/sagemaker/Endpoints/churn"}
    aws.call("UpdateEndpoint", EndpointName="churn", EndpointConfigName=config(aws, "v3"))
    assert "FailureReason" not in aws.endpoint()


def test_an_endpoint_that_never_came_up_is_failed_and_can_be_deleted(aws: World) -> None:
    endpoint = serve(aws, code=BROKEN)
    assert (endpoint["EndpointStatus"], endpoint["FailureReason"]) == ("Failed", PING)
    status, error = predict(aws)
    assert status == 400 and "not found" in error["Message"]
    with pytest.raises(AwsError, match="delete it and create it again"):
        aws.call("UpdateEndpoint", EndpointName="churn", EndpointConfigName="churn-v1")
    aws.call("DeleteEndpoint", EndpointName="churn")


def test_a_model_that_the_role_may_not_read_is_told(aws: World) -> None:
    aws.denied = {("endpoint", "s3:GetObject")}
    endpoint = serve(aws)
    assert endpoint["EndpointStatus"] == "Failed"
    assert "Failed to download model data" in endpoint["FailureReason"]


def test_a_container_that_takes_too_long_to_come_up_fails_the_health_check(aws: World) -> None:
    slow = "import threading\ndef model_fn(model_dir):\n    threading.Event().wait()\n"
    name = config(aws, "v1", code=slow)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "ContainerStartupHealthCheckTimeoutInSeconds": 0.2,
    }
    aws.call("CreateEndpointConfig", EndpointConfigName="slow", ProductionVariants=[variant])
    aws.call("CreateEndpoint", EndpointName="churn", EndpointConfigName="slow")
    assert aws.endpoint()["FailureReason"] == PING


def test_a_container_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/inference.py").write_text("def model_fn(model_dir):\n    return None\n")
    reader, writer = os.pipe()
    with (
        os.fdopen(reader) as report,
        subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, serving.__file__, str(tmp_path), str(writer)],
            stdin=subprocess.PIPE,
            pass_fds=[writer],
        ) as container,
    ):
        os.close(writer)
        assert 0 < int(report.readline()) < 65536
        container.communicate(timeout=30)  # closes its standard input, as our death would
    assert container.returncode == 0


def test_a_role_that_cannot_be_assumed_fails_the_endpoint(aws: World) -> None:
    aws.denied = {("endpoint", "sts:AssumeRole")}
    assert serve(aws)["FailureReason"] == f"Could not assume role {ENDPOINT_ROLE}."


def test_a_deleted_endpoint_is_gone_with_its_process(aws: World) -> None:
    serve(aws)
    fleet = aws.sagemaker._endpoints._endpoints["churn"].fleet
    assert fleet is not None
    process = next(iter(fleet.variants.values()))
    aws.call("DeleteEndpoint", EndpointName="churn")
    aws.until(lambda: aws.call("ListEndpoints")["Endpoints"], lambda found: not found)
    with pytest.raises(AwsError, match="Could not find endpoint") as caught:
        aws.call("DescribeEndpoint", EndpointName="churn")
    assert caught.value.code == "ValidationException"
    with pytest.raises(ProcessLookupError):
        os.kill(process.process._popen.pid, 0)


def test_a_configuration_in_use_can_be_deleted_as_on_aws(aws: World) -> None:
    serve(aws)
    aws.call("DeleteEndpointConfig", EndpointConfigName="churn-v1")
    aws.call("DeleteModel", ModelName="churn-v1")
    assert predict(aws)["predictions"][0]["label"] == "v1"


def test_an_endpoint_in_progress_is_neither_updated_nor_deleted(aws: World) -> None:
    name = config(aws, "v1")
    aws.call("CreateEndpoint", EndpointName="churn", EndpointConfigName=name)
    for operation in ("UpdateEndpoint", "DeleteEndpoint"):
        with pytest.raises(AwsError, match="Cannot update in-progress endpoint"):
            aws.call(operation, EndpointName="churn", EndpointConfigName=name)
    aws.endpoint()


def test_what_the_container_fails_at_is_a_model_error(aws: World) -> None:
    serve(aws)
    client = aws.client("sagemaker-runtime")
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName="churn", ContentType="text/csv", Body=b"explode")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 500
    assert "this row cannot be scored" in response["Error"]["Message"]
    assert "/aws/sagemaker/Endpoints/churn" in response["Error"]["Message"]


def test_a_format_that_the_container_does_not_know_is_a_client_error_of_the_model(
    aws: World,
) -> None:
    serve(aws, code="def model_fn(model_dir):\n    return None\n")
    status, error = predict(aws, "x", **{"Content-Type": "image/png"})
    assert (status, error["OriginalStatusCode"]) == (424, 415)
    assert "Received client error (415) from primary" in error["Message"]


def test_an_unknown_endpoint_is_a_validation_error(aws: World) -> None:
    client = aws.client("sagemaker-runtime")
    with pytest.raises(botocore.exceptions.ClientError, match="Endpoint none of account") as caught:
        client.invoke_endpoint(EndpointName="none", Body=b"1")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_request_of_more_than_six_megabytes_is_refused(aws: World) -> None:
    status, error = predict(aws, "1" * (6 * 1024 * 1024 + 1))
    assert status == 413 and "6291456" in error["Message"]


def test_traffic_is_captured_in_sagemakers_own_layout(aws: World) -> None:
    serve(aws, DataCaptureConfig=CAPTURE)
    predict(aws, "1,2\n")
    predict(aws, "3,4\n", **{"X-Amzn-SageMaker-Inference-Id": "customer-7"})
    predict(aws, "explode")
    described = aws.call("DescribeEndpoint", EndpointName="churn")["DataCaptureConfig"]
    assert described["CaptureStatus"] == "Started"
    aws.call("DeleteEndpoint", EndpointName="churn")  # what was captured is written before it goes
    aws.until(lambda: aws.call("ListEndpoints")["Endpoints"], lambda found: not found)
    (key,) = [key for key in aws.objects if key.startswith("artifacts/capture/")]
    assert key.startswith("artifacts/capture/churn/AllTraffic/20") and key.endswith(".jsonl")
    assert aws.writers[key] == "endpoint"
    first, second = captured(aws)
    assert first["captureData"]["endpointInput"] == {
        "observedContentType": "text/csv",
        "mode": "INPUT",
        "data": "1,2\n",
        "encoding": "CSV",
    }
    output = first["captureData"]["endpointOutput"]
    assert (output["encoding"], output["mode"]) == ("JSON", "OUTPUT")
    assert json.loads(output["data"])["predictions"] == [{"label": "v1", "score": 3}]
    assert second["eventMetadata"]["inferenceId"] == "customer-7"
    assert second["eventVersion"] == "0"


def test_without_content_type_headers_traffic_is_captured_in_base64(aws: World) -> None:
    bare = {name: value for name, value in CAPTURE.items() if name != "CaptureContentTypeHeader"}
    serve(aws, DataCaptureConfig=bare)
    predict(aws, "1,2\n")
    aws.close()
    (record,) = captured(aws)
    data = record["captureData"]["endpointInput"]
    assert data["encoding"] == "BASE64"
    assert base64.b64decode(data["data"]) == b"1,2\n"


def test_a_role_that_may_not_write_the_capture_still_serves(aws: World) -> None:
    aws.denied = {("endpoint", "s3:PutObject")}
    serve(aws, DataCaptureConfig=CAPTURE)
    assert predict(aws)["predictions"]
    aws.close()
    assert captured(aws) == []


def test_each_change_of_an_endpoint_is_an_event(aws: World) -> None:
    name = config(aws, "v1")
    tags = [{"Key": "loop", "Value": "churn"}]
    aws.call("CreateEndpoint", EndpointName="churn", EndpointConfigName=name, Tags=tags)
    aws.endpoint()
    aws.call("UpdateEndpoint", EndpointName="churn", EndpointConfigName=config(aws, "v2"))
    aws.endpoint()
    aws.call("DeleteEndpoint", EndpointName="churn")
    aws.close()
    kind = "SageMaker Endpoint State Change"
    statuses = aws.event_statuses(kind, "EndpointStatus")
    assert statuses == ["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE", "DELETING"]
    detail, resources = next(it[1:] for it in aws.events if it[1]["EndpointStatus"] == "IN_SERVICE")
    assert resources == [detail["EndpointArn"]]
    assert detail["Tags"] == {"loop": "churn"}
    assert detail["ProductionVariants"] == [{"DesiredWeight": 1.0, "DesiredInstanceCount": 1}]
    assert detail["CreationTime"] > 1e12  # milliseconds


def test_models_and_configurations_are_named_once_listed_and_deleted(aws: World) -> None:
    name = config(aws, "v1")
    with pytest.raises(AwsError, match="Cannot create already existing model"):
        aws.call("CreateModel", ModelName=name)
    assert [it["ModelName"] for it in aws.call("ListModels")["Models"]] == [name]
    described = aws.call("DescribeEndpointConfig", EndpointConfigName=name)
    assert described["ProductionVariants"][0]["ModelName"] == name
    aws.call("DeleteModel", ModelName=name)
    aws.call("DeleteEndpointConfig", EndpointConfigName=name)
    assert aws.call("ListEndpointConfigs")["EndpointConfigs"] == []
    for operation, words in (
        ("DescribeModel", "model"),
        ("DeleteModel", "model"),
    ):
        with pytest.raises(AwsError, match=f"Could not find {words}"):
            aws.call(operation, ModelName=name)
    with pytest.raises(AwsError, match="Could not find endpoint configuration"):
        aws.call("CreateEndpoint", EndpointName="churn", EndpointConfigName=name)
