"""The champion: the newest approved version of the model, on the same test set as the candidate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score

from .anomaly import Refused
from .artifact import Artifact, fetch, score


@dataclass(frozen=True)
class Champion:
    """`package`: its ARN, "none" without an approved version. `roc_auc`: None if it cannot be
    compared, and then `reason` says why."""

    package: str
    roc_auc: float | None
    reason: str

    def loss(self, roc_auc: float) -> float:
        """By how much a candidate with `roc_auc` is worse; 0.0 with nothing to compare."""
        return 0.0 if self.roc_auc is None else round(self.roc_auc - roc_auc, 6)


def champion(
    sagemaker: Any,
    s3: Any,
    group: str,
    test: pd.DataFrame,
    target: str,
    positive: str,
    folder: Path,
) -> Champion:
    """The champion of the model package group, scored on `test` (features and target, as text).

    Raises Refused if its artifact is no longer the one that was registered. An artifact without a
    recorded digest came from elsewhere and is never loaded; neither does one compare that does not
    load in this environment or takes other features.
    """
    found = sagemaker.list_model_packages(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )["ModelPackageSummaryList"]
    if not found:
        return Champion("none", None, "no version is approved yet")
    arn = found[0]["ModelPackageArn"]
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    metadata = package.get("CustomerMetadataProperties", {})
    if "artifact_sha256" not in metadata:
        return Champion(arn, None, "it has no recorded digest, so it is not loaded")
    uri = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    artifact = fetch(s3, uri, metadata.get("artifact_version_id"))
    if artifact.sha256 != metadata["artifact_sha256"]:
        raise Refused(
            [
                f"The artifact of the champion {arn} has the SHA-256 {artifact.sha256}, and "
                f"{metadata['artifact_sha256']} was registered: it was changed afterwards. Reject "
                "that version, and find out who wrote to its artifact."
            ]
        )
    return _compared(arn, artifact, test, target, positive, folder)


def _compared(
    arn: str, artifact: Artifact, test: pd.DataFrame, target: str, positive: str, folder: Path
) -> Champion:
    try:
        scores = score(artifact, test.drop(columns=target), folder).scores
    except Exception as error:
        return Champion(arn, None, f"it cannot be scored here: {error}")
    return Champion(arn, round(float(roc_auc_score(test[target] == positive, scores)), 6), "")
