"""A model artifact: fetched once, known by its digest, scored through its own serving code."""

import hashlib
import importlib.util
import io
import json
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Artifact:
    """The bytes of a model.tar.gz and where they came from."""

    uri: str
    version_id: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Scores:
    """What a model says of each row: a label, and the probability of the positive class."""

    labels: list[str]
    scores: list[float]


def fetch(s3: Any, uri: str, version_id: str | None = None) -> Artifact:
    """The object at `s3://bucket/key`, by its version id if one is given."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    version = {"VersionId": version_id} if version_id else {}
    answer = s3.get_object(Bucket=bucket, Key=key, **version)
    # "null" is S3's own name for the only version in a bucket without versioning.
    return Artifact(uri, answer.get("VersionId", "null"), answer["Body"].read())


def score(artifact: Artifact, features: pd.DataFrame, folder: Path) -> Scores:
    """Unpack the artifact into `folder` and send it `features` as the endpoint would.

    Runs code and unpickles data from the artifact: only for artifacts whose digest is known.
    """
    with tarfile.open(fileobj=io.BytesIO(artifact.content), mode="r:gz") as tar:
        # "data" refuses links, devices and paths that lead out of the folder (PEP 706).
        tar.extractall(folder, filter="data")
    request = features.to_csv(index=False, header=False)
    with _serving_code(folder / "code") as serving:
        model = serving.model_fn(str(folder))
        predictions = serving.predict_fn(serving.input_fn(request, "text/csv"), model)
        body, _ = serving.output_fn(predictions, "application/json")
    rows = json.loads(body)["predictions"]
    return Scores([str(row["label"]) for row in rows], [float(row["score"]) for row in rows])


@contextmanager
def _serving_code(folder: Path) -> Iterator[ModuleType]:
    """`inference.py` of `folder` as a module; forgets afterwards what it imports from there."""
    spec = importlib.util.spec_from_file_location("inference", folder / "inference.py")
    if spec is None or spec.loader is None or not (folder / "inference.py").is_file():
        raise FileNotFoundError("The artifact has no code/inference.py: copy it there in train.py.")
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.modules["inference"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
