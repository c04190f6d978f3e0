"""What the controllers add to an idle loop, in requests and in US dollars a month.

    python -m benchmarks.cost

The program is provisioned on an empty laptop AWS with its defaults but for shorter periods, gets
data, trains, is approved and serves. Then nothing happens any more, and each controller is woken
by a sweep, through Lambda, as its role: what it asks of AWS is counted. At last a file is uploaded,
and what the retrain controller asks until it has started the run.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from laptop.demo import data as datasets
from laptop.demo.loop import Loop, Names
from laptop.engine import Engine
from laptop.project import load_config
from laptop.server import LaptopAWS

from . import prices
from .watching import requests_of, wait

ROOT = Path(__file__).parents[1]
STACK = "laptop"
CONTROLLERS = ("retrain", "deploy", "monitor")
SWEEPS_A_MONTH = 4 * 730
"""At the default, every 15 minutes."""
LAMBDA_SECONDS = 3.0
"""Assumed for each sweep, not measured: one second of work, and a cold start of two each time (it
is billed: aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase)."""
LOG_BYTES = 2000
"""Assumed for each sweep: our lines and Lambda's three."""
MESSAGE_REQUESTS = 3
"""Of a sweep's message: sent by EventBridge, received, deleted."""
SWEEP = {"Records": [{"body": json.dumps({"source": "aws.events", "detail": {}})}]}


@dataclass(frozen=True)
class Controller:
    """One of them, as it was provisioned."""

    name: str
    function: str
    queue: str
    memory_mb: int
    pollers: int


@dataclass(frozen=True)
class Counted:
    """What was asked of AWS."""

    sweeps: Mapping[str, Counter[str]]
    """By controller, for one sweep of an idle loop."""
    seconds: Mapping[str, float]
    """On this machine, for one sweep."""
    start: Counter[str]
    """By the retrain controller, from an upload until its run was started and recorded."""


class Idle:
    """A loop that has a live model and nothing to do."""

    def __init__(self, aws: LaptopAWS) -> None:
        self.aws = aws
        session = aws.session()
        self.functions = session.client("lambda")
        self.sqs = session.client("sqs")
        self.cloudwatch = session.client("cloudwatch")
        self.data = datasets.arrests()
        config = load_config(ROOT, STACK) | {
            "perennial:loop": self.data.loop,
            "perennial:target-column": self.data.target,
            "perennial:protected-column": self.data.protected or "",
            "perennial:sweep-schedule": "rate(1 day)",  # ours are the only sweeps
        }
        engine = Engine(session, project="perennial", stack=STACK)
        outputs = engine.up(ROOT / "__main__.py", config).outputs
        names = Names(**{name: outputs[name] for name in Names.__dataclass_fields__})
        self.loop = Loop(session, names)
        self.controllers = [self._controller(name) for name in CONTROLLERS]

    def count(self) -> Counted:
        """Train, serve, be idle; sweep; then start one more run."""
        self.loop.upload(datasets.files(self.data, 4))
        wait("the first run", lambda: self._succeeded(1))
        self.loop.approve(1, "for the benchmark")
        wait("the first model to serve", lambda: self.loop.live_version() == 1)
        wait("nothing to do", self.idle)
        sweeps, seconds = {}, {}
        for controller in self.controllers:
            self.sweep(controller)  # what it notices for the first time it writes down
            once, _ = self.sweep(controller)
            sweeps[controller.name], seconds[controller.name] = self.sweep(controller)
            if once != sweeps[controller.name]:
                raise RuntimeError(f"{controller.name} is not idle: {once}, then {sweeps}.")
        moved = datasets.files(datasets.moved(self.data), 10)
        with self.counting(self.controllers[0]) as start:
            self.loop.upload(dict([moved.popitem()]))
            wait("the second run", lambda: len(self.loop.executions()) == 2)
            wait("the start to be recorded", self.idle)
        return Counted(sweeps, seconds, start)

    def sweep(self, controller: Controller) -> tuple[Counter[str], float]:
        """What one sweep asks of AWS, and its seconds."""
        began = time.monotonic()
        with self.counting(controller) as asked:
            answer = self.functions.invoke(
                FunctionName=controller.function, Payload=json.dumps(SWEEP)
            )
            if "FunctionError" in answer:
                raise RuntimeError(f"{controller.name}: {answer['Payload'].read()!r}")
        return asked, time.monotonic() - began

    @contextmanager
    def counting(self, controller: Controller) -> Iterator[Counter[str]]:
        """The requests of a controller, once the block has ended."""
        before, asked = requests_of(self.aws, controller.function), Counter[str]()
        yield asked
        asked.update(requests_of(self.aws, controller.function) - before)

    def idle(self) -> bool:
        """Whether no message waits to be handled or is being handled; later ones may be delayed."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answers = [
            self.sqs.get_queue_attributes(QueueUrl=each.queue, AttributeNames=names)
            for each in self.controllers
        ]
        return not any(int(answer["Attributes"][name]) for answer in answers for name in names)

    def alarms(self) -> int:
        """How many alarms the loop has."""
        return len(self.cloudwatch.describe_alarms()["MetricAlarms"])

    def _succeeded(self, number: int) -> bool:
        statuses = [run["PipelineExecutionStatus"] for run in self.loop.executions()]
        if "Failed" in statuses:
            raise RuntimeError("A run failed, and there is nothing to serve.")
        return statuses.count("Succeeded") >= number

    def _controller(self, name: str) -> Controller:
        pages = self.functions.get_paginator("list_functions").paginate()
        (function,) = [
            each
            for page in pages
            for each in page["Functions"]
            if each["Handler"]
            in (f"runtime.{name}_controller.handler", f"runtime.drift_{name}.handler")
        ]
        answer = self.functions.list_event_source_mappings(FunctionName=function["FunctionName"])
        (mapping,) = answer["EventSourceMappings"]
        limited = "MaximumConcurrency" in mapping.get("ScalingConfig", {})
        return Controller(
            name,
            function["FunctionName"],
            function["Environment"]["Variables"]["QUEUE_URL"],
            function["MemorySize"],
            prices.POLLERS if limited else prices.POLLERS_AT_LEAST,
        )


def dollars(asked: Mapping[str, int]) -> float:
    """What these requests cost."""
    return sum(prices.of_request(name).dollars * count for name, count in asked.items())


def lines(controllers: list[Controller], counted: Counted) -> Iterator[tuple[str, str, float]]:
    """What, how much of it, and US dollars a month."""
    sweeps = SWEEPS_A_MONTH * len(controllers)
    for service in ("s3", "cloudwatch", "sagemaker", "logs", "sqs"):
        asked = Counter[str]()
        for each in counted.sweeps.values():
            asked.update({k: n for k, n in each.items() if k.startswith(f"{service}:")})
        if asked:
            total = asked.total() * SWEEPS_A_MONTH
            yield f"{service} requests of the sweeps", f"{total:,}", dollars(asked) * SWEEPS_A_MONTH
    gigabytes = sum(each.memory_mb for each in controllers) / 1024 * LAMBDA_SECONDS * SWEEPS_A_MONTH
    yield "Lambda, GB-seconds", f"{gigabytes:,.0f}", gigabytes * prices.LAMBDA_GB_SECOND.dollars
    yield "Lambda, invocations", f"{sweeps:,}", sweeps * prices.LAMBDA_REQUEST.dollars
    messages = sweeps * MESSAGE_REQUESTS
    yield "SQS requests for the sweeps' messages", f"{messages:,}", messages * prices.SQS.dollars
    polls = sum(each.pollers for each in controllers) * prices.POLLS_A_MINUTE * 60 * 730
    yield "SQS requests of Lambda's pollers, empty", f"{polls:,}", polls * prices.SQS.dollars
    log = sweeps * LOG_BYTES / 1e9
    yield "logs, GB", f"{log:.3f}", log * prices.LOG_GB.dollars


@dataclass(frozen=True)
class Bill:
    """The controllers, what they asked, and how many alarms the loop has."""

    controllers: list[Controller]
    counted: Counted
    alarms: int

    @property
    def monthly(self) -> float:
        """US dollars that the controllers add to an idle loop."""
        return sum(cost for _, _, cost in lines(self.controllers, self.counted))

    def __str__(self) -> str:
        def told(asked: Counter[str]) -> str:
            operations = ", ".join(f"{count} {name}" for name, count in asked.most_common())
            return f"{operations}; {dollars(asked):.7f} USD"

        counted, alarm = self.counted, self.alarms * prices.ALARM_MONTH.dollars
        return "\n".join(
            [
                *(
                    f"a sweep of {name}: {told(asked)}, {counted.seconds[name]:.2f} s here"
                    for name, asked in counted.sweeps.items()
                ),
                f"from an upload to its run: {told(counted.start)}",
                *(
                    f"{what:42} {amount:>12} {cost:8.4f} USD a month"
                    for what, amount, cost in lines(self.controllers, counted)
                ),
                f"{'what the controllers add to an idle loop':55} {self.monthly:8.4f} USD a month",
                f"{f'beside it: {self.alarms} alarms':55} {alarm:8.4f} USD a month",
                f"{'beside it: a KMS key, if one is set':55} {prices.KEY_MONTH.dollars:8.4f}"
                " USD a month and its requests",
            ]
        )


def measure() -> Bill:
    """On a laptop AWS of its own."""
    with LaptopAWS() as aws:
        idle = Idle(aws)
        return Bill(idle.controllers, idle.count(), idle.alarms())


if __name__ == "__main__":
    print(measure())
