"""What happens in the demo, chapter by chapter; each chapter ends only when the world shows it.

The scenario does what people do (provision, upload, approve, push code, call the endpoint). It
never starts a run and never deploys: the loop does.
"""

import contextlib
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ..errors import LaptopError
from ..inventory import inventory
from ..project import load_config
from . import data as datasets
from .data import DataSet
from .engines import Deployer
from .loop import Loop, Names
from .story import Story
from .traffic import Traffic
from .watcher import ENDED, Watcher

ROOT = Path(__file__).parents[2]
PROJECT = "perennial"
STACK = "laptop"
FILES = 4
"""How many files the first burst has."""
JOB_LOGS = ("/aws/sagemaker/ProcessingJobs", "/aws/sagemaker/TrainingJobs")
ROWS_OF_A_TRICKLE = 15
"""How many rows each of the small files has that come in while the traffic has moved."""
CALM_REPORTS = 4
"""How many drift reports of normal traffic the demo waits for before it moves the traffic."""


@dataclass
class Facts:
    """What the world showed, for the report and for the tests."""

    names: Names | None = None
    resources: int = 0
    uploaded: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    calm: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    served: list[int] = field(default_factory=list)
    capture_files: int = 0
    requests: int = 0
    errors: list[str] = field(default_factory=list)
    dead_letters: int = 0
    decisions: list[dict[str, Any]] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


class Scenario:
    """One telling of the story, in one laptop AWS."""

    def __init__(
        self,
        session: boto3.Session,
        engine: Deployer,
        data: DataSet,
        story: Story,
        workdir: Path,
    ) -> None:
        self._session = session
        self._engine = engine
        self._data = data
        self._story = story
        self._workdir = workdir
        self.facts = Facts()

    def play(self) -> Facts:
        """Every chapter, then the end: what was provisioned is destroyed, unless interrupted.

        Raises ``LaptopError`` with one sentence for what the world did not show. An interrupt ends
        the whole laptop AWS, so that there is nothing to destroy.
        """
        try:
            self._grow()
        except (LaptopError, ClientError) as error:
            self._story.tell("demo", f"stops here: {error}")
            chapter = self._story.chapter
            self._destroy()
            raise LaptopError(f"The demo stopped at {chapter!r}: {error}") from error
        self._destroy()
        if self.facts.left:
            raise LaptopError(f"destroy left behind: {', '.join(self.facts.left)}.")
        return self.facts

    def _destroy(self) -> None:
        self._story.open("destroy: everything is torn down")
        self._engine.destroy()
        self._remove_job_logs()
        self.facts.left = inventory(self._session)
        self._story.tell("you", f"destroyed; left in the account: {self.facts.left or 'nothing'}")
        self._story.close()

    def _remove_job_logs(self) -> None:
        """Remove the two log groups that SageMaker makes for the jobs of a whole account.

        No stack owns them, so no destroy removes them, here or on AWS.
        """
        logs = self._session.client("logs")
        for group in JOB_LOGS:
            with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
                logs.delete_log_group(logGroupName=group)
                self._story.tell("you", f"removed {group}, which all of an account's jobs share")

    def _grow(self) -> None:
        self._story.open("provision: __main__.py, as `pulumi up` would")
        loop = self._provision()
        with Watcher(loop, self._story) as watcher:
            self._first_model(loop)
            with Traffic(loop.runtime, loop.names.endpoint, self._data.features) as traffic:
                watcher.traffic = traffic
                self._calm(loop, watcher)
                self._drift(loop, watcher, traffic)
                self._new_code(loop)
                self._corrupt_file(loop)
            self.facts.requests, self.facts.errors = traffic.sent, traffic.errors
            watcher.look()
            self._remember(loop)

    # -- chapters ---------------------------------------------------------------------------

    def _provision(self) -> Loop:
        result = self._engine.up(ROOT / "__main__.py", self._config())
        self.facts.resources = len(result.created)
        self.facts.names = names = Names(
            **{field: result.outputs[field] for field in Names.__dataclass_fields__}
        )
        self._story.tell("you", f"provisioned {self.facts.resources} resources, no model yet")
        return Loop(self._session, names)

    def _first_model(self, loop: Loop) -> None:
        self._story.open("data: one burst of uploads, one run, and nobody started it")
        files = datasets.files(self._data, FILES)
        loop.upload(files)
        self.facts.uploaded = list(files)
        self._story.tell("you", f"uploaded {', '.join(files)} in one burst")
        self._run_succeeds(loop, 1)
        self._approve(loop, 1)

    def _calm(self, loop: Loop, watcher: Watcher) -> None:
        self._story.open("serve: normal traffic, no alarm")
        first = len(watcher.reports)
        self._wait(
            "drift reports of normal traffic",
            60,
            lambda: len(watcher.reports) >= first + CALM_REPORTS,
        )
        self._wait("the drift alarm to be OK", 60, lambda: loop.alarm()["StateValue"] == "OK")
        self.facts.alarms.append("OK")
        self.facts.calm = [report for _, report in watcher.reports[first:]]

    def _drift(self, loop: Loop, watcher: Watcher, traffic: Traffic) -> None:
        self._story.open("drift: the traffic moves, the alarm starts a run")
        first = len(watcher.reports)
        moved = datasets.moved(self._data)
        traffic.features = moved.features
        self._story.tell("callers", "from here on the traffic comes from another population")
        self._story.tell("you", "its labels trickle in, a small file at a time: no run meanwhile")
        self._upload_until(loop, moved, "ALARM")
        self.facts.alarms.append("ALARM")
        self._run_succeeds(loop, 2)
        self._approve(loop, 2)
        self.facts.moved = [report for _, report in watcher.reports[first:]]
        traffic.features = self._data.features
        self._story.tell("callers", "the traffic is the normal one again")

    def _new_code(self, loop: Loop) -> None:
        self._story.open("code: new model code is pushed, a run starts")
        changed = self._workdir / "pipelines"
        shutil.copytree(ROOT / "pipelines", changed, ignore=shutil.ignore_patterns("__pycache__"))
        push_code(changed)
        result = self._engine.up(
            ROOT / "__main__.py", self._config() | {"perennial:pipelines": str(changed)}
        )
        self._story.tell("you", f"pushed code: {len(result.updated)} resources updated")
        self._run_succeeds(loop, 3)

    def _corrupt_file(self, loop: Loop) -> None:
        self._story.open("refusal: a corrupt file becomes no model, and a person is called")
        loop.upload({"corrupt.csv": datasets.corrupt(self._data)})
        self._story.tell("you", "uploaded corrupt.csv")
        run = self._run_ends(loop, 4)
        if run["PipelineExecutionStatus"] != "Failed":
            raise LaptopError("The run on a corrupt file succeeded: the gate must refuse it.")
        self._wait("the refusal in the ledger", 30, lambda: self._refused(loop))
        self._wait("the alarm that calls a person", 30, loop.person_is_called)

    # -- what people do, and what the world must show ---------------------------------------

    def _approve(self, loop: Loop, version: int) -> None:
        self._story.open(f"approve: version {version} goes live")
        loop.approve(version, "looked at the evaluation in the demo")
        self._story.tell("you", f"approved version {version}")
        self._wait(
            f"the endpoint to serve version {version}", 90, lambda: loop.live_version() == version
        )
        self.facts.served.append(version)

    def _upload_until(self, loop: Loop, data: DataSet, alarm: str) -> None:
        """Upload small files without a pause that would pass for the end of a burst."""
        files = iter(datasets.files(data, len(data.frame) // ROWS_OF_A_TRICKLE).items())

        def upload_one_more() -> bool:
            loop.upload(dict([next(files)]))
            return bool(loop.alarm()["StateValue"] == alarm)

        self._wait(f"the drift alarm to be {alarm}", 90, upload_one_more)

    def _run_succeeds(self, loop: Loop, number: int) -> None:
        run = self._run_ends(loop, number)
        if run["PipelineExecutionStatus"] != "Succeeded":
            raise LaptopError(
                f"Run {number} ended as {run['PipelineExecutionStatus']}: "
                f"{loop.failure(run['PipelineExecutionArn'])}."
            )
        self._wait(f"version {number} in the registry", 15, lambda: len(loop.versions()) == number)

    def _run_ends(self, loop: Loop, number: int) -> dict[str, Any]:
        self._wait(f"run {number} to start", 60, lambda: len(loop.executions()) >= number)
        self._wait(
            f"run {number} to end",
            180,
            lambda: loop.executions()[number - 1]["PipelineExecutionStatus"] in ENDED,
        )
        return loop.execution(loop.executions()[number - 1]["PipelineExecutionArn"])

    def _refused(self, loop: Loop) -> bool:
        return any(
            entry["decision"] == "a person is needed" and "corrupt.csv" in entry["reason"]
            for entry in loop.ledger(set())
        )

    def _remember(self, loop: Loop) -> None:
        facts = self.facts
        facts.runs = [
            loop.execution(run["PipelineExecutionArn"])
            | {
                "Steps": loop.steps(run["PipelineExecutionArn"]),
                "Failure": loop.failure(run["PipelineExecutionArn"]),
            }
            for run in loop.executions()
        ]
        facts.versions = loop.versions()
        facts.evaluations = [loop.evaluation(version) for version in facts.versions]
        facts.capture_files = loop.captured()
        facts.decisions = loop.ledger(set())
        facts.dead_letters = loop.dead_letters()
        facts.why = loop.why()
        self._story.tell("perennial", f"why: {facts.why[0]}")

    def _config(self) -> dict[str, str]:
        return load_config(ROOT, STACK) | {
            "perennial:loop": self._data.loop,
            "perennial:target-column": self._data.target,
            "perennial:protected-column": self._data.protected or "",
        }

    def _wait(self, what: str, seconds: float, check: Any) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            # An interrupt inside a callback of a library is swallowed there: ask for it here too.
            if self._story.interrupted.is_set():
                raise KeyboardInterrupt
            if time.monotonic() > deadline:
                raise LaptopError(f"Waited {seconds:.0f} s for {what}, which did not come.")
            time.sleep(0.3)


def push_code(pipelines: Path) -> None:
    """Change a hyperparameter of the model in a copy of ``pipelines/``."""
    script = pipelines / "model" / "train.py"
    before = script.read_text()
    after = before.replace("learning_rate=0.05", "learning_rate=0.08")
    if after == before:
        raise LaptopError(f"{script.name} has no learning_rate=0.05 to change: update the demo.")
    script.write_text(after)
