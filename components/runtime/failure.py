"""Whose fault a failed run is: AWS's, which passes, or that of the data, the code or the gate.

Only what is known to be AWS's is AWS's: a wrong guess there repeats a failure for money, a wrong
guess here calls a person, who can ask for another run.

Sources: the causes are those that SageMaker's own retry policies know, "Retry Policy for Pipeline
Steps" (Amazon SageMaker AI Developer Guide): service fault, throttling, InternalServerError of a
job, insufficient capacity of EC2, an exceeded resource limit. SageMaker tells them only as text:
the FailureReason of a job or step begins with the name of its error (CapacityError,
InternalServerError, AlgorithmError, ClientError), and a step puts its own name before that of its
job. ResourceLimitExceeded and ThrottlingException are error codes of CreateTrainingJob and
CreateProcessingJob (API reference). What the script of a processing job said is its ExitMessage
(docs/adr/0004).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_ERROR_NAMES = re.compile(r"^(?:\w+: ?)*")
_AWS_NAMES = {
    "CapacityError",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "ResourceLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}
# SageMaker wraps the refusal of a Create call into a sentence of its own.
_AWS_PHRASES = re.compile(
    r"\b(InsufficientCapacity\w*|ResourceLimitExceeded|service limit|ThrottlingException|"
    r"Rate exceeded|InternalFailure|ServiceUnavailable|encountered an internal error)\b"
)


class Cause(StrEnum):
    """Whose fault it is that a run did not succeed."""

    NONE = ""
    AWS = "aws"
    OURS = "ours"


@dataclass(frozen=True)
class FailedStep:
    """A step that failed. `reason` is SageMaker's, `said` that of its own script or of the gate."""

    name: str
    reason: str
    said: str = ""

    @property
    def text(self) -> str:
        return f"{self.name}: {self.said or self.reason or 'no reason given'}"

    @property
    def cause(self) -> Cause:
        return Cause.OURS if self.said else cause_of(self.reason)


def cause_of(reason: str) -> Cause:
    """The cause that a FailureReason tells."""
    match = _ERROR_NAMES.match(reason)
    names = {name.strip() for name in (match[0] if match else "").split(":")}
    if "AlgorithmError" in names:  # a script may print anything, also the name of an error of AWS
        return Cause.OURS
    return Cause.AWS if names & _AWS_NAMES or _AWS_PHRASES.search(reason) else Cause.OURS


def cause_of_run(status: str, steps: Sequence[FailedStep], reason: str) -> Cause:
    """The cause that all failed steps share; without any, the one that the execution tells.

    A run that a person stopped is not AWS's failure.
    """
    if status == "Succeeded":
        return Cause.NONE
    if status != "Failed":
        return Cause.OURS
    causes = {step.cause for step in steps} or {cause_of(reason)}
    return Cause.AWS if causes == {Cause.AWS} else Cause.OURS
