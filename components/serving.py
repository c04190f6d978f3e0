"""Serve: an endpoint that answers with an approved model version."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_, sagemaker

from ._args import ArgumentError, NetworkArgs, Shared, choice, given, shared, whole
from ._function import function
from ._iam import Repository, allow, encrypt_volumes, join_network, pull_from, repository, role
from ._names import NAME_LIMIT, Place, physical_name, place
from ._outputs import Text, json_text, lift
from ._wakeups import Pace, pace, wake, wakeup_queue

INSTANCE_TYPE = "ml.m5.large"
CAPTURE_PERCENT = 100
SWEEP = "rate(15 minutes)"
BATCH_WINDOW_SECONDS = 5
DEPLOY_SECONDS = 900
"""Timeout of the deploy controller, the longest that Lambda has: it waits until a pinned endpoint
has moved, or one that is torn down is gone."""
VERSION_SUFFIX = len("-v999999")
"""What the deploy controller appends to the endpoint's name to name models and configs."""
VARIANT = "primary"
"""As the deploy controller calls it, so that an endpoint can change its mode without a break."""


class EndpointMode(StrEnum):
    """Who decides which model version an endpoint serves."""

    FOLLOW = "follow"
    """The deploy controller: always the newest approved version of the registry."""
    PINNED = "pinned"
    """The Pulumi program: the version it names, promoted by a change of the program."""


class ModelEndpointArgs(TypedDict):
    """What a ModelEndpoint needs, and what else it can be told."""

    artifact_bucket_name: pulumi.Input[str]
    """Bucket that holds the model artifacts under `runs/`; captured traffic goes to `capture/`."""
    model_package_group_name: pulumi.Input[str]
    """Model package group whose versions the endpoint serves."""
    image: str
    """ECR image that the models run in: the endpoint may pull from its repository only."""
    mode: NotRequired[EndpointMode]
    """Who decides on the version. Defaults to `follow`, which creates the endpoint as soon as a
    version is approved, not before. The mode can be changed at any time; the endpoint goes on
    answering."""
    model_package_arn: NotRequired[pulumi.Input[str]]
    """The version to serve: required when the mode is `pinned`, refused otherwise."""
    instance_type: NotRequired[pulumi.Input[str]]
    """Instance type of the endpoint. Defaults to `ml.m5.large`. When following, it takes effect
    with the next version."""
    instance_count: NotRequired[int]
    """Number of instances, from 1. Defaults to 1; two or more survive the loss of a zone."""
    capture_percent: NotRequired[int]
    """Share of the requests that is captured to S3, 1 to 100. Defaults to 100. Drift is seen only
    in what is captured."""
    sweep_schedule: NotRequired[str]
    """When the deploy controller looks even if no event came. Defaults to `rate(15 minutes)`."""
    batch_size: NotRequired[int]
    """Most events that wake the deploy controller once, 1 to 10000. Defaults to
    1000."""
    batch_window_seconds: NotRequired[int]
    """Seconds that events are collected before they wake it, 0 to 300. Defaults to 5."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key for the endpoint's volumes, captured traffic, queues, logs and environment. By
    default AWS's own keys. Its policy must let EventBridge and CloudWatch Logs use it."""
    network: NotRequired[NetworkArgs]
    """Private network of the models and of the deploy controller. By default none."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """Permissions boundary of every role. By default none."""
    log_retention_days: NotRequired[int]
    """Days that logs are kept; a number that CloudWatch Logs knows. Defaults to 90."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of every child that can have them, and of what the deploy controller makes."""


class ModelEndpoint(pulumi.ComponentResource):
    """A real-time endpoint with data capture that follows the registry, or serves one version.

    The endpoint belongs to the deploy controller, and so do the configs and the models of a version
    that it chose; it removes them on destroy. Of a pinned version they are Pulumi's.
    """

    endpoint_name: pulumi.Output[str]
    """Name of the endpoint, known before it exists."""
    execution_role_arn: pulumi.Output[str]
    """ARN of the role that the models run as."""

    def __init__(
        self, name: str, args: ModelEndpointArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        common = shared(args, ModelEndpointArgs)
        mode = choice("mode", args.get("mode") or EndpointMode.FOLLOW, EndpointMode)
        pinned = args.get("model_package_arn") or None
        if mode is EndpointMode.PINNED and pinned is None:
            raise ArgumentError(
                "mode is pinned and model_package_arn is missing: say which version to serve."
            )
        if mode is EndpointMode.FOLLOW and pinned is not None:
            raise ArgumentError(
                "model_package_arn is given and mode is follow, which chooses the version itself: "
                "remove it, or set mode to pinned."
            )
        instance_count = whole("instance_count", given(args, "instance_count", 1), 1)
        capture_percent = whole(
            "capture_percent", given(args, "capture_percent", CAPTURE_PERCENT), 1, 100
        )
        # Few events come, so that no maximum is needed, and an idle queue is polled less.
        rhythm = pace(
            args, sweep=SWEEP, window_seconds=BATCH_WINDOW_SECONDS, maximum_concurrency=None
        )
        images = repository(args["image"])
        endpoint_name = physical_name(name, NAME_LIMIT - VERSION_SUFFIX)
        super().__init__("perennial-mlops:index:ModelEndpoint", name, {}, opts)
        plan = _Plan(
            name=name,
            endpoint=endpoint_name,
            bucket=args["artifact_bucket_name"],
            images=images,
            instance_type=args.get("instance_type") or INSTANCE_TYPE,
            instance_count=instance_count,
            capture_percent=capture_percent,
            shared=common,
            place=place(self),
            opts=pulumi.ResourceOptions(parent=self),
        )

        cloudwatch.LogGroup(
            f"{name}-endpoint",
            name=plan.log_group,
            retention_in_days=common.log_retention_days,
            kms_key_id=common.kms_key_arn,
            tags=common.tags,
            opts=plan.opts,
        )
        execution, execution_policy = _execution_role(plan)
        config = None if pinned is None else _pin(plan, pinned, execution, execution_policy)
        _deploy(plan, args["model_package_group_name"], execution, execution_policy, rhythm, config)
        self.endpoint_name = pulumi.Output.from_input(endpoint_name)
        self.execution_role_arn = execution.arn
        self.register_outputs(
            {"endpointName": self.endpoint_name, "executionRoleArn": self.execution_role_arn}
        )


@dataclass(frozen=True)
class _Plan:
    """The endpoint that is wanted, whoever makes it."""

    name: str
    endpoint: str
    bucket: pulumi.Input[str]
    images: Repository
    instance_type: pulumi.Input[str]
    instance_count: int
    capture_percent: int
    shared: Shared
    place: Place
    opts: pulumi.ResourceOptions

    @property
    def log_group(self) -> str:
        """Where SageMaker writes the endpoint's log; made beforehand, it has a retention."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"

    def after(self, *resources: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(
            self.opts, pulumi.ResourceOptions(depends_on=list(resources))
        )


def _execution_role(plan: _Plan) -> "tuple[iam.Role, iam.RolePolicy]":
    here = plan.place
    return role(
        f"{plan.name}-endpoint",
        service="sagemaker.amazonaws.com",
        description=f"The models that the endpoint {plan.endpoint} serves.",
        statements=[
            allow("ReadModels", "s3:GetObject", here.bucket(plan.bucket, "runs/*")),
            allow("FindModels", "s3:ListBucket", here.bucket(plan.bucket)),
            allow(
                "CaptureTraffic",
                "s3:PutObject",
                here.bucket(plan.bucket, f"capture/{plan.endpoint}/*"),
            ),
            allow(
                "WriteItsLog",
                ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                here.arn("logs", f"log-group:{plan.log_group}:*"),
            ),
            allow(
                "WriteEndpointMetrics",
                "cloudwatch:PutMetricData",
                "*",  # has no resource type
                StringLike={"cloudwatch:namespace": "/aws/sagemaker/*"},
            ),
            *pull_from(plan.images, here),
            *join_network(plan.shared.network, here),
        ],
        shared=plan.shared,
        place=here,
        opts=plan.opts,
    )


def _pin(
    plan: _Plan,
    model_package_arn: pulumi.Input[str],
    execution: "iam.Role",
    execution_policy: "iam.RolePolicy",
) -> pulumi.Output[str]:
    """The endpoint config of one version; its name.

    Model and config cannot be changed, only replaced. Pulumi gives each new one a new name, so the
    endpoint moves over before the old ones are deleted.
    """
    network, key = plan.shared.network, plan.shared.kms_key_arn
    model = sagemaker.Model(
        f"{plan.name}-model",
        execution_role_arn=execution.arn,
        primary_container={"model_package_name": model_package_arn},
        vpc_config=network
        and {
            "subnets": network["subnet_ids"],
            "security_group_ids": network["security_group_ids"],
        },
        tags=plan.shared.tags,
        opts=plan.after(execution_policy),
    )
    config = sagemaker.EndpointConfiguration(
        f"{plan.name}-endpoint",
        production_variants=[
            {
                "variant_name": VARIANT,
                "model_name": model.name,
                "instance_type": plan.instance_type,
                "initial_instance_count": plan.instance_count,
            }
        ],
        data_capture_config={
            "enable_capture": True,
            "initial_sampling_percentage": plan.capture_percent,
            "destination_s3_uri": lift(Text("s3://", plan.bucket, "/capture")),
            "kms_key_id": key,
            "capture_options": [{"capture_mode": "Input"}, {"capture_mode": "Output"}],
            "capture_content_type_header": {
                "csv_content_types": ["text/csv"],
                "json_content_types": ["application/json"],
            },
        },
        kms_key_arn=key,
        tags=plan.shared.tags,
        opts=plan.opts,
    )
    return config.name


def _deploy(
    plan: _Plan,
    group: pulumi.Input[str],
    execution: "iam.Role",
    execution_policy: "iam.RolePolicy",
    rhythm: Pace,
    pinned: pulumi.Output[str] | None,
) -> None:
    """Let the deploy controller make the endpoint, and take it away on destroy.

    It follows the registry, or keeps to the config that is ``pinned``.
    """
    here, common = plan.place, plan.shared
    name = f"{plan.name}-deploy"
    made = f"{plan.endpoint}-v*"
    endpoint = here.arn("sagemaker", f"endpoint/{plan.endpoint}")
    configs = here.arn("sagemaker", f"endpoint-config/{made}")
    models = here.arn("sagemaker", f"model/{made}")
    versions = here.arn("sagemaker", "model-package/", group, "/*")
    network = common.network or {"subnet_ids": [], "security_group_ids": []}
    wakeups = wakeup_queue(
        name,
        events=[
            {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Model Package State Change"],
                "detail": {"ModelPackageGroupName": [group]},
            },
            {
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Endpoint State Change"],
                "detail": {"EndpointName": [plan.endpoint]},
            },
        ],
        pace=rhythm,
        timeout=DEPLOY_SECONDS,
        shared=common,
        place=here,
        opts=plan.opts,
    )
    controller = function(
        name,
        module="deploy_controller",
        description=f"Keeps {plan.endpoint} at the model version that is wanted.",
        statements=[
            *wakeups.statements,
            allow(
                "FindApprovedVersions",
                "sagemaker:ListModelPackages",
                [
                    here.arn("sagemaker", "model-package-group/", group),
                    versions,
                ],
            ),
            # What AWS asks for of a package that a model is made of (SageMaker developer guide,
            # "Deploy a Model Version from a Different Account").
            allow(
                "MakeModelsOfVersions",
                ["sagemaker:CreateModel", "sagemaker:DescribeModelPackage"],
                versions,
            ),
            allow(
                "ManageTheEndpoint",
                [
                    "sagemaker:AddTags",
                    "sagemaker:CreateEndpoint",
                    "sagemaker:CreateEndpointConfig",
                    "sagemaker:CreateModel",
                    "sagemaker:DeleteEndpoint",
                    "sagemaker:DeleteEndpointConfig",
                    "sagemaker:DeleteModel",
                    "sagemaker:DescribeEndpoint",
                    "sagemaker:UpdateEndpoint",
                ],
                [endpoint, configs, models],
            ),
            *(
                [
                    allow(
                        "ServeWhatIsPinned",
                        ["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"],
                        here.arn("sagemaker", "endpoint-config/", pinned),
                    )
                ]
                if pinned is not None
                else []
            ),
            allow(
                "FindWhatItMade",
                ["sagemaker:ListEndpointConfigs", "sagemaker:ListModels"],
                "*",  # have no resource type
            ),
            allow(
                "LendTheModelsTheirRole",
                "iam:PassRole",
                execution.arn,
                StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"},
            ),
            allow("FindItsState", "s3:ListBucket", here.bucket(plan.bucket)),
            allow(
                "ReadItsState",
                "s3:GetObject",
                [
                    here.bucket(plan.bucket, "state/deploy.json"),
                    here.bucket(plan.bucket, "state/ledger/*"),
                ],
            ),
            allow(
                "WriteItsState",
                "s3:PutObject",
                [
                    here.bucket(plan.bucket, "state/deploy.json"),
                    here.bucket(plan.bucket, "state/ledger/*"),
                ],
            ),
            allow(
                "ReadTheLogOfAFailedVersion",
                "logs:FilterLogEvents",
                [here.arn("logs", f"log-group:{plan.log_group}{each}") for each in ("", ":*")],
            ),
            *encrypt_volumes(common),
        ],
        environment={
            "LOOP": plan.endpoint,
            "ARTIFACT_BUCKET": plan.bucket,
            "QUEUE_URL": wakeups.queue.url,
            "MODEL_PACKAGE_GROUP_NAME": group,
            "ENDPOINT_NAME": plan.endpoint,
            "EXECUTION_ROLE_ARN": execution.arn,
            "INSTANCE_TYPE": plan.instance_type,
            "INSTANCE_COUNT": str(plan.instance_count),
            "CAPTURE_PERCENT": str(plan.capture_percent),
            "KMS_KEY_ARN": common.kms_key_arn or "",
            "SUBNET_IDS": json_text(network["subnet_ids"]),
            "SECURITY_GROUP_IDS": json_text(network["security_group_ids"]),
            "TAGS": json_text(common.tags or {}),
            "PINNED_CONFIG": "" if pinned is None else pinned,
        },
        timeout=DEPLOY_SECONDS,
        shared=common,
        place=here,
        opts=plan.opts,
    )
    teardown = lambda_.Invocation(
        f"{name}-teardown",
        function_name=controller.function.name,
        input=json_text(
            {"endpoint": plan.endpoint, **({} if pinned is None else {"config": pinned})}
        ),
        lifecycle_scope="CRUD",
        opts=plan.after(controller.policy, execution_policy),
    )
    wake(
        name,
        wakeups,
        controller,
        pace=rhythm,
        shared=common,
        opts=plan.opts,
        after=[teardown],  # or a late wake-up would make a new endpoint during destroy
    )
