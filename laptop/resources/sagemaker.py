"""Pipelines, model package groups, models, endpoint configurations and endpoints of SageMaker."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ..errors import LaptopError
from .handler import Call, Cloud, Handler, Mistake, Naming, Operations, Tagging, wait_until
from .shape import UNKNOWN, Field, Properties, Shape, first, from_aws, own, same

_TAGGING = Tagging("sagemaker", "ResourceArn", tag="AddTags", untag="DeleteTags", list="ListTags")


class _Kind(Handler):
    """One kind of thing in SageMaker: described, changed and deleted by its name."""

    tagging = _TAGGING

    def observed(self, answer: Mapping[str, Any]) -> Properties:
        # Each Create operation answers with nothing but the ARN, under a name of its own.
        for name, value in answer.items():
            if name.endswith("Arn"):
                return {"arn": value}
        return {}

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        answer = cloud.send(Call("sagemaker", self.operations.read, self.named(old)))
        return from_aws(self.shape, answer) | {"arn": old["arn"]}

    def vanish(self, cloud: Cloud, old: Properties) -> None:
        wait_until(lambda: self.fetch_is_gone(cloud, old), f"deleting {old['id']}")

    def fetch_is_gone(self, cloud: Cloud, old: Properties) -> bool:
        """Whether SageMaker no longer describes it."""
        return self.read(cloud, old) is None


class Pipeline(_Kind):
    """``aws:sagemaker/pipeline:Pipeline``; deleting it first stops what runs."""

    type = "aws:sagemaker/pipeline:Pipeline"
    operations = Operations(
        "sagemaker", "CreatePipeline", "DescribePipeline", "UpdatePipeline", "DeletePipeline"
    )
    shape: ClassVar[Shape] = {
        **same("pipelineName", "pipelineDisplayName", "pipelineDefinition", "pipelineDescription"),
        **same("roleArn"),
        "pipelineDefinitionS3Location": Field(
            "PipelineDefinitionS3Location", same("bucket", "objectKey", "versionId")
        ),
        "parallelismConfiguration": Field(
            "ParallelismConfiguration", same("maxParallelExecutionSteps")
        ),
    }
    key = ("pipelineName",)
    replaces = frozenset({"pipelineName"})
    id = "{pipelineName}"
    arn = "arn:{partition}:sagemaker:{region}:{account}:pipeline/{pipelineName}"

    def mistakes(self, inputs: Properties) -> Iterator[Mistake]:
        yield from super().mistakes(inputs)
        definition = inputs.get("pipelineDefinition", UNKNOWN)
        if definition == UNKNOWN:
            return
        try:
            json.loads(definition)
        except ValueError as error:
            sentence = f"'pipelineDefinition' is not JSON ({error}): give a JSON document"
            yield Mistake("pipelineDefinition", sentence)


class ModelPackageGroup(_Kind):
    """``aws:sagemaker/modelPackageGroup:ModelPackageGroup``; AWS deletes only an empty one."""

    type = "aws:sagemaker/modelPackageGroup:ModelPackageGroup"
    operations = Operations(
        "sagemaker",
        "CreateModelPackageGroup",
        "DescribeModelPackageGroup",
        None,
        "DeleteModelPackageGroup",
    )
    shape: ClassVar[Shape] = same("modelPackageGroupName", "modelPackageGroupDescription")
    key = ("modelPackageGroupName",)
    replaces = frozenset(shape)
    id = "{modelPackageGroupName}"
    arn = "arn:{partition}:sagemaker:{region}:{account}:model-package-group/{modelPackageGroupName}"


_MODEL_DATA: Shape = {
    "s3DataSources": first(
        "S3DataSource",
        {
            **same("compressionType", "s3DataType", "s3Uri"),
            "modelAccessConfig": Field("ModelAccessConfig", same("acceptEula")),
        },
    )
}

_CONTAINER: Shape = {
    **same("containerHostname", "environment", "image", "inferenceSpecificationName", "mode"),
    **same("modelDataUrl", "modelPackageName"),
    "imageConfig": Field("ImageConfig", same("repositoryAccessMode")),
    "modelDataSource": Field("ModelDataSource", _MODEL_DATA),
}


class Model(_Kind):
    """``aws:sagemaker/model:Model``; nothing but its tags can be changed."""

    type = "aws:sagemaker/model:Model"
    operations = Operations("sagemaker", "CreateModel", "DescribeModel", None, "DeleteModel")
    shape: ClassVar[Shape] = {
        "name": Field("ModelName"),
        **same("executionRoleArn", "enableNetworkIsolation"),
        "containers": Field("Containers", _CONTAINER),
        "primaryContainer": Field("PrimaryContainer", _CONTAINER),
        "vpcConfig": Field("VpcConfig", same("securityGroupIds", "subnets")),
    }
    key = ("name",)
    replaces = frozenset(shape)
    no_effect: ClassVar[dict[str, str]] = {
        "enableNetworkIsolation": "the container is a process of this machine",
        "vpcConfig": "there is one network, loopback",
    }
    naming = Naming("name", 63)
    id = "{name}"
    arn = "arn:{partition}:sagemaker:{region}:{account}:model/{name}"


_VARIANT: Shape = {
    **same("initialInstanceCount", "initialVariantWeight", "instanceType", "modelName"),
    **same("containerStartupHealthCheckTimeoutInSeconds", "variantName"),
    **same("modelDataDownloadTimeoutInSeconds", "inferenceAmiVersion"),
    "routingConfigs": first("RoutingConfig", same("routingStrategy")),
    "volumeSizeInGb": Field("VolumeSizeInGB"),
}

_CAPTURE: Shape = {
    **same("destinationS3Uri", "enableCapture", "initialSamplingPercentage", "kmsKeyId"),
    "captureOptions": Field("CaptureOptions", same("captureMode")),
    "captureContentTypeHeader": Field(
        "CaptureContentTypeHeader", same("csvContentTypes", "jsonContentTypes")
    ),
}


class EndpointConfiguration(_Kind):
    """``aws:sagemaker/endpointConfiguration:EndpointConfiguration``; immutable but for its tags."""

    type = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    operations = Operations(
        "sagemaker", "CreateEndpointConfig", "DescribeEndpointConfig", None, "DeleteEndpointConfig"
    )
    shape: ClassVar[Shape] = {
        "name": Field("EndpointConfigName"),
        **own("namePrefix"),
        **same("executionRoleArn"),
        "kmsKeyArn": Field("KmsKeyId"),
        "productionVariants": Field("ProductionVariants", _VARIANT),
        "dataCaptureConfig": Field("DataCaptureConfig", _CAPTURE),
    }
    key = ("name",)
    replaces = frozenset(shape)
    no_effect: ClassVar[dict[str, str]] = {
        "kmsKeyArn": "an instance is a process without a volume of its own",
        "productionVariants.initialInstanceCount": "a variant is one process",
        "productionVariants.instanceType": "a variant is a process of this machine",
        "productionVariants.volumeSizeInGb": "an instance is a process without a volume of its own",
    }
    naming = Naming("name", 63, "namePrefix")
    id = "{name}"
    arn = "arn:{partition}:sagemaker:{region}:{account}:endpoint-config/{name}"


_SIZE = same("type", "value")
_BLUE_GREEN: Shape = {
    **same("maximumExecutionTimeoutInSeconds", "terminationWaitInSeconds"),
    "trafficRoutingConfiguration": Field(
        "TrafficRoutingConfiguration",
        {
            **same("type", "waitIntervalInSeconds"),
            "canarySize": Field("CanarySize", _SIZE),
            "linearStepSize": Field("LinearStepSize", _SIZE),
        },
    ),
}
_ROLLING: Shape = {
    **same("maximumExecutionTimeoutInSeconds", "waitIntervalInSeconds"),
    "maximumBatchSize": Field("MaximumBatchSize", _SIZE),
    "rollbackMaximumBatchSize": Field("RollbackMaximumBatchSize", _SIZE),
}


class Endpoint(_Kind):
    """``aws:sagemaker/endpoint:Endpoint``; created and changed means in service.

    The provider reports an update that was rolled back as done (terraform-provider-aws #48997);
    here it is an error, because the endpoint does not serve what was declared.
    """

    type = "aws:sagemaker/endpoint:Endpoint"
    operations = Operations(
        "sagemaker", "CreateEndpoint", "DescribeEndpoint", "UpdateEndpoint", "DeleteEndpoint"
    )
    shape: ClassVar[Shape] = {
        "name": Field("EndpointName"),
        **same("endpointConfigName"),
        "deploymentConfig": Field(
            "DeploymentConfig",
            {
                "autoRollbackConfiguration": Field(
                    "AutoRollbackConfiguration", {"alarms": Field("Alarms", same("alarmName"))}
                ),
                "blueGreenUpdatePolicy": Field("BlueGreenUpdatePolicy", _BLUE_GREEN),
                "rollingUpdatePolicy": Field("RollingUpdatePolicy", _ROLLING),
            },
        ),
    }
    key = ("name",)
    replaces = frozenset({"name"})
    no_effect: ClassVar[dict[str, str]] = {
        "deploymentConfig": "all traffic moves at once, when the new variant answers",
    }
    mendable = False  # SageMaker changes only an endpoint that came into service once
    naming = Naming("name", 63)
    id = "{name}"
    arn = "arn:{partition}:sagemaker:{region}:{account}:endpoint/{name}"

    def settle(self, cloud: Cloud, outputs: Properties) -> Properties:
        named = self.named(outputs)
        endpoint: dict[str, Any] = {}

        def settled() -> bool:
            endpoint.update(cloud.send(Call("sagemaker", "DescribeEndpoint", named)))
            return endpoint["EndpointStatus"] not in {"Creating", "Updating", "RollingBack"}

        wait_until(settled, f"the endpoint {outputs['name']}")
        if endpoint["EndpointStatus"] != "InService":
            reason = endpoint.get("FailureReason", "no reason given")
            raise LaptopError(f"the endpoint is {endpoint['EndpointStatus']}: {reason}")
        if endpoint["EndpointConfigName"] != outputs["endpointConfigName"]:
            served = endpoint["EndpointConfigName"]
            reason = endpoint.get("FailureReason", "no reason given")
            raise LaptopError(f"the update was rolled back, it still serves {served}: {reason}")
        return {}
