"""Follows the loop and tells the story."""

import threading
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .loop import Loop
from .story import Run, Stage, Story
from .traffic import Traffic

ENDED = {"Succeeded", "Failed", "Stopped"}


class Watcher:
    """Polls the loop from a thread of its own; what changed becomes part of the story.

    It only reads: the loop runs the same with nobody watching.
    """

    def __init__(self, loop: Loop, story: Story, every: float = 0.4) -> None:
        self._loop = loop
        self._story = story
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)
        self._decisions: set[str] = set()
        self._reports: set[str] = set()
        self.reports: list[tuple[float, dict[str, Any]]] = []
        self.traffic: Traffic | None = None

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(self._every):
            self.look()

    def look(self) -> None:
        """Look once at everything; a read that fails is repeated at the next look."""
        for part in (self._runs, self._endpoint, self._alarm, self._ledger, self._drift):
            try:
                part()
            except (ClientError, BotoCoreError):
                continue
        if self.traffic is not None:
            self._story.requests = self.traffic.sent
            self._story.errors = len(self.traffic.errors)

    def _runs(self) -> None:
        for summary in self._loop.executions():
            arn, status = summary["PipelineExecutionArn"], summary["PipelineExecutionStatus"]
            run = self._story.runs.get(arn)
            if run is None:
                run = Run(len(self._story.runs) + 1, arn)
                with self._story.lock:
                    self._story.runs[arn] = run
                self._story.tell("pipeline", f"run {run.number} started")
            if run.status in ENDED:
                continue
            self._steps(run)
            if status in ENDED:
                run.status = status
                why = self._loop.failure(arn) if status == "Failed" else ""
                self._story.tell(
                    "pipeline", f"run {run.number} {status.lower()}{': ' + why if why else ''}"
                )

    def _steps(self, run: Run) -> None:
        for step in self._loop.steps(run.arn):
            name, status = step["StepName"], step["StepStatus"]
            with self._story.lock:
                stage = run.steps.setdefault(name, Stage(name))
                if stage.began is None:
                    stage.began = self._story.now()
                if stage.status != status:
                    stage.status = status
                    if status not in ("Starting", "Executing"):
                        # The API's own times: a look may come late, and a short step between two.
                        took = (step["EndTime"] - step["StartTime"]).total_seconds()
                        stage.ended = stage.began + took

    def _endpoint(self) -> None:
        endpoint = self._loop.endpoint()
        status = "none yet"
        if endpoint is not None:
            status = f"{endpoint['EndpointStatus']}, {endpoint['EndpointConfigName']}"
        if status != self._story.endpoint:
            self._story.endpoint = status
            self._story.tell("endpoint", status)

    def _alarm(self) -> None:
        state = self._loop.alarm()["StateValue"]
        if state != self._story.alarm:
            self._story.alarm = state
            self._story.tell("alarm", state)

    def _ledger(self) -> None:
        for entry in self._loop.ledger(self._decisions):
            self._story.tell(entry["controller"], f"{entry['decision']}: {entry['reason']}")

    def _drift(self) -> None:
        for report in self._loop.drift_reports(self._reports):
            now = self._story.now()
            self.reports.append((now, report))
            with self._story.lock:
                self._story.drift.append((now, report["drifted_share"]))
