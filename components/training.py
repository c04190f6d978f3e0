"""Train: the pipeline that makes a model of a snapshot, and the code that its jobs run."""

from collections.abc import Mapping
from typing import NotRequired, TypedDict

import pulumi
from pulumi_aws import s3, sagemaker

from ._args import NetworkArgs, shared
from ._definition import bind, check, values
from ._iam import allow, encrypt_volumes, join_network, pull_from, repository, role
from ._names import physical_name, place
from ._outputs import json_text, lift

OWN_PARAMETERS = ("ArtifactBucket", "Image", "ModelPackageGroupName", "RoleArn")
NOT_LEARNED_FROM = ("ArtifactBucket", "ModelPackageGroupName", "RoleArn")
"""Where a run works, not what it makes: another of these is no reason to train."""


class TrainingPipelineArgs(TypedDict):
    """What a TrainingPipeline needs, and what else it can be told."""

    definition: pulumi.Input[str]
    """The compiled pipeline definition: SageMaker's JSON, the same for every environment. What
    differs per environment are its parameters."""
    code: pulumi.Asset
    """The bundle that the jobs run: a gzipped tar. Older bundles stay in the bucket, because older
    models name them."""
    code_version: str
    """Digest of that bundle, 64 hexadecimal digits. A new one starts a run."""
    image: str
    """ECR image that the jobs run in: `<account>.dkr.ecr.<region>.amazonaws.com/<name>:<tag>`."""
    data_bucket_name: pulumi.Input[str]
    """Bucket that holds the training data, under `data/`."""
    artifact_bucket_name: pulumi.Input[str]
    """Bucket for code, snapshots and what the runs make."""
    model_package_group_name: pulumi.Input[str]
    """Model package group in which runs register their models."""
    git_commit: NotRequired[str]
    """Commit that the bundle was made from, for people to read. Defaults to `unknown`."""
    parameters: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Default values of the definition's parameters, by name, numbers as text: for example
    `TargetColumn`, `TrainingInstanceType`, `MinRocAuc`. What is not given keeps the definition's
    default, and must be given if there is none. A name that the definition does not declare is
    refused. A changed value starts a run, of which SageMaker reuses the steps that it leaves
    alone."""
    isolate_training: NotRequired[bool]
    """Cut the training container off from all networks, so that it cannot send data anywhere.
    Defaults to false, because it then cannot install packages that the model asks for either."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """KMS key for the volumes and the output of the jobs. By default AWS's own keys. Instances with
    local NVMe storage refuse it, because they encrypt by themselves."""
    network: NotRequired[NetworkArgs]
    """Private network of the jobs. By default they run outside of any."""
    permissions_boundary_arn: NotRequired[pulumi.Input[str]]
    """Permissions boundary of both roles. By default none."""
    tags: NotRequired[pulumi.Input[Mapping[str, pulumi.Input[str]]]]
    """Tags of every child that can have them."""


class TrainingPipeline(pulumi.ComponentResource):
    """A SageMaker pipeline, the role that runs it, the role of its jobs, and the code they run."""

    pipeline_name: pulumi.Output[str]
    """Name of the pipeline."""
    pipeline_arn: pulumi.Output[str]
    """ARN of the pipeline."""
    training_role_arn: pulumi.Output[str]
    """ARN of the role of the jobs."""

    def __init__(
        self, name: str, args: TrainingPipelineArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        common = shared(args, TrainingPipelineArgs)
        parameters = args.get("parameters") or {}
        if isinstance(args["definition"], str):
            check(args["definition"], parameters, own=OWN_PARAMETERS)
        images = repository(args["image"])
        pipeline_name = physical_name(name)
        super().__init__("perennial-mlops:index:TrainingPipeline", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        here = place(self)
        data, artifacts = args["data_bucket_name"], args["artifact_bucket_name"]
        group = args["model_package_group_name"]
        network = common.network or {"subnet_ids": [], "security_group_ids": []}
        group_arns = [
            here.arn("sagemaker", "model-package-group/", group),
            here.arn("sagemaker", "model-package/", group, "/*"),
        ]
        job_logs = [
            here.arn("logs", "log-group:/aws/sagemaker/ProcessingJobs:*"),
            here.arn("logs", "log-group:/aws/sagemaker/TrainingJobs:*"),
        ]

        training, training_policy = role(
            f"{name}-training",
            service="sagemaker.amazonaws.com",
            description=f"Jobs of the pipeline {pipeline_name}.",
            statements=[
                allow(
                    "ReadTheSnapshotByVersion",
                    ["s3:GetObject", "s3:GetObjectVersion"],
                    here.bucket(data, "data/*"),
                ),
                allow(
                    "ReadCodeSnapshotsAndRuns",
                    ["s3:GetObject", "s3:GetObjectVersion"],
                    [here.bucket(artifacts, f"{each}/*") for each in ("code", "snapshots", "runs")],
                ),
                allow("FindInputs", "s3:ListBucket", here.bucket(artifacts)),
                allow(
                    "WriteRuns",
                    ["s3:AbortMultipartUpload", "s3:PutObject"],
                    here.bucket(artifacts, "runs/*"),
                ),
                allow(
                    "FindTheChampion",
                    ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"],
                    group_arns,
                ),
                allow(
                    "WriteLogs",
                    [
                        "logs:CreateLogGroup",
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                    ],
                    job_logs,
                ),
                allow(
                    "WriteJobMetrics",
                    "cloudwatch:PutMetricData",
                    "*",  # has no resource type
                    StringLike={"cloudwatch:namespace": "/aws/sagemaker/*"},
                ),
                *pull_from(images, here),
                *join_network(common.network, here),
                *encrypt_volumes(common),
            ],
            shared=common,
            place=here,
            opts=child,
        )
        runner, runner_policy = role(
            f"{name}-pipeline",
            service="sagemaker.amazonaws.com",
            description=f"Runs the pipeline {pipeline_name}: starts its jobs, registers its model.",
            statements=[
                allow(
                    "RunJobs",
                    [
                        "sagemaker:AddTags",
                        "sagemaker:CreateProcessingJob",
                        "sagemaker:CreateTrainingJob",
                        "sagemaker:DescribeProcessingJob",
                        "sagemaker:DescribeTrainingJob",
                        "sagemaker:StopProcessingJob",
                        "sagemaker:StopTrainingJob",
                    ],
                    [  # SageMaker names the jobs of a pipeline pipelines-<execution>-<step>-...
                        here.arn("sagemaker", "processing-job/pipelines-*"),
                        here.arn("sagemaker", "training-job/pipelines-*"),
                    ],
                ),
                allow(
                    "LendTheJobsTheirRole",
                    "iam:PassRole",
                    training.arn,
                    StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"},
                ),
                allow(
                    "RegisterTheModel",
                    [
                        "sagemaker:AddTags",
                        "sagemaker:CreateModelPackage",
                        "sagemaker:DescribeModelPackage",
                    ],
                    group_arns,
                ),
                allow("ReadWhatTheGateJudges", "s3:GetObject", here.bucket(artifacts, "runs/*")),
                allow("FindWhatTheGateJudges", "s3:ListBucket", here.bucket(artifacts)),
                *encrypt_volumes(common),
            ],
            shared=common,
            place=here,
            opts=child,
        )

        bundle = s3.BucketObjectv2(
            f"{name}-code",
            bucket=artifacts,
            key=f"code/{args['code_version']}/sourcedir.tar.gz",
            source=args["code"],
            content_type="application/gzip",
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        definition = lift(
            {
                "definition": args["definition"],
                "parameters": parameters,
                "own": {
                    "ArtifactBucket": artifacts,
                    "Image": args["image"],
                    "ModelPackageGroupName": group,
                    "RoleArn": training.arn,
                },
                "subnets": network["subnet_ids"],
                "security_groups": network["security_group_ids"],
                "kms_key_arn": common.kms_key_arn,
                "isolate_training": bool(args.get("isolate_training")),
            },
            lambda found: bind(**found),
        )
        pipeline = sagemaker.Pipeline(
            f"{name}-pipeline",
            pipeline_name=pipeline_name,
            pipeline_display_name=pipeline_name,
            pipeline_description=f"Prepares, trains, evaluates, gates and registers for {name}.",
            pipeline_definition=definition,
            role_arn=runner.arn,
            tags=common.tags,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[training_policy, runner_policy, bundle]
            ),
        )
        s3.BucketObjectv2(
            f"{name}-current-code",
            bucket=artifacts,
            key="code/current.json",
            content=json_text(
                {
                    "code_version": args["code_version"],
                    "git_commit": args.get("git_commit") or "unknown",
                    # A run is started with these very values, whatever the pipeline has by then.
                    "parameters": lift(definition, lambda bound: values(bound, NOT_LEARNED_FROM)),
                }
            ),
            content_type="application/json",
            # It wakes the retrain controller, and then code and pipeline must be there.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[bundle, pipeline]),
        )
        self.pipeline_name = pipeline.pipeline_name
        self.pipeline_arn = pipeline.arn
        self.training_role_arn = training.arn
        self.register_outputs(
            {
                "pipelineName": self.pipeline_name,
                "pipelineArn": self.pipeline_arn,
                "trainingRoleArn": self.training_role_arn,
            }
        )
