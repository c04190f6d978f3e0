"""The retrain controller: wakes up, reads the world, decides, takes one step. See retrain_decision.

What its role must allow (action: resource):

- s3:ListBucketVersions: the data bucket (prefix DATA_PREFIX)
- s3:GetObjectVersion: DATA_BUCKET/DATA_PREFIX* (HeadObject of one version)
- s3:ListBucket: the artifact bucket, without a condition on the prefix (or S3 answers 403, not 404,
  for an object that does not exist yet)
- s3:GetObject: ARTIFACT_BUCKET/code/current.json, /snapshots/*, /state/retrain.json
- s3:PutObject: ARTIFACT_BUCKET/snapshots/*, /state/retrain.json, /state/ledger/*
- cloudwatch:DescribeAlarms: the alarms in ALARM_NAMES
- sagemaker:StartPipelineExecution, sagemaker:ListPipelineExecutions: the pipeline
- sagemaker:DescribePipelineExecution, sagemaker:ListPipelineExecutionSteps: the pipeline's
  executions (PIPELINE_ARN/execution/*)
- sagemaker:DescribeProcessingJob: the jobs of pipelines (processing-job/pipelines-*), for what a
  failed step said
- sqs:SendMessage: its own queue (QUEUE_URL); for the event source mapping also sqs:ReceiveMessage,
  sqs:DeleteMessage, sqs:GetQueueAttributes
- kms:Decrypt, kms:GenerateDataKey: the buckets' and the queue's key, where one is set
- logs:CreateLogStream, logs:PutLogEvents: its own log group

It never needs iam:PassRole (CreatePipeline passed the role) and never touches a model package.

The order of a start is what makes it safe: the manifest is saved, the claim is written by
compare-and-swap (who loses the race does nothing), the decision is recorded, the execution is
started with a token that depends only on what is run, the run is recorded and the claim removed. A
controller that dies in between leaves a claim, which another completes with the same token.
"""

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from .document import Conflict, Document, read_json
from .ledger import Ledger
from .retrain_decision import (
    Claim,
    Data,
    Decision,
    Episode,
    Kind,
    Rules,
    Run,
    World,
    decide,
    quiet_from,
)
from .snapshot import Snapshot, SnapshotStore
from .wakeups import Event, all_done, arrival, wake_later

CONTROLLER = "retrain"
STATE_KEY = "state/retrain.json"
CODE_KEY = "code/current.json"
FORMAT_VERSION = 1
RUNS_KEPT = 100
"""So many runs are remembered; older data and code may be run again."""

# Two clocks, ours and SageMaker's, may differ by some minutes.
_CLOCK_SKEW = timedelta(minutes=10)
_FAILURE_CHARACTERS = 1500


@dataclass(frozen=True)
class Settings:
    """What the component sets in the function's environment."""

    loop: str
    artifact_bucket: str
    data_bucket: str
    data_prefix: str
    pipeline: str
    alarms: tuple[str, ...]
    queue_url: str
    rules: Rules

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        def seconds(name: str) -> timedelta:
            return timedelta(seconds=float(environment[name]))

        return cls(
            loop=environment["LOOP"],
            artifact_bucket=environment["ARTIFACT_BUCKET"],
            data_bucket=environment["DATA_BUCKET"],
            data_prefix=environment["DATA_PREFIX"],
            pipeline=environment["PIPELINE_NAME"],
            alarms=tuple(json.loads(environment["ALARM_NAMES"])),
            queue_url=environment["QUEUE_URL"],
            rules=Rules(
                quiet_period=seconds("QUIET_PERIOD_SECONDS"),
                cooldown=seconds("COOLDOWN_SECONDS"),
                claim_period=seconds("CLAIM_SECONDS"),
            ),
        )


@dataclass(frozen=True)
class Clients:
    """boto3 clients."""

    s3: Any
    sqs: Any
    sagemaker: Any
    cloudwatch: Any


@dataclass(frozen=True)
class State:
    """What the controller remembers, in one document: `state/retrain.json`."""

    runs: tuple[Run, ...] = ()
    claim: Claim | None = None
    last_decision: tuple[str, ...] = ()
    """The kind, rule and reason last recorded, so that the same is not recorded again."""
    wake_at: datetime | None = None
    """When the wake-up that was sent last arrives."""

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FORMAT_VERSION,
            "runs": [run.to_json() for run in self.runs],
            "claim": self.claim and self.claim.to_json(),
            "last_decision": list(self.last_decision),
            "wake_at": self.wake_at and self.wake_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "State":
        return cls(
            tuple(Run.from_json(run) for run in data["runs"]),
            data["claim"] and Claim.from_json(data["claim"]),
            tuple(data["last_decision"]),
            data["wake_at"] and datetime.fromisoformat(data["wake_at"]),
        )


def handler(event: Event, context: object) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """One look at the world for a whole batch of wake-ups, whatever they say."""
    settings = Settings.from_environment(os.environ)
    RetrainController(settings, _clients()).wake(datetime.now(UTC))
    return all_done()


@functools.cache
def _clients() -> Clients:
    return Clients(*map(boto3.client, ("s3", "sqs", "sagemaker", "cloudwatch")))


@dataclass(frozen=True)
class _Seen:
    """The world, and what acting on it needs besides."""

    world: World
    snapshot: Snapshot | None
    state: State
    etag: str | None


class RetrainController:
    """Reads the world, decides, acts: one step for each wake-up."""

    def __init__(self, settings: Settings, clients: Clients) -> None:
        self.settings = settings
        self.clients = clients
        bucket = settings.artifact_bucket
        self.store = SnapshotStore(clients.s3, settings.data_bucket, settings.data_prefix, bucket)
        self.ledger = Ledger(clients.s3, bucket, settings.loop)
        self.document = Document(clients.s3, bucket, STATE_KEY)

    def wake(self, now: datetime) -> Decision | None:
        """Take one step; returns the decision, or None if another controller acted meanwhile."""
        try:
            seen = self._look(now)
            decision = decide(seen.world, now)
            self._act(decision, seen, now)
        except Conflict as conflict:
            self.ledger.tell(CONTROLLER, "stand back", "claim", str(conflict))
            return None
        self.ledger.tell(CONTROLLER, decision.kind, decision.rule, decision.reason)
        return decision

    # --- reading -------------------------------------------------------------------------------

    def _look(self, now: datetime) -> _Seen:
        state, etag = self._read_state()
        world, snapshot = self._read_world(state, now)
        return _Seen(world, snapshot, state, etag)

    def _read_state(self) -> tuple[State, str | None]:
        """The state, with what has become of the active runs since: recorded, then written."""
        data, etag = self.document.read()
        state = State() if data is None else State.from_json(data)
        runs = tuple(self._refresh(run) if run.active else run for run in state.runs)
        if runs == state.runs:
            return state, etag
        for run, before in zip(runs, state.runs, strict=True):
            if before.active and not run.active:
                self._record_end(run)
        state = replace(state, runs=runs)
        return state, self.document.write(state.to_json(), etag)

    def _refresh(self, run: Run) -> Run:
        sagemaker = self.clients.sagemaker
        answer = sagemaker.describe_pipeline_execution(PipelineExecutionArn=run.execution_arn)
        now = replace(run, status=answer["PipelineExecutionStatus"])
        if now.active:
            return now
        failure = "" if now.status == "Succeeded" else self._failure(run, answer)
        return replace(now, ended_at=answer["LastModifiedTime"].astimezone(UTC), failure=failure)

    def _failure(self, run: Run, execution: Mapping[str, Any]) -> str:
        """Why a run did not succeed: the reasons of its failed steps, or else its own."""
        pages = self.clients.sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=run.execution_arn
        )
        reasons = [
            f"{step['StepName']}: {self._step_failure(step)}"
            for page in pages
            for step in page["PipelineExecutionSteps"]
            if step["StepStatus"] == "Failed"
        ]
        text = "; ".join(reasons) or execution.get("FailureReason", "no reason given")
        return text[:_FAILURE_CHARACTERS]

    def _step_failure(self, step: Mapping[str, Any]) -> str:
        """Why a step failed. What the script itself said is only in the job's ExitMessage."""
        metadata = step.get("Metadata", {})
        if job := metadata.get("ProcessingJob", {}).get("Arn"):
            name = job.rpartition("/")[2]
            answer = self.clients.sagemaker.describe_processing_job(ProcessingJobName=name)
            if said := answer.get("ExitMessage"):
                return str(said)
        message = metadata.get("Fail", {}).get("ErrorMessage")
        return str(message or step.get("FailureReason") or "no reason given")

    def _read_world(self, state: State, now: datetime) -> tuple[World, Snapshot | None]:
        settings = self.settings
        listing = self.store.listing()
        data = Data(len(listing.objects), listing.size, listing.last_change, None, None)
        quiet = quiet_from(data, settings.rules)
        snapshot = None
        # While uploads go on the snapshot is outdated before it is made: save the HeadObjects.
        if listing.objects and quiet is not None and quiet <= now:
            newest = state.runs[-1].identity.snapshot_id if state.runs else None
            previous = self.store.load(newest) if newest else None
            snapshot = self.store.snapshot(listing, previous)
            changes = snapshot.since(previous) if previous else None
            data = replace(data, snapshot_id=snapshot.id, changes=changes)
        code = read_json(self.clients.s3, settings.artifact_bucket, CODE_KEY)
        world = World(
            pipeline=settings.pipeline,
            data=data,
            code_version=code and code["code_version"],
            episodes=self._episodes(),
            runs=state.runs,
            claim=state.claim,
            rules=settings.rules,
        )
        return world, snapshot

    def _episodes(self) -> tuple[Episode, ...]:
        if not self.settings.alarms:
            return ()
        answer = self.clients.cloudwatch.describe_alarms(AlarmNames=list(self.settings.alarms))
        return tuple(
            Episode(alarm["AlarmName"], alarm["StateTransitionedTimestamp"].astimezone(UTC))
            for alarm in answer["MetricAlarms"]
            if alarm["StateValue"] == "ALARM"
        )

    # --- acting --------------------------------------------------------------------------------

    def _act(self, decision: Decision, seen: _Seen, now: datetime) -> None:
        if decision.claim is None:
            self._stay(decision, seen, now)
            return
        if decision.kind is Kind.START and seen.snapshot is not None:
            self.store.save(seen.snapshot)
        claimed = replace(seen.state, claim=decision.claim, last_decision=_said(decision))
        etag = self.document.write(claimed.to_json(), seen.etag)
        self._record(decision, seen.world, now)
        run = self._start(decision.claim, again=decision.kind is Kind.COMPLETE, now=now)
        runs = (*seen.state.runs, run)[-RUNS_KEPT:]
        self.document.write(replace(claimed, claim=None, runs=runs).to_json(), etag)

    def _stay(self, decision: Decision, seen: _Seen, now: datetime) -> None:
        """Record the decision unless it was the last one; see that somebody looks again in time."""
        state = replace(seen.state, last_decision=_said(decision))
        wake = decision.until is not None and not (state.wake_at and now < state.wake_at)
        if wake and decision.until is not None:
            state = replace(state, wake_at=arrival(decision.until, now))
        if state == seen.state:
            return
        self.document.write(state.to_json(), seen.etag)
        if state.last_decision != seen.state.last_decision:
            self._record(decision, seen.world, now)
        if wake and decision.until is not None:
            queue_url, reason = self.settings.queue_url, decision.reason
            wake_later(self.clients.sqs, queue_url, decision.until, now, reason)

    def _start(self, claim: Claim, *, again: bool, now: datetime) -> Run:
        arn = self._find(claim) if again else None
        if arn is None:
            answer = self.clients.sagemaker.start_pipeline_execution(
                PipelineName=self.settings.pipeline,
                PipelineExecutionDisplayName=_display_name(claim),
                PipelineExecutionDescription=claim.reason[:3000],
                PipelineParameters=[
                    {"Name": name, "Value": value}
                    for name, value in claim.identity.parameters.items()
                ],
                ClientRequestToken=claim.token,
            )
            arn = answer["PipelineExecutionArn"]
        return Run(arn, claim.identity, claim.token, claim.reason, started_at=now)

    def _find(self, claim: Claim) -> str | None:
        """The execution that the claim's first owner started before it died, if it did."""
        pages = self.clients.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=self.settings.pipeline, CreatedAfter=claim.claimed_at - _CLOCK_SKEW
        )
        for page in pages:
            for execution in page["PipelineExecutionSummaries"]:
                if execution.get("PipelineExecutionDisplayName") == _display_name(claim):
                    return str(execution["PipelineExecutionArn"])
        return None

    # --- recording -----------------------------------------------------------------------------

    def _record(self, decision: Decision, world: World, now: datetime) -> None:
        data = world.data
        claim = decision.claim
        self.ledger.append(
            now,
            CONTROLLER,
            decision=decision.kind,
            rule=decision.rule,
            reason=decision.reason,
            inputs={
                "snapshot_id": claim.identity.snapshot_id if claim else data.snapshot_id,
                "code_version": claim.identity.code_version if claim else world.code_version,
                "objects": data.objects,
                "bytes": data.size,
                "last_change": data.last_change and data.last_change.isoformat(),
                "alarms": [episode.alarm for episode in world.episodes],
                "episodes": [episode.id for episode in world.episodes],
                "active_runs": [run.name for run in world.runs if run.active],
                "token": claim and claim.token,
                "until": decision.until and decision.until.isoformat(),
            },
        )

    def _record_end(self, run: Run) -> None:
        """The entry's time is SageMaker's, so that two controllers that see the end write one."""
        if run.ended_at is None:
            raise ValueError(f"Run {run.name} is {run.status} and has no time of its end.")
        reason = f"Run {run.name} ended: {run.outcome}."
        self.ledger.append(
            run.ended_at,
            CONTROLLER,
            decision="run ended",
            rule="outcome",
            reason=reason,
            inputs={
                "execution_arn": run.execution_arn,
                "status": run.status,
                "snapshot_id": run.identity.snapshot_id,
                "code_version": run.identity.code_version,
            },
        )
        self.ledger.tell(CONTROLLER, "run ended", "outcome", reason)


def _said(decision: Decision) -> tuple[str, ...]:
    return (decision.kind, decision.rule, decision.reason)


def _display_name(claim: Claim) -> str:
    """Carries the token's head, because DescribePipelineExecution does not tell the token."""
    return f"retrain-{claim.token[:32]}"
