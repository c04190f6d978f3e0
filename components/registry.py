"""Register: where model versions are kept and approved."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import lambda_, sagemaker

from ._args import ArgumentError, NetworkArgs, shared
from ._function import function
from ._iam import allow
from ._names import physical_name, place

TEARDOWN_SECONDS = 300


class ModelRegistryArgs(TypedDict):
    """What a ModelRegistry can be told; nothing is required."""

    protect: NotRequired[bool]
    """Refuse to delete the group until this is false again. Defaults to false."""
    force_destroy: NotRequired[bool]
    """Delete all model versions on destroy, by a function that does nothing else. Defaults to
    false: destroy then fails while the group holds versions. Excludes `protect`."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key for the log and the environment of that function. By default AWS's own keys."""
    network: NotRequired[NetworkArgs]
    """Private network of that function. By default it runs outside of any."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """Permissions boundary of that function's role. By default none."""
    log_retention_days: NotRequired[int]
    """Days that the function's log is kept; a number that CloudWatch Logs knows. Defaults to 90."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of every child that can have them."""


class ModelRegistry(pulumi.ComponentResource):
    """A model package group: each run of the pipeline adds a version, people approve it."""

    group_name: pulumi.Output[str]
    """Name of the model package group."""
    group_arn: pulumi.Output[str]
    """ARN of the model package group."""

    def __init__(
        self, name: str, args: ModelRegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        common = shared(args, ModelRegistryArgs)
        protect = bool(args.get("protect"))
        force_destroy = bool(args.get("force_destroy"))
        if protect and force_destroy:
            raise ArgumentError(
                "protect and force_destroy are both true, and what is protected cannot be "
                "destroyed: set one of them to false."
            )
        group_name = physical_name(name)
        super().__init__("perennial-mlops:index:ModelRegistry", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)

        group = sagemaker.ModelPackageGroup(
            f"{name}-models",
            model_package_group_name=group_name,
            model_package_group_description=f"Versions of the model that the loop {name} grows.",
            tags=common.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        self.group_name = group.model_package_group_name
        self.group_arn = group.arn
        if force_destroy:
            here = place(self)
            versions = here.arn("sagemaker", f"model-package/{group_name}/*")
            teardown = function(
                f"{name}-registry-teardown",
                module="registry_teardown",
                description=f"Empties the model package group {group_name} before its deletion.",
                statements=[
                    allow("ListTheVersions", "sagemaker:ListModelPackages", [group.arn, versions]),
                    allow("DeleteTheVersions", "sagemaker:DeleteModelPackage", versions),
                ],
                environment={"LOOP": group_name, "MODEL_PACKAGE_GROUP_NAME": group_name},
                timeout=TEARDOWN_SECONDS,
                shared=common,
                place=here,
                opts=child,
            )
            emptied = lambda_.Invocation(
                f"{name}-registry-teardown",
                function_name=teardown.function.name,
                input="{}",
                lifecycle_scope="CRUD",
                opts=pulumi.ResourceOptions(parent=self, depends_on=[group, teardown.policy]),
            )
            # What uses the group depends on this, so it is gone before the group is emptied.
            self.group_name = pulumi.Output.all(group.model_package_group_name, emptied.id).apply(
                lambda found: str(found[0])
            )
        self.register_outputs({"groupName": self.group_name, "groupArn": self.group_arn})
