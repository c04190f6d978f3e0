"""`perennial`: why the loop did or did not retrain, how it stands, and what people order.

Credentials and region are found as the AWS command line finds them. A loop that is not named is the
only one in the region. Times are UTC unless they say their zone.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import NoRegionError

from ..runtime.ledger import THREADS
from . import orders, queues
from .errors import remember_requests, sentence
from .loops import Loop, find
from .moments import moment
from .status import rows, status
from .table import plain, table
from .why import report
from .world import World, read

SINCE = "7d"
# A login that has expired, or no network, must be said soon.
_CONFIG = Config(connect_timeout=5, retries={"total_max_attempts": 3}, max_pool_connections=THREADS)


@dataclass(frozen=True)
class Command:
    """What was typed, and the AWS that it is about."""

    typed: argparse.Namespace
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def session(self) -> boto3.Session:
        # The AWS command line reads AWS_REGION, too; boto3 does not.
        made = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
        if made.region_name is None:
            raise NoRegionError  # S3's client would go without one
        return made

    def client(self, service: str) -> Any:
        made = self.session.client(service, config=_CONFIG)
        remember_requests(made)
        return made

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def loop(self) -> Loop:
        region = self.s3.meta.region_name
        return find(self.s3, region, name=self.typed.loop, bucket=self.typed.bucket)

    def world(self) -> World:
        return read(self.s3, self.loop.name, self.loop.bucket)

    def who(self) -> str:
        """The ARN of who types, as AWS knows it."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    def show(self, facts: Any, lines: Iterable[str]) -> None:
        """The facts as JSON, or the lines."""
        print(json.dumps(facts, indent=1, ensure_ascii=False) if self.typed.json else _text(lines))


def why(command: Command) -> None:
    since = moment(command.typed.since, command.now, ago=True)
    found = report(command.world(), since, command.now)
    for line in found.to_json() if command.typed.json else found.to_text():
        print(line)


def show_status(command: Command) -> None:
    world = command.world()
    letters = queues.dead_letters(command.client("sqs"), command.loop)
    facts = status(world, letters, command.now)
    command.show(facts, table(*_headed(rows(world, facts, command.now))))


def retrain(command: Command) -> None:
    reason = orders.checked(command.typed.reason)
    world = command.world()
    _told(command, orders.retrain(world, command.who(), reason, command.now))


def pause(command: Command) -> None:
    reason, end = orders.checked(command.typed.reason), command.typed.until
    until = orders.later(moment(end, command.now, ago=False) if end else None, command.now)
    world = command.world()
    _told(command, orders.pause(world, command.who(), reason, until, command.now))


def resume(command: Command) -> None:
    world = command.world()
    _told(command, orders.resume(world, command.who(), command.typed.reason, command.now))


def redrive(command: Command) -> None:
    sqs = command.client("sqs")
    letters = queues.dead_letters(sqs, command.loop)
    for each in letters:
        if each.messages:
            queues.redrive(sqs, each)
    facts = {"loop": command.loop.name, "moving": {e.controller: e.messages for e in letters}}
    said = [(each.controller, str(each.messages), each.arn) for each in letters]
    command.show(facts, table(("CONTROLLER", "MESSAGES MOVED BACK", "FROM"), said))


def _told(command: Command, outcome: orders.Outcome) -> None:
    facts = {"loop": command.loop.name, "said": outcome.said, "document": outcome.document}
    command.show(facts, [plain(outcome.said)])


def _headed(rows: list[tuple[str, str]]) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    return ("WHAT", "NOW"), rows


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--loop",
        help="the loop's name in AWS (project-stack-loop), or the end of it; default: "
        "the only one in the region",
    )
    common.add_argument("--bucket", help="its artifact bucket, instead of looking for it")
    common.add_argument("--json", action="store_true", help="for programs")
    made = argparse.ArgumentParser(prog="perennial", description=__doc__)
    commands = made.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Callable[[Command], None], summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    asked = add("why", why, "Say why the loop did or did not retrain, with what led to it.")
    asked.add_argument(
        "--since",
        default=SINCE,
        metavar="TIME",
        help=f"an ISO 8601 time or a duration such as "
        f"2h, 7d, 52w: the timeline begins there (default: {SINCE})",
    )
    add("status", show_status, "Say how the loop stands.")
    ordered = add("retrain", retrain, "Ask for a run on the data and the code as they are.")
    ordered.add_argument("--reason", required=True, help="why, for who asks later")
    stopped = add("pause", pause, "Let no run start; what changes meanwhile is run afterwards.")
    stopped.add_argument("--reason", required=True, help="why, for who asks later")
    stopped.add_argument(
        "--until",
        metavar="TIME",
        help="an ISO 8601 time, or a duration such as 2h, 7d (default: until somebody resumes)",
    )
    going = add("resume", resume, "Let runs start again.")
    going.add_argument("--reason", default="", help="why, for who asks later")
    add("redrive", redrive, "Give the controllers again what they failed to handle five times.")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for a refusal in one sentence on standard
    error, 2 for a command that is none."""
    command = Command(parser().parse_args(arguments))
    try:
        command.typed.run(command)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        print(said, file=sys.stderr)
        return 1
    return 0
