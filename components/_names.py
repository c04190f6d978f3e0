"""Names and ARNs that must be known before, or without, the resource that bears them."""

import re
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import pulumi
import pulumi_aws as aws

from ._args import ArgumentError
from ._outputs import Member, Text, TextInput

NAME_LIMIT = 63
"""Longest name of a SageMaker pipeline, model package group or endpoint (API reference,
CreatePipeline and its siblings)."""
_NAME = re.compile(r"[a-z0-9](-*[a-z0-9])*")


def physical_name(name: str, limit: int = NAME_LIMIT) -> str:
    """The fixed AWS name of what a component called ``name`` owns: ``<project>-<stack>-<name>``.

    SageMaker allows capitals but writes ARNs in lower case, and policies compare exactly; so
    capitals are refused here. Raises ``ArgumentError`` if the name is too long for AWS (``limit``)
    or has other characters than a-z, 0-9 and hyphens.
    """
    project, stack = pulumi.get_project(), pulumi.get_stack()
    full = f"{project}-{stack}-{name}"
    if len(full) > limit:
        raise ArgumentError(
            f"The name {full} has {len(full)} characters, and AWS allows {limit} here: shorten the "
            f"project ({project}), the stack ({stack}) or the component ({name})."
        )
    if not _NAME.fullmatch(full):
        raise ArgumentError(
            f"The name {full} may have only a-z, 0-9 and single hyphens between them: rename the "
            f"project ({project}), the stack ({stack}) or the component ({name})."
        )
    return full


@dataclass(frozen=True)
class _Where:
    partition: str
    region: str
    account: str


@dataclass(frozen=True)
class Place:
    """Where a component's resources live; writes their ARNs."""

    where: pulumi.Output[_Where]

    @property
    def partition(self) -> Member:
        """Such as ``aws``."""
        return Member(self.where, "partition")

    @property
    def region(self) -> Member:
        """Such as ``eu-west-1``."""
        return Member(self.where, "region")

    @property
    def account(self) -> Member:
        """The twelve digits of the account."""
        return Member(self.where, "account")

    def arn(self, service: str, *resource: TextInput) -> Text:
        """``arn:<partition>:<service>:<region>:<account>:<resource>``; its parts are joined."""
        return Text(
            *("arn:", self.partition, f":{service}:", self.region, ":", self.account, ":"),
            *resource,
        )

    def bucket(self, name: pulumi.Input[str], *key: TextInput) -> Text:
        """ARN of a bucket, or of the objects in it that match ``key``, whose parts are joined."""
        return Text("arn:", self.partition, ":s3:::", name, *(("/", *key) if key else ()))


_places: WeakKeyDictionary[pulumi.Resource, Place] = WeakKeyDictionary()


def place(parent: pulumi.Resource) -> Place:
    """Where the AWS provider of ``parent`` works; a provider is asked only once in a program."""
    provider = parent.get_provider("aws:index/getRegion:getRegion")
    owner = provider or pulumi.runtime.get_root_resource() or parent
    if owner not in _places:
        opts = pulumi.InvokeOutputOptions(provider=provider)
        where = pulumi.Output.all(
            partition=aws.get_partition_output(opts=opts).partition,
            region=aws.get_region_output(opts=opts).region,
            account=aws.get_caller_identity_output(opts=opts).account_id,
        ).apply(lambda found: _Where(**found))
        _places[owner] = Place(where)
    return _places[owner]
