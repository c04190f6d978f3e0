"""The genuine Pulumi engine, driven through Pulumi's Automation API, with our provider attached.

It takes the place of ``laptop.engine``. The program runs in this process. Nothing of the user's own
Pulumi settings is read or written: each folder has its own backend, its own home, and the state of
its stacks.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import boto3
import yaml
from pulumi import automation as auto
from pulumi.automation._stack import ImportResource
from pulumi.automation.errors import create_command_error
from pulumi.automation.events import OpType, ResourcePreEvent, ResOutputsEvent
from semver import VersionInfo

from . import pulumi_cli, recovery
from .engine import Action, OnChange, UpResult
from .errors import LaptopError
from .language_host import LanguageHost
from .program import Program, failed
from .resources.handler import Cloud
from .server import REPOSITORY

PASSPHRASE = "laptop"  # noqa: S105  the account is one of loopback; no secret of anybody is in it
"""What the secrets in the state are encrypted with, unless PULUMI_CONFIG_PASSPHRASE is set."""

STOP_SECONDS = 20.0
"""How long a process that was asked to stop may take to finish what it has under way."""

_ACTIONS = {
    OpType.CREATE: Action.CREATE,
    OpType.UPDATE: Action.UPDATE,
    OpType.CREATE_REPLACEMENT: Action.REPLACE,
    OpType.DELETE: Action.DELETE,
    OpType.DELETE_REPLACED: Action.DELETE,
    OpType.IMPORT: Action.CREATE,
    OpType.SAME: Action.SAME,
}
"""What people are told about a step of the engine; others are not told, being parts of these."""


class Provider:
    """Our provider ``aws`` in a process of its own, which ends with the ``with`` block.

    It works on the AWS behind ``session``, and serves any number of stacks. As a thread of this
    process it took four times as long. Entering raises LaptopError if it does not start.
    """

    port: int

    def __init__(self, session: boto3.Session) -> None:
        self.session = session
        keys, where = session.get_credentials(), session.client("sts").meta
        self._environment = {
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_ENDPOINT_URL": where.endpoint_url,
            "AWS_REGION": where.region_name,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def __enter__(self) -> Self:
        theirs = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        with tempfile.TemporaryFile("w+") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "laptop.provider"],
                cwd=REPOSITORY,
                env=theirs | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C reaches us, who decide when to stop
            )
            try:
                line = self._process.stdout.readline() if self._process.stdout else ""
                if not line.strip().isdigit():
                    log.seek(0)
                    raise LaptopError(f"The provider did not start: {log.read()[-1000:].strip()}")
            except BaseException:
                self.stop()
                raise
        self.port = int(line)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process; harmless when it has ended."""
        with self._process as process:  # closes its pipes and waits
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


class PulumiEngine:
    """One stack under the genuine engine; a ``with`` block, at whose end no process is left.

    ``provider`` has to run for as long as this is used. ``folder`` keeps the state, and may be
    shared by stacks; by default a temporary one. Entering raises LaptopError when there is no
    engine to run.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        project: str,
        stack: str,
        on_change: OnChange | None = None,
        folder: Path | None = None,
    ) -> None:
        self._provider = provider
        self._project = project
        self._name = stack
        self._on_change = on_change or (lambda *_: None)
        self._folder = folder
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        self.command = Command(pulumi_cli.find())
        with self._cleanup as cleanup:
            folder = self._folder
            if folder is None:
                folder = Path(tempfile.mkdtemp(prefix="perennial-pulumi-"))
                cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
            cleanup.callback(self.command.stop)
            self._work = folder / "work" / self._project / self._name
            for path in (self._work, folder / "state"):
                path.mkdir(parents=True, exist_ok=True)
            self._declare({})
            workspace = auto.LocalWorkspace(
                work_dir=str(self._work),
                pulumi_home=str(folder / "home"),
                pulumi_command=self.command,
                env_vars=self._environment(folder),
            )
            self._stack = auto.Stack.create_or_select(self._name, workspace)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    @property
    def resources(self) -> tuple[str, ...]:
        """What exists, as ``<type> <logical name>``, in the order of the state."""
        return tuple(
            _title(each["urn"])
            for each in self.export_state().get("resources", ())
            if each.get("custom") and not each["type"].startswith("pulumi:")
        )

    def up(
        self, program: Program, config: Mapping[str, str], *, secret_keys: Collection[str] = ()
    ) -> UpResult:
        """Make AWS what ``program`` (a file, or a function) declares under ``config``.

        As `pulumi up`, it looks at the whole first, and changes nothing if the program is at fault.
        The values of ``secret_keys`` are encrypted in the stack's file and in the state. Beside a
        program that is a file, ``Pulumi.yaml`` says what the settings' defaults are.

        Raises LaptopError with one sentence about what is wrong; what exists stays in the state.
        """
        self.preview(program, config, secret_keys=secret_keys)
        return self._up(program)

    def _up(self, program: Program) -> UpResult:
        """``up`` without the look at the whole, under the settings of the last ``preview``."""
        with self._operation(program) as operation:
            done = self._stack.up(on_event=operation.on_event, **_QUIET)
        operation.result.outputs = {key: each.value for key, each in done.outputs.items()}
        return operation.result

    def preview(
        self, program: Program, config: Mapping[str, str], *, secret_keys: Collection[str] = ()
    ) -> UpResult:
        """What ``up`` would do, without doing it; the outputs are empty.

        Raises LaptopError as ``up`` does.
        """
        self._configure(config, secret_keys)
        with self._operation(program, reported=False) as operation:
            self._stack.preview(on_event=operation.on_event, **_QUIET)
        return operation.result

    def refresh(self) -> UpResult:
        """Take into the state what AWS has now: what ``updated`` and ``deleted`` list differed.

        Raises LaptopError with one sentence about what could not be read.
        """
        with self._operation(reported=False) as operation:
            self._stack.refresh(on_event=operation.on_event, **_QUIET)
        return operation.result

    def destroy(self) -> None:
        """Delete everything, dependents first.

        Raises LaptopError if a resource is protected, and if one could not be deleted: that one
        stays in the state, and what it depends on.
        """
        with self._operation() as operation:
            self._stack.destroy(on_event=operation.on_event, continue_on_error=True, **_QUIET)

    def adopt(
        self,
        type_: str,
        name: str,
        id_: str,
        config: Mapping[str, str],
        *,
        component: tuple[str, str] | None = None,
    ) -> None:
        """Take an existing resource into the state (`pulumi import`), unprotected.

        ``component`` is the type and the name of the component that it will be a child of, which is
        taken too. Raises LaptopError with one sentence if AWS has no such resource.
        """
        self._configure(config, ())
        resource: ImportResource = {"type": type_, "name": name, "id": id_}
        resources = [resource]
        if component:
            above, called = component
            resource["parent"] = called
            resources.insert(0, {"type": above, "name": called, "component": True})
        with self._operation(_nothing):
            self._stack.import_resources(
                resources=resources,
                protect=False,
                generate_code=False,
            )

    def export_state(self) -> dict[str, Any]:
        """The state as `pulumi stack export` gives it: ``resources``, ``pending_operations``..."""
        with self._operation():
            return dict(self._stack.export_stack().deployment or {})

    def import_state(self, state: Mapping[str, Any]) -> None:
        """Put a state in the place of the present one (`pulumi stack import`)."""
        with self._operation():
            self._stack.import_stack(auto.Deployment(version=3, deployment=state))

    def cancel(self) -> None:
        """Lift the lock that an engine leaves which was killed (`pulumi cancel`), and recover.

        What it was creating comes into the state if AWS has it. Its provider must have ended.
        Raises LaptopError with one sentence if AWS cannot be asked: then call it again.
        """
        with self._operation():
            self._stack.cancel()
        state = self.export_state()
        if recovery.pending_creates(state):
            ids = recovery.ids(Cloud(self._provider.session), state)
            self.import_state(recovery.taken_in(state, ids))
            self.refresh()

    @contextmanager
    def _operation(
        self, program: Program | None = None, *, reported: bool = True
    ) -> Iterator["_Operation"]:
        """Gathers what the operation inside does; its failure is one sentence."""
        operation = _Operation(self._on_change if reported else lambda *_: None)
        host = None
        try:
            if program is None:
                self._declare({})
                yield operation
            else:
                with LanguageHost(program) as host:
                    runtime = {"name": "client", "options": {"address": host.address}}
                    self._declare({**_project_of(program), "runtime": runtime})
                    yield operation
        except auto.CommandError as error:
            raise operation.reason(error, host) from error

    def _configure(self, config: Mapping[str, str], secret_keys: Collection[str]) -> None:
        """Write the stack's file, whose salt stays."""
        path = self._work / f"Pulumi.{self._name}.yaml"
        settings = (yaml.safe_load(path.read_text()) if path.exists() else None) or {}
        settings["config"] = {
            key: _parsed(value) for key, value in config.items() if key not in secret_keys
        }
        path.write_text(yaml.safe_dump(settings))
        if secret_keys:
            secrets = {key: auto.ConfigValue(config[key], secret=True) for key in secret_keys}
            with self._operation():
                self._stack.set_all_config(secrets)

    def _declare(self, project: Mapping[str, Any]) -> None:
        """Write the project's file.

        Without that of a program nothing is said about settings: a stack whose settings have become
        wrong can still be refreshed and destroyed.
        """
        document = {"runtime": "python", **project, "name": self._project}
        (self._work / "Pulumi.yaml").write_text(yaml.safe_dump(document))

    def _environment(self, folder: Path) -> dict[str, str]:
        return {
            # Without the files of metadata beside the state: they are not replaced in one step, and
            # an engine that is killed while it writes one leaves a state that cannot be read.
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip",
            "PULUMI_CONFIG_PASSPHRASE": os.environ.get("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE),
            "PULUMI_DEBUG_PROVIDERS": f"aws:{self._provider.port}",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }


_QUIET: dict[str, Any] = {"color": "never", "suppress_progress": True}


class Command(auto.PulumiCommand):
    """The `pulumi` command, in a session of its own: Ctrl-C reaches us, who decide what it means.

    One command at a time; ``process`` is the one that runs.
    """

    process: subprocess.Popen[str] | None = None

    def __init__(self, path: Path) -> None:
        self.command = str(path)
        self.version = VersionInfo.parse(pulumi_cli.version_of(path).removeprefix("v"))

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> auto.CommandResult:
        """Run one command to its end. Raises the Automation API's CommandError if it fails."""
        del on_output, on_error  # the engine's events say more than what it prints
        self.process = subprocess.Popen(  # noqa: S603  the engine that was found
            [self.command, "--non-interactive", *args],
            cwd=cwd,
            env={**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, said = self.process.communicate()
        except BaseException:
            self.stop()
            raise
        code, self.process = self.process.returncode, None
        result = auto.CommandResult(out, said, code)
        if code < 0:
            raise LaptopError(
                f"The engine was ended by {signal.Signals(-code).name}: what it had under way is "
                "in doubt, and the stack stays locked until `cancel` is called."
            )
        if code:
            raise create_command_error(result)
        return result

    def stop(self) -> None:
        """End the command that runs, if any: first by asking it to finish the steps under way."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class _Operation:
    """What one operation of the engine did, from the events that it sends."""

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._begun: dict[tuple[str, OpType], float] = {}
        self._errors: list[tuple[str, str]] = []  # of which resource, if of one; and what
        self.result = UpResult()

    def reason(self, error: auto.CommandError, host: LanguageHost | None) -> LaptopError:
        """Why it failed: a resource comes first, for whatever waited for it fails too."""
        raised = host.failure if host else None
        says_more = host is not None and not host.cut_off
        for title, message in self._errors:
            if title:
                return LaptopError(f"{title}: {message.rpartition(f'{title}: ')[2]}")
        if raised and says_more:
            return failed(raised)
        for _, message in self._errors:
            return LaptopError(message)
        return failed(raised) if raised else LaptopError(_said(error))

    def on_event(self, event: auto.EngineEvent) -> None:
        """Called by the Automation API, from a thread of its own."""
        if event.resource_pre_event:
            self._begin(event.resource_pre_event)
        elif event.res_outputs_event:
            self._end(event.res_outputs_event)
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            urn, message = event.diagnostic_event.urn, event.diagnostic_event.message
            title = _title(urn) if urn else ""
            self._errors.append(
                ("" if title.startswith("pulumi:") else title, " ".join(message.split()))
            )

    def _begin(self, event: ResourcePreEvent) -> None:
        step = event.metadata
        self._begun[step.urn, step.op] = time.perf_counter()

    def _end(self, event: ResOutputsEvent) -> None:
        step = event.metadata
        action = _ACTIONS.get(step.op)
        state = step.new or step.old
        if action is None or state is None or not state.custom or step.type.startswith("pulumi:"):
            return
        title = _title(step.urn)
        if action is Action.SAME:
            self.result.unchanged += 1
            return
        lists = {
            Action.CREATE: self.result.created,
            Action.UPDATE: self.result.updated,
            Action.REPLACE: self.result.replaced,
            Action.DELETE: self.result.deleted,
        }
        if step.op is not OpType.DELETE_REPLACED:
            lists[action].append(title)
        now = time.perf_counter()
        took = now - self._begun.pop((step.urn, step.op), now)  # a refresh ends as another step
        kind, _, name = title.partition(" ")
        self._on_change(action, kind, name, took)


def _nothing() -> None:
    """What is run where the engine asks for a program and does not need one."""


def _project_of(program: Program) -> dict[str, Any]:
    """The project's file beside a program that is a file, which says what its settings are."""
    if not isinstance(program, Path):
        return {}
    beside = program.parent / "Pulumi.yaml"
    project: dict[str, Any] = yaml.safe_load(beside.read_text()) if beside.exists() else {}
    return {**project, "main": str(program.parent)}


def _title(urn: str) -> str:
    """How people are told about a resource: the type and the logical name."""
    _, _, types, name = urn.split("::", 3)
    return f"{types.rpartition('$')[2]} {name}"


def _said(error: auto.CommandError) -> str:
    """The sentence of a command that failed without an event that says why."""
    lines = [line for line in str(error).splitlines() if "error: " in line]
    return lines[0].rpartition("error: ")[2] if lines else " ".join(str(error).split())


def _parsed(text: str) -> Any:
    """A list or object from its JSON, as a stack's file has them; what is none stays text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, list | dict) else text
