"""The baseline of a model: the bins of its features in the training data, and of its scores."""

import pandas as pd

# Bundled beside steps/, so that the drift monitor counts into the very bins that are made here.
from runtime.drift import Column, categorical_column, numeric_column

from .schema import is_numeric


def feature_columns(features: pd.DataFrame) -> list[Column]:
    """One column of bins for each feature, in order; `features` holds text, NaN for missing."""
    return [
        numeric_column(name, pd.to_numeric(features[name]).tolist())
        if is_numeric(features[name])
        else categorical_column(name, features[name].tolist())
        for name in map(str, features.columns)
    ]
