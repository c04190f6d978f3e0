"""Trains the model, in script mode: CSV in `$SM_CHANNEL_TRAIN`, artifact out in `$SM_MODEL_DIR`.

Gradient boosted trees over all columns but the target and the protected one; numbers as they are,
text as categories, missing values as such. The artifact: `model.joblib`, `environment.json` (what
`inference.py` has to find again), and `code/` with `inference.py` itself.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import traceback
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

HERE = Path(__file__).resolve().parent
PACKAGES = ("joblib", "numpy", "pandas", "scikit-learn", "scipy")

# HistGradientBoostingClassifier takes at most 255 categories a column.
MAX_CATEGORIES = 254


def is_numeric(column: "pd.Series[str]") -> bool:
    """Whether every value that is not missing reads as a number."""
    return bool(pd.to_numeric(column.dropna(), errors="coerce").notna().all())


def model(numeric: list[str], categorical: list[str], seed: int) -> Pipeline:
    """An untrained classifier of frames with these columns; same data and seed, same model."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        max_categories=MAX_CATEGORIES,
    )
    columns = ColumnTransformer(
        [("numeric", "passthrough", numeric), ("categorical", encoder, categorical)]
    )
    is_category = [False] * len(numeric) + [True] * len(categorical)
    trees = HistGradientBoostingClassifier(
        categorical_features=is_category,
        early_stopping=False,
        learning_rate=0.05,
        max_iter=100,
        max_leaf_nodes=4,
        random_state=seed,
    )
    return Pipeline([("columns", columns), ("trees", trees)])


def main(arguments: argparse.Namespace) -> None:
    files = sorted(Path(os.environ["SM_CHANNEL_TRAIN"]).glob("*.csv"))
    rows = pd.concat([pd.read_csv(file, dtype=str) for file in files], ignore_index=True)
    target = rows.pop(arguments.target_column)
    if arguments.protected_column:
        # A model that is given the protected attribute can use it against people.
        del rows[arguments.protected_column]
    numeric = [name for name in rows.columns if is_numeric(rows[name])]
    for name in numeric:
        rows[name] = pd.to_numeric(rows[name])
    categorical = [name for name in rows.columns if name not in numeric]
    trained = model(numeric, categorical, arguments.seed).fit(rows, target)

    folder = Path(os.environ["SM_MODEL_DIR"])
    joblib.dump(trained, folder / "model.joblib")
    environment = {
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES},
        "features": list(rows.columns),
        "numeric": numeric,
    }
    (folder / "environment.json").write_text(json.dumps(environment, indent=1), "utf-8")
    (folder / "code").mkdir(exist_ok=True)
    for name in ("inference.py", "requirements.txt"):
        if (HERE / name).is_file():
            shutil.copy(HERE / name, folder / "code")
    print(f"Trained on {len(rows)} rows of {len(rows.columns)} features with seed {arguments.seed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target-column", required=True)
    parser.add_argument("--protected-column", default="", help='"" for none')
    parser.add_argument("--seed", type=int, default=0)
    try:
        main(parser.parse_args())
    except Exception as error:
        # SageMaker shows this file's first 1024 characters as the job's FailureReason.
        traceback.print_exc()
        failure = Path(os.environ["SM_OUTPUT_DIR"]) / "failure"
        failure.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text(f"{type(error).__name__}: {error}"[:1024], "utf-8")
        sys.exit(1)
