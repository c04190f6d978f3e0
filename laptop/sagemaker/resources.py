"""Which resource IAM judges an operation on.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon
SageMaker".
"""

from collections.abc import Callable, Mapping
from typing import Any

NAMED: tuple[tuple[str, str], ...] = (
    ("PipelineExecutionArn", "pipeline"),
    ("PipelineName", "pipeline"),
    ("ProcessingJobName", "processing-job"),
    ("TrainingJobName", "training-job"),
    ("ModelPackageArn", "model-package"),
    ("ModelPackageName", "model-package"),
    ("ModelPackageGroupName", "model-package-group"),
    ("ModelName", "model"),
    ("EndpointName", "endpoint"),
    ("EndpointConfigName", "endpoint-config"),
    ("ResourceArn", ""),
)
"""The member of a request that names the resource, and the kind of resource; the first wins."""

LISTS_OF_ONE = frozenset(
    {
        "ListPipelineExecutions",
        "ListPipelineExecutionSteps",
        "ListPipelineParametersForExecution",
        "ListTags",
    }
)
"""Lists of what belongs to one resource, which IAM judges on that resource."""


def resource_arn(operation: str, request: Mapping[str, Any], arn: Callable[[str, str], str]) -> str:
    """The ARN that a request is about; ``*`` for a list of all there is.

    Packages are listed under the right to the packages (``model-package/<group>/*``), not to their
    group. Where AWS judges two resources (an endpoint and its configuration; a package and its
    group) the one that the request creates or changes in is given.

    :param arn: makes an ARN of a kind and a name.
    """
    if operation == "ListModelPackages" and "ModelPackageGroupName" in request:
        group = request["ModelPackageGroupName"].rpartition("/")[2]
        return arn("model-package", f"{group}/*")
    if operation.startswith("List") and operation not in LISTS_OF_ONE:
        return "*"
    for member, kind in NAMED:
        name = request.get(member)
        if isinstance(name, str) and name:
            return name if name.startswith("arn:") else arn(kind, name)
    return "*"
