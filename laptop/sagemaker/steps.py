"""What each type of step does when its turn comes.

Everything that SageMaker does for a pipeline is done here as the pipeline's role and through the
laptop AWS, so that a role that may not create a training job, or not read a property file, fails
the step as it would on AWS.
"""

import json
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions

from . import conditions, references
from .account import Account
from .definition import OPERATIONS, Step
from .jobs import Jobs
from .references import BadReferenceError
from .storage import Storage, TransferError

NAME_LIMIT = 63
"""Characters of the name of a job or a model (API reference)."""


class StepFailedError(Exception):
    """A step that did not succeed; the message is its FailureReason."""

    def __init__(self, reason: str, metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.metadata = metadata or {}


class StepStoppedError(Exception):
    """A step whose job was stopped."""


@dataclass(frozen=True)
class Done:
    """A step that succeeded.

    :param properties: what later steps may refer to.
    :param metadata: the Metadata of ListPipelineExecutionSteps.
    :param follow: the steps of the branch that a condition took.
    """

    properties: Mapping[str, Any]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    follow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scope:
    """What the references of one execution resolve to.

    :param properties: of the steps that have succeeded, by name.
    """

    steps: Mapping[str, Step]
    parameters: Mapping[str, Any]
    variables: Mapping[str, str]
    properties: Mapping[str, Mapping[str, Any]]
    storage: Storage

    def resolve(self, value: Any) -> Any:
        """A JSON value with its references replaced.

        :raises StepFailedError: if one leads nowhere.
        """
        try:
            return references.resolve(value, self._get, self._json_get)
        except (BadReferenceError, TransferError) as error:
            raise StepFailedError(
                f"ClientError: A reference could not be resolved: {error}."
            ) from error

    def _get(self, path: str) -> Any:
        head, name, *rest = references.split(path)
        if head == "Parameters":
            return self.parameters[str(name)]
        if head == "Execution":
            return self.variables[str(name)]
        return references.walk(self.properties[str(name)], rest)

    def _json_get(self, source: Any, path: str) -> Any:
        uri = source["S3Uri"] if "S3Uri" in source else self._property_file(source["PropertyFile"])
        try:
            document = json.loads(self.storage.read(uri))
        except ValueError as error:
            raise BadReferenceError(f"{uri} is not JSON") from error
        return references.walk(document, references.split(path.removeprefix("$.")))

    def _property_file(self, path: str) -> str:
        _, step, _, name = (str(segment) for segment in references.split(path))
        file = self.steps[step].property_files[name]
        outputs = ["ProcessingOutputConfig", "Outputs", file["OutputName"], "S3Output", "S3Uri"]
        folder: str = references.walk(self.properties[step], list(outputs))
        return f"{folder.rstrip('/')}/{file['FilePath']}"


class Steps:
    """Runs steps of one execution."""

    def __init__(
        self,
        account: Account,
        jobs: Jobs,
        role_arn: str,
        execution_arn: str,
        describe: Callable[[str, dict[str, Any]], dict[str, Any]],
        started: Callable[[Step, Mapping[str, Any]], bool],
    ) -> None:
        """
        :param role_arn: the pipeline's role.
        :param describe: a call of this SageMaker itself, of which no role has to know.
        :param started: told the Metadata of a step as soon as its job exists; says whether the
            job may go on.
        """
        self._account = account
        self._jobs = jobs
        self._role_arn = role_arn
        self._execution_arn = execution_arn
        self._describe = describe
        self._started = started

    def run(self, step: Step, arguments: dict[str, Any]) -> Done:
        """Run a step to its end.

        :param arguments: resolved.
        :raises StepFailedError: if it does not succeed.
        :raises StepStoppedError: if its job was stopped.
        """
        match step.kind:
            case "Condition":
                return self._condition(step, arguments)
            case "Fail":
                message = str(arguments["ErrorMessage"])
                raise StepFailedError(message, {"Fail": {"ErrorMessage": message}})
            case "RegisterModel":
                return self._register(arguments)
            case "Model":
                return self._model(step, arguments)
            case _:
                return self._job(step, arguments)

    def job_name(self, step: Step) -> str:
        """``pipelines-<execution>-<step>-<random>``, the step's name cut to what fits."""
        execution = self._execution_arn.rpartition("/")[2]
        head, tail = f"pipelines-{execution}-", f"-{random_id(10, string.ascii_letters)}"
        room = NAME_LIMIT - len(head) - len(tail)
        return head + step.name.replace("_", "-")[:room].rstrip("-") + tail

    def _condition(self, step: Step, arguments: dict[str, Any]) -> Done:
        try:
            outcome = all(conditions.holds(it) for it in arguments["Conditions"])
        except ValueError as error:
            raise StepFailedError(f"ClientError: {error}") from error
        told = {"Outcome": str(outcome)}
        return Done(told, {"Condition": told}, step.branches[outcome])

    def _register(self, arguments: dict[str, Any]) -> Done:
        properties = {"GeneratedBy": self._execution_arn, **arguments.get("MetadataProperties", {})}
        request = {**arguments, "MetadataProperties": properties}
        arn = self._create("RegisterModel", request)["ModelPackageArn"]
        return Done(
            self._describe("DescribeModelPackage", {"ModelPackageName": arn}),
            {"RegisterModel": {"Arn": arn}},
        )

    def _model(self, step: Step, arguments: dict[str, Any]) -> Done:
        name = self.job_name(step)
        arn = self._create("Model", {"ModelName": name, **arguments})["ModelArn"]
        return Done(self._describe("DescribeModel", {"ModelName": name}), {"Model": {"Arn": arn}})

    def _job(self, step: Step, arguments: dict[str, Any]) -> Done:
        kind = step.kind
        name = arguments.get(f"{kind}JobName") or self.job_name(step)
        arn = self._create(kind, {**arguments, f"{kind}JobName": name})[f"{kind}JobArn"]
        metadata = {f"{kind}Job": {"Arn": arn}}
        if not self._started(step, metadata):
            self._jobs.stop(arn)
        job = self._jobs.wait(arn)
        status = job[f"{kind}JobStatus"]
        if status == "Stopped":
            if self._jobs.cut_short(arn) == "Stopped":
                raise StepStoppedError
            limit = "the job ran longer than its MaxRuntimeInSeconds"
            raise StepFailedError(f"ClientError: MaxRuntimeExceeded: {limit}", metadata)
        if status != "Completed":
            raise StepFailedError(f"ClientError: {job['FailureReason']}"[:1024], metadata)
        return Done(job, metadata)

    def _create(self, kind: str, request: dict[str, Any]) -> dict[str, Any]:
        """Make the call that a step stands for, as the pipeline's role."""
        operation, _ = OPERATIONS[kind]
        client = self._account.client("sagemaker", self._role_arn)
        try:
            response: dict[str, Any] = client._make_api_call(operation, request)
        except (
            botocore.exceptions.ClientError,
            botocore.exceptions.ParamValidationError,
            botocore.exceptions.HTTPClientError,
        ) as error:
            raise StepFailedError(
                f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {error}"[
                    :1024
                ]
            ) from error
        return response


def random_id(length: int, letters: str = string.ascii_lowercase) -> str:
    """A random name of lower-case letters and digits, or of the given letters and digits."""
    return "".join(secrets.choice(letters + string.digits) for _ in range(length))
