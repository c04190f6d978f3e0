"""The genuine Pulumi engine on a laptop AWS of its own: how to write a test on it.

    def test_a_second_up_changes_nothing(stack: MakeStack) -> None:
        dev = stack()                        # __main__.py, a new name; `stack(program, ...)` for another program
        dev.up()
        assert not dev.up(min_samples=200).created
        assert dev.account_holds() == dev.state_holds()

Each module has an account of its own (a fresh laptop AWS: about a second), shared by its tests, and
one provider process. Every stack that a test makes is destroyed after the test, or with
``stack(..., lasts=True)`` never: the account goes anyway.

``Stack`` is a ``PulumiEngine`` that remembers its program and its settings: ``up``, ``preview``,
``refresh``, ``destroy``, ``adopt``, ``cancel``, ``export_state``, ``import_state``, ``resources``,
and ``process``, the engine while it runs, which may be killed. Keywords of ``up`` and ``preview``
are settings for this call and all later ones (``min_samples=200`` is ``perennial:min-samples``).

Mark what takes more than a few seconds with ``pytest.mark.engine``: `make test-all` runs it. Without
an engine all tests here are skipped, and with CI=true they fail: `make engine` builds one.
"""

import json
import os
import subprocess
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest
import yaml

from laptop import pulumi_cli
from laptop.automation import Provider, PulumiEngine
from laptop.engine import OnChange, UpResult
from laptop.errors import LaptopError
from laptop.inventory import inventory
from laptop.program import Program
from laptop.server import LaptopAWS

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "__main__.py"

KINDS = {
    "aws:cloudwatch/dashboard:Dashboard": "dashboard",
    "aws:cloudwatch/eventRule:EventRule": "rule",
    "aws:cloudwatch/logGroup:LogGroup": "log group",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "alarm",
    "aws:iam/policy:Policy": "policy",
    "aws:iam/role:Role": "role",
    "aws:kms/key:Key": "key",
    "aws:lambda/eventSourceMapping:EventSourceMapping": "event source mapping",
    "aws:lambda/function:Function": "function",
    "aws:s3/bucket:Bucket": "bucket",
    "aws:sagemaker/endpoint:Endpoint": "endpoint",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "endpoint config",
    "aws:sagemaker/model:Model": "model",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": "model package group",
    "aws:sagemaker/pipeline:Pipeline": "pipeline",
    "aws:sns/topic:Topic": "topic",
    "aws:sqs/queue:Queue": "queue",
}
"""The types that ``laptop.inventory`` lists, by their tokens; the id is what it lists them by."""


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """There is an engine to run; without one these tests are left out, but never in CI."""
    try:
        pulumi_cli.find()
    except LaptopError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error} With CI=true the tests on the engine must run.", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def account() -> Iterator[LaptopAWS]:
    """An empty AWS account."""
    with LaptopAWS() as aws:
        yield aws


@pytest.fixture(scope="module")
def provider(account: LaptopAWS) -> Iterator[Provider]:
    """The provider process of the account."""
    with Provider(account.session()) as process:
        yield process


class Stack:
    """A stack of a program, with the settings that the last ``up`` or ``preview`` was given."""

    def __init__(
        self,
        engine: PulumiEngine,
        program: Program,
        config: dict[str, str],
        account: LaptopAWS,
        project: str,
    ) -> None:
        self.engine = engine
        self.program = program
        self.config = config
        self._account = account
        self._project = project
        self.secret_keys: Collection[str] = ()
        self.refresh = engine.refresh
        self.destroy = engine.destroy
        self.adopt = engine.adopt
        self.cancel = engine.cancel
        self.export_state = engine.export_state
        self.import_state = engine.import_state

    def up(self, **changed: Any) -> UpResult:
        """`pulumi up`, under changed settings."""
        self._change(changed)
        return self.engine.up(self.program, self.config, secret_keys=self.secret_keys)

    def preview(self, **changed: Any) -> UpResult:
        """`pulumi preview`, under changed settings."""
        self._change(changed)
        return self.engine.preview(self.program, self.config, secret_keys=self.secret_keys)

    def _change(self, changed: dict[str, Any]) -> None:
        for name, value in changed.items():
            key = f"{self._project}:{name.replace('_', '-')}"
            self.config[key] = value if isinstance(value, str) else json.dumps(value)

    @property
    def resources(self) -> tuple[str, ...]:
        """What the state holds, as ``<type> <logical name>``."""
        return self.engine.resources

    @property
    def process(self) -> "subprocess.Popen[str] | None":
        """The engine's process while an operation is under way."""
        return self.engine.command.process

    def account_holds(self) -> list[str]:
        """What is in the account, of all stacks, as ``<kind> <name>``, sorted."""
        return inventory(self._account.session())

    def state_holds(self) -> list[str]:
        """What the state says is in the account, as ``account_holds`` says it."""
        return sorted(
            f"{KINDS[each['type']]} {each['id']}"
            for each in self.export_state().get("resources", ())
            if each["type"] in KINDS
        )


class MakeStack(Protocol):
    """Makes a stack of a program; nothing is deployed yet."""

    def __call__(
        self,
        program: Program = PROGRAM,
        config: dict[str, str] | None = None,
        *,
        name: str | None = None,
        settings: str = "dev",
        folder: Path | None = None,
        on_change: OnChange | None = None,
        lasts: bool = False,
    ) -> Stack: ...


@pytest.fixture(scope="module")
def lasting() -> Iterator[ExitStack]:
    """Closed after the last test of the module."""
    with ExitStack() as until_the_end:
        yield until_the_end


@pytest.fixture
def stack(account: LaptopAWS, provider: Provider, lasting: ExitStack) -> Iterator[MakeStack]:
    """Makes stacks.

    ``config`` is whole, with namespaces; by default that of ``Pulumi.<settings>.yaml``. ``name`` is
    by default a new one. ``folder`` keeps the state, for another stack to find. A stack that
    ``lasts`` outlives the test, within the module.
    """
    with ExitStack() as until_the_test_ends:

        def make(
            program: Program = PROGRAM,
            config: dict[str, str] | None = None,
            *,
            name: str | None = None,
            settings: str = "dev",
            folder: Path | None = None,
            on_change: OnChange | None = None,
            lasts: bool = False,
        ) -> Stack:
            until = lasting if lasts else until_the_test_ends
            engine = PulumiEngine(
                provider,
                project="perennial",
                stack=name or f"t{uuid4().hex[:8]}",
                folder=folder,
                on_change=on_change,
            )
            until.enter_context(engine)
            if not lasts:
                until.callback(engine.destroy)
            values = configured(settings) if config is None else config
            return Stack(engine, program, dict(values), account, "perennial")

        yield make


def configured(settings: str) -> dict[str, str]:
    """The settings of ``Pulumi.<settings>.yaml``, and a value for the one without a default."""
    given = yaml.safe_load((ROOT / f"Pulumi.{settings}.yaml").read_text())["config"]
    return {"perennial:target-column": "churned"} | {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()
    }
