"""A processing job as the container sees it.

Source: Amazon SageMaker AI Developer Guide, "How Amazon SageMaker Processing Configures Input and
Output For Your Processing Container", "How SageMaker Runs Your Processing Container Image", "Save
and Access Metadata Information About Your Processing Job".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .container import HOST, Command, OptMl, RefusedError
from .storage import Storage

KIND = "Processing"
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
DEFAULT_MAX_RUNTIME = 86_400
"""Seconds; API reference, ProcessingStoppingCondition."""

Request = Mapping[str, Any]


def check(request: Request) -> None:
    """Refuse what cannot run without a container image.

    :raises RefusedError: if the request does not say what to run.
    """
    if not request["AppSpecification"].get("ContainerEntrypoint"):
        raise RefusedError(
            "No image is pulled here: give the command as AppSpecification.ContainerEntrypoint."
        )


def max_runtime(request: Request) -> int:
    """Seconds after which the job is stopped."""
    return int(request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME))


def lay_out(request: Request, arn: str, home: Path, storage: Storage) -> Command:
    """Bring the inputs, write the configuration, make the output directories.

    :raises RefusedError: for a path outside /opt/ml.
    :raises TransferError: if an input cannot be brought.
    """
    opt_ml = OptMl(home / "opt/ml")
    for entry in request.get("ProcessingInputs", []):
        source = entry["S3Input"]
        storage.download(source["S3Uri"], source["S3DataType"], opt_ml.path(source["LocalPath"]))
    for output in _outputs(request):
        opt_ml.path(output["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
    opt_ml.path("/opt/ml/output").mkdir(parents=True, exist_ok=True)
    opt_ml.write("/opt/ml/config/processingjobconfig.json", {"ProcessingJobArn": arn, **request})
    opt_ml.write("/opt/ml/config/resourceconfig.json", {"current_host": HOST, "hosts": [HOST]})
    app = request["AppSpecification"]
    return Command(
        opt_ml.localise([*app["ContainerEntrypoint"], *app.get("ContainerArguments", [])]),
        opt_ml.localise(dict(request.get("Environment", {}))),
        opt_ml.root,
    )


def deliver(request: Request, home: Path, storage: Storage) -> dict[str, Any]:
    """Upload the outputs of a job that succeeded.

    :raises TransferError: if the role may not write one.
    """
    opt_ml = OptMl(home / "opt/ml")
    key = request.get("ProcessingOutputConfig", {}).get("KmsKeyId")
    for output in _outputs(request):
        target = output["S3Output"]
        storage.upload(opt_ml.path(target["LocalPath"]), target["S3Uri"], key)
    return {}


def outcome(home: Path, exit_code: int) -> dict[str, Any]:
    """What DescribeProcessingJob tells of the end: the exit message, and why it failed."""
    message = OptMl(home / "opt/ml").text("/opt/ml/output/message")
    record: dict[str, Any] = {"ExitMessage": message} if message else {}
    if exit_code:
        record["FailureReason"] = (
            "AlgorithmError: See job logs for more information"
            if message
            else f"AlgorithmError: , exit code: {exit_code}"
        )
    return record


def _outputs(request: Request) -> list[Any]:
    return list(request.get("ProcessingOutputConfig", {}).get("Outputs", []))
