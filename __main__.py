"""The loop that keeps a model alive: data, train, register, serve, monitor, retrain."""

import contextlib
import difflib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pulumi

import pipelines
from components import (
    DataStore,
    DriftMonitor,
    EndpointMode,
    ModelEndpoint,
    ModelRegistry,
    NetworkArgs,
    RetrainingTriggers,
    TrainingPipeline,
)


class SettingError(ValueError, pulumi.RunError):
    """A setting that cannot be: one sentence with the value, the rule and the remedy.

    As a ``RunError`` it is printed without a stack trace.
    """


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The stack's configuration. ``Pulumi.yaml`` says what each key means, and its default."""

    loop: str
    data_bucket_name: str

    pipelines: str
    target_column: str
    protected_column: str
    min_roc_auc: float
    max_fairness_gap: float
    max_champion_loss: float
    seed: int
    image: str
    processing_instance_type: str
    training_instance_type: str
    training_instance_count: int
    volume_size_gb: int
    max_runtime_seconds: int
    isolate_training: bool

    endpoint_mode: EndpointMode
    model_package_arn: str
    endpoint_instance_type: str
    endpoint_instance_count: int
    capture_percent: int
    deploy_batch_window_seconds: int

    drifted_share: float
    psi_threshold: float
    min_samples: int
    drift_period_seconds: int
    drift_evaluation_periods: int
    drift_periods_to_alarm: int
    alarm_actions: list[str]
    monitor_batch_window_seconds: int

    quiet_period_seconds: int
    max_wait_seconds: int
    cool_down_seconds: int
    runs_per_day: int
    training_hours_per_month: int
    retries: int
    retry_seconds: int
    retrain_batch_window_seconds: int
    sweep_schedule: str

    kms_key_arn: str
    subnet_ids: list[str]
    security_group_ids: list[str]
    permissions_boundary_arn: str
    log_retention_days: int
    protect: bool
    force_destroy: bool
    tags: list[str]


def read_settings() -> Settings:
    """Read every setting.

    Raises ``SettingError`` for a key that is encrypted, unknown or missing, or has no such value.
    """
    config = pulumi.Config()
    keys = {field.name.replace("_", "-"): field for field in fields(Settings)}
    refuse_encrypted(config.name)
    refuse_unknown(config.name, keys)
    return Settings(
        **{
            field.name: value_of(f"{config.name}:{key}", config.get(key), field.type)
            for key, field in keys.items()
        }
    )


def given_keys() -> set[str]:
    """The keys that are set; engines hand them over in two ways, and pulumi.Config lists none."""
    return {*pulumi.runtime.get_config_env(), *pulumi.runtime.config.CONFIG.get()}


def refuse_encrypted(project: str) -> None:
    """Raise ``SettingError`` if a key that the program reads is a secret: none can stay one.

    It stands before whatever shows a value, so that no message can hold a secret.
    """
    encrypted = pulumi.runtime.config.get_config_secret_keys_env()
    for key in sorted({*given_keys(), *encrypted}):
        ours = key.startswith(f"{project}:") or key == "aws:region"
        if ours and (key in encrypted or pulumi.runtime.is_config_secret(key)):
            raise SettingError(
                f"{key} is encrypted, and no setting is a secret, for settings stand in plain text "
                "in the state and in what runs on AWS: set it with pulumi config set --plaintext "
                f"{key}, and keep secrets out of it."
            )


def refuse_unknown(project: str, known: Iterable[str]) -> None:
    """Raise ``SettingError`` if a key of the project is set that nobody reads: it is a slip."""
    prefix = f"{project}:"
    for key in sorted(given_keys()):
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and name not in known:
            similar = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {prefix}{similar[0]}?" if similar else "see Pulumi.yaml."
            raise SettingError(f"{key} is set and there is no such setting: {remedy}")


def value_of(key: str, text: str | None, kind: Any) -> Any:
    """The value of a setting. Raises ``SettingError`` if it is missing or not of its kind."""
    if text is None:
        raise SettingError(
            f"{key} is not set: choose a value with pulumi config set {key}, or run pulumi beside "
            "Pulumi.yaml, which has the defaults."
        )
    what, read = KINDS[kind]
    try:
        return read(text)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingError(
            f"{key} is {text!r}, and it must be {what}: correct it with pulumi config set {key}."
        ) from error


def texts(text: str) -> list[str]:
    """A list of strings, from JSON."""
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError
    return value


def plain(text: str) -> str:
    """The text itself. Raises ``TypeError`` if it is the JSON of a list or a structure."""
    with contextlib.suppress(json.JSONDecodeError):
        if isinstance(json.loads(text), list | dict):
            raise TypeError
    return text


KINDS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    str: ("a text", plain),
    int: ("a whole number", int),
    float: ("a number", float),
    bool: ("true or false", {"true": True, "false": False}.__getitem__),
    list[str]: ("a list of texts", texts),
    EndpointMode: (" or ".join(EndpointMode), EndpointMode),
}


def tags_of(pairs: list[str]) -> dict[str, str]:
    """Tags from ``key=value`` texts. Raises ``SettingError`` if one is not."""
    for pair in pairs:
        if "=" not in pair.strip("="):
            raise SettingError(f"The tag {pair!r} is not key=value: correct it in perennial:tags.")
    return dict(pair.split("=", 1) for pair in pairs)


def region() -> str:
    """The region of the AWS provider. Raises ``SettingError`` if none is set."""
    found = (
        pulumi.Config("aws").get("region")
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
    )
    if not found:
        raise SettingError("aws:region is not set: choose one with pulumi config set aws:region.")
    return found


settings = read_settings()
if not settings.target_column:
    raise SettingError(
        "perennial:target-column is not set, and the model predicts it: name a column of the data "
        "with pulumi config set perennial:target-column."
    )
loop = settings.loop
tags = tags_of(settings.tags)
network: NetworkArgs = {
    "subnet_ids": settings.subnet_ids,
    "security_group_ids": settings.security_group_ids,
}
folder = Path(__file__).parent / settings.pipelines
if not (folder / "definition.py").is_file():
    raise SettingError(
        f"perennial:pipelines is {settings.pipelines!r}, and {folder} has no definition.py: give "
        "the folder of a pipeline."
    )
code = pipelines.bundle(folder)
image = settings.image or pipelines.default_image(region())

data = DataStore(
    loop,
    {
        "data_bucket_name": settings.data_bucket_name,
        "protect": settings.protect,
        "force_destroy": settings.force_destroy,
        "kms_key_arn": settings.kms_key_arn,
        "tags": tags,
    },
)
registry = ModelRegistry(
    loop,
    {
        "protect": settings.protect,
        "force_destroy": settings.force_destroy,
        "kms_key_arn": settings.kms_key_arn,
        "network": network,
        "permissions_boundary_arn": settings.permissions_boundary_arn,
        "log_retention_days": settings.log_retention_days,
        "tags": tags,
    },
)
training = TrainingPipeline(
    loop,
    {
        "definition": pipelines.compile_definition(folder),
        "code": pulumi.FileAsset(str(code.path)),
        "code_version": code.code_version,
        "git_commit": code.git_commit,
        "image": image,
        "data_bucket_name": data.data_bucket_name,
        "artifact_bucket_name": data.artifact_bucket_name,
        "model_package_group_name": registry.group_name,
        "parameters": {
            "TargetColumn": settings.target_column,
            "ProtectedColumn": settings.protected_column,
            "MinRocAuc": str(settings.min_roc_auc),
            "MaxFairnessGap": str(settings.max_fairness_gap),
            "MaxChampionLoss": str(settings.max_champion_loss),
            "Seed": str(settings.seed),
            "ProcessingInstanceType": settings.processing_instance_type,
            "TrainingInstanceType": settings.training_instance_type,
            "TrainingInstanceCount": str(settings.training_instance_count),
            "InferenceInstanceType": settings.endpoint_instance_type,
            "VolumeSizeInGB": str(settings.volume_size_gb),
            "MaxRuntimeInSeconds": str(settings.max_runtime_seconds),
        },
        "isolate_training": settings.isolate_training,
        "kms_key_arn": settings.kms_key_arn,
        "network": network,
        "permissions_boundary_arn": settings.permissions_boundary_arn,
        "tags": tags,
    },
)
endpoint = ModelEndpoint(
    loop,
    {
        "artifact_bucket_name": data.artifact_bucket_name,
        "model_package_group_name": registry.group_name,
        "image": image,
        "mode": settings.endpoint_mode,
        "model_package_arn": settings.model_package_arn,
        "instance_type": settings.endpoint_instance_type,
        "instance_count": settings.endpoint_instance_count,
        "capture_percent": settings.capture_percent,
        "sweep_schedule": settings.sweep_schedule,
        "batch_window_seconds": settings.deploy_batch_window_seconds,
        "kms_key_arn": settings.kms_key_arn,
        "network": network,
        "permissions_boundary_arn": settings.permissions_boundary_arn,
        "log_retention_days": settings.log_retention_days,
        "tags": tags,
    },
)
monitor = DriftMonitor(
    loop,
    {
        "artifact_bucket_name": data.artifact_bucket_name,
        "endpoint_name": endpoint.endpoint_name,
        "model_package_group_name": registry.group_name,
        "drifted_share": settings.drifted_share,
        "psi_threshold": settings.psi_threshold,
        "min_samples": settings.min_samples,
        "period_seconds": settings.drift_period_seconds,
        "evaluation_periods": settings.drift_evaluation_periods,
        "periods_to_alarm": settings.drift_periods_to_alarm,
        "alarm_actions": settings.alarm_actions,
        "sweep_schedule": settings.sweep_schedule,
        "batch_window_seconds": settings.monitor_batch_window_seconds,
        "kms_key_arn": settings.kms_key_arn,
        "network": network,
        "permissions_boundary_arn": settings.permissions_boundary_arn,
        "log_retention_days": settings.log_retention_days,
        "tags": tags,
    },
)
retraining = RetrainingTriggers(
    loop,
    {
        "data_bucket_name": data.data_bucket_name,
        "artifact_bucket_name": data.artifact_bucket_name,
        "pipeline_name": training.pipeline_name,
        "alarm_names": [monitor.alarm_name],
        "quiet_period_seconds": settings.quiet_period_seconds,
        "max_wait_seconds": settings.max_wait_seconds,
        "cool_down_seconds": settings.cool_down_seconds,
        "runs_per_day": settings.runs_per_day,
        "training_hours_per_month": settings.training_hours_per_month,
        "retries": settings.retries,
        "retry_seconds": settings.retry_seconds,
        "alarm_actions": settings.alarm_actions,
        "sweep_schedule": settings.sweep_schedule,
        "batch_window_seconds": settings.retrain_batch_window_seconds,
        "kms_key_arn": settings.kms_key_arn,
        "network": network,
        "permissions_boundary_arn": settings.permissions_boundary_arn,
        "log_retention_days": settings.log_retention_days,
        "tags": tags,
    },
)

pulumi.export("data_bucket", data.data_bucket_name)
pulumi.export("artifact_bucket", data.artifact_bucket_name)
pulumi.export("pipeline", training.pipeline_name)
pulumi.export("model_package_group", registry.group_name)
pulumi.export("endpoint", endpoint.endpoint_name)
pulumi.export("drift_alarm", monitor.alarm_name)
pulumi.export("wakeup_queue_url", retraining.queue_url)
pulumi.export("dead_letter_queue_url", retraining.dead_letter_queue_url)
