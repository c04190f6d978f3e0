"""The genuine Pulumi engine on a laptop AWS of its own: how to write a test on it.

    def test_another_threshold_changes_no_resource_that_holds_data(stack: MakeStack) -> None:
        dev = stack()  # of __main__.py, with the settings of Pulumi.dev.yaml, under a new name
        dev.up()
        assert changes(dev.preview(min_samples=200)) == {"updated": ["..."]}
        assert dev.account_holds() == dev.state_holds()

Each module has an account of its own (a fresh laptop AWS: about a second) and one provider process,
shared by its tests. Stacks of ``stack`` are destroyed after the test, so that the account is empty
again; those of ``lasting_stack`` last as long as the module, for a fixture that deploys once what
several tests look at.

A ``Stack`` has what a ``PulumiEngine`` has (``refresh``, ``destroy``, ``adopt``, ``cancel``,
``export_state``, ``import_state``, ``resources``) and remembers its program and its settings:
keywords of ``up`` and ``preview`` change settings for this call and all later ones
(``min_samples=200`` is ``perennial:min-samples: 200``); ``program`` and ``secret_keys`` may be
assigned. ``process`` is the engine while it runs: kill it from ``on_change``, then ``cancel``.

Mark what takes more than a few seconds with ``pytest.mark.engine``: `make test-all` runs it.
Without an engine all tests here are left out, and with CI=true they fail: `make engine` builds one.
"""

import json
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
from tests.conftest import NO_ENGINE

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "__main__.py"
PROJECT = "perennial"

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of this folder out when there is no engine; in CI that is a failure."""
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    if not here or os.environ.get("CI") == "true":
        return
    try:
        pulumi_cli.find()
    except LaptopError as error:
        for item in here:
            item.add_marker(pytest.mark.skip(reason=f"{NO_ENGINE}: {error}"))


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
        self, engine: PulumiEngine, program: Program, config: dict[str, str], account: LaptopAWS
    ) -> None:
        self.engine = engine
        self.program = program
        self.config = config
        self.secret_keys: Collection[str] = ()
        self._account = account
        self.refresh = engine.refresh
        self.destroy = engine.destroy
        self.cancel = engine.cancel
        self.export_state = engine.export_state
        self.import_state = engine.import_state

    def up(self, **changed: Any) -> UpResult:
        """`pulumi up`, under changed settings."""
        self._change(changed)
        return self.engine.up(self.program, self.config, secret_keys=self.secret_keys)

    def up_at_once(self) -> UpResult:
        """``up`` without looking at the whole first: half as long."""
        self.engine._configure(self.config, self.secret_keys)
        return self.engine._up(self.program)

    def preview(self, **changed: Any) -> UpResult:
        """`pulumi preview`, under changed settings."""
        self._change(changed)
        return self.engine.preview(self.program, self.config, secret_keys=self.secret_keys)

    def adopt(
        self, type_: str, name: str, id_: str, *, component: tuple[str, str] | None = None
    ) -> None:
        """`pulumi import` of what exists; ``parent`` is a URN."""
        self.engine.adopt(type_, name, id_, self.config, component=component)

    def _change(self, changed: dict[str, Any]) -> None:
        for name, value in changed.items():
            key = f"{PROJECT}:{name.replace('_', '-')}"
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
        return held_by(self.export_state())


class MakeStack(Protocol):
    """Makes a stack of a program; nothing is deployed yet.

    ``config`` is whole, with namespaces; by default that of ``Pulumi.<settings>.yaml``. ``name`` is
    by default a new one. ``folder`` keeps the state, for another stack to find.
    """

    def __call__(
        self,
        program: Program = PROGRAM,
        config: dict[str, str] | None = None,
        *,
        name: str | None = None,
        settings: str = "dev",
        folder: Path | None = None,
        on_change: OnChange | None = None,
    ) -> Stack: ...


@pytest.fixture
def stack(account: LaptopAWS, provider: Provider) -> Iterator[MakeStack]:
    """Makes stacks that are destroyed after the test."""
    with maker(account, provider, destroys=True) as make:
        yield make


@pytest.fixture(scope="module")
def lasting_stack(account: LaptopAWS, provider: Provider) -> Iterator[MakeStack]:
    """Makes stacks that last as long as the account."""
    with maker(account, provider, destroys=False) as make:
        yield make


@contextmanager
def maker(account: LaptopAWS, provider: Provider, *, destroys: bool) -> Iterator[MakeStack]:
    """Makes stacks until the block ends."""
    with ExitStack() as until_then:

        def make(
            program: Program = PROGRAM,
            config: dict[str, str] | None = None,
            *,
            name: str | None = None,
            settings: str = "dev",
            folder: Path | None = None,
            on_change: OnChange | None = None,
        ) -> Stack:
            engine = PulumiEngine(
                provider,
                project=PROJECT,
                stack=name or f"t{uuid4().hex[:8]}",
                folder=folder,
                on_change=on_change,
            )
            until_then.enter_context(engine)
            if destroys:
                until_then.callback(engine.destroy)
            values = configured(settings) if config is None else config
            return Stack(engine, program, dict(values), account)

        yield make


def configured(settings: str, folder: Path = ROOT) -> dict[str, str]:
    """The settings of ``Pulumi.<settings>.yaml``, and a value for the one without a default."""
    given = yaml.safe_load((folder / f"Pulumi.{settings}.yaml").read_text())["config"]
    return {"perennial:target-column": "churned"} | {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()
    }


def held_by(state: Mapping[str, Any]) -> list[str]:
    """What a state says is in the account, as ``laptop.inventory`` says it."""
    return sorted(
        f"{KINDS[each['type']]} {each['id']}"
        for each in state.get("resources", ())
        if each["type"] in KINDS
    )


def changes(result: UpResult) -> dict[str, list[str]]:
    """What a result did: the lists that are not empty, each sorted."""
    lists = ("created", "updated", "replaced", "deleted")
    return {name: sorted(getattr(result, name)) for name in lists if getattr(result, name)}
