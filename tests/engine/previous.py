"""The state that the version before this one wrote: recorded at a release, replayed in tests.

    .venv/bin/python -m tests.engine.previous COMMIT

runs ``__main__.py`` of that commit on the genuine engine and a laptop AWS, with the settings of its
Pulumi.dev.yaml, and writes ``previous_state.json`` beside this file. Takes about a minute.

Recorded is what the program decides: URNs, inputs, dependencies. What the provider answers is the
provider's of today: ``replay`` makes each resource again through its handler. In the place of code,
which every version changes and nothing here runs, are stand-ins: a handler that does nothing for a
function, a line of text for the archive of the jobs, one step for the pipeline.
"""

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from pulumi.runtime import rpc

from laptop.automation import Provider
from laptop.provider import state, wire
from laptop.resources import handler_of
from laptop.resources.handler import Cloud, load
from laptop.server import LaptopAWS
from tests.engine.conftest import ROOT, MakeStack, Stack, configured, maker

FILE = Path(__file__).with_name("previous_state.json")
STACK = "before"
"""The stack's name is in the URNs and in the names of SageMaker."""

_KEPT = (
    *("urn", "type", "custom", "parent", "provider", "inputs", "protect", "retainOnDelete"),
    *("dependencies", "propertyDependencies", "deletedWith"),
)
_ENDPOINT = "http://laptop"
"""In the place of the laptop AWS's address, which is in the URLs of queues."""
_HANDLER = "def handler(event, context):\n    return {'batchItemFailures': []}\n"
_DEFINITION = {
    "Version": "2020-12-01",
    "Steps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "a stand-in"}}],
}


def record(commit: str) -> None:
    """Write ``FILE``. Raises CalledProcessError if git has no such commit."""
    full = _git("rev-parse", "--verify", f"{commit}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(_git("archive", full))) as tar:
            tar.extractall(folder, filter="data")
        sys.path.insert(0, folder)  # the program imports the components and pipelines beside it
        with (
            LaptopAWS() as aws,
            Provider(aws.session()) as provider,
            maker(aws, provider, destroys=False) as make,
        ):
            before = make(Path(folder) / "__main__.py", configured("dev", Path(folder)), name=STACK)
            before.up()
            resources = [_recorded(each) for each in before.export_state()["resources"]]
            lines = ",\n".join(json.dumps(each, sort_keys=True) for each in resources)
            text = f'{{"commit": "{full}", "resources": [\n{lines}\n]}}\n'
            text = text.replace(aws.endpoint_url, _ENDPOINT)
    if folder in text:
        raise ValueError(f"{folder}, a path of this machine, is in the inputs: record a stand-in.")
    FILE.write_text(text)


def replay(make: MakeStack, account: LaptopAWS) -> Stack:
    """A stack of today's program in the state that was recorded, and an account that holds it."""
    after = make(name=STACK)
    text = FILE.read_text().replace(_ENDPOINT, account.endpoint_url)
    cloud = Cloud(account.session())
    resources = [_made(cloud, each) for each in json.loads(text)["resources"]]
    after.import_state({**after.export_state(), "resources": resources})
    return after


def _git(*arguments: str) -> bytes:
    return subprocess.run(  # noqa: S603  the commit is given by who runs this
        ["git", *arguments],  # noqa: S607  git is wherever the user has it
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout


def _recorded(resource: dict[str, Any]) -> dict[str, Any]:
    kept = {key: resource[key] for key in _KEPT if resource.get(key)}
    inputs = kept.setdefault("inputs", {})
    if resource["type"].startswith("pulumi:providers:"):
        kept["id"] = resource["id"]
    if "code" in inputs:
        module, _, _ = inputs["handler"].rpartition(".")
        path = f"{module.replace('.', '/')}.py"
        inputs["code"] |= {"assets": {path: _text_asset(_HANDLER)}}
    if "source" in inputs:
        inputs["source"] = _text_asset("The code of the jobs.\n")
    if "pipelineDefinition" in inputs:
        inputs["pipelineDefinition"] = json.dumps(_DEFINITION)
    return kept


def _text_asset(text: str) -> dict[str, str]:
    """A text asset as the engine keeps it."""
    digest = sha256(text.encode()).hexdigest()
    return {rpc._special_sig_key: rpc._special_asset_sig, "hash": digest, "text": text}


def _made(cloud: Cloud, resource: dict[str, Any]) -> dict[str, Any]:
    """A recorded resource, as the state holds it after the provider has made it."""
    if not resource.get("custom") or resource["type"].startswith("pulumi:"):
        return {**resource, "outputs": resource["inputs"]}
    handler, inputs = handler_of(resource["type"]), resource["inputs"]
    outputs = handler.create(cloud, load(wire.assets(state.declared(inputs))))
    outputs = state.made(handler, inputs, outputs, handler.read(cloud, outputs))
    return {**resource, "id": outputs["id"], "outputs": outputs}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Say of which commit: python -m tests.engine.previous COMMIT.")
    record(sys.argv[1])
    print(f"{FILE.relative_to(ROOT)} is renewed: run tests/engine/test_upgrade.py.")
