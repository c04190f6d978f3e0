"""Processing and training jobs: a record and a thread each, from InProgress to an end."""

import logging
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from laptop.errors import AwsError

from . import events, processing, shapes, training
from .account import Account, now
from .container import Command, RefusedError, base_environment
from .events import EventBus
from .logs import Log
from .processes import ClosedError, Process, Processes
from .storage import Storage, TransferError
from .tags import Tags

KINDS: Mapping[str, ModuleType] = {module.KIND: module for module in (processing, training)}
RUNNING = ("InProgress", "Stopping")


class Job:
    """One job: what Describe tells of it, and the process while it runs."""

    def __init__(self, kind: str, record: dict[str, Any]) -> None:
        self.kind = kind
        self.record = record
        self.process: Process | None = None
        self.cut_short: str | None = None
        """Why it is being stopped: ``Stopped`` or ``MaxRuntimeExceeded``."""

    @property
    def status(self) -> str:
        """InProgress, Stopping, Completed, Failed or Stopped."""
        return str(self.record[f"{self.kind}JobStatus"])


class Jobs:
    """All jobs of the account."""

    def __init__(self, account: Account, bus: EventBus, processes: Processes, tags: Tags) -> None:
        self._account = account
        self._bus = bus
        self._processes = processes
        self._tags = tags
        self._jobs: dict[str, Job] = {}
        self._threads: list[threading.Thread] = []

    def create_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """CreateProcessingJob."""
        return self._create("Processing", request)

    def create_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """CreateTrainingJob."""
        return self._create("Training", request)

    def describe_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeProcessingJob."""
        return self._describe("Processing", request["ProcessingJobName"])

    def describe_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """DescribeTrainingJob."""
        return self._describe("Training", request["TrainingJobName"])

    def stop_processing_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """StopProcessingJob."""
        return self._stop("Processing", request["ProcessingJobName"])

    def stop_training_job(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """StopTrainingJob."""
        return self._stop("Training", request["TrainingJobName"])

    def wait(self, arn: str) -> dict[str, Any]:
        """Wait for the end of a job, and describe it."""
        with self._account.changed:
            job = self._jobs[arn]
            self._account.changed.wait_for(lambda: job.status not in RUNNING)
            return shapes.response(f"Describe{job.kind}Job", job.record)

    def cut_short(self, arn: str) -> str | None:
        """Why a job was stopped: ``Stopped``, ``MaxRuntimeExceeded``, or None if it was not."""
        with self._account.changed:
            return self._jobs[arn].cut_short

    def stop(self, arn: str) -> None:
        """Stop a job if it still runs."""
        with self._account.changed:
            job = self._jobs.get(arn)
            if job is None or job.status != "InProgress":
                return
            self._change(job, "Stopping")
        self._cut_short(job, "Stopped")

    def join(self) -> None:
        """Wait until no job runs (after all processes have been ended)."""
        with self._account.changed:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _create(self, kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request[f"{kind}JobName"]
        arn = self._arn(kind, name)
        try:
            KINDS[kind].check(request)
        except RefusedError as error:
            raise AwsError("ValidationException", str(error)) from None
        self._account.credentials(request["RoleArn"])  # refused here if it cannot be assumed
        created = now()
        record = {
            **request,
            f"{kind}JobArn": arn,
            f"{kind}JobStatus": "InProgress",
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        if kind == "Training":
            record |= {"SecondaryStatus": "Starting", "SecondaryStatusTransitions": []}
        with self._account.changed:
            if arn in self._jobs:
                raise AwsError(
                    "ResourceInUse",
                    f"Job name must be unique within an AWS account and region, and {arn} already "
                    "exists.",
                )
            job = self._jobs[arn] = Job(kind, record)
            self._tags.keep(arn, request.get("Tags", []))
            self._announce(job)
            thread = threading.Thread(target=self._run, args=[job], name=name, daemon=True)
            self._threads = [it for it in self._threads if it.is_alive()] + [thread]
            thread.start()
        return {f"{kind}JobArn": arn}

    def _describe(self, kind: str, name: str) -> dict[str, Any]:
        with self._account.changed:
            return shapes.response(f"Describe{kind}Job", self._job(kind, name).record)

    def _stop(self, kind: str, name: str) -> dict[str, Any]:
        with self._account.changed:
            job = self._job(kind, name)
            if job.status != "InProgress":
                raise AwsError(
                    "ValidationException",
                    f"The request was rejected because the {kind.lower()} job is in status "
                    f"{job.status}.",
                )
        self.stop(self._arn(kind, name))
        return {}

    def _job(self, kind: str, name: str) -> Job:
        job = self._jobs.get(self._arn(kind, name))
        if job is None:
            raise AwsError("ResourceNotFound", f"Could not find requested job with name: {name}")
        return job

    def _arn(self, kind: str, name: str) -> str:
        return self._account.arn(f"{kind.lower()}-job", name)

    def _cut_short(self, job: Job, reason: str) -> None:
        with self._account.changed:
            job.cut_short = job.cut_short or reason
            process = job.process
        if process:
            process.stop()

    def _run(self, job: Job) -> None:
        try:
            status, told = self._attempt(job)
        except Exception as error:  # whatever it is, the job must come to an end
            logging.getLogger(__name__).exception("the laptop's own fault in %s", job.record)
            status, told = "Failed", {"FailureReason": f"InternalServerError: {error}"}
        with self._account.changed:
            job.record |= told
            self._change(job, status, end=True)

    def _attempt(self, job: Job) -> tuple[str, dict[str, Any]]:
        """Run a job to its end: the status that it ends in, and what Describe then tells."""
        module = KINDS[job.kind]
        name, arn = job.record[f"{job.kind}JobName"], job.record[f"{job.kind}JobArn"]
        role = job.record["RoleArn"]
        home = self._account.workdir / "jobs" / name
        home.mkdir(parents=True)
        storage = Storage(self._account.client("s3", role), role, self._account.region)
        request = {
            member: value
            for member, value in job.record.items()
            if member in shapes.model().operation_model(f"Create{job.kind}Job").input_shape.members
        }
        try:
            command = module.lay_out(request, arn, home, storage)
            log = Log(
                home / "log",
                self._account.client("logs", role),
                module.LOG_GROUP,
                f"{name}/algo-1-{int(now())}",
            )
            code = self._execute(job, command, log, module.max_runtime(request))
            if code is None:
                return "Stopped", {}
            told = module.outcome(home, code)
            if code:
                return "Failed", told
            return "Completed", told | module.deliver(request, home, storage)
        except (TransferError, RefusedError) as error:
            return "Failed", {"FailureReason": f"ClientError: {error}"[:1024]}

    def _execute(self, job: Job, command: Command, log: Log, limit: int) -> int | None:
        """The exit code of a job's process; None if it was cut short."""
        environment = {
            **base_environment(self._account.step_python, log.path.parent),
            **self._account.environment(job.record["RoleArn"]),
            **command.environment,
        }
        with self._account.changed:
            if job.cut_short:
                return None
            try:
                job.process = self._processes.start(
                    self._resolved(command.arguments),
                    environment=environment,
                    directory=command.directory,
                    log=log.path,
                )
            except ClosedError:
                job.cut_short = "Stopped"
                return None
            except OSError as error:
                raise RefusedError(
                    f"{command.arguments[0]!r} does not run here: {error}"
                ) from error
            job.record[f"{job.kind}StartTime"] = now()
            if job.kind == "Training":
                self._change(job, "InProgress", secondary="Training")
        alarm = threading.Timer(limit, self._cut_short, [job, "MaxRuntimeExceeded"])
        alarm.daemon = True
        alarm.start()
        try:
            code = self._processes.wait(job.process)
        finally:
            alarm.cancel()
        log.ship()
        return None if job.cut_short else code

    def _resolved(self, arguments: Any) -> list[str]:
        """The command with a bare ``python`` or ``python3`` as the interpreter of the steps."""
        program, *rest = arguments
        return [self._account.step_python if program in ("python", "python3") else program, *rest]

    def _change(
        self, job: Job, status: str, *, secondary: str | None = None, end: bool = False
    ) -> None:
        """Set the status, tell EventBridge, wake whoever waits (the lock is held)."""
        moment = now()
        job.record |= {f"{job.kind}JobStatus": status, "LastModifiedTime": moment}
        if end:
            job.record[f"{job.kind}EndTime"] = moment
        if job.kind == "Training":
            reached = secondary or (job.cut_short if end and job.cut_short else status)
            job.record["SecondaryStatus"] = reached
            transitions = job.record["SecondaryStatusTransitions"]
            if transitions:
                transitions[-1]["EndTime"] = moment
            transitions.append({"Status": reached, "StartTime": moment})
        self._announce(job)
        self._account.changed.notify_all()

    def _announce(self, job: Job) -> None:
        described = shapes.response(f"Describe{job.kind}Job", job.record)
        self._bus.send(
            events.job(job.kind, described, self._tags.of(job.record[f"{job.kind}JobArn"]))
        )
