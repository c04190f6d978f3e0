"""One function: its role, its log group and its code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_

from ._args import Shared
from ._code import runtime_archive
from ._iam import Statement, allow, join_network, role
from ._names import Place
from ._outputs import Text

MEMORY_MB = 512
"""Lambda gives processor time in proportion to memory; the drift monitor parses JSON."""


@dataclass(frozen=True)
class Function:
    """A function and the policy without which it can do nothing."""

    function: "lambda_.Function"
    policy: "iam.RolePolicy"


def function(
    name: str,
    *,
    module: str,
    description: str,
    statements: Sequence[Statement],
    environment: Mapping[str, pulumi.Input[str]],
    timeout: int,
    shared: Shared,
    place: Place,
    opts: pulumi.ResourceOptions,
) -> Function:
    """A function that runs ``runtime.<module>.handler``; ``timeout`` in seconds."""
    logs = cloudwatch.LogGroup(
        name,
        retention_in_days=shared.log_retention_days,
        kms_key_id=shared.kms_key_arn,
        tags=shared.tags,
        opts=opts,
    )
    write_logs = allow(
        "WriteItsLog",
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        Text(logs.arn, ":*"),
    )
    execution, policy = role(
        name,
        service="lambda.amazonaws.com",
        description=description,
        statements=[write_logs, *join_network(shared.network, place), *statements],
        shared=shared,
        place=place,
        opts=opts,
    )
    made = lambda_.Function(
        name,
        description=description,
        role=execution.arn,
        runtime="python3.12",
        architectures=["arm64"],
        handler=f"runtime.{module}.handler",
        code=runtime_archive(),
        timeout=timeout,
        memory_size=MEMORY_MB,
        environment=lambda_.FunctionEnvironmentArgs(variables=environment),
        logging_config=lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=logs.name),
        kms_key_arn=shared.kms_key_arn,
        vpc_config=shared.network and lambda_.FunctionVpcConfigArgs(**shared.network),
        tags=shared.tags,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[policy])),
    )
    return Function(made, policy)
