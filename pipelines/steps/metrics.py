"""How good and how fair a binary classifier is on a test set.

Labels are text; the positive class is the last of the two in the order of text. Figures are rounded
to six places, so that they read the same in every report and in the package's metadata.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    count,
    demographic_parity_difference,
    equalized_odds_difference,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from .artifact import Scores

# A group of fewer rows is reported, but not judged: one person would move its rates by points.
MIN_GROUP_ROWS = 20


def _rounded(value: float) -> float:
    return round(float(value), 6)


def performance(actual: "pd.Series[str]", predicted: Scores, positive: str) -> dict[str, float]:
    """ROC AUC from the scores; accuracy and balanced accuracy from the labels; rows."""
    return {
        "roc_auc": _rounded(roc_auc_score(actual == positive, predicted.scores)),
        "accuracy": _rounded(accuracy_score(actual, predicted.labels)),
        "balanced_accuracy": _rounded(balanced_accuracy_score(actual, predicted.labels)),
        "rows": len(actual),
    }


def fairness(
    actual: "pd.Series[str]",
    predicted: Scores,
    positive: str,
    groups: "pd.Series[str] | None",
) -> dict[str, Any]:
    """Differences between the groups of the protected column, and each group's rates.

    Demographic parity difference: largest difference of selection rates; equalized odds difference:
    the larger of the largest differences of true and of false positive rates (fairlearn's
    definitions, after Agarwal et al. 2018). `gap` is what the gate compares: the demographic parity
    difference. All 0.0 without a protected column, or with fewer than two groups to judge.
    """
    nothing = {
        "demographic_parity_difference": 0.0,
        "equalized_odds_difference": 0.0,
        "gap": 0.0,
        "groups": {},
    }
    if groups is None:
        return nothing
    named = groups.fillna("missing").to_numpy()
    truth = (actual == positive).to_numpy().astype(int)
    said = np.array([label == positive for label in predicted.labels]).astype(int)
    rates = {
        "rows": count,
        "selection_rate": selection_rate,
        "accuracy": accuracy_score,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
    }
    frame = MetricFrame(metrics=rates, y_true=truth, y_pred=said, sensitive_features=named)
    result = nothing | {
        "groups": {
            str(group): {
                name: int(value) if name == "rows" else _rounded(value)
                for name, value in row.items()
            }
            for group, row in frame.by_group.iterrows()
        }
    }
    large = frame.by_group.index[frame.by_group["rows"] >= MIN_GROUP_ROWS]
    if len(large) < 2:
        return result
    judged = np.isin(named, large)
    arguments = {
        "y_true": truth[judged],
        "y_pred": said[judged],
        "sensitive_features": named[judged],
    }
    parity = _rounded(demographic_parity_difference(**arguments))
    odds = _rounded(equalized_odds_difference(**arguments))
    return result | {
        "demographic_parity_difference": parity,
        "equalized_odds_difference": odds,
        "gap": parity,
    }


def statistics(actual: "pd.Series[str]", predicted: Scores, positive: str) -> dict[str, Any]:
    """statistics.json in SageMaker's schema (Developer Guide, "Model quality metrics and Amazon
    CloudWatch monitoring", binary classification)."""
    figures = {
        "accuracy": accuracy_score(actual, predicted.labels),
        "precision": precision_score(
            actual, predicted.labels, pos_label=positive, zero_division=0.0
        ),
        "recall": recall_score(actual, predicted.labels, pos_label=positive),
        "f1": f1_score(actual, predicted.labels, pos_label=positive),
        "auc": roc_auc_score(actual == positive, predicted.scores),
    }
    labels = sorted(actual.unique())
    matrix = confusion_matrix(actual, predicted.labels, labels=labels)
    return {
        "version": 0.0,
        "dataset": {"item_count": len(actual)},
        "binary_classification_metrics": {
            **{
                name: {"value": _rounded(value), "standard_deviation": "NaN"}
                for name, value in figures.items()
            },
            "confusion_matrix": {
                label: {other: int(n) for other, n in zip(labels, row, strict=True)}
                for label, row in zip(labels, matrix, strict=True)
            },
        },
    }


def bias(
    actual: "pd.Series[str]",
    predicted: Scores,
    positive: str,
    target: str,
    protected: "pd.Series[str] | None",
) -> dict[str, Any]:
    """bias.json in SageMaker Clarify's schema (Developer Guide, "Post-training Data and Model Bias
    Metrics"): each value of the protected column is once the facet d, and everybody else a.

    DPPL = q'a - q'd (positive proportions in predicted labels), AD = accuracy a - accuracy d,
    RD = recall a - recall d.
    """
    facets: dict[str, Any] = {}
    if protected is not None:
        truth = (actual == positive).to_numpy()
        said = np.array([label == positive for label in predicted.labels])
        named = protected.fillna("missing").to_numpy()
        facets[str(protected.name)] = [
            {
                "value_or_threshold": str(value),
                "metrics": _facet(truth, said, named == value),
            }
            for value in sorted(set(named))
        ]
    return {
        "version": "1.0",
        "post_training_bias_metrics": {
            "label": target,
            "label_value_or_threshold": positive,
            "facets": facets,
        },
    }


def _facet(
    truth: "np.ndarray[Any, Any]", said: "np.ndarray[Any, Any]", disfavored: "np.ndarray[Any, Any]"
) -> list[dict[str, Any]]:
    def difference(values: "np.ndarray[Any, Any]", among: "np.ndarray[Any, Any]") -> float | None:
        a, d = values[among & ~disfavored], values[among & disfavored]
        return _rounded(a.mean() - d.mean()) if len(a) and len(d) else None

    everybody = np.full(len(truth), True)
    return [
        {
            "name": "AD",
            "description": "Accuracy Difference",
            "value": difference(said == truth, everybody),
        },
        {
            "name": "DPPL",
            "description": "Difference in Positive Proportions in Predicted Labels",
            "value": difference(said, everybody),
        },
        {"name": "RD", "description": "Recall Difference", "value": difference(said, truth)},
    ]


def reasons(
    metrics: dict[str, float],
    fairness_gap: float,
    champion_loss: float,
    *,
    min_roc_auc: float,
    max_fairness_gap: float,
    max_champion_loss: float,
) -> Sequence[str]:
    """Why the gate refuses, in words; nothing if it does not. The gate of the pipeline definition
    compares the same figures with the same thresholds."""
    found = []
    if metrics["roc_auc"] < min_roc_auc:
        found.append(f"ROC AUC {metrics['roc_auc']:.3f} is below the minimum of {min_roc_auc:g}")
    if fairness_gap > max_fairness_gap:
        found.append(
            f"fairness gap {fairness_gap:.3f} is above the maximum of {max_fairness_gap:g}"
        )
    if champion_loss > max_champion_loss:
        found.append(
            f"ROC AUC is {champion_loss:.3f} below the champion's, "
            f"and may be at most {max_champion_loss:g}"
        )
    return found
