"""Step Evaluate: score the candidate and the champion on the test set, and judge the candidate.

Writes the report: `evaluation.json` (what the gate reads), `statistics.json` and `bias.json` (the
package's ModelMetrics), `baseline.json` (what drift is measured against) and `provenance.json`.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import boto3
import pandas as pd
from runtime.document import read_json
from runtime.drift import Baseline, column_from_json, numeric_column

from .artifact import fetch, score
from .champion import champion
from .exit_message import run
from .metrics import bias, fairness, performance, reasons, statistics
from .provenance import environment_lock, installed, metadata_value

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: argparse.Namespace) -> None:
    # The container's environment names the region as AWS_REGION, which boto3 does not read.
    region = os.environ.get("AWS_REGION")
    s3 = boto3.client("s3", region_name=region)
    sagemaker = boto3.client("sagemaker", region_name=region)
    target, protected = arguments.target_column, arguments.protected_column

    test = pd.read_csv(arguments.test / "test.csv", dtype=str)
    groups = test.pop(protected) if protected else None
    actual = test[target]
    positive = str(max(actual))
    candidate = fetch(s3, arguments.artifact)
    with tempfile.TemporaryDirectory() as folder:
        scores = score(candidate, test.drop(columns=target), Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        best = champion(sagemaker, s3, arguments.group, test, target, positive, Path(folder))

    metrics = performance(actual, scores, positive)
    gaps = fairness(actual, scores, positive, groups)
    thresholds = {
        "min_roc_auc": arguments.min_roc_auc,
        "max_fairness_gap": arguments.max_fairness_gap,
        "max_champion_loss": arguments.max_champion_loss,
    }
    loss = best.loss(metrics["roc_auc"])
    refused = reasons(metrics, gaps["gap"], loss, **thresholds)
    lock = environment_lock(ROOT)
    digest = {"sha256": candidate.sha256, "version_id": candidate.version_id}
    evaluation = {
        "metrics": metrics,
        "fairness": gaps,
        "champion": {**vars(best), "loss": loss},
        "gate": {
            "passed": not refused,
            "reasons": list(refused),
            "message": "; ".join(refused),
        },
        "artifact": digest,
        "environment_lock": lock,
        "columns": {
            "target": metadata_value(target),
            "protected": metadata_value(protected or "none"),
        },
    }
    provenance = {
        "version": 1,
        "snapshot_id": arguments.snapshot,
        "code_version": arguments.code_version,
        "git_commit": git_commit(
            read_json(s3, arguments.bucket, "code/current.json"), arguments.code_version
        ),
        "image": arguments.image,
        "parameters": {
            "TargetColumn": target,
            "ProtectedColumn": protected,
            "Seed": arguments.seed,
            "MinRocAuc": arguments.min_roc_auc,
            "MaxFairnessGap": arguments.max_fairness_gap,
            "MaxChampionLoss": arguments.max_champion_loss,
        },
        "environment": {"lock": lock, "installed": installed(ROOT)},
        "execution_arn": arguments.execution,
        "training_job": arguments.training_job,
        "artifact": {"uri": candidate.uri, **digest},
        "metrics": metrics,
        "fairness": gaps,
        "champion": evaluation["champion"],
    }
    prepared = json.loads((arguments.prepared / "baseline.json").read_text("utf-8"))
    baseline = Baseline(
        prepared["rows"],
        tuple(map(column_from_json, prepared["features"])),
        numeric_column("prediction", scores.scores),
    )
    arguments.report.mkdir(parents=True, exist_ok=True)
    for name, content in {
        "evaluation": evaluation,
        "statistics": statistics(actual, scores, positive),
        "bias": bias(actual, scores, positive, target, groups),
        "baseline": baseline.to_json(),
        "provenance": provenance,
    }.items():
        text = json.dumps(content, indent=1, sort_keys=True)
        (arguments.report / f"{name}.json").write_text(text, "utf-8")
    print("The gate will " + (f"refuse: {'; '.join(refused)}" if refused else "pass"), metrics)


def git_commit(current: dict[str, str] | None, code_version: str) -> str:
    """The commit of `code_version`, if `code/current.json` is still about it, else "unknown"."""
    if current is None or current.get("code_version") != code_version:
        return "unknown"
    return current["git_commit"]


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__)
    result.add_argument("--bucket", required=True, help="artifact bucket")
    result.add_argument("--group", required=True, help="model package group of the champion")
    result.add_argument("--artifact", required=True, help="S3 URI of the candidate's model.tar.gz")
    result.add_argument("--test", required=True, type=Path, help="folder of test.csv")
    result.add_argument("--prepared", required=True, type=Path, help="folder of Prepare's report")
    result.add_argument("--target-column", required=True)
    result.add_argument("--protected-column", required=True, help='"" for none')
    for threshold in ("min-roc-auc", "max-fairness-gap", "max-champion-loss"):
        result.add_argument(f"--{threshold}", required=True, type=float)
    for fact in ("snapshot", "code-version", "image", "seed", "training-job", "execution"):
        result.add_argument(f"--{fact}", required=True, help="for the record")
    result.add_argument("--report", required=True, type=Path, help="output folder")
    result.add_argument("--message", required=True, type=Path, help="file for the exit message")
    return result


if __name__ == "__main__":
    parsed = parser().parse_args()
    run(lambda: main(parsed), parsed.message)
