"""Resource types of pulumi_aws 7.51, as calls to AWS: one module a service.

``handler_of`` finds the one of a type, ``invoke`` answers a function of the provider.
"""

from ..errors import LaptopError
from . import cloudwatch, events, iam, kms, lambda_, logs, provider, s3, sagemaker, sqs
from .data import FUNCTIONS
from .handler import Cloud, Handler
from .shape import Properties

_HANDLERS: tuple[Handler, ...] = (
    cloudwatch.Dashboard(),
    cloudwatch.MetricAlarm(),
    events.EventRule(),
    events.EventTarget(),
    iam.Role(),
    iam.RolePolicy(),
    iam.RolePolicyAttachment(),
    kms.Alias(),
    kms.Key(),
    lambda_.EventSourceMapping(),
    lambda_.Function(),
    lambda_.Invocation(),
    lambda_.Permission(),
    logs.LogGroup(),
    s3.Bucket(),
    s3.BucketLifecycleConfiguration(),
    s3.BucketNotification(),
    s3.BucketObjectv2(),
    s3.BucketOwnershipControls(),
    s3.BucketPolicy(),
    s3.BucketPublicAccessBlock(),
    s3.BucketServerSideEncryptionConfiguration(),
    s3.BucketVersioning(),
    sagemaker.Endpoint(),
    sagemaker.EndpointConfiguration(),
    sagemaker.Model(),
    sagemaker.ModelPackageGroup(),
    sagemaker.Pipeline(),
    sqs.Queue(),
    sqs.QueuePolicy(),
)

HANDLERS: dict[str, Handler] = {handler.type: handler for handler in _HANDLERS}
"""Every type that the laptop AWS knows, by its token."""


def handler_of(type_: str) -> Handler:
    """The handler of a type token. Raises LaptopError for a type that has none."""
    if type_ in HANDLERS:
        return HANDLERS[type_]
    if provider.resource_class(type_) is None:
        raise LaptopError(f"pulumi_aws has no resource type {type_!r}: correct the token")
    raise LaptopError(
        f"the laptop AWS does not know the resource type {type_}: leave it out for the stack "
        "'laptop', or teach it to laptop/resources/"
    )


def invoke(cloud: Cloud, token: str, arguments: Properties) -> Properties:
    """The result of a function of the provider. Raises LaptopError for one that is unknown."""
    if token not in FUNCTIONS:
        raise LaptopError(
            f"The laptop AWS does not know the function {token}: "
            "teach it to laptop/resources/data.py."
        )
    for name in arguments:
        raise LaptopError(
            f"The laptop AWS does not know the argument {name!r} of {token}: leave it out."
        )
    return FUNCTIONS[token](cloud)
