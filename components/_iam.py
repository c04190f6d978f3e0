"""Roles for one job each, and the statements that they are made of.

Actions, the resource types that each action can be limited to, and condition keys are those of the
AWS Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/). An action stands on ``*``
only where that reference gives it no resource type; the comment beside it says so.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import iam

from ._args import ArgumentError, NetworkArgs, Shared
from ._names import Place
from ._outputs import Text, TextInput, json_text, lift

Statement = Mapping[str, Any]
"""One statement of a policy; its values may be outputs."""

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[^/]+/(?P<name>[^:@]+)([:@].+)?"
)

_NEVER_APPROVES: tuple[Statement, ...] = (
    {
        "Sid": "NeverApprovesAModel",
        "Effect": "Deny",
        "Action": "sagemaker:UpdateModelPackage",
        "Resource": "*",
    },
    {
        "Sid": "NeverRegistersAnApprovedModel",
        "Effect": "Deny",
        "Action": "sagemaker:CreateModelPackage",
        "Resource": "*",
        "Condition": {"StringEquals": {"sagemaker:ModelApprovalStatus": "Approved"}},
    },
)


def allow(
    sid: str,
    actions: str | Sequence[str],
    resources: TextInput | Sequence[TextInput] | pulumi.Output[Any],
    **condition: Mapping[str, Any],
) -> Statement:
    """One Allow statement; ``sid`` says what it is for, keywords are condition operators."""
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": resources,
    }
    return statement | {"Condition": condition} if condition else statement


def document(statements: Sequence[Statement]) -> pulumi.Input[str]:
    """A policy document as JSON."""
    return json_text({"Version": "2012-10-17", "Statement": statements})


def role(
    name: str,
    *,
    service: str,
    description: str,
    statements: Sequence[Statement],
    shared: Shared,
    place: Place,
    opts: pulumi.ResourceOptions,
) -> "tuple[iam.Role, iam.RolePolicy]":
    """A role that ``service`` assumes, and its only policy; nothing may use one before the other.

    Every role is denied the approval of models: that is for people.
    """
    trust: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    if service == "sagemaker.amazonaws.com":
        # Lambda sends neither key when it assumes an execution role, and a role cannot be passed
        # to a function of another account; SageMaker sends both (its page on cross-service
        # confused deputy prevention).
        trust["Condition"] = {
            "StringEquals": {"aws:SourceAccount": place.account},
            "ArnLike": {"aws:SourceArn": place.arn("sagemaker", "*")},
        }
    made = iam.Role(
        name,
        description=description,
        assume_role_policy=document([trust]),
        permissions_boundary=shared.permissions_boundary_arn,
        tags=shared.tags,
        opts=opts,
    )
    policy = iam.RolePolicy(
        name,
        role=made.name,
        policy=document([*statements, *_key(shared), *_NEVER_APPROVES]),
        opts=opts,
    )
    return made, policy


def _key(shared: Shared) -> Sequence[Statement]:
    if shared.kms_key_arn is None:
        return ()
    return (allow("UseTheKey", ["kms:Decrypt", "kms:GenerateDataKey"], shared.kms_key_arn),)


def encrypt_volumes(shared: Shared) -> Sequence[Statement]:
    """What it takes to start jobs or endpoints whose volumes are encrypted with the key."""
    if shared.kms_key_arn is None:
        return ()
    return (
        allow(
            "LendTheKeyToVolumes",
            ["kms:CreateGrant", "kms:DescribeKey"],
            shared.kms_key_arn,
        ),
    )


@dataclass(frozen=True)
class Repository:
    """An ECR repository."""

    account: str
    region: str
    name: str


def repository(image: str) -> Repository:
    """The repository of an image. Raises ``ArgumentError`` if the image is not in ECR."""
    match = _ECR_IMAGE.fullmatch(image)
    if match is None:
        raise ArgumentError(
            f"image is {image!r}, and SageMaker pulls only from ECR: write "
            "<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>."
        )
    return Repository(*match.group("account", "region", "name"))


def pull_from(repository: Repository, place: Place) -> Sequence[Statement]:
    """Pull images from this repository, and from no other."""
    account, region, name = repository.account, repository.region, repository.name
    return (
        allow("LogInToEcr", "ecr:GetAuthorizationToken", "*"),  # has no resource type
        allow(
            "PullTheImage",
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            Text("arn:", place.partition, f":ecr:{region}:{account}:repository/{name}"),
        ),
    )


def join_network(network: NetworkArgs | None, place: Place) -> Sequence[Statement]:
    """Open network interfaces in the given subnets, with the given security groups."""
    if network is None:
        return ()
    interfaces = place.arn("ec2", "network-interface/*")

    def arns(kind: str, ids: pulumi.Input[Sequence[pulumi.Input[str]]]) -> pulumi.Input[list[str]]:
        return lift(
            (place.arn("ec2", kind), ids),
            lambda found: [f"{found[0]}/{each}" for each in found[1]],
        )

    doors = lift(
        (
            interfaces,
            arns("subnet", network["subnet_ids"]),
            arns("security-group", network["security_group_ids"]),
        ),
        lambda found: [found[0], *found[1], *found[2]],
    )
    return (
        allow("OpenInterfaces", "ec2:CreateNetworkInterface", doors),
        allow(
            "ManageInterfaces",
            [
                "ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
                "ec2:UnassignPrivateIpAddresses",
            ],
            interfaces,
        ),
        allow(
            "SeeTheNetwork",
            [
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            "*",  # Describe actions of EC2 have no resource type
        ),
    )
