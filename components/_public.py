"""All that the package offers, in one place; importing it imports Pulumi."""

from ._args import NetworkArgs
from .data import DataStore, DataStoreArgs
from .monitoring import DriftMonitor, DriftMonitorArgs
from .registry import ModelRegistry, ModelRegistryArgs
from .retraining import RetrainingTriggers, RetrainingTriggersArgs
from .serving import EndpointMode, ModelEndpoint, ModelEndpointArgs
from .training import TrainingPipeline, TrainingPipelineArgs

__all__ = [
    "DataStore",
    "DataStoreArgs",
    "DriftMonitor",
    "DriftMonitorArgs",
    "EndpointMode",
    "ModelEndpoint",
    "ModelEndpointArgs",
    "ModelRegistry",
    "ModelRegistryArgs",
    "NetworkArgs",
    "RetrainingTriggers",
    "RetrainingTriggersArgs",
    "TrainingPipeline",
    "TrainingPipelineArgs",
]
