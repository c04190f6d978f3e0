"""A whole loop of components, wired as the program at the root wires them."""

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components import (
    DataStore,
    DriftMonitor,
    ModelEndpoint,
    ModelRegistry,
    RetrainingTriggers,
    TrainingPipeline,
)

IMAGE = "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
DEFINITION = json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": []})

Loop = Callable[..., None]


@pytest.fixture(scope="session")
def loop() -> Loop:
    """Declare a loop; the keywords go to every component that takes them."""

    def declare(name: str = "churn", *, force_destroy: bool = False, **shared: Any) -> None:
        stored = {key: shared[key] for key in shared if key in ("kms_key_arn", "tags")}
        trained = {key: shared[key] for key in shared if key != "log_retention_days"}
        data = DataStore(name, {"force_destroy": force_destroy, **stored})  # type: ignore[typeddict-item]  # any of its keys
        registry = ModelRegistry(name, {"force_destroy": force_destroy, **shared})  # type: ignore[typeddict-item]  # as above
        training = TrainingPipeline(
            name,
            {
                "definition": DEFINITION,
                "code": pulumi.StringAsset("bundle"),
                "code_version": "c" * 64,
                "image": IMAGE,
                "data_bucket_name": data.data_bucket_name,
                "artifact_bucket_name": data.artifact_bucket_name,
                "model_package_group_name": registry.group_name,
                **trained,  # type: ignore[typeddict-item]  # as above
            },
        )
        endpoint = ModelEndpoint(
            name,
            {
                "artifact_bucket_name": data.artifact_bucket_name,
                "model_package_group_name": registry.group_name,
                "image": IMAGE,
                **shared,  # type: ignore[typeddict-item]  # as above
            },
        )
        monitor = DriftMonitor(
            name,
            {
                "artifact_bucket_name": data.artifact_bucket_name,
                "endpoint_name": endpoint.endpoint_name,
                "model_package_group_name": registry.group_name,
                **shared,  # type: ignore[typeddict-item]  # as above
            },
        )
        RetrainingTriggers(
            name,
            {
                "data_bucket_name": data.data_bucket_name,
                "artifact_bucket_name": data.artifact_bucket_name,
                "pipeline_name": training.pipeline_name,
                "alarm_names": [monitor.alarm_name],
                **shared,  # type: ignore[typeddict-item]  # as above
            },
        )

    return declare
