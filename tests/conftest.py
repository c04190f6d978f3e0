"""The engine that component tests run against: it registers everything and creates nothing."""

import asyncio
import contextlib
import contextvars
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pulumi
import pytest
from pulumi.runtime import mocks

ACCOUNT = "123456789012"
REGION = "eu-west-1"
NO_ENGINE = "There is no Pulumi engine to run"


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line of the run says what was left out for want of an engine.

    It stands here because the process that reports for several loads no folder's own conftest.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    left_out = [each for each in skipped if NO_ENGINE in str(each.longrepr)]
    if left_out:
        print(
            f"LEFT OUT: {len(left_out)} tests on the genuine Pulumi engine (tests/engine), for "
            "there is none to run: `make engine` builds one, then run this again."
        )


@dataclass(frozen=True)
class Resource:
    """One registered resource; ``inputs`` as the engine sees them, in camelCase."""

    type: str
    name: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    urn: str
    parent: str
    depends_on: frozenset[str]
    protect: bool
    retain_on_delete: bool

    @property
    def is_component(self) -> bool:
        return self.type.startswith("perennial-mlops:")

    def json(self, key: str) -> Any:
        """An input that holds a JSON document."""
        return json.loads(self.inputs[key])


@dataclass
class Engine:
    """What one program registered, in the order of registration, and what it exported."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def all(self, kind: str) -> list[Resource]:
        """The resources whose type ends with ``kind``, such as ``Queue``."""
        return [each for each in self.resources if each.type.endswith(f":{kind}")]

    def one(self, kind: str, name: str | None = None) -> Resource:
        """The only resource of this kind, or of this kind and name."""
        (found,) = [each for each in self.all(kind) if name in (None, each.name)]
        return found

    def children(self) -> Iterator[Resource]:
        """The resources that are no components."""
        return (each for each in self.resources if not each.is_component)


class Deploy(Protocol):
    """Runs a program to its end; every registration has landed on return."""

    def __call__(
        self,
        program: Callable[[], object],
        *,
        config: Mapping[str, str] | None = None,
        project: str = "perennial",
        stack: str = "test",
    ) -> Engine: ...


@pytest.fixture(scope="session")
def deploy() -> Deploy:
    """Run a program against an engine that records, with nothing left of earlier programs."""

    def run(
        program: Callable[[], object],
        *,
        config: Mapping[str, str] | None = None,
        project: str = "perennial",
        stack: str = "test",
    ) -> Engine:
        engine = Engine()
        contextvars.Context().run(_run, engine, program, config or {}, project, stack)
        return engine

    return run


Refusal = Callable[..., str]
"""Takes what a Deploy takes; returns the sentence with which the program was refused."""


@pytest.fixture(scope="session")
def refusal() -> Refusal:
    """Run a program that must be refused with a sentence before it registers anything."""

    def run(
        program: Callable[[], object],
        *,
        config: Mapping[str, str] | None = None,
        project: str = "perennial",
        stack: str = "test",
    ) -> str:
        engine = Engine()
        with pytest.raises(ValueError) as refused:
            contextvars.Context().run(_run, engine, program, config or {}, project, stack)
        assert not engine.resources
        return str(refused.value)

    return run


def _run(
    engine: Engine,
    program: Callable[[], object],
    config: Mapping[str, str],
    project: str,
    stack: str,
) -> None:
    with _own_loop():
        monitor = _Monitor(engine)
        mocks.set_mocks(monitor.mocks, project=project, stack=stack, preview=False, monitor=monitor)
        pulumi.runtime.set_all_config(dict(config))
        pulumi.runtime.test(_with_outputs(program, engine))()  # type: ignore[no-untyped-call]  # Pulumi's


def _with_outputs(program: Callable[[], object], engine: Engine) -> Callable[[], object]:
    def run() -> pulumi.Output[None]:
        program()
        stack = pulumi.runtime.get_root_resource()
        return pulumi.Output.all(**getattr(stack, "outputs", {})).apply(engine.outputs.update)

    return run


class _Monitor(mocks.MockMonitor):
    """Records whole registrations: protection and dependencies too, which mocks do not get."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(_Cloud())
        self._engine = engine

    def Invoke(self, request: Any) -> Any:  # noqa: N802  # the protocol's name
        with _own_loop():
            return super().Invoke(request)  # type: ignore[no-untyped-call]  # Pulumi's

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  # the protocol's name
        with _own_loop():
            response = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # Pulumi's
        if request.type != "pulumi:pulumi:Stack":
            self._engine.resources.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    inputs=pulumi.runtime.rpc.deserialize_properties(request.object),
                    outputs=pulumi.runtime.rpc.deserialize_properties(response.object),
                    urn=response.urn,
                    parent=request.parent,
                    depends_on=frozenset(request.dependencies),
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                )
            )
        return response


@contextlib.contextmanager
def _own_loop() -> Iterator[None]:
    """The mock monitor works in threads, makes each of them an event loop, and closes none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Cloud(mocks.Mocks):
    """Outputs in the form that AWS gives them."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        name = f"{args.name}-0a1b2c3"  # as the engine makes names unique
        more = _OUTPUTS.get(args.typ)
        outputs = more(args.inputs.get("name", name)) if more else {}
        return f"{args.name}-id", {"name": name, **outputs, **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:  # type: ignore[override]  # a bare result is taken too
        return {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "aws:index/getPartition:getPartition": {"partition": "aws"},
            "aws:index/getRegion:getRegion": {"region": REGION},
        }[args.token]


def _arn(service: str, resource: str) -> Callable[[str], dict[str, Any]]:
    return lambda name: {"arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}{name}"}


_OUTPUTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "aws:cloudwatch/eventRule:EventRule": _arn("events", "rule/"),
    "aws:cloudwatch/logGroup:LogGroup": _arn("logs", "log-group:"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _arn("cloudwatch", "alarm:"),
    "aws:iam/role:Role": lambda name: {"arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"},
    "aws:lambda/function:Function": _arn("lambda", "function:"),
    "aws:s3/bucket:Bucket": lambda name: {"bucket": name, "arn": f"arn:aws:s3:::{name}"},
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": _arn("sagemaker", "model-package-group/"),
    "aws:sagemaker/pipeline:Pipeline": _arn("sagemaker", "pipeline/"),
    "aws:sqs/queue:Queue": lambda name: {
        **_arn("sqs", "")(name),
        "url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
    },
}
