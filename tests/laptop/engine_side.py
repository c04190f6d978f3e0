"""The engine's side of the provider protocol, for tests: properties in, properties out."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pulumi
from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from laptop.provider import wire
from laptop.resources.assets import content
from laptop.resources.shape import Properties

SEED = bytes(range(32))
SIGNATURE, ASSET, ARCHIVE = (
    rpc._special_sig_key,
    rpc._special_asset_sig,
    rpc._special_archive_sig,
)


class Refused(Exception):  # noqa: N818 - named from the engine's side
    """The provider refused; ``kept`` is what the engine keeps of a resource made halfway."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(error.details())
        self.code = error.code()
        self.kept: Properties | None = None
        self.id = ""
        for key, value in error.trailing_metadata():
            if key == "grpc-status-details-bin":
                detail = pb.ErrorResourceInitFailed()
                (packed,) = status_pb2.Status.FromString(value).details
                assert packed.Unpack(detail)
                assert list(detail.reasons) == [error.details()]
                self.kept, self.id = wire.read(detail.properties), detail.id


@dataclass
class Diff:
    """What the provider would do about new inputs."""

    changes: bool
    properties: set[str]
    replaces: set[str]
    delete_first: bool
    detail: dict[str, str]


class EngineSide:
    """A connection to a provider, which talks about one resource at a time."""

    def __init__(self, port: int, **config: Any) -> None:
        # A connection of its own, as each provider of a program has in the engine.
        own = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=own)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self.configured = self.stub.Configure(pb.ConfigureRequest(args=struct(config)))

    def close(self) -> None:
        self._channel.close()

    def check(
        self,
        type_: str,
        name: str,
        news: Mapping[str, Any],
        olds: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Properties:
        """The inputs as the engine would keep them; fails if there is a mistake in them."""
        answer = self.checked(type_, name, news, olds, **options)
        assert not answer.failures, answer.failures
        return wire.read(answer.inputs)

    def mistakes(self, type_: str, name: str, news: Mapping[str, Any]) -> dict[str, str]:
        """What is wrong with inputs, by property."""
        found = self.checked(type_, name, news).failures
        return {failure.property: failure.reason for failure in found}

    def checked(
        self,
        type_: str,
        name: str,
        news: Mapping[str, Any],
        olds: Mapping[str, Any] | None = None,
        seed: bytes = SEED,
        autonaming: Any = None,
    ) -> Any:
        """The answer to a check: ``seed`` and ``autonaming`` say how a name is made up."""
        return self._call(
            "Check",
            pb.CheckRequest(
                news=struct(news),
                olds=struct(olds or {}),
                randomSeed=seed,
                autonaming=autonaming,
                **about(type_, name),
            ),
        )

    def diff(
        self, type_: str, id_: str, olds: Properties, old_inputs: Properties, news: Properties
    ) -> Diff:
        answer = self._call(
            "Diff",
            pb.DiffRequest(
                id=id_,
                olds=struct(elided(olds)),
                old_inputs=struct(elided(old_inputs)),
                news=struct(elided(news)),
                **about(type_),
            ),
        )
        kinds = pb.PropertyDiff.Kind
        return Diff(
            answer.changes == pb.DiffResponse.DIFF_SOME,
            set(answer.diffs),
            set(answer.replaces),
            answer.deleteBeforeReplace,
            {path: kinds.Name(it.kind) for path, it in answer.detailedDiff.items()},
        )

    def create(self, type_: str, inputs: Properties, preview: bool = False) -> Properties:
        """The outputs; the id is among them."""
        answer = self._call(
            "Create", pb.CreateRequest(properties=struct(inputs), preview=preview, **about(type_))
        )
        outputs = wire.read(answer.properties)
        assert answer.id == ("" if preview else outputs["id"])
        return outputs

    def read(
        self, type_: str, id_: str, olds: Properties | None = None, inputs: Properties | None = None
    ) -> tuple[Properties, Properties] | None:
        """Outputs and inputs; None if it is gone."""
        answer = self._call(
            "Read",
            pb.ReadRequest(
                id=id_,
                properties=None if olds is None else struct(elided(olds)),
                inputs=None if inputs is None else struct(elided(inputs)),
                **about(type_),
            ),
        )
        if not answer.id:
            return None
        assert answer.id == wire.read(answer.properties)["id"]
        return wire.read(answer.properties), wire.read(answer.inputs)

    def update(
        self,
        type_: str,
        id_: str,
        olds: Properties,
        old_inputs: Properties,
        news: Properties,
        preview: bool = False,
    ) -> Properties:
        answer = self._call(
            "Update",
            pb.UpdateRequest(
                id=id_,
                olds=struct(elided(olds)),
                old_inputs=struct(elided(old_inputs)),
                news=struct(news),
                preview=preview,
                **about(type_),
            ),
        )
        return wire.read(answer.properties)

    def delete(self, type_: str, id_: str, olds: Properties) -> None:
        self._call(
            "Delete", pb.DeleteRequest(id=id_, properties=struct(elided(olds)), **about(type_))
        )

    def invoke(self, token: str, **arguments: Any) -> Properties:
        answer = self._call("Invoke", pb.InvokeRequest(tok=token, args=struct(arguments)))
        return wire.read(getattr(answer, "return"))

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self.stub, method)(request)
        except grpc.RpcError as error:
            raise Refused(error) from None


@contextmanager
def provider_process(environment: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A provider in a process of its own, and its port."""
    command = [sys.executable, "-m", "laptop.provider"]
    env = {"PATH": os.environ["PATH"], **environment}
    with subprocess.Popen(  # noqa: S603 - our own module
        command, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.terminate()


def about(type_: str, name: str = "it") -> dict[str, Any]:
    """The members of a request that name a resource."""
    return {"urn": f"urn:pulumi:s::p::{type_}::{name}", "type": type_, "name": name}


def struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Properties as the engine sends them, assets with their hash."""
    return json_format.ParseDict(sent(dict(properties)), struct_pb2.Struct())


def sent(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: sent(item) for name, item in value.items()}
    if isinstance(value, list):
        return [sent(item) for item in value]
    if isinstance(value, pulumi.AssetArchive):
        return _marked(ARCHIVE, value, assets={n: sent(it) for n, it in value.assets.items()})
    if isinstance(value, pulumi.StringAsset):
        return _marked(ASSET, value, text=value.text)
    if isinstance(value, pulumi.FileAsset):
        return _marked(ASSET, value, path=str(value.path))
    return value


def elided(value: Any) -> Any:
    """What the engine leaves of assets where it does not expect them to be read."""
    value = sent(value)
    if isinstance(value, dict):
        if "hash" in value and SIGNATURE in value:
            return {SIGNATURE: value[SIGNATURE], "hash": value["hash"]}
        return {name: elided(item) for name, item in value.items()}
    return [elided(item) for item in value] if isinstance(value, list) else value


def _marked(signature: str, asset: Any, **content_: Any) -> Properties:
    digest = hashlib.sha256(content(asset)).hexdigest()
    return {SIGNATURE: signature, "hash": digest, **content_}
