"""The laptop's SageMaker: every operation it has, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from laptop.errors import AwsError, LaptopError

from .account import Account
from .catalogue import Catalogue
from .endpoints import Answer, Endpoints
from .events import EventBus
from .jobs import Jobs
from .pipelines import Pipelines
from .processes import Processes
from .registry import Registry
from .resources import resource_arn
from .tags import Tags

Operation = Callable[[Mapping[str, Any]], dict[str, Any]]


class SageMaker:
    """A SageMaker whose executions run and whose endpoints answer, as processes of this machine.

    Its state is in memory. Every method may be called from any thread.

    :param endpoint_url: the laptop AWS, through which jobs and SageMaker itself reach S3, logs and
        SageMaker, with the credentials of the role that acts.
    :param workdir: for the files and logs of jobs and endpoints; made if missing.
    :param step_python: the interpreter that jobs and containers run under.
    :param emit: sends an event of source ``aws.sagemaker``: detail type, detail, resources.
    :param credentials: environment variables with the keys of a role, by its ARN.
    :raises LaptopError: if ``workdir`` has white space in it.
    """

    def __init__(
        self,
        *,
        region: str,
        account: str,
        endpoint_url: str,
        workdir: Path,
        step_python: str,
        emit: Callable[[str, dict[str, Any], list[str]], None],
        credentials: Callable[[str], dict[str, str]],
    ) -> None:
        if any(character.isspace() for character in str(workdir.absolute())):
            raise LaptopError(
                f"The working directory {str(workdir)!r} has white space in it, which would break "
                "the command lines of jobs; choose another."
            )
        workdir.mkdir(parents=True, exist_ok=True)
        self._account = Account(
            region, account, endpoint_url, workdir.absolute(), step_python, credentials
        )
        self._bus = EventBus(emit)
        self._processes = Processes()
        tags = Tags(self._account)
        registry = Registry(self._account, self._bus, tags)
        models = Catalogue(
            self._account, tags, noun="Model", kind="model", words="model", collection="Models"
        )
        configs = Catalogue(
            self._account,
            tags,
            noun="EndpointConfig",
            kind="endpoint-config",
            words="endpoint configuration",
            collection="EndpointConfigs",
        )
        self._jobs = Jobs(self._account, self._bus, self._processes, tags)
        self._pipelines = Pipelines(self._account, self._bus, tags, self._jobs, self.call)
        self._endpoints = Endpoints(
            self._account,
            self._bus,
            self._processes,
            tags,
            registry=registry,
            models=models,
            configs=configs,
        )
        self._operations: dict[str, Operation] = {
            "CreateModel": models.create,
            "DescribeModel": models.describe,
            "ListModels": models.list,
            "DeleteModel": models.delete,
            "CreateEndpointConfig": configs.create,
            "DescribeEndpointConfig": configs.describe,
            "ListEndpointConfigs": configs.list,
            "DeleteEndpointConfig": configs.delete,
            "CreateEndpoint": self._endpoints.create_endpoint,
            "UpdateEndpoint": self._endpoints.update_endpoint,
            "DescribeEndpoint": self._endpoints.describe_endpoint,
            "ListEndpoints": self._endpoints.list_endpoints,
            "DeleteEndpoint": self._endpoints.delete_endpoint,
            "CreateModelPackageGroup": registry.create_model_package_group,
            "DescribeModelPackageGroup": registry.describe_model_package_group,
            "ListModelPackageGroups": registry.list_model_package_groups,
            "DeleteModelPackageGroup": registry.delete_model_package_group,
            "CreateModelPackage": registry.create_model_package,
            "DescribeModelPackage": registry.describe_model_package,
            "ListModelPackages": registry.list_model_packages,
            "UpdateModelPackage": registry.update_model_package,
            "DeleteModelPackage": registry.delete_model_package,
            "CreateProcessingJob": self._jobs.create_processing_job,
            "DescribeProcessingJob": self._jobs.describe_processing_job,
            "StopProcessingJob": self._jobs.stop_processing_job,
            "CreateTrainingJob": self._jobs.create_training_job,
            "DescribeTrainingJob": self._jobs.describe_training_job,
            "StopTrainingJob": self._jobs.stop_training_job,
            "CreatePipeline": self._pipelines.create_pipeline,
            "UpdatePipeline": self._pipelines.update_pipeline,
            "DescribePipeline": self._pipelines.describe_pipeline,
            "ListPipelines": self._pipelines.list_pipelines,
            "DeletePipeline": self._pipelines.delete_pipeline,
            "StartPipelineExecution": self._pipelines.start_pipeline_execution,
            "StopPipelineExecution": self._pipelines.stop_pipeline_execution,
            "DescribePipelineExecution": self._pipelines.describe_pipeline_execution,
            "DescribePipelineDefinitionForExecution": (
                self._pipelines.describe_pipeline_definition_for_execution
            ),
            "ListPipelineExecutions": self._pipelines.list_pipeline_executions,
            "ListPipelineExecutionSteps": self._pipelines.list_pipeline_execution_steps,
            "ListPipelineParametersForExecution": (
                self._pipelines.list_pipeline_parameters_for_execution
            ),
            "AddTags": tags.add_tags,
            "ListTags": tags.list_tags,
            "DeleteTags": tags.delete_tags,
        }

    @property
    def operations(self) -> frozenset[str]:
        """The operations that :meth:`call` knows."""
        return frozenset(self._operations)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a request that has passed botocore's model; times are seconds since the epoch.

        :raises AwsError: what SageMaker answers instead.
        """
        if operation not in self._operations:
            raise AwsError(
                "UnknownOperationException",
                f"The laptop's SageMaker has no {operation}; it has {sorted(self._operations)}.",
            )
        return self._operations[operation](request)

    def invoke(self, endpoint_name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """InvokeEndpoint: status, headers and body of the HTTP response, errors included."""
        return self._endpoints.invoke(endpoint_name, body, headers)

    def resource_arn(self, operation: str, request: Mapping[str, Any]) -> str:
        """The resource that IAM judges a request on, ``*`` if the operation has none."""
        return resource_arn(operation, request, self._account.arn)

    def shutdown(self) -> None:
        """End every process, write what endpoints captured, deliver the last events.

        Call it while ``endpoint_url`` still answers.
        """
        self._processes.close()
        self._jobs.join()
        self._pipelines.join()
        self._endpoints.close()
        self._bus.close()
