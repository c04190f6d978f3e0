"""The training pipeline, authored with the SageMaker SDK: prepare, train, evaluate, gate, register.

Only `python -m pipelines.compile` imports this module, because importing the SDK takes seconds and
hundreds of megabytes. What differs between environments is a parameter, and what a run makes lies
under the id of its execution. No execution id and no reason of a trigger stands in a field that
SageMaker's step cache compares (Amazon SageMaker AI Developer Guide, "Default cache key attributes
by pipeline step type").
"""

from types import SimpleNamespace
from typing import Any

import boto3
from sagemaker.core.helper.pipeline_variable import PipelineVariable
from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
from sagemaker.core.processing import Processor
from sagemaker.core.shapes import (
    OutputDataConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    StoppingCondition,
)
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.core.workflow.conditions import (
    ConditionGreaterThanOrEqualTo,
    ConditionLessThanOrEqualTo,
)
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import (
    ParameterFloat,
    ParameterInteger,
    ParameterString,
)
from sagemaker.core.workflow.pipeline_context import PipelineSession, _ModelStepArguments
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.train import ModelTrainer

# No default: what a run is started with (the first two), and what each environment has to say.
SNAPSHOT_ID = ParameterString("SnapshotId")
CODE_VERSION = ParameterString("CodeVersion")
ARTIFACT_BUCKET = ParameterString("ArtifactBucket")
ROLE_ARN = ParameterString("RoleArn")
GROUP_NAME = ParameterString("ModelPackageGroupName")
IMAGE = ParameterString("Image")
TARGET_COLUMN = ParameterString("TargetColumn")
# What an environment may say.
PROCESSING_INSTANCE_TYPE = ParameterString("ProcessingInstanceType", default_value="ml.m5.large")
TRAINING_INSTANCE_TYPE = ParameterString("TrainingInstanceType", default_value="ml.m5.large")
TRAINING_INSTANCE_COUNT = ParameterInteger("TrainingInstanceCount", default_value=1)
INFERENCE_INSTANCE_TYPE = ParameterString("InferenceInstanceType", default_value="ml.m5.large")
VOLUME_SIZE_IN_GB = ParameterInteger("VolumeSizeInGB", default_value=30)
MAX_RUNTIME_IN_SECONDS = ParameterInteger("MaxRuntimeInSeconds", default_value=3600)
PROTECTED_COLUMN = ParameterString("ProtectedColumn", default_value="")
SEED = ParameterString("Seed", default_value="0")
MIN_ROC_AUC = ParameterFloat("MinRocAuc", default_value=0.65)
MAX_FAIRNESS_GAP = ParameterFloat("MaxFairnessGap", default_value=0.2)
MAX_CHAMPION_LOSS = ParameterFloat("MaxChampionLoss", default_value=0.02)

PARAMETERS = [
    SNAPSHOT_ID,
    CODE_VERSION,
    ARTIFACT_BUCKET,
    ROLE_ARN,
    GROUP_NAME,
    IMAGE,
    TARGET_COLUMN,
    PROCESSING_INSTANCE_TYPE,
    TRAINING_INSTANCE_TYPE,
    TRAINING_INSTANCE_COUNT,
    INFERENCE_INSTANCE_TYPE,
    VOLUME_SIZE_IN_GB,
    MAX_RUNTIME_IN_SECONDS,
    PROTECTED_COLUMN,
    SEED,
    MIN_ROC_AUC,
    MAX_FAIRNESS_GAP,
    MAX_CHAMPION_LOSS,
]

# A processing container brings no toolkit of SageMaker's: the shell unpacks the code, and
# bootstrap.py sees to the packages. `$@` are the job's arguments.
UNPACK_AND_RUN = 'cd "$0" && tar -xzf sourcedir.tar.gz && exec python3 bootstrap.py "$@"'

# A reused step costs nothing and gives the same answer: its inputs are pinned by content.
CACHE = CacheConfig(enable_caching=True, expire_after="P30D")
JOB_RETRIES = [
    SageMakerJobStepRetryPolicy(
        exception_types=[
            SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
            SageMakerJobExceptionTypeEnum.INTERNAL_ERROR,
            SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT,
        ],
        max_attempts=3,
    ),
    StepRetryPolicy(
        exception_types=[
            StepExceptionTypeEnum.SERVICE_FAULT,
            StepExceptionTypeEnum.THROTTLING,
        ],
        max_attempts=3,
    ),
]
REGISTER_RETRIES = [
    StepRetryPolicy(
        exception_types=[StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING],
        max_attempts=3,
    )
]


def pipeline() -> Pipeline:
    """The pipeline of one loop; its name belongs to the resource that is made from it.

    Makes no AWS call: the session holds a region and keys that are never used.
    """
    session = PipelineSession(
        boto_session=boto3.Session(
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106  # no secret: nothing is ever signed
        ),
        default_bucket="none",
        # Given here, so that no configuration file of this machine leaks into the definition.
        sagemaker_config={
            "SchemaVersion": "1.0",
            "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
        },
    )
    prepare = _prepare(session)
    train = _train(session, prepare)
    evaluate, evaluation = _evaluate(session, prepare, train)
    register = _register(session, train, evaluate, evaluation)
    return Pipeline(
        name="perennial",
        parameters=PARAMETERS,
        steps=[prepare, train, evaluate, _gate(register, evaluate, evaluation)],
        sagemaker_session=session,
        pipeline_experiment_config=None,
    )


def _prepare(session: PipelineSession) -> ProcessingStep:
    """Validate the snapshot and split it: outputs train, test and report."""
    out = _output_paths("train", "test", "report")
    return ProcessingStep(
        name="Prepare",
        cache_config=CACHE,
        retry_policies=JOB_RETRIES,
        step_args=_processor(session).run(
            inputs=[_code_input()],
            outputs=_outputs("Prepare", out),
            arguments=[
                *("steps/prepare.py", "--bucket", ARTIFACT_BUCKET, "--snapshot", SNAPSHOT_ID),
                *("--target-column", TARGET_COLUMN, "--protected-column", PROTECTED_COLUMN),
                *("--train", out["train"], "--test", out["test"], "--report", out["report"]),
                *("--message", "/opt/ml/output/message"),
            ],
        ),
    )


class _TrainingStep(TrainingStep):  # type: ignore[misc]  # the SDK ships no types
    """A training step whose role, volume and time limit are parameters too.

    SageMaker takes references for them, but ModelTrainer validates them as plain values.
    """

    @property
    def arguments(self) -> dict[str, Any]:
        request: dict[str, Any] = super().arguments
        request["RoleArn"] = ROLE_ARN
        request["ResourceConfig"]["VolumeSizeInGB"] = VOLUME_SIZE_IN_GB
        request["StoppingCondition"]["MaxRuntimeInSeconds"] = MAX_RUNTIME_IN_SECONDS
        return request


def _train(session: PipelineSession, prepare: ProcessingStep) -> TrainingStep:
    """The user's `model/train.py` in script mode.

    The code comes as an input channel, not as an S3 URI, because under network isolation the
    container reaches no S3 (`files.download_and_extract` of sagemaker-training takes either).
    """
    trainer = ModelTrainer(
        sagemaker_session=session,
        role="arn:aws:iam::000000000000:role/replaced-by-the-step",
        training_image=IMAGE,
        base_job_name="train",
        hyperparameters={
            "sagemaker_program": "model/train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
            "target-column": TARGET_COLUMN,
            "protected-column": PROTECTED_COLUMN,
            "seed": SEED,
        },
        compute=Compute(
            instance_type=TRAINING_INSTANCE_TYPE,
            instance_count=TRAINING_INSTANCE_COUNT,
            volume_size_in_gb=VOLUME_SIZE_IN_GB.default_value,
        ),
        stopping_condition=StoppingCondition(
            max_runtime_in_seconds=MAX_RUNTIME_IN_SECONDS.default_value
        ),
        output_data_config=OutputDataConfig(s3_output_path=_run_uri("Train")),
    )
    return _TrainingStep(
        name="Train",
        cache_config=CACHE,
        retry_policies=JOB_RETRIES,
        step_args=trainer.train(
            input_data_config=[
                InputData(channel_name="code", data_source=_code_uri()),
                InputData(channel_name="train", data_source=_output_uri(prepare, "train")),
            ]
        ),
    )


def _evaluate(
    session: PipelineSession, prepare: ProcessingStep, train: TrainingStep
) -> tuple[ProcessingStep, PropertyFile]:
    """Metrics, fairness and the champion's score on the test set; output report.

    Not cached: the champion is read from the registry when the step runs.
    """
    out = _output_paths("report")
    evaluation = PropertyFile(name="Evaluation", output_name="report", path="evaluation.json")
    step = ProcessingStep(
        name="Evaluate",
        property_files=[evaluation],
        retry_policies=JOB_RETRIES,
        step_args=_processor(session).run(
            inputs=[
                _code_input(),
                _input("test", _output_uri(prepare, "test")),
                _input("prepared", _output_uri(prepare, "report")),
            ],
            outputs=_outputs("Evaluate", out),
            arguments=[
                *("steps/evaluate.py", "--bucket", ARTIFACT_BUCKET, "--group", GROUP_NAME),
                *("--artifact", train.properties.ModelArtifacts.S3ModelArtifacts),
                *("--test", "/opt/ml/processing/input/test"),
                *("--prepared", "/opt/ml/processing/input/prepared"),
                *("--target-column", TARGET_COLUMN, "--protected-column", PROTECTED_COLUMN),
                *("--min-roc-auc", MIN_ROC_AUC.to_string()),
                *("--max-fairness-gap", MAX_FAIRNESS_GAP.to_string()),
                *("--max-champion-loss", MAX_CHAMPION_LOSS.to_string()),
                *("--snapshot", SNAPSHOT_ID, "--code-version", CODE_VERSION, "--image", IMAGE),
                *("--seed", SEED, "--training-job", train.properties.TrainingJobName),
                *("--execution", ExecutionVariables.PIPELINE_EXECUTION_ARN),
                *("--report", out["report"], "--message", "/opt/ml/output/message"),
            ],
        ),
    )
    return step, evaluation


def _register(
    session: PipelineSession,
    train: TrainingStep,
    evaluate: ProcessingStep,
    evaluation: PropertyFile,
) -> ModelStep:
    """A model package that waits for a person, with all that is needed to make it again."""
    report = _output_uri(evaluate, "report")

    def report_file(name: str) -> Join:
        return Join(on="/", values=[report, name])

    def measured(path: str) -> Join:
        # Metadata values are strings, and a Join makes one of a number.
        return JsonGet("Evaluate", evaluation, path).to_string()

    metrics = ModelMetrics(
        model_statistics=MetricsSource(
            s3_uri=report_file("statistics.json"), content_type="application/json"
        ),
        bias=MetricsSource(s3_uri=report_file("bias.json"), content_type="application/json"),
    )
    # The request by hand: Model.register() and ModelBuilder.register() upload and look things up.
    arguments = _ModelStepArguments(SimpleNamespace(sagemaker_session=session))
    arguments.caller_name = "create_model_package_from_containers"
    arguments.create_model_package_request = {
        "ModelPackageGroupName": GROUP_NAME,
        "ModelApprovalStatus": "PendingManualApproval",
        "ModelMetrics": metrics._to_request_dict(),
        "CustomerMetadataProperties": {
            "snapshot_id": SNAPSHOT_ID,
            "code_version": CODE_VERSION,
            "image": IMAGE,
            "seed": SEED,
            "environment_lock": measured("environment_lock"),
            "roc_auc": measured("metrics.roc_auc"),
            "accuracy": measured("metrics.accuracy"),
            "balanced_accuracy": measured("metrics.balanced_accuracy"),
            "fairness_gap": measured("fairness.gap"),
            "artifact_sha256": measured("artifact.sha256"),
            "artifact_version_id": measured("artifact.version_id"),
            "baseline_uri": report_file("baseline.json"),
            "provenance_uri": report_file("provenance.json"),
            "execution_arn": ExecutionVariables.PIPELINE_EXECUTION_ARN,
            "target_column": measured("columns.target"),
            "protected_column": measured("columns.protected"),
        },
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": IMAGE,
                    "ModelDataUrl": train.properties.ModelArtifacts.S3ModelArtifacts,
                    "Environment": {
                        "SAGEMAKER_PROGRAM": "inference.py",
                        "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    },
                }
            ],
            "SupportedContentTypes": ["text/csv", "application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
            "SupportedRealtimeInferenceInstanceTypes": [INFERENCE_INSTANCE_TYPE],
        },
    }
    return ModelStep(name="Register", step_args=arguments, retry_policies=REGISTER_RETRIES)


def _gate(register: ModelStep, evaluate: ProcessingStep, evaluation: PropertyFile) -> ConditionStep:
    """Register what passes every threshold; for the rest, fail with the reasons."""

    def measured(path: str) -> JsonGet:
        return JsonGet(evaluate.name, evaluation, path)

    return ConditionStep(
        name="Gate",
        conditions=[
            ConditionGreaterThanOrEqualTo(left=measured("metrics.roc_auc"), right=MIN_ROC_AUC),
            ConditionLessThanOrEqualTo(left=measured("fairness.gap"), right=MAX_FAIRNESS_GAP),
            ConditionLessThanOrEqualTo(left=measured("champion.loss"), right=MAX_CHAMPION_LOSS),
        ],
        if_steps=[register],
        else_steps=[FailStep(name="Refused", error_message=measured("gate.message").to_string())],
    )


def _processor(session: PipelineSession) -> Processor:
    return Processor(
        role=ROLE_ARN,
        image_uri=IMAGE,
        instance_count=1,
        instance_type=PROCESSING_INSTANCE_TYPE,
        volume_size_in_gb=VOLUME_SIZE_IN_GB,
        max_runtime_in_seconds=MAX_RUNTIME_IN_SECONDS,
        base_job_name="process",
        entrypoint=["sh", "-c", UNPACK_AND_RUN, "/opt/ml/processing/input/code"],
        sagemaker_session=session,
    )


def _code_uri() -> Join:
    return Join(on="/", values=["s3:/", ARTIFACT_BUCKET, "code", CODE_VERSION])


def _run_uri(*parts: str) -> Join:
    run = ExecutionVariables.PIPELINE_EXECUTION_ID
    return Join(on="/", values=["s3:/", ARTIFACT_BUCKET, "runs", run, *parts])


def _output_uri(step: ProcessingStep, name: str) -> PipelineVariable:
    return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri


def _code_input() -> ProcessingInput:
    return _input("code", _code_uri())


def _input(name: str, uri: PipelineVariable) -> ProcessingInput:
    return ProcessingInput(
        input_name=name,
        s3_input=ProcessingS3Input(
            s3_uri=uri,
            local_path=f"/opt/ml/processing/input/{name}",
            s3_data_type="S3Prefix",
            s3_input_mode="File",
            s3_data_distribution_type="FullyReplicated",
        ),
    )


def _output_paths(*names: str) -> dict[str, str]:
    return {name: f"/opt/ml/processing/output/{name}" for name in names}


def _outputs(step: str, paths: dict[str, str]) -> list[ProcessingOutput]:
    return [
        ProcessingOutput(
            output_name=name,
            s3_output=ProcessingS3Output(
                s3_uri=_run_uri(step, name), local_path=path, s3_upload_mode="EndOfJob"
            ),
        )
        for name, path in paths.items()
    ]
