"""A training job as the container sees it, in script mode or with an entry point of its own.

Source: Amazon SageMaker AI Developer Guide, "How Amazon SageMaker AI Provides Training
Information", "How Amazon SageMaker AI Processes Training Output"; the environment and the arguments
of a script are those that github.com/aws/sagemaker-training-toolkit documents.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .archives import ArchiveError, pack, unpack
from .container import HOST, Command, OptMl, RefusedError
from .storage import Storage, TransferError

KIND = "Training"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
PROGRAM = "sagemaker_program"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"
GROUP = "homogeneousCluster"

Request = Mapping[str, Any]


def check(request: Request) -> None:
    """Refuse what cannot run without a container image.

    :raises RefusedError: if the request does not say what to run.
    """
    hyperparameters = decode(request.get("HyperParameters", {}))
    if request["AlgorithmSpecification"].get("ContainerEntrypoint"):
        return
    if not {PROGRAM, SUBMIT_DIRECTORY} <= hyperparameters.keys():
        raise RefusedError(
            "Nothing pulls images here: give AlgorithmSpecification.ContainerEntrypoint, or the "
            f"hyperparameters {PROGRAM} and {SUBMIT_DIRECTORY} of script mode."
        )
    if not str(hyperparameters[PROGRAM]).endswith(".py"):
        raise RefusedError(f"{PROGRAM} is {hyperparameters[PROGRAM]!r}, but must be a .py file.")


def max_runtime(request: Request) -> int:
    """Seconds after which the job is stopped."""
    return int(request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400))


def lay_out(request: Request, arn: str, home: Path, storage: Storage) -> Command:
    """Bring the channels and the code, write the configuration, make the output directories.

    :raises RefusedError: if the code is no archive.
    :raises TransferError: if a channel or the code cannot be brought.
    """
    opt_ml = OptMl(home / "opt/ml")
    for directory in ("model", "output/data", "input/data", "code"):
        (opt_ml.root / directory).mkdir(parents=True, exist_ok=True)
    channels = {}
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"]["S3DataSource"]
        name = channel["ChannelName"]
        storage.download(source["S3Uri"], source["S3DataType"], opt_ml.root / "input/data" / name)
        channels[name] = {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
    raw = dict(request.get("HyperParameters", {}))
    instance = request["ResourceConfig"].get("InstanceType", "local")
    resources = _resources(instance)
    opt_ml.write("/opt/ml/input/config/hyperparameters.json", raw)
    opt_ml.write("/opt/ml/input/config/inputdataconfig.json", channels)
    opt_ml.write("/opt/ml/input/config/resourceconfig.json", resources)
    environment = {
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": arn,
        **request.get("Environment", {}),
    }
    algorithm = request["AlgorithmSpecification"]
    if algorithm.get("ContainerEntrypoint"):
        command = [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])]
        return Command(opt_ml.localise(command), opt_ml.localise(environment), opt_ml.root)
    hyperparameters = decode(raw)
    _bring_code(str(hyperparameters[SUBMIT_DIRECTORY]), home, opt_ml, storage)
    script = script_environment(hyperparameters, channels, resources)
    arguments = script_arguments(user_hyperparameters(hyperparameters))
    return Command(
        opt_ml.localise(["python3", str(hyperparameters[PROGRAM]), *arguments]),
        opt_ml.localise({**environment, **script, "PYTHONPATH": "/opt/ml/code"}),
        opt_ml.root / "code",
    )


def deliver(request: Request, home: Path, storage: Storage) -> dict[str, Any]:
    """Pack and upload the model, and what the job left in output/data.

    :raises TransferError: if the role may not write them.
    """
    output = request["OutputDataConfig"]
    target = f"{output['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
    for directory, name in (("model", "model"), ("output/data", "output")):
        source = home / "opt/ml" / directory
        if any(source.iterdir()):
            archive = home / f"{name}.tar.gz"
            pack(source, archive)
            storage.put(archive, f"{target}/{name}.tar.gz", output.get("KmsKeyId"))
    return {"ModelArtifacts": {"S3ModelArtifacts": f"{target}/model.tar.gz"}}


def outcome(home: Path, exit_code: int) -> dict[str, Any]:
    """Why a training job failed: what it wrote to output/failure, and its exit code."""
    if not exit_code:
        return {}
    failure = OptMl(home / "opt/ml").text("/opt/ml/output/failure", limit=900)
    return {"FailureReason": f"AlgorithmError: {failure}, exit code: {exit_code}"}


def decode(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Hyperparameters as the toolkit reads them: JSON where it parses, else the text itself."""
    return {name: _decode(value) for name, value in hyperparameters.items()}


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def user_hyperparameters(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are the script's own business."""
    return {
        name: value for name, value in hyperparameters.items() if not name.startswith("sagemaker_")
    }


def script_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """``--name value`` pairs sorted by name (``-n`` for a name of one letter)."""
    arguments: list[str] = []
    for name, value in sorted(hyperparameters.items()):
        text = (
            ",".join(f"{key}={member}" for key, member in sorted(value.items()))
            if isinstance(value, dict)
            else str(value)
        )
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", text]
    return arguments


def script_environment(
    hyperparameters: Mapping[str, Any],
    channels: Mapping[str, Any],
    resources: Mapping[str, Any],
) -> dict[str, str]:
    """The ``SM_*`` variables of script mode."""
    user = user_hyperparameters(hyperparameters)
    program = str(hyperparameters[PROGRAM])
    values: dict[str, Any] = {
        "hosts": resources["hosts"],
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": resources["current_group_name"],
        "current_instance_group_hosts": resources["hosts"],
        "instance_groups": [group["instance_group_name"] for group in resources["instance_groups"]],
        "network_interface_name": resources["network_interface_name"],
        "resource_config": resources,
        "hps": user,
        "user_entry_point": program,
        "user_args": script_arguments(user),
        "module_name": program.removesuffix(".py"),
        "module_dir": hyperparameters[SUBMIT_DIRECTORY],
        "framework_params": {
            name: value for name, value in hyperparameters.items() if name not in user
        },
        "input_data_config": channels,
        "input_dir": "/opt/ml/input",
        "input_config_dir": "/opt/ml/input/config",
        "channels": sorted(channels),
        "model_dir": "/opt/ml/model",
        "output_dir": "/opt/ml/output",
        "output_data_dir": "/opt/ml/output/data",
        "output_intermediate_dir": "/opt/ml/output/intermediate",
        "log_level": 20,
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": 0,
        **{f"channel_{name}": f"/opt/ml/input/data/{name}" for name in channels},
        **{f"hp_{name}": value for name, value in user.items()},
    }
    return {f"SM_{name.upper()}": _variable(value) for name, value in values.items()}


def _variable(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _resources(instance: str) -> dict[str, Any]:
    group = {"instance_group_name": GROUP, "instance_type": instance, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": instance,
        "current_group_name": GROUP,
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }


def _bring_code(uri: str, home: Path, opt_ml: OptMl, storage: Storage) -> None:
    """Put the script's code into /opt/ml/code: from S3, or from a folder or tar of a channel."""
    code = opt_ml.root / "code"
    if uri.startswith("s3://"):
        source = home / "sourcedir.tar.gz"
        source.write_bytes(storage.read(uri))
    else:
        source = opt_ml.path(uri)
    try:
        if source.is_dir():
            shutil.copytree(source, code, dirs_exist_ok=True)
        else:
            unpack(source, code)
    except ArchiveError as error:
        raise TransferError(f"{SUBMIT_DIRECTORY} {uri}: {error}") from error
