"""Pipelines and their executions, as the API tells of them."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from laptop.errors import AwsError

from . import definition as definitions
from . import events, paging, parameters, references, shapes
from .account import Account, now
from .caching import StepCache
from .definition import Definition
from .events import EventBus
from .execution import Execution
from .jobs import Jobs
from .steps import Steps, random_id
from .storage import Storage
from .tags import Tags

Request = Mapping[str, Any]
Response = dict[str, Any]


@dataclass
class Pipeline:
    """One pipeline: what Describe tells of it, its definition parsed, its executions by ARN."""

    record: dict[str, Any]
    definition: Definition
    executions: dict[str, Execution] = field(default_factory=dict)
    tokens: dict[str, tuple[str, Any]] = field(default_factory=dict)
    """Client request token -> the execution that it started, and with which request."""


class Pipelines:
    """All pipelines of the account.

    :param describe: a call of this SageMaker itself.
    """

    def __init__(
        self,
        account: Account,
        bus: EventBus,
        tags: Tags,
        jobs: Jobs,
        describe: Callable[[str, dict[str, Any]], dict[str, Any]],
    ) -> None:
        self._account = account
        self._bus = bus
        self._tags = tags
        self._jobs = jobs
        self._describe = describe
        self._cache = StepCache()
        self._pipelines: dict[str, Pipeline] = {}
        self._threads: list[threading.Thread] = []

    def create_pipeline(self, request: Request) -> Response:
        """CreatePipeline. The same ClientRequestToken creates one pipeline only."""
        name = request["PipelineName"]
        definition = definitions.parse(_text(request))
        arn = self._account.arn("pipeline", name)
        with self._account.changed:
            if existing := self._pipelines.get(name):
                if existing.record["ClientRequestToken"] == request["ClientRequestToken"]:
                    return {"PipelineArn": arn}
                raise AwsError(
                    "ValidationException",
                    "Pipeline names must be unique within an AWS account and region. "
                    f"Pipeline with name ({name}) already exists.",
                )
            created = now()
            record = {
                **request,
                "PipelineArn": arn,
                "PipelineStatus": "Active",
                "PipelineDisplayName": request.get("PipelineDisplayName", name),
                "CreationTime": created,
                "LastModifiedTime": created,
                "CreatedBy": {},
                "LastModifiedBy": {},
            }
            self._pipelines[name] = Pipeline(record, definition)
            self._tags.keep(arn, request.get("Tags", []))
        return {"PipelineArn": arn}

    def update_pipeline(self, request: Request) -> Response:
        """UpdatePipeline. Executions that run keep the definition that they started with."""
        changes = {
            member: request[member]
            for member in (
                "PipelineDefinition",
                "PipelineDescription",
                "PipelineDisplayName",
                "RoleArn",
                "ParallelismConfiguration",
            )
            if member in request
        }
        parsed = (
            definitions.parse(changes["PipelineDefinition"])
            if ("PipelineDefinition" in changes)
            else None
        )
        with self._account.changed:
            pipeline = self._pipeline(request["PipelineName"])
            pipeline.record |= {**changes, "LastModifiedTime": now()}
            pipeline.definition = parsed or pipeline.definition
        return {"PipelineArn": pipeline.record["PipelineArn"]}

    def describe_pipeline(self, request: Request) -> Response:
        """DescribePipeline."""
        with self._account.changed:
            return shapes.response(
                "DescribePipeline", self._pipeline(request["PipelineName"]).record
            )

    def delete_pipeline(self, request: Request) -> Response:
        """DeletePipeline, with its executions; refused while one runs."""
        with self._account.changed:
            pipeline = self._pipeline(request["PipelineName"])
            for execution in pipeline.executions.values():
                if execution.status in ("Executing", "Stopping"):
                    raise AwsError(
                        "ConflictException",
                        f"The execution {execution.arn} is {execution.status}; stop every "
                        "execution of a pipeline before you delete it.",
                    )
            del self._pipelines[pipeline.record["PipelineName"]]
            self._tags.drop(pipeline.record["PipelineArn"])
        return {"PipelineArn": pipeline.record["PipelineArn"]}

    def list_pipelines(self, request: Request) -> Response:
        """ListPipelines, newest first unless asked otherwise."""
        prefix = request.get("PipelineNamePrefix", "")
        with self._account.changed:
            page, more = paging.listed(
                (
                    {**it.record, "LastExecutionTime": it.record.get("LastRunTime")}
                    for it in self._pipelines.values()
                    if it.record["PipelineName"].startswith(prefix)
                ),
                request,
                name="PipelineName",
            )
            summaries = [shapes.summary("PipelineSummary", it) for it in page]
        return {"PipelineSummaries": summaries, **more}

    def start_pipeline_execution(self, request: Request) -> Response:
        """StartPipelineExecution.

        The same ClientRequestToken with the same request gives the execution that it started; with
        another request it is refused with ConflictException.
        """
        with self._account.changed:
            pipeline = self._pipeline(request["PipelineName"])
            token = request["ClientRequestToken"]
            if token in pipeline.tokens:
                arn, first = pipeline.tokens[token]
                if first != _identity(request):
                    raise AwsError(
                        "ConflictException",
                        f"The ClientRequestToken {token} has started {arn} with another request; "
                        "give another token.",
                    )
                return {"PipelineExecutionArn": arn}
            values = parameters.bind(
                pipeline.definition.parameters, request.get("PipelineParameters", [])
            )
            execution = self._execution(pipeline, request, values)
            pipeline.executions[execution.arn] = execution
            pipeline.tokens[token] = execution.arn, _identity(request)
            pipeline.record["LastRunTime"] = execution.record["CreationTime"]
            execution.announce(None)
            self._launch(pipeline, execution)
        return {"PipelineExecutionArn": execution.arn}

    def stop_pipeline_execution(self, request: Request) -> Response:
        """StopPipelineExecution: its jobs are stopped and no step starts any more."""
        with self._account.changed:
            execution = self._find(request["PipelineExecutionArn"])
            if execution.status == "Stopping":
                return {"PipelineExecutionArn": execution.arn}
            if execution.status != "Executing":
                raise AwsError(
                    "ConflictException",
                    f"The execution {execution.arn} is {execution.status}; only one that is "
                    "Executing can be stopped.",
                )
            execution.change("Stopping")
            arns = execution.jobs_running()
        for arn in arns:
            self._jobs.stop(arn)
        return {"PipelineExecutionArn": execution.arn}

    def describe_pipeline_execution(self, request: Request) -> Response:
        """DescribePipelineExecution."""
        with self._account.changed:
            return shapes.response(
                "DescribePipelineExecution", self._find(request["PipelineExecutionArn"]).record
            )

    def describe_pipeline_definition_for_execution(self, request: Request) -> Response:
        """DescribePipelineDefinitionForExecution: the definition that it started with."""
        with self._account.changed:
            return shapes.response(
                "DescribePipelineDefinitionForExecution",
                self._find(request["PipelineExecutionArn"]).record,
            )

    def list_pipeline_executions(self, request: Request) -> Response:
        """ListPipelineExecutions, newest first unless asked otherwise."""
        with self._account.changed:
            pipeline = self._pipeline(request["PipelineName"])
            page, more = paging.listed(
                (
                    {
                        **it.record,
                        "StartTime": it.record["CreationTime"],
                        "PipelineExecutionFailureReason": it.record.get("FailureReason"),
                    }
                    for it in pipeline.executions.values()
                ),
                request,
                name="PipelineExecutionArn",
                time="StartTime",
            )
            summaries = [shapes.summary("PipelineExecutionSummary", it) for it in page]
        return {"PipelineExecutionSummaries": summaries, **more}

    def list_pipeline_execution_steps(self, request: Request) -> Response:
        """ListPipelineExecutionSteps: those that have started, the latest first."""
        with self._account.changed:
            execution = self._find(request["PipelineExecutionArn"])
            steps: list[Mapping[str, Any]] = [dict(it) for it in execution.steps.values()]
        if request.get("SortOrder", "Descending") == "Descending":
            steps.reverse()
        page, more = paging.cut(steps, request)
        return {"PipelineExecutionSteps": [dict(it) for it in page], **more}

    def list_pipeline_parameters_for_execution(self, request: Request) -> Response:
        """ListPipelineParametersForExecution: every parameter with the value that it has."""
        with self._account.changed:
            bound = self._find(request["PipelineExecutionArn"]).parameters
        values: list[Mapping[str, Any]] = [
            {"Name": name, "Value": references.as_text(value)} for name, value in bound.items()
        ]
        page, more = paging.cut(values, request)
        return {"PipelineParameters": [dict(it) for it in page], **more}

    def join(self) -> None:
        """Wait until no execution runs (after all processes have been ended)."""
        with self._account.changed:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _execution(
        self, pipeline: Pipeline, request: Request, values: Mapping[str, Any]
    ) -> Execution:
        created = now()
        arn = f"{pipeline.record['PipelineArn']}/execution/{random_id(12)}"
        limit = request.get(
            "ParallelismConfiguration", pipeline.record.get("ParallelismConfiguration", {})
        )
        record = {
            "PipelineArn": pipeline.record["PipelineArn"],
            "PipelineExecutionArn": arn,
            "PipelineExecutionDisplayName": request.get(
                "PipelineExecutionDisplayName", f"execution-{int(created * 1000)}"
            ),
            "PipelineExecutionDescription": request.get("PipelineExecutionDescription"),
            "PipelineExecutionStatus": "Executing",
            "PipelineDefinition": pipeline.record["PipelineDefinition"],
            "ParallelismConfiguration": limit or None,
            "CreationTime": created,
            "LastModifiedTime": created,
            "CreatedBy": {},
            "LastModifiedBy": {},
        }
        return Execution(
            self._account,
            self._bus,
            self._cache,
            pipeline_arn=pipeline.record["PipelineArn"],
            record=record,
            definition=pipeline.definition,
            parameters=values,
            parallel=limit.get("MaxParallelExecutionSteps"),
        )

    def _launch(self, pipeline: Pipeline, execution: Execution) -> None:
        role, name = pipeline.record["RoleArn"], pipeline.record["PipelineName"]
        steps = Steps(
            self._account, self._jobs, role, execution.arn, self._describe, execution.started
        )
        thread = threading.Thread(
            target=self._run, args=[execution, steps, role, name], name=execution.arn, daemon=True
        )
        self._threads = [it for it in self._threads if it.is_alive()] + [thread]
        thread.start()

    def _run(self, execution: Execution, steps: Steps, role: str, name: str) -> None:
        started = events.iso(execution.record["CreationTime"])
        variables = {
            "PipelineName": name,
            "PipelineArn": execution.record["PipelineArn"],
            "PipelineExecutionId": execution.arn.rpartition("/")[2],
            "PipelineExecutionArn": execution.arn,
            "StartDateTime": started,
            "CurrentDateTime": started,
        }
        try:
            client = self._account.client("s3", role)
        except AwsError as error:  # the role is gone, or does not trust SageMaker
            execution.fail(f"ClientError: {error.message}")
            return
        execution.run(steps, variables, Storage(client, role, self._account.region))

    def _pipeline(self, name: str) -> Pipeline:
        """A pipeline by its name or ARN."""
        short = name.rpartition("/")[2]
        if short not in self._pipelines:
            raise AwsError(
                "ResourceNotFound",
                f"Pipeline '{self._account.arn('pipeline', short)}' does not exist.",
            )
        return self._pipelines[short]

    def _find(self, arn: str) -> Execution:
        for pipeline in self._pipelines.values():
            if arn in pipeline.executions:
                return pipeline.executions[arn]
        raise AwsError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")


def _text(request: Request) -> str:
    text = request.get("PipelineDefinition")
    if text is None:
        raise AwsError(
            "ValidationException",
            "Give PipelineDefinition: this SageMaker reads no definition from S3.",
        )
    return str(text)


def _identity(request: Request) -> dict[str, Any]:
    """What must be the same for a repeated token to mean a repeated request."""
    given = {it["Name"]: it["Value"] for it in request.get("PipelineParameters", [])}
    return {
        **request,
        "PipelineName": request["PipelineName"].rpartition("/")[2],
        "PipelineParameters": given,
    }
