"""What is secret in a stack's settings is nowhere in plain text, and no setting of ours is secret.

Looked through is all that there is: the state, every file of the engine, all that the engine and
the provider print, the environment of every function, every object, every line of every log. The
demo has no secret to show: an encrypted value in its stack file is refused
(``tests/laptop/test_engine_config.py``), and ``make demo`` uses no key but the laptop's ``test``.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest

from laptop.automation import Provider
from laptop.errors import LaptopError
from laptop.server import LaptopAWS
from tests.engine.conftest import MakeStack, Stack

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

SECRET = "open-sesame-7f3a"  # noqa: S105  no secret of anybody
PLAIN = "plain-as-day-7f3a"
CONFIG = {"aws:region": "eu-west-1"}


@dataclass
class Watched:
    """A stack that keeps its files in ``folder``, and all that its engine has printed."""

    stack: Stack
    folder: Path
    printed: list[str]


@pytest.fixture
def watched(stack: MakeStack, tmp_path: Path) -> Watched:
    """Of `__main__.py`, with a tag that is no secret; its engine tells much of what it does.

    With `-v=9` it would write down every value that it sends to a provider, `aws:secretKey` too.
    """
    made = stack(folder=tmp_path)
    made.config["perennial:tags"] = json.dumps([f"team={PLAIN}"])
    printed: list[str] = []
    command = made.engine.command
    run = command.run

    def talkative(args: list[str], *rest: Any, **named: Any) -> Any:
        result = run([*args, "--logtostderr", "-v=8"], *rest, **named)
        if "--show-secrets" not in args:  # so the Automation API reads outputs and state
            printed.extend((result.stdout, result.stderr))
        return result

    command.run = talkative  # type: ignore[method-assign]
    return Watched(made, tmp_path, printed)


def places(text: str, watched: Watched, account: LaptopAWS, provider: Provider) -> set[str]:
    """Where ``text`` is to be read: in the state, "the state"; and so on."""
    return {place for place, content in _contents(watched, account, provider) if text in content}


def _contents(
    watched: Watched, account: LaptopAWS, provider: Provider
) -> Iterator[tuple[str, str]]:
    workspace = watched.stack.engine._stack.workspace
    exported = workspace.pulumi_command.run(
        ["stack", "export", "--stack", watched.stack.engine._name],
        workspace.work_dir,
        {**workspace.env_vars, "PULUMI_HOME": str(workspace.pulumi_home)},
    )
    yield "the state", exported.stdout
    for path in watched.folder.rglob("*"):
        if path.is_file():
            yield "the engine's files", path.read_bytes().decode(errors="replace")
    yield "what the engine prints", "\n".join(watched.printed)
    log = Path(f"/proc/{provider._process.pid}/fd/2")  # a file without a name
    yield "what the provider prints", log.read_text()
    for page in account.client("lambda").get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            yield "the environment of a function", json.dumps(function["Environment"])
    s3, logs = account.client("s3"), account.client("logs")
    for bucket in s3.list_buckets()["Buckets"]:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
            for each in page.get("Contents", ()):
                body = s3.get_object(Bucket=bucket["Name"], Key=each["Key"])["Body"].read()
                yield "an object", each["Key"] + body.decode(errors="replace")
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group["logGroupName"]):
            for event in page["events"]:
                yield "a log", event["message"]


def test_secrets_of_others_are_nowhere_in_plain_text_and_what_is_plain_is_found(
    watched: Watched, account: LaptopAWS, provider: Provider
) -> None:
    secrets = {"aws:secretKey": SECRET, "somebody-elses:token": f"{SECRET}-token"}
    watched.stack.config |= {"aws:accessKey": "test", **secrets}
    watched.stack.secret_keys = list(secrets)
    watched.stack.up()
    account.client("s3").put_object(
        Bucket=watched.stack.up().outputs["data_bucket"], Key="data/rows.csv", Body=b"a,b\n1,2\n"
    )
    assert places(SECRET, watched, account, provider) == set()
    assert places(PLAIN, watched, account, provider) >= {
        "the state",
        "the engine's files",
        "the environment of a function",
    }
    assert places("loop-data", watched, account, provider) >= {"what the engine prints"}
    assert places("ciphertext", watched, account, provider) >= {"the state"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("perennial:tags", json.dumps([f"owner={SECRET}"])),
        ("perennial:min-samples", SECRET),  # whose value a message about its type would show
        ("perennial:api-token", SECRET),  # no setting at all
        ("aws:region", SECRET),
    ],
)
def test_a_secret_setting_of_ours_is_refused_without_a_word_of_it(
    watched: Watched, account: LaptopAWS, provider: Provider, key: str, value: str
) -> None:
    watched.stack.config[key] = value
    watched.stack.secret_keys = [key]
    with pytest.raises(LaptopError) as refused:
        watched.stack.up()
    assert str(refused.value).startswith(f"{key} is encrypted, and no setting is a secret")
    assert SECRET not in str(refused.value.__cause__)
    assert places(SECRET, watched, account, provider) == set()
    assert watched.stack.account_holds() == []


def test_a_secret_that_a_program_exports_is_encrypted_in_every_file(
    stack: MakeStack, tmp_path: Path
) -> None:
    def program() -> None:
        pulumi.export("token", pulumi.Config("perennial").require_secret("token"))

    made = stack(program, CONFIG | {"perennial:token": SECRET}, folder=tmp_path)
    made.secret_keys = ["perennial:token"]
    assert made.up().outputs == {"token": SECRET}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b'"ciphertext"' in path.read_bytes() for path in files)
    assert not [path.name for path in files if SECRET.encode() in path.read_bytes()]
