"""Step Prepare: read a snapshot by version id, validate it, split it, and write its baseline.

Writes `train.csv` and `test.csv` (with a header, columns in one order), and a report:
`validation.json` (`{"rows", "train_rows", "test_rows", "files", "columns", "target", "classes",
"anomalies"}`) and `baseline.json` (format in `runtime.drift`; the prediction is still to come).
Data with anomalies are refused, all of them named.
"""

import argparse
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
from runtime.document import read_json
from runtime.snapshot import Snapshot

from .anomaly import Anomaly, Refused
from .baseline import feature_columns
from .csv_file import CsvFile, read_csv
from .exit_message import run
from .schema import (
    header_anomalies,
    inferred_schema,
    schema_anomalies,
    users_schema,
    usual_header,
)
from .split import held_out

# Fewer rows tell nothing about a model: a test set of 25 rows moves by 4 points with each row.
MIN_ROWS = 100
# More values are no groups of people, but a number or an identifier.
MAX_GROUPS = 20
EVERY_FILE = "all files"
_THREADS = 16


def main(arguments: argparse.Namespace) -> None:
    # The container's environment names the region as AWS_REGION, which boto3 does not read.
    s3 = boto3.client("s3", region_name=os.environ.get("AWS_REGION"))
    contents = snapshot_contents(s3, arguments.bucket, arguments.snapshot)
    rows, anomalies = validated(contents, arguments.target_column, arguments.protected_column)
    report = {
        "snapshot": arguments.snapshot,
        "files": [name for name, _ in contents],
        "anomalies": [anomaly.to_json() for anomaly in anomalies],
    }
    if anomalies:
        _write(arguments.report / "validation.json", report)
        raise Refused([str(anomaly) for anomaly in anomalies])

    test = pd.Series(
        [held_out(fields) for fields in rows[sorted(rows.columns)].fillna("").to_numpy()]
    ).to_numpy()
    train_rows, test_rows = rows[~test], rows[test]
    classes = sorted(rows[arguments.target_column].unique())
    report |= {
        "rows": len(rows),
        "train_rows": len(train_rows),
        "test_rows": len(test_rows),
        "columns": list(rows.columns),
        "target": arguments.target_column,
        "classes": classes,
    }
    for part, name in ((train_rows, "train"), (test_rows, "test")):
        if set(part[arguments.target_column]) != set(classes):
            raise Refused(
                [
                    f"The {name} part of the data ({len(part)} rows) lacks one of the target's "
                    f"values {classes}: add rows of the rarer one."
                ]
            )
    _write_csv(arguments.train / "train.csv", train_rows)
    _write_csv(arguments.test / "test.csv", test_rows)
    _write(arguments.report / "validation.json", report)
    excluded = [arguments.target_column, arguments.protected_column]
    features = train_rows.drop(columns=[name for name in excluded if name])
    _write(
        arguments.report / "baseline.json",
        {
            "version": 1,
            "rows": len(train_rows),
            "features": [column.to_json() for column in feature_columns(features)],
        },
    )
    print(
        f"{len(rows)} rows in {len(contents)} files: {len(train_rows)} train, {len(test_rows)} test"
    )


def snapshot_contents(s3: Any, bucket: str, snapshot_id: str) -> list[tuple[str, bytes]]:
    """Key and content of every object of the snapshot, each by its version id."""
    manifest = read_json(s3, bucket, f"snapshots/{snapshot_id}.json")
    if manifest is None:
        raise Refused([f"There is no snapshot {snapshot_id} in the bucket {bucket}."])
    snapshot = Snapshot.from_json(manifest)

    def content(entry: Any) -> tuple[str, bytes]:
        answer = s3.get_object(Bucket=snapshot.bucket, Key=entry.key, VersionId=entry.version_id)
        return entry.key, answer["Body"].read()

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(content, snapshot.entries))


def validated(
    contents: Sequence[tuple[str, bytes]], target: str, protected: str
) -> tuple[pd.DataFrame, list[Anomaly]]:
    """All rows as text, columns in one order, and every anomaly; use the rows only without one."""
    files: list[CsvFile] = []
    anomalies: list[Anomaly] = []
    for name, content in contents:
        read = read_csv(name, content)
        if isinstance(read, Anomaly):
            anomalies.append(read)
        else:
            files.append(read)
    if not files:
        return pd.DataFrame(), anomalies or [
            Anomaly(EVERY_FILE, "", "in the snapshot", "none: upload CSV files")
        ]
    header = usual_header(files)
    alike = []
    for file in files:
        differences = list(header_anomalies(file, header))
        anomalies += differences
        if not differences:
            alike.append(CsvFile(file.name, file.rows[header]))
    required = [("the target", target)] + (
        [("the protected column", protected)] if protected else []
    )
    absent = [
        Anomaly(EVERY_FILE, column, f"{role}, a column", f"not one of {', '.join(header)}")
        for role, column in required
        if column not in header
    ]
    if absent:
        return pd.DataFrame(), anomalies + absent
    schema = users_schema() or inferred_schema(alike, target)
    for file in alike:
        anomalies += schema_anomalies(file.name, file.rows, schema)
    rows = pd.concat([file.rows for file in alike], ignore_index=True)
    return rows, anomalies + dataset_anomalies(rows, target, protected)


def dataset_anomalies(rows: pd.DataFrame, target: str, protected: str) -> list[Anomaly]:
    """What only all files together can break."""
    anomalies = []
    classes = sorted(rows[target].dropna().unique())
    if len(classes) != 2:
        shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
        anomalies.append(
            Anomaly(EVERY_FILE, target, "of two values", f"of {len(classes)}: {shown}")
        )
    if len(rows) < MIN_ROWS:
        anomalies.append(Anomaly(EVERY_FILE, "", f"of {MIN_ROWS} rows or more", f"of {len(rows)}"))
    if protected and (groups := rows[protected].nunique()) > MAX_GROUPS:
        anomalies.append(
            Anomaly(EVERY_FILE, protected, f"of {MAX_GROUPS} groups at most", f"of {groups}")
        )
    return anomalies


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True), "utf-8")


def _write_csv(path: Path, rows: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(path, index=False)


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
