"""The program that is measured: a number of loops, wired as the program at the root wires one."""

from pathlib import Path

import pulumi

import pipelines
from components import (
    DataStore,
    DriftMonitor,
    ModelEndpoint,
    ModelRegistry,
    RetrainingTriggers,
    TrainingPipeline,
)

FOLDER = Path(pipelines.__file__).parent
REGION = "eu-west-1"


def declare(count: int) -> None:
    """Declare ``count`` loops with the defaults; all train with the same code."""
    code = pipelines.bundle(FOLDER)
    definition = pipelines.compile_definition(FOLDER)
    for number in range(count):
        _declare(f"loop-{number}", code, definition)


def _declare(name: str, code: pipelines.Bundle, definition: str) -> None:
    image = pipelines.default_image(REGION)
    data = DataStore(name, {})
    registry = ModelRegistry(name, {})
    training = TrainingPipeline(
        name,
        {
            "definition": definition,
            "code": pulumi.FileAsset(str(code.path)),
            "code_version": code.code_version,
            "image": image,
            "data_bucket_name": data.data_bucket_name,
            "artifact_bucket_name": data.artifact_bucket_name,
            "model_package_group_name": registry.group_name,
            "parameters": {"TargetColumn": "churned"},
        },
    )
    endpoint = ModelEndpoint(
        name,
        {
            "artifact_bucket_name": data.artifact_bucket_name,
            "model_package_group_name": registry.group_name,
            "image": image,
        },
    )
    monitor = DriftMonitor(
        name,
        {
            "artifact_bucket_name": data.artifact_bucket_name,
            "endpoint_name": endpoint.endpoint_name,
            "model_package_group_name": registry.group_name,
        },
    )
    RetrainingTriggers(
        name,
        {
            "data_bucket_name": data.data_bucket_name,
            "artifact_bucket_name": data.artifact_bucket_name,
            "pipeline_name": training.pipeline_name,
            "alarm_names": [monitor.alarm_name],
        },
    )
