"""The retrain controller: wakes up, reads the world, decides, takes one step. See retrain_decision.

What its role must allow (action: resource):

- s3:ListBucketVersions: the data bucket (prefix DATA_PREFIX)
- s3:GetObject: DATA_BUCKET/DATA_PREFIX* (HeadObject)
- s3:ListBucket: both buckets, without a condition on the prefix (or S3 answers 403, not 404, for an
  object that does not exist; and the ledger lists its segments)
- s3:GetObject: ARTIFACT_BUCKET/code/current.json, /snapshots/*, /state/inventory.json,
  /state/retrain.json, /state/runs/*, /state/ledger/*, /state/deploy.json, /state/pause.json,
  /state/request.json
- s3:PutObject: ARTIFACT_BUCKET/snapshots/*, /state/inventory.json, /state/retrain.json,
  /state/runs/*, /state/ledger/*
- cloudwatch:DescribeAlarms: the alarms in ALARM_NAMES
- cloudwatch:PutMetricData: *, with the condition cloudwatch:namespace = NAMESPACE
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

Every step goes the same way: intend, record, act, settle. What is intended, with its entry for the
ledger, is written into the state document by compare-and-swap (who loses the race looks again); the
entry is recorded; the effect follows; the state document is settled. A controller that dies in
between leaves the state document saying what it intended: the next one records it (the same entry
twice is one) and, once a claim is past its deadline, looks for the execution by its name before it
asks for it again with the same token.

The state document is read before all else and written only if nobody wrote since. So whatever is
read of the world is never older than what the runs on record were claimed for.
"""

import functools
import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from . import lean_s3
from .document import Conflict, Document, error_code, read_json
from .failure import Cause, FailedStep, cause_of_run
from .inventory import CONNECTIONS, SWEEP, Hints, Inventory, InventoryStore, TimeLeft, plenty
from .ledger import Ledger
from .orders import PAUSE_KEY, REQUEST_KEY, Pause, Request
from .retrain_decision import Decision, Kind, burst_since, decide, snapshot_due
from .retrain_state import FORMAT_VERSION, STATE_KEY, Held, State
from .retrain_world import (
    JUDGED,
    Claim,
    Code,
    Data,
    Episode,
    Inputs,
    Limits,
    Live,
    Run,
    World,
    remember,
)
from .wakeups import Event, all_done, arrival, wake_later

CONTROLLER = "retrain"
RUNS = "state/runs/"
"""One document for each inputs that were ever run: what makes "never twice" mean never."""
CODE_KEY = "code/current.json"
DEPLOY_KEY = "state/deploy.json"
PERSON_METRIC = "PersonNeeded"
RUNS_KEPT = 100
"""So many runs the state document holds: no fewer than can start in a day."""
TOLD_KEPT = 100

_LOOKS = 5  # at the world for one wake-up, if others act meanwhile
_SETTLES = 10
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
    namespace: str
    limits: Limits

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        def seconds(name: str) -> timedelta:
            return timedelta(seconds=float(environment[name]))

        hours = environment["HOURS_PER_MONTH"]
        return cls(
            loop=environment["LOOP"],
            artifact_bucket=environment["ARTIFACT_BUCKET"],
            data_bucket=environment["DATA_BUCKET"],
            data_prefix=environment["DATA_PREFIX"],
            pipeline=environment["PIPELINE_NAME"],
            alarms=tuple(json.loads(environment["ALARM_NAMES"])),
            queue_url=environment["QUEUE_URL"],
            namespace=environment["NAMESPACE"],
            limits=Limits(
                quiet_period=seconds("QUIET_PERIOD_SECONDS"),
                max_wait=seconds("MAX_WAIT_SECONDS"),
                cooldown=seconds("COOLDOWN_SECONDS"),
                claim_period=seconds("CLAIM_SECONDS"),
                runs_per_day=int(environment["RUNS_PER_DAY"]),
                hours_per_month=float(hours) if hours else None,
                retries=int(environment["RETRIES"]),
                retry_wait=seconds("RETRY_SECONDS"),
            ),
        )


@dataclass(frozen=True)
class Clients:
    """boto3 clients."""

    s3: Any
    sqs: Any
    sagemaker: Any
    cloudwatch: Any


def handler(event: Event, context: Any) -> dict[str, Any]:
    """One look at the world for a whole batch of wake-ups, which may hint at what has changed.

    Raises Conflict if the hints could not be recorded: the messages come again.
    """
    settings = Settings.from_environment(os.environ)
    messages = (record["body"] for record in event["Records"])
    hints = Hints.of(messages, settings.data_bucket, settings.data_prefix)
    controller = RetrainController(settings, _clients())
    controller.wake(datetime.now(UTC), hints, lambda: context.get_remaining_time_in_millis() / 1000)
    return all_done()


@functools.cache
def _clients() -> Clients:
    timeout = float(os.environ["REQUEST_TIMEOUT_SECONDS"])
    attempts = int(os.environ["REQUEST_ATTEMPTS"])
    config = Config(
        connect_timeout=timeout,
        read_timeout=timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    pool = config.merge(lean_s3.CONFIG).merge(Config(max_pool_connections=CONNECTIONS))
    return Clients(
        lean_s3.LeanS3(boto3.client("s3", config=pool), timeout),
        *(boto3.client(name, config=config) for name in ("sqs", "sagemaker", "cloudwatch")),
    )


class RetrainController:
    """Reads the world, decides, acts: one step for each wake-up."""

    def __init__(self, settings: Settings, clients: Clients, owner: str | None = None) -> None:
        self.settings = settings
        self.clients = clients
        self.owner = owner or uuid.uuid4().hex
        bucket = settings.artifact_bucket
        self.inventory = InventoryStore(
            clients.s3, settings.data_bucket, settings.data_prefix, bucket
        )
        self.ledger = Ledger(clients.s3, bucket, settings.loop)
        self.document = Document(clients.s3, bucket, STATE_KEY)

    def wake(
        self, now: datetime, hints: Hints = SWEEP, time_left: TimeLeft = plenty
    ) -> Decision | None:
        """Take one step; returns the decision, or None if others acted at every look.

        Raises Conflict if what the hints are about could not be recorded in time.
        """
        self.inventory.look(hints, now, time_left)
        decision = self._decide_and_act(now)
        self.inventory.tidy(now, time_left)
        return decision

    def _decide_and_act(self, now: datetime) -> Decision | None:
        """After a claim was completed, look again.

        That run may have ended long ago, and then no event comes that would wake for what has
        changed since.
        """
        decision = None
        for _ in range(_LOOKS):
            try:
                decision = self._step(now)
            except Conflict as conflict:
                self.ledger.tell(CONTROLLER, "look again", "one writer", str(conflict))
            else:
                if decision.kind is not Kind.COMPLETE:
                    break
        return decision

    def _step(self, now: datetime) -> Decision:
        held = self._read_state()  # before all else: see above
        held = self._catch_up(held)
        world, inventory = self._read_world(held.state, now)
        decision = decide(world, now)
        if decision.claim is None:
            self._stay(decision, world, held, now)
        else:
            self._begin(decision, decision.claim, world, inventory, held, now)
        self.ledger.tell(CONTROLLER, decision.kind, decision.rule, decision.reason)
        return decision

    # --- the state document ---------------------------------------------------------------------

    def _read_state(self) -> Held:
        data, etag = self.document.read()
        return Held(State() if data is None else State.from_json(data), etag)

    def _save(self, held: Held, state: State) -> Held:
        """Write the state unless it is what S3 holds. Raises Conflict if another wrote."""
        if state == held.state:
            return held
        return Held(state, self.document.write(state.to_json(), held.etag))

    def _catch_up(self, held: Held) -> Held:
        """Record what a dead controller left unrecorded, and what has become of active runs."""
        state = held.state
        for run in held.state.runs:
            if run.active:
                state = self._with_end(state, *self._refresh(run))
        return self._record(self._save(held, state))

    def _record(self, held: Held) -> Held:
        """The state once its entries are in the ledger."""
        self._publish(held.state.unrecorded)
        return self._save(held, replace(held.state, unrecorded=()))

    def _publish(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Bring entries into the ledger, and call a person where one says so.

        Safe to repeat: the same entry twice is one, and the alarm on the metric is on or off.
        """
        for entry in entries:
            self.ledger.add(entry)
            if entry["decision"] == Kind.PERSON:
                self._call_person()

    def _call_person(self) -> None:
        dimensions = [{"Name": "Loop", "Value": self.settings.loop}]
        self.clients.cloudwatch.put_metric_data(
            Namespace=self.settings.namespace,
            MetricData=[{"MetricName": PERSON_METRIC, "Dimensions": dimensions, "Value": 1.0}],
        )

    # --- runs that end ---------------------------------------------------------------------------

    def _with_end(self, state: State, run: Run, began: datetime | None) -> State:
        """The state once `run` has a new status; `began` is given if it has ended."""
        runs = tuple(run if each.token == run.token else each for each in state.runs)
        if began is None or run.ended_at is None:
            return replace(state, runs=runs)
        self._put_on_record(run)
        return replace(
            state,
            runs=runs,
            spent=state.spent.plus(run, began, run.ended_at),
            unrecorded=(*state.unrecorded, self._end_entry(run, began, run.ended_at)),
        )

    def _refresh(self, run: Run) -> tuple[Run, datetime | None]:
        """The run as it is now and, if it has ended, when it began by SageMaker's clock."""
        sagemaker = self.clients.sagemaker
        answer = sagemaker.describe_pipeline_execution(PipelineExecutionArn=run.execution_arn)
        now = replace(run, status=answer["PipelineExecutionStatus"])
        if now.active:
            return now, None
        pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
            PipelineExecutionArn=run.execution_arn
        )
        steps = [step for page in pages for step in page["PipelineExecutionSteps"]]
        failed = [self._failed(step) for step in steps if step["StepStatus"] == "Failed"]
        told = answer.get("FailureReason", "no reason given")
        text = "; ".join(step.text for step in failed) or told
        succeeded = now.status == "Succeeded"
        ended = replace(
            now,
            ended_at=answer["LastModifiedTime"].astimezone(UTC),
            failure="" if succeeded else text[:_FAILURE_CHARACTERS],
            cause=cause_of_run(now.status, failed, told),
            model_version=_model_version(steps) if succeeded else None,
        )
        return ended, answer["CreationTime"].astimezone(UTC)

    def _failed(self, step: Mapping[str, Any]) -> FailedStep:
        """Why a step failed. What the script itself said is only in the job's ExitMessage."""
        metadata = step.get("Metadata", {})
        said = metadata.get("Fail", {}).get("ErrorMessage")
        if job := metadata.get("ProcessingJob", {}).get("Arn"):
            name = job.rpartition("/")[2]
            answer = self.clients.sagemaker.describe_processing_job(ProcessingJobName=name)
            said = answer.get("ExitMessage")
        return FailedStep(step["StepName"], step.get("FailureReason", ""), said or "")

    def _past(self, inputs: Inputs | None) -> tuple[Run, ...]:
        if inputs is None:
            return ()
        data = read_json(self.clients.s3, self.settings.artifact_bucket, _runs_key(inputs))
        return tuple(Run.from_json(run) for run in data["runs"]) if data else ()

    def _put_on_record(self, run: Run) -> None:
        """Write the run into the document of its inputs, or what has become of it.

        What has ended stays so, however late somebody says that it was started.
        """
        inputs = run.identity.inputs
        document = Document(self.clients.s3, self.settings.artifact_bucket, _runs_key(inputs))
        data, etag = document.read()
        runs = {each["token"]: each for each in data["runs"]} if data else {}
        if run.active and run.token in runs and runs[run.token]["ended_at"]:
            return
        record = {
            "version": FORMAT_VERSION,
            "inputs": inputs.to_json(),
            "runs": list({**runs, run.token: run.to_json()}.values()),
        }
        if record != data:
            document.write(record, etag)

    # --- reading the world ------------------------------------------------------------------------

    def _read_world(self, state: State, now: datetime) -> tuple[World, Inventory | None]:
        data, since, inventory = self._read_data(state, now)
        world = World(
            pipeline=self.settings.pipeline,
            data=data,
            code=self._read_code(),
            limits=self.settings.limits,
            runs=state.runs,
            claim=state.claim,
            episodes=remember(state.episodes, self._standing()),
            burst_since=since,
            live=self._read_live(state.live, now),
            spent=state.spent,
            told=state.told,
            pause=self._read_pause(),
            request=self._read_request(state.answered_request),
        )
        return replace(world, past=self._past(world.inputs)), inventory

    def _read_data(
        self, state: State, now: datetime
    ) -> tuple[Data, datetime | None, Inventory | None]:
        """The data, since when uploads go on, and the inventory to be saved with a claim."""
        limits = self.settings.limits
        known = self.inventory.read(now)
        data = Data(
            known.objects,
            known.size,
            known.last_change,
            snapshot_id=None,
            changes=None,
            sequence=known.sequence,
            adopted=known.adopted,
        )
        since = burst_since(state.burst_since, data, limits, now)
        due = snapshot_due(data, since, limits)
        if not known.adopted or not known.objects or due is None or now < due:
            return data, since, None
        newest = state.runs[-1].identity.inputs.snapshot_id if state.runs else None
        changes = self.inventory.changes(known, newest) if newest else None
        return replace(data, snapshot_id=known.snapshot_id, changes=changes), since, known

    def _read_code(self) -> Code | None:
        bucket = self.settings.artifact_bucket
        found = Document(self.clients.s3, bucket, CODE_KEY).read_dated()
        if found is None:
            return None
        code, pushed_at = found
        parameters = tuple(sorted(code.get("parameters", {}).items()))
        return Code(code["code_version"], parameters, pushed_at)

    def _standing(self) -> tuple[Episode, ...]:
        if not self.settings.alarms:
            return ()
        answer = self.clients.cloudwatch.describe_alarms(AlarmNames=list(self.settings.alarms))
        return tuple(
            Episode(alarm["AlarmName"], alarm["StateTransitionedTimestamp"].astimezone(UTC))
            for alarm in answer["MetricAlarms"]
            if alarm["StateValue"] == "ALARM"
        )

    def _read_live(self, known: Live | None, now: datetime) -> Live | None:
        """What the deploy controller says is live; None if it does not say, as with a pinned
        endpoint. `since` is when this controller first saw it."""
        data = read_json(self.clients.s3, self.settings.artifact_bucket, DEPLOY_KEY)
        version = data and data["live"]
        if version is None:
            return None
        return known if known and known.version == version else Live(version, now)

    def _read_pause(self) -> Pause | None:
        data = read_json(self.clients.s3, self.settings.artifact_bucket, PAUSE_KEY)
        return None if data is None else Pause.from_json(data)

    def _read_request(self, answered: str) -> Request | None:
        data = read_json(self.clients.s3, self.settings.artifact_bucket, REQUEST_KEY)
        request = None if data is None else Request.from_json(data)
        return None if request is None or request.id == answered else request

    # --- acting ----------------------------------------------------------------------------------

    def _stay(self, decision: Decision, world: World, held: Held, now: datetime) -> None:
        """Record the decision unless it was the last one; see that somebody looks again in time."""
        state = self._intend(decision, world, held.state, now)
        until = decision.until
        if until is None or _is_woken(state.wake_at, until, now):
            self._record(self._save(held, state))
            return
        self._record(self._save(held, replace(state, wake_at=arrival(until, now))))
        wake_later(self.clients.sqs, self.settings.queue_url, until, now, decision.reason)

    def _intend(self, decision: Decision, world: World, state: State, now: datetime) -> State:
        """The state with what was seen of the world, the decision, and its entry."""
        said = (decision.kind, decision.rule, decision.reason)
        new = said != state.last_decision or decision.claim is not None
        entry = (self._entry(decision, world, now),) if new else ()
        told = (*state.told, decision.told)[-TOLD_KEPT:] if decision.told else state.told
        return replace(
            state,
            episodes=_answered(world.episodes, decision.judged, JUDGED),
            burst_since=world.burst_since,
            live=world.live,
            told=told,
            last_decision=said,
            unrecorded=(*state.unrecorded, *entry),
        )

    def _begin(
        self,
        decision: Decision,
        claim: Claim,
        world: World,
        inventory: Inventory | None,
        held: Held,
        now: datetime,
    ) -> None:
        """Claim, record, start, settle."""
        claim = replace(claim, owner=self.owner)
        state = replace(self._intend(decision, world, held.state, now), claim=claim)
        if decision.kind is Kind.START:
            if inventory is not None:
                self.inventory.save(inventory)
            state = replace(
                state,
                episodes=_answered(state.episodes, claim.identity.episodes, claim.token),
                burst_since=None,
                answered_request=world.request.id if world.request else state.answered_request,
            )
        held = self._claim(held, state)
        # No write of the state between here and the start: another's would leave the claim undone.
        self._publish(held.state.unrecorded)
        run = self._start(claim, again=decision.kind is Kind.COMPLETE, now=now)
        self._put_on_record(run)
        self._settle(held, run, now)

    def _claim(self, held: Held, state: State) -> Held:
        try:
            return self._save(held, state)
        except Conflict:
            # boto3 repeats a write whose reply was lost, and then meets what it wrote itself.
            found = self._read_state()
            if found.state.claim != state.claim:
                raise
            return found

    def _settle(self, held: Held, run: Run, now: datetime) -> None:
        """The claim has become a run. Others may have written meanwhile: only the claim counts."""
        for _ in range(_SETTLES):
            state = held.state
            if state.claim is None or state.claim.token != run.token:
                return  # another has completed it
            state = replace(state, claim=None, runs=(*state.runs, run)[-RUNS_KEPT:])
            if run.ended_at is not None:
                entry = self._end_entry(run, now, run.ended_at)
                state = replace(state, unrecorded=(*state.unrecorded, entry))
            try:
                self._record(self._save(held, state))
            except Conflict:
                held = self._read_state()
            else:
                return
        raise Conflict(f"{STATE_KEY} is changed by others all the time.")

    def _start(self, claim: Claim, *, again: bool, now: datetime) -> Run:
        run = Run(
            execution_arn="",
            identity=claim.identity,
            token=claim.token,
            rule=claim.rule,
            reason=claim.reason,
            sequence=claim.sequence,
            pushed_at=claim.pushed_at,
            started_at=now,
        )
        arn = self._find(claim) if again else None
        if arn is not None:
            return replace(run, execution_arn=arn)
        try:
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
        except ClientError as error:
            # What SageMaker calls invalid it will not take the next time either.
            if error_code(error) != "ValidationException":
                raise
            failure = f"SageMaker refused to start it: {error.response['Error']['Message']}"
            return replace(
                run, status="Failed", ended_at=now, cause=Cause.OURS, failure=failure[:1500]
            )
        return replace(run, execution_arn=answer["PipelineExecutionArn"])

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

    # --- entries ---------------------------------------------------------------------------------

    def _entry(self, decision: Decision, world: World, now: datetime) -> Mapping[str, Any]:
        data, claim = world.data, decision.claim
        inputs = claim.identity.inputs if claim else world.inputs
        return self.ledger.entry(
            now,
            CONTROLLER,
            decision=decision.kind,
            rule=decision.rule,
            reason=decision.reason,
            inputs={
                "snapshot_id": inputs and inputs.snapshot_id,
                "code_version": inputs.code_version
                if inputs
                else world.code and world.code.version,
                "parameters": claim and dict(claim.identity.inputs.parameters),
                "objects": data.objects,
                "bytes": data.size,
                "last_change": data.last_change and data.last_change.isoformat(),
                "alarms": [episode.alarm for episode in world.episodes if not episode.over],
                "episodes": [episode.id for episode in world.episodes],
                "active_runs": [run.name for run in world.runs if run.active],
                "live_version": world.live and world.live.version,
                "request": world.request and world.request.to_json(),
                "pause": world.pause and world.pause.to_json(),
                "attempt": claim and claim.identity.attempt,
                "token": claim and claim.token,
                "until": decision.until and decision.until.isoformat(),
                "owner": self.owner,
            },
        )

    def _end_entry(self, run: Run, began: datetime, ended: datetime) -> Mapping[str, Any]:
        """The entry's time is SageMaker's, so that two controllers that see the end write one."""
        return self.ledger.entry(
            ended,
            CONTROLLER,
            decision="run ended",
            rule="outcome",
            reason=f"Run {run.name} ended: {run.outcome}.",
            inputs={
                "execution_arn": run.execution_arn,
                "status": run.status,
                "cause": run.cause,
                "snapshot_id": run.identity.inputs.snapshot_id,
                "code_version": run.identity.inputs.code_version,
                "attempt": run.identity.attempt,
                "token": run.token,
                "seconds": (ended - began).total_seconds(),
                "model_version": run.model_version,
            },
        )


def _is_woken(wake_at: datetime | None, until: datetime, now: datetime) -> bool:
    """Whether a wake-up is on its way that comes in time."""
    return wake_at is not None and now < wake_at <= arrival(until, now)


def _answered(
    episodes: tuple[Episode, ...], ids: tuple[str, ...], answer: str
) -> tuple[Episode, ...]:
    return tuple(replace(e, answer=answer) if e.id in ids else e for e in episodes)


def _model_version(steps: list[Mapping[str, Any]]) -> int | None:
    """Of the model package that a run registered: the last part of its ARN."""
    for step in steps:
        if arn := step.get("Metadata", {}).get("RegisterModel", {}).get("Arn"):
            return int(arn.rpartition("/")[2])
    return None


def _runs_key(inputs: Inputs) -> str:
    return f"{RUNS}{inputs.digest}.json"


def _display_name(claim: Claim) -> str:
    """Carries the token's head, because DescribePipelineExecution does not tell the token."""
    return f"retrain-{claim.token[:32]}"
