"""Step Prepare: read a snapshot by version id, validate it, split it, and describe it.

Writes `train.csv` and `test.csv` (with a header, columns in one order) and a report:
`validation.json` (rows, files, columns, classes, anomalies) and `baseline.json` (the bins of the
training data; format in `runtime.drift`, without the prediction, which is still to come). Data with
anomalies are refused, and all of them are named.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
from runtime.segment import Entry, Segments
from runtime.snapshot import Snapshot

from .anomaly import Anomaly, Refused
from .baseline import feature_columns
from .csv_file import CsvFile, read_csv
from .exit_message import run
from .schema import (
    header_anomalies,
    inferred_schema,
    natural,
    schema_anomalies,
    target_classes,
    users_schema,
    usual_header,
)
from .split import held_out

# Of fewer rows, each one of the test set moves the accuracy by 4 points and more.
MIN_ROWS = 100
# More values are no groups of people, but a number or an identifier.
MAX_GROUPS = 20
EVERY_FILE = "all files"
_THREADS = 16


def main(arguments: argparse.Namespace) -> None:
    # The container's environment names the region as AWS_REGION, which boto3 does not read.
    s3 = boto3.client("s3", region_name=os.environ.get("AWS_REGION"))
    target, protected = arguments.target_column, arguments.protected_column
    contents = snapshot_contents(s3, arguments.bucket, arguments.snapshot)
    files = [read_csv(name, content) for name, content in contents.items()]
    rows, anomalies = validated(files, target, protected)
    report: dict[str, Any] = {
        "snapshot": arguments.snapshot,
        "files": list(contents),
        "anomalies": [anomaly.to_json() for anomaly in anomalies],
    }
    if anomalies:
        _write_json(arguments.report / "validation.json", report)
        raise Refused([str(anomaly) for anomaly in anomalies])

    train, test = split(rows, target)
    report |= {
        "rows": len(rows),
        "train_rows": len(train),
        "test_rows": len(test),
        "columns": list(rows.columns),
        "classes": target_classes(rows[target]),
    }
    features = train.drop(columns=[target, *([protected] if protected else [])])
    baseline = {
        "version": 1,
        "rows": len(train),
        "features": [column.to_json() for column in feature_columns(features)],
    }
    for folder, name, part in ((arguments.train, "train", train), (arguments.test, "test", test)):
        folder.mkdir(parents=True, exist_ok=True)
        part.to_csv(folder / f"{name}.csv", index=False)
    _write_json(arguments.report / "validation.json", report)
    _write_json(arguments.report / "baseline.json", baseline)
    print(f"{len(rows)} rows in {len(files)} files: {len(train)} to train on, {len(test)} to test")


def snapshot_contents(s3: Any, bucket: str, snapshot_id: str) -> dict[str, bytes]:
    """Every object of the snapshot, by its version id: key -> content, in the order of keys.

    Raises Refused if there is no such snapshot, and ValueError if it is not what its id names.
    """
    snapshot = Snapshot.load(s3, bucket, snapshot_id)
    if snapshot is None:
        raise Refused([f"There is no snapshot {snapshot_id} in the bucket {bucket}."])

    def content(entry: Entry) -> tuple[str, bytes]:
        answer = s3.get_object(Bucket=snapshot.bucket, Key=entry.key, VersionId=entry.version_id)
        return entry.key, answer["Body"].read()

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(pool.map(content, snapshot.entries(Segments(s3, bucket))))


def validated(
    files: Sequence[CsvFile], target: str, protected: str
) -> tuple[pd.DataFrame, list[Anomaly]]:
    """All rows as text, their columns in one order, and every anomaly; valid only without one."""
    anomalies = [anomaly for file in files for anomaly in file.anomalies]
    readable = [file for file in files if len(file.rows.columns)]
    if not files:
        anomalies = [Anomaly(EVERY_FILE, "", "in the snapshot", "absent: upload CSV files")]
    if not readable:
        return pd.DataFrame(), anomalies
    header = usual_header(readable)
    alike = []
    for file in readable:
        differences = list(header_anomalies(file, header))
        anomalies += differences
        if not differences:
            alike.append(CsvFile(file.name, file.rows[header]))
    absent = [
        Anomaly(EVERY_FILE, name, f"a column, being the {role}", f"not one of {', '.join(header)}")
        for name, role in ((target, "target"), (protected, "protected column"))
        if name and name not in header
    ]
    if absent:
        return pd.DataFrame(), anomalies + absent
    if (schema := users_schema()) is not None:
        for file in alike:
            anomalies += schema_anomalies(file.name, natural(file.rows), schema)
    else:
        schema = inferred_schema(alike, target)
        for file in alike:
            anomalies += schema_anomalies(file.name, file.rows, schema)
    rows = pd.concat([file.rows for file in alike], ignore_index=True)
    return rows, anomalies + dataset_anomalies(rows, target, protected)


def dataset_anomalies(rows: pd.DataFrame, target: str, protected: str) -> list[Anomaly]:
    """What only all files together can break."""
    anomalies = []
    classes = target_classes(rows[target].dropna())
    if len(classes) != 2:
        shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
        found = f"of {len(classes)}: {shown}" if classes else "of none"
        anomalies.append(Anomaly(EVERY_FILE, target, "of two values", found))
    if len(rows) < MIN_ROWS:
        anomalies.append(Anomaly(EVERY_FILE, "", f"of {MIN_ROWS} rows or more", f"of {len(rows)}"))
    if protected and (groups := rows[protected].nunique()) > MAX_GROUPS:
        rule = f"of {MAX_GROUPS} values or fewer, being the protected column"
        anomalies.append(Anomaly(EVERY_FILE, protected, rule, f"of {groups}"))
    if protected == target:
        anomalies.append(Anomaly(EVERY_FILE, target, "target or protected column", "both"))
    return anomalies


def split(rows: pd.DataFrame, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to train on and those to test on.

    The order of columns does not matter. Raises Refused if a part lacks a class of the target.
    """
    fields = rows[sorted(rows.columns)].fillna("").itertuples(index=False, name=None)
    test = np.fromiter(map(held_out, fields), dtype=bool, count=len(rows))
    for part, name in ((rows[~test], "training"), (rows[test], "test")):
        if part[target].nunique() < 2:
            counts: Mapping[Any, Any] = rows[target].value_counts().to_dict()
            raise Refused(
                [
                    f"The {name} part has not both values of the target {target!r}, of which there "
                    f"are {', '.join(f'{n} {value}' for value, n in counts.items())}: upload more "
                    "rows of the rarer one"
                ]
            )
    return rows[~test], rows[test]


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True), "utf-8")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("--bucket", required=True, help="artifact bucket, with the manifest")
    result.add_argument("--snapshot", required=True, help="id of the snapshot")
    result.add_argument("--target-column", required=True)
    result.add_argument("--protected-column", required=True, help='"" for none')
    for output in ("train", "test", "report"):
        result.add_argument(f"--{output}", required=True, type=Path, help="output folder")
    result.add_argument("--message", required=True, type=Path, help="file for the exit message")
    return result


if __name__ == "__main__":
    parsed = parser().parse_args()
    run(lambda: main(parsed), parsed.message)
