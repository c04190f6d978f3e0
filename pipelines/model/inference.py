"""Serves the model: the functions that SageMaker's scikit-learn container calls.

A request is `text/csv`, rows without a header, or `application/json`, `{"instances": [[...]]}`, in
either case with the features in the order of `environment.json`. The response is
`application/json`, `{"predictions": [{"label": "Yes", "score": 0.83}]}`, where the score is the
probability of the positive class: the last of the two labels in the order of text.
"""

import io
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import pandas as pd


@dataclass(frozen=True)
class Model:
    """The trained classifier, its features in the order of a request, and which are numbers."""

    classifier: Any
    features: list[str]
    numeric: list[str]


@dataclass(frozen=True)
class Prediction:
    label: str
    score: float


def model_fn(model_dir: str) -> Model:
    """The model in `model_dir`.

    Raises RuntimeError if a package has another version than the one that it was trained with:
    joblib files do not keep their meaning across versions.
    """
    folder = Path(model_dir)
    environment = json.loads((folder / "environment.json").read_text("utf-8"))
    wanted = {"python": environment["python"], **environment["packages"]}
    found = {"python": platform.python_version()} | {
        package: version(package) for package in environment["packages"]
    }
    if wanted != found:
        differences = ", ".join(
            f"{name} {found[name]} in place of {wanted[name]}"
            for name in wanted
            if found[name] != wanted[name]
        )
        raise RuntimeError(
            f"This model was trained in another environment: here is {differences}. "
            "Serve it with the image that trained it, or train it anew."
        )
    classifier = joblib.load(folder / "model.joblib")
    return Model(classifier, environment["features"], environment["numeric"])


def input_fn(body: str | bytes, content_type: str) -> pd.DataFrame:
    """The rows of a request, as text; the columns are numbered. Raises ValueError for the rest."""
    text = body.decode("utf-8") if isinstance(body, bytes) else body
    match content_type.split(";")[0].strip():
        case "text/csv":
            return pd.read_csv(io.StringIO(text), header=None, dtype=str)
        case "application/json":
            return pd.DataFrame(json.loads(text)["instances"], dtype=object)
        case other:
            raise ValueError(f"Content type {other!r}: send text/csv or application/json.")


def predict_fn(rows: pd.DataFrame, model: Model) -> list[Prediction]:
    """One prediction a row. Raises ValueError if a row has not one value for each feature."""
    if rows.shape[1] != len(model.features):
        raise ValueError(
            f"A row has {rows.shape[1]} values; this model takes {len(model.features)}: "
            f"{', '.join(model.features)}."
        )
    rows = rows.set_axis(model.features, axis="columns")
    for name in model.features:
        if name in model.numeric:
            # What is not a number counts as missing, here as in the drift monitor.
            rows[name] = pd.to_numeric(rows[name], errors="coerce")
        else:
            rows[name] = rows[name].map(str, na_action="ignore")
    negative, positive = model.classifier.classes_
    scores = model.classifier.predict_proba(rows)[:, 1]
    return [Prediction(positive if score >= 0.5 else negative, float(score)) for score in scores]


def output_fn(predictions: list[Prediction], accept: str) -> tuple[str, str]:
    """The response and its content type; JSON whatever is asked for."""
    del accept
    body = {"predictions": [{"label": p.label, "score": round(p.score, 6)} for p in predictions]}
    return json.dumps(body), "application/json"
