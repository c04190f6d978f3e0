"""A Pulumi engine for the laptop: runs a program and makes its resources true, in this process.

Two passes. The first runs the whole program against made-up outputs and creates nothing: a mistake
in it is one sentence, and nothing has to be cleaned up. The second creates, changes and replaces
in the order of the dependencies, then deletes what the program no longer declares.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import TopologicalSorter
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from . import resources
from .errors import LaptopError, sentence
from .program import Program, Registration, run
from .project import load_config
from .resources.handler import Cloud, Handler, PartlyCreated
from .resources.shape import Properties

__all__ = ["Engine", "UpResult", "load_config"]

OnChange = Callable[[str, str, str, float], None]
"""Called after each change with the action, the type, the logical name and the seconds it took."""


class Action(StrEnum):
    """What a deployment does about one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    SAME = "same"


@dataclass
class UpResult:
    """What one ``up`` did. Resources are listed as ``<type> <logical name>``."""

    outputs: dict[str, Any] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: int = 0


@dataclass(frozen=True)
class Record:
    """One resource in the state: as declared, as checked, and as AWS made it.

    ``incomplete`` if its creation failed after the resource existed: the next ``up`` replaces it.
    """

    registration: Registration
    inputs: Properties
    outputs: Properties
    incomplete: bool = False

    @property
    def handler(self) -> Handler:
        """What creates and deletes it; only for a resource that is not a component."""
        return resources.handler_of(self.registration.type)


@dataclass(frozen=True)
class Step:
    """What is to be done about one resource, and the properties that changed."""

    action: Action
    changed: frozenset[str] = frozenset()


State = dict[str, Record]


class Engine:
    """Deploys programs to the AWS behind ``session``; the state lives as long as the object."""

    def __init__(
        self,
        session: boto3.Session,
        *,
        project: str,
        stack: str,
        on_change: OnChange | None = None,
    ) -> None:
        self._session = session
        self._project = project
        self._stack = stack
        self._on_change = on_change or (lambda *_: None)
        self._state: State = {}
        self._condemned: list[Record] = []  # replaced, and not yet deleted

    @property
    def resources(self) -> tuple[str, ...]:
        """What exists, as ``<type> <logical name>``, in the order it was declared."""
        return tuple(r.registration.title for r in self._state.values() if r.registration.custom)

    def up(self, program: Program, config: Mapping[str, str]) -> UpResult:
        """Make AWS what ``program`` (a file, or a function) declares under ``config``.

        The program's outputs and what was done come back. Raises LaptopError with one sentence
        about the resource that is wrong: before anything was changed if the program is at fault;
        otherwise what exists stays in the state, for the next ``up`` or ``destroy``.
        """
        cloud = self._cloud()
        preview = _Preview(cloud, self._state)
        self._run(program, config, preview, preview=True)
        self._refuse_protected(self._state.keys() - preview.declared, "no longer declared")
        deployment = _Deployment(cloud, self._state, self._condemned, self._on_change)
        deployment.result.outputs = self._run(program, config, deployment, preview=False)
        gone = [self._state[urn] for urn in self._state.keys() - deployment.declared]
        self._raise(self._delete(cloud, [*self._condemned, *gone]))
        deployment.result.deleted = [
            record.registration.title for record in gone if record.registration.custom
        ]
        return deployment.result

    def destroy(self) -> None:
        """Delete everything, dependents first; go on past failures and report them at the end.

        Raises LaptopError before anything is deleted if a resource is protected, and after all
        if some could not be deleted: those stay in the state.
        """
        self._refuse_protected(self._state, "about to be destroyed")
        doomed = [*self._condemned, *self._state.values()]
        self._raise(self._delete(self._cloud(), doomed))

    def _run(
        self, program: Program, config: Mapping[str, str], registrar: Any, *, preview: bool
    ) -> Properties:
        return run(
            program,
            registrar,
            project=self._project,
            stack=self._stack,
            config=config,
            preview=preview,
        )

    def _refuse_protected(self, urns: Iterable[str], why: str) -> None:
        for urn in urns:
            _refuse_if_protected(self._state[urn], why)

    def _cloud(self) -> Cloud:
        try:
            return Cloud(self._session)
        except (BotoCoreError, ClientError) as error:
            raise LaptopError(
                f"The AWS to deploy to does not answer ({error}): is the laptop AWS running?"
            ) from error

    def _delete(self, cloud: Cloud, records: list[Record]) -> list[str]:
        """Delete records in reverse order of dependency; the sentences of those that failed."""
        failures = []
        doomed = {record.registration.urn for record in records}
        for record in reversed(in_order(records)):
            about = record.registration
            if about.custom and not about.retain_on_delete and about.deleted_with not in doomed:
                started = time.perf_counter()
                try:
                    record.handler.delete(cloud, record.outputs)
                except (BotoCoreError, ClientError, LaptopError) as error:
                    failures.append(sentence(about.title, error))
                    continue
                self._on_change(
                    Action.DELETE, about.type, about.name, time.perf_counter() - started
                )
            self._forget(record)
        return failures

    def _forget(self, record: Record) -> None:
        if record in self._condemned:
            self._condemned.remove(record)
        else:
            del self._state[record.registration.urn]

    @staticmethod
    def _raise(failures: list[str]) -> None:
        if failures:
            raise LaptopError(
                f"{len(failures)} of the resources could not be deleted: {' '.join(failures)}"
            )


def decide(
    handler: Handler, record: Record | None, registration: Registration, inputs: Properties
) -> Step:
    """What to do about a resource, from what it is (``record``) and what it shall be."""
    if record is None:
        return Step(Action.CREATE)
    changed = handler.difference(record.inputs, inputs)
    if record.incomplete:
        return Step(Action.REPLACE, changed)
    if not changed:
        return Step(Action.SAME)
    if handler.replacing(changed, inputs) or changed & registration.replace_on_changes:
        return Step(Action.REPLACE, changed)
    return Step(Action.UPDATE, changed)


def dependents(state: Mapping[str, Record], urn: str) -> list[Record]:
    """What has to be deleted before ``urn`` is, and made again after: last first.

    Those are the resources that a change of an output of it would replace, and theirs in turn
    (as Pulumi's engine does when it deletes before it replaces).
    """
    found: dict[str, Record] = {}
    reached = {urn}
    for record in in_order(state.values()):
        about = record.registration
        if not about.custom or about.urn in reached:
            continue
        for name, urns in (about.property_dependencies or {}).items():
            if urns & reached and name in record.handler.replaces:
                reached.add(about.urn)
                found[about.urn] = record
    return list(reversed(found.values()))


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records so that each comes after its parent and what it depends on."""
    by_urn: dict[str, list[Record]] = {}
    for record in records:
        by_urn.setdefault(record.registration.urn, []).append(record)
    graph = {
        urn: [
            needed
            for record in group
            for needed in {record.registration.parent, *record.registration.dependencies}
            if needed in by_urn
        ]
        for urn, group in by_urn.items()
    }
    return [record for urn in TopologicalSorter(graph).static_order() for record in by_urn[urn]]


class _Preview:
    """The first pass: everything is checked, nothing is created."""

    def __init__(self, cloud: Cloud, state: State) -> None:
        self._cloud = cloud
        self._state = state
        self.declared: set[str] = set()

    def invoke(self, token: str, arguments: Properties) -> Properties:
        return resources.invoke(self._cloud, token, arguments)

    def register(self, registration: Registration) -> Properties:
        self.declared.add(registration.urn)
        if not registration.custom:
            return {}
        record = self._state.get(registration.urn)
        try:
            handler, inputs = _checked(registration, record)
            step = decide(handler, record, registration, inputs)
            if record is None or step.action is Action.REPLACE:
                for call in handler.creation(self._cloud.where, inputs):
                    self._cloud.check(call)
        except (BotoCoreError, LaptopError) as error:
            raise LaptopError(sentence(registration.title, error)) from error
        outputs = handler.preview(self._cloud.where, inputs)
        if record is None:
            return outputs
        if step.action is Action.REPLACE:
            for doomed in (record, *_deleted_first(self._state, handler, registration, inputs)):
                _refuse_if_protected(doomed, "about to be replaced")
            return outputs
        return {**outputs, **_kept(record.outputs, inputs, step.changed)}


class _Deployment:
    """The second pass: what was declared becomes true, one resource at a time."""

    def __init__(
        self, cloud: Cloud, state: State, condemned: list[Record], on_change: OnChange
    ) -> None:
        self._cloud = cloud
        self._state = state
        self._condemned = condemned
        self._on_change = on_change
        self._remade: set[str] = set()  # deleted because what they depend on was replaced
        self.declared: set[str] = set()
        self.result = UpResult()

    def invoke(self, token: str, arguments: Properties) -> Properties:
        return resources.invoke(self._cloud, token, arguments)

    def register(self, registration: Registration) -> Properties:
        self.declared.add(registration.urn)
        record = self._state.get(registration.urn)
        if not registration.custom:
            self._state[registration.urn] = Record(registration, {}, {})
            return {}
        try:
            handler, inputs = _checked(registration, record)
            step = decide(handler, record, registration, inputs)
            started = time.perf_counter()
            outputs = self._take(step, handler, registration, inputs)
        except PartlyCreated as part:
            self._state[registration.urn] = Record(
                registration, inputs, part.outputs, incomplete=True
            )
            raise LaptopError(sentence(registration.title, part.__cause__)) from part.__cause__
        except (BotoCoreError, ClientError, LaptopError) as error:
            raise LaptopError(sentence(registration.title, error)) from error
        self._state[registration.urn] = Record(registration, inputs, outputs)
        self._report(step.action, registration, time.perf_counter() - started)
        return outputs

    def _take(
        self, step: Step, handler: Handler, registration: Registration, inputs: Properties
    ) -> Properties:
        if step.action is Action.CREATE:
            return handler.create(self._cloud, inputs)
        record = self._state[registration.urn]
        if step.action is Action.SAME:
            return record.outputs
        if step.action is Action.UPDATE:
            return handler.update(self._cloud, step.changed, record.outputs, inputs)
        return self._replace(handler, registration, inputs, record)

    def _replace(
        self, handler: Handler, registration: Registration, inputs: Properties, record: Record
    ) -> Properties:
        if not _deletes_first(handler, registration, inputs, record):
            try:
                outputs = handler.create(self._cloud, inputs)
            except PartlyCreated:
                self._condemned.append(record)  # its place in the state goes to the new one
                raise
            self._condemned.append(record)
            return outputs
        first = _deleted_first(self._state, handler, registration, inputs)
        for doomed in (*first, record):
            if not doomed.registration.retain_on_delete:
                doomed.handler.delete(self._cloud, doomed.outputs)
            del self._state[doomed.registration.urn]
            self._remade.add(doomed.registration.urn)
        return handler.create(self._cloud, inputs)

    def _report(self, action: Action, registration: Registration, seconds: float) -> None:
        if action is Action.CREATE and registration.urn in self._remade:
            action = Action.REPLACE
        lists = {
            Action.CREATE: self.result.created,
            Action.UPDATE: self.result.updated,
            Action.REPLACE: self.result.replaced,
        }
        if action is Action.SAME:
            self.result.unchanged += 1
            return
        lists[action].append(registration.title)
        self._on_change(action, registration.type, registration.name, seconds)


def _checked(registration: Registration, record: Record | None) -> tuple[Handler, Properties]:
    """The handler of a resource, and its inputs as the provider completes them."""
    handler = resources.handler_of(registration.type)
    inputs = dict(registration.inputs)
    old = record.inputs if record else None
    for name in registration.ignore_changes:
        if not name.isalnum():
            raise LaptopError(
                f"ignore_changes takes whole properties on the laptop, not {name!r}: name one"
            )
        if old is not None and name in handler.shape:
            inputs.pop(name, None)
            inputs |= {name: old[name]} if name in old else {}
    return handler, handler.check(registration.name, inputs, old)


def _kept(old: Properties, inputs: Properties, changed: frozenset[str]) -> Properties:
    """Those outputs of an existing resource that stay when ``changed`` inputs change."""
    stale = changed | {"tagsAll"} if "tags" in changed else changed
    return {name: value for name, value in old.items() if name not in stale | inputs.keys()}


def _deletes_first(
    handler: Handler, registration: Registration, inputs: Properties, record: Record
) -> bool:
    """Whether a replacement must wait until the old resource is gone: told to, or same name."""
    if registration.delete_before_replace is not None:
        return registration.delete_before_replace
    return handler.collides(record.outputs, inputs)


def _deleted_first(
    state: State, handler: Handler, registration: Registration, inputs: Properties
) -> list[Record]:
    record = state[registration.urn]
    if _deletes_first(handler, registration, inputs, record):
        return dependents(state, registration.urn)
    return []


def _refuse_if_protected(record: Record, why: str) -> None:
    about = record.registration
    if about.protect:
        raise LaptopError(
            f"{about.title} is protected and {why}: run `up` with protect=False first, "
            "or leave it as it is."
        )
