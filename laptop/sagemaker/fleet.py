"""The fleet behind an endpoint: a container that answers on loopback for each variant."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions
import urllib3

from laptop.errors import AwsError

from . import serving
from .account import Account
from .archives import ArchiveError, unpack
from .capture import Capture
from .container import OptMl, base_environment
from .logs import Log
from .processes import ClosedError, Process, Processes
from .storage import Storage, parse

STARTUP_SECONDS = 60
"""For /ping to answer, unless the variant has ContainerStartupHealthCheckTimeoutInSeconds."""

ANSWER_SECONDS = 60
"""For /invocations to answer; Developer Guide, "Custom Inference Code with Hosting Services"."""

DRAIN_SECONDS = 60
"""For requests that an old fleet is still answering."""


class DeploymentError(Exception):
    """A fleet that does not serve; the message is the endpoint's FailureReason."""


@dataclass
class Variant:
    """A production variant that answers."""

    name: str
    weight: float
    image: str
    instances: int
    process: Process
    pool: urllib3.HTTPConnectionPool
    log: Log
    capture: Capture | None


@dataclass(frozen=True)
class Plan:
    """What a variant is made of.

    :param variant: the ProductionVariant of the endpoint configuration.
    :param container: image, ModelDataUrl and environment, a model package looked up.
    """

    variant: Mapping[str, Any]
    container: Mapping[str, Any]
    role_arn: str


@dataclass
class Fleet:
    """The containers of one endpoint configuration."""

    account: Account
    processes: Processes
    endpoint: str
    config: Mapping[str, Any]
    home: Path
    variants: dict[str, Variant] = field(default_factory=dict, init=False)
    _busy: int = field(default=0, init=False)
    _idle: threading.Condition = field(default_factory=threading.Condition, init=False)

    def start(self, plans: list[Plan]) -> None:
        """Start every variant and wait until each answers /ping.

        :raises DeploymentError: if one does not; then none is left running.
        """
        try:
            for plan in plans:
                self._start(plan)
        except (DeploymentError, AwsError) as error:
            self.stop()
            reason = error.message if isinstance(error, AwsError) else str(error)
            raise DeploymentError(reason) from error

    def choose(self, name: str | None, draw: Callable[[], float]) -> Variant | None:
        """The variant of that name, or one drawn by weight; None if there is no such variant."""
        if name:
            return self.variants.get(name)
        mark = draw() * sum(variant.weight for variant in self.variants.values())
        for variant in self.variants.values():
            mark -= variant.weight
            if mark < 0:
                return variant
        return next(reversed(self.variants.values()))

    def ask(self, variant: Variant, body: bytes, headers: Mapping[str, str]) -> Any:
        """POST /invocations; returns urllib3's response, its data read.

        :raises urllib3.exceptions.HTTPError: if the container does not answer.
        """
        return variant.pool.request("POST", "/invocations", body=body, headers=dict(headers))

    def enter(self) -> None:
        """A request begins: the fleet is not stopped before it leaves."""
        with self._idle:
            self._busy += 1

    def leave(self) -> None:
        """A request ended."""
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def retire(self) -> None:
        """Stop, once the requests that are being answered have been."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, DRAIN_SECONDS)
        self.stop()

    def stop(self) -> None:
        """Write what was captured, end the containers, send the rest of their logs."""
        for variant in self.variants.values():
            if variant.capture:
                variant.capture.close()
            variant.process.kill()
            self.processes.wait(variant.process)
            variant.pool.close()
            variant.log.ship()
        self.variants.clear()

    def _start(self, plan: Plan) -> None:
        name = plan.variant["VariantName"]
        home = self.home / name
        home.mkdir(parents=True)
        opt_ml = OptMl(home / "opt/ml")
        self._bring_model(plan, opt_ml, home)
        log = Log(
            home / "log",
            self.account.client("logs", plan.role_arn),
            f"/aws/sagemaker/Endpoints/{self.endpoint}",
            f"{name}/{self.home.name}",
        )
        environment = {
            **base_environment(self.account.step_python, home),
            **self.account.environment(plan.role_arn),
            "SM_MODEL_DIR": str(opt_ml.path("/opt/ml/model")),
            **opt_ml.localise(dict(plan.container.get("Environment", {}))),
        }
        limit = plan.variant.get("ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_SECONDS)
        process, port = self._serve(opt_ml, environment, log, limit)
        pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", port, timeout=ANSWER_SECONDS, maxsize=16, retries=False
        )
        if port is None or not _answers(pool):
            process.kill()
            self.processes.wait(process)
            log.ship()
            raise DeploymentError(
                f"The primary container for production variant {name} did not pass the ping "
                "health check. Please check CloudWatch logs for this endpoint."
            )
        log.ship()
        self.variants[name] = Variant(
            name=name,
            weight=plan.variant.get("InitialVariantWeight", 1.0),
            image=plan.container.get("Image", ""),
            instances=plan.variant.get("InitialInstanceCount", 1),
            process=process,
            pool=pool,
            log=log,
            capture=self._capture(plan, log),
        )

    def _bring_model(self, plan: Plan, opt_ml: OptMl, home: Path) -> None:
        opt_ml.path("/opt/ml/model").mkdir(parents=True)
        url = plan.container.get("ModelDataUrl")
        if not url:
            return
        role = plan.role_arn
        storage = Storage(self.account.client("s3", role), role, self.account.region)
        archive = home / "model.tar.gz"
        try:
            storage.fetch(*parse(url), archive)
            unpack(archive, opt_ml.path("/opt/ml/model"))
        except (botocore.exceptions.ClientError, ArchiveError) as error:
            raise DeploymentError(
                f'Failed to download model data for container "container_1" from URL: "{url}". '
                "Please ensure that there is an object located at the URL and that the role "
                f"passed to CreateModel has permissions to download the object. ({error})"
            ) from error

    def _serve(
        self, opt_ml: OptMl, environment: Mapping[str, str], log: Log, limit: float
    ) -> tuple[Process, int | None]:
        """A serving process and the port that it reports (None: it ended, or took too long)."""
        reader, writer = os.pipe()
        with os.fdopen(reader) as report:
            try:
                process = self.processes.start(
                    [
                        self.account.step_python,
                        serving.__file__,
                        str(opt_ml.path("/opt/ml/model")),
                        str(writer),
                    ],
                    environment=environment,
                    directory=opt_ml.root,
                    log=log.path,
                    pass_fds=[writer],
                    hold_stdin=True,
                )
            except (ClosedError, OSError) as error:
                raise DeploymentError(f"The container could not be started: {error}") from error
            finally:
                os.close(writer)
            alarm = threading.Timer(limit, process.kill)
            alarm.daemon = True
            alarm.start()
            line = report.readline()
            alarm.cancel()
        return process, int(line) if line else None

    def _capture(self, plan: Plan, log: Log) -> Capture | None:
        config = self.config.get("DataCaptureConfig")
        if not config or not config.get("EnableCapture", True):
            return None
        return Capture(
            config,
            self.endpoint,
            plan.variant["VariantName"],
            self.account.client("s3", plan.role_arn),
            flushed=log.ship,
        )


def _answers(pool: urllib3.HTTPConnectionPool) -> bool:
    try:
        return int(pool.request("GET", "/ping").status) == 200
    except urllib3.exceptions.HTTPError:
        return False
