"""One execution of a pipeline: which step may run, what has become of each."""

import logging
import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from . import caching, events
from .account import Account, now
from .caching import Hit, StepCache
from .definition import Definition, Step
from .events import EventBus
from .steps import Done, Scope, StepFailedError, Steps, StepStoppedError
from .storage import Storage

FAILED = "Step failure: One or multiple steps failed."
"""The FailureReason of an execution, as AWS phrases it; the reason itself is the step's."""


def ready(definition: Definition, waiting: Iterable[str], succeeded: Collection[str]) -> list[str]:
    """The waiting steps whose needs have all succeeded, in the order of the definition."""
    return [name for name in waiting if definition.steps[name].needs <= set(succeeded)]


class Execution:
    """Runs a definition once, each step as soon as it may."""

    def __init__(
        self,
        account: Account,
        bus: EventBus,
        cache: StepCache,
        *,
        pipeline_arn: str,
        record: dict[str, Any],
        definition: Definition,
        parameters: Mapping[str, Any],
        parallel: int | None,
    ) -> None:
        """
        :param record: as DescribePipelineExecution, kept up to date.
        :param parameters: bound.
        :param parallel: steps at once; by default one a processor.
        """
        self.record = record
        self.definition = definition
        self.parameters = parameters
        self.steps: dict[str, dict[str, Any]] = {}
        """As ListPipelineExecutionSteps, in the order in which they started."""

        self._account = account
        self._bus = bus
        self._cache = cache
        self._pipeline_arn = pipeline_arn
        self._parallel = parallel or os.cpu_count() or 1
        self._properties: dict[str, Mapping[str, Any]] = {}

    @property
    def arn(self) -> str:
        """The ARN of the execution."""
        return str(self.record["PipelineExecutionArn"])

    @property
    def status(self) -> str:
        """Executing, Stopping, Stopped, Failed or Succeeded."""
        return str(self.record["PipelineExecutionStatus"])

    def announce(self, previous: str | None) -> None:
        """Tell EventBridge the status (the lock is held)."""
        over = self.status not in ("Executing", "Stopping")
        self._bus.send(
            events.execution(
                self.record,
                self.status,
                previous,
                self.record["CreationTime"],
                self.record["LastModifiedTime"] if over else None,
            )
        )

    def change(self, status: str) -> None:
        """Set the status, tell EventBridge, wake whoever waits (the lock is held)."""
        previous = self.status
        self.record |= {"PipelineExecutionStatus": status, "LastModifiedTime": now()}
        self.announce(previous)
        self._account.changed.notify_all()

    def started(self, step: Step, metadata: Mapping[str, Any]) -> bool:
        """A step's job exists; whether it may go on (False: the execution is being stopped)."""
        with self._account.changed:
            self.steps[step.name]["Metadata"] = metadata
            self._account.changed.notify_all()
            return self.status == "Executing"

    def run(self, steps: Steps, variables: Mapping[str, str], storage: Storage) -> None:
        """Run every step that may run; the status says how it ended.

        :param variables: the execution variables that the definition may refer to.
        :param storage: S3 as the pipeline's role, for property files.
        """
        scope = Scope(self.definition.steps, self.parameters, variables, self._properties, storage)
        waiting = list(self.definition.roots)
        running: dict[Future[Done], str] = {}
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="step") as pool:
            while True:
                if self._goes_on():
                    for name in ready(self.definition, waiting, self._properties):
                        waiting.remove(name)
                        step = self.definition.steps[name]
                        running[pool.submit(self._step, steps, scope, step)] = name
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if future.exception() is None:
                        self._properties[name] = future.result().properties
                        waiting += future.result().follow
        with self._account.changed:
            if self._any("Failed"):
                self.fail(FAILED)
            else:
                stopped = self.status == "Stopping" or self._any("Stopped")
                self.change("Stopped" if stopped else "Succeeded")

    def fail(self, reason: str) -> None:
        """End as Failed."""
        with self._account.changed:
            self.record["FailureReason"] = reason
            self.change("Failed")

    def jobs_running(self) -> list[str]:
        """The ARNs of the jobs of the steps that are executing (the lock is held)."""
        return [
            job["Arn"]
            for step in self.steps.values()
            if step["StepStatus"] == "Executing"
            for job in step.get("Metadata", {}).values()
        ]

    def _goes_on(self) -> bool:
        with self._account.changed:
            return self.status == "Executing" and not self._any("Failed", "Stopped")

    def _any(self, *statuses: str) -> bool:
        return any(step["StepStatus"] in statuses for step in self.steps.values())

    def _step(self, steps: Steps, scope: Scope, step: Step) -> Done:
        """Run one step and write down what became of it; raises what ended it otherwise."""
        described = {"StepDisplayName": step.display_name, "StepDescription": step.description}
        record: dict[str, Any] = {
            "StepName": step.name,
            **{member: text for member, text in described.items() if text},
            "StartTime": now(),
            "AttemptCount": 1,
        }
        with self._account.changed:
            self.steps[step.name] = record
            self._step_changed(step, "Executing", None)
        told: dict[str, Any] = {}
        status = "Succeeded"
        try:
            done, hit = self._run_or_reuse(steps, scope, step)
            told = {"Metadata": done.metadata}
            if hit:
                told["CacheHitResult"] = {"SourcePipelineExecutionArn": hit.execution_arn}
            return done
        except StepStoppedError:
            status = "Stopped"
            raise
        except StepFailedError as error:
            status, told = "Failed", {"FailureReason": str(error), "Metadata": error.metadata}
            raise
        except Exception as error:  # whatever it is, the step must come to an end
            logging.getLogger(__name__).exception("the laptop's own fault in step %s", step.name)
            status, told = "Failed", {"FailureReason": f"InternalServerError: {error}"}
            raise
        finally:
            with self._account.changed:
                record |= {member: value for member, value in told.items() if value}
                record["EndTime"] = now()
                self._step_changed(step, status, "Executing")

    def _run_or_reuse(self, steps: Steps, scope: Scope, step: Step) -> tuple[Done, Hit | None]:
        arguments = scope.resolve(step.arguments)
        if not step.cached:
            return steps.run(step, arguments), None
        key = caching.key(self._pipeline_arn, step.name, step.kind, arguments)
        hit = self._cache.get(key, now(), step.expire_after)
        if hit:
            return Done(hit.properties, hit.metadata), hit
        done = steps.run(step, arguments)
        self._cache.put(key, Hit(now(), self.arn, done.properties, done.metadata))
        return done, None

    def _step_changed(self, step: Step, status: str, previous: str | None) -> None:
        record = self.steps[step.name]
        record["StepStatus"] = status
        self.record["LastModifiedTime"] = now()
        self._bus.send(events.step(self._pipeline_arn, self.arn, record, step.kind, previous))
        self._account.changed.notify_all()
