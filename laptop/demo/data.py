"""The data that the demo's model grows on."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import LaptopError

MIN_ROWS = 500
"""Fewer rows than this cannot be split, judged by group and watched for drift."""


@dataclass(frozen=True)
class DataSet:
    """A table with a binary target, and the columns that the loop has to know by name."""

    name: str
    frame: pd.DataFrame
    target: str
    protected: str | None

    @property
    def loop(self) -> str:
        """A name for the data's loop, as AWS names may be: letters, digits and single hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:20].strip("-") or "demo"

    @property
    def features(self) -> pd.DataFrame:
        """What a caller sends: no target, and not the attribute that the model may not use."""
        unseen = [name for name in (self.target, self.protected) if name is not None]
        return self.frame.drop(columns=unseen)


def arrests() -> DataSet:
    """Arrests for possession of marijuana in Toronto, 1997-2002: 5,226 people, released or not.

    Real, with a protected attribute (``colour``), and inside a package that is well kept
    (scikit-lego, ``sklego.datasets.load_arrests``; from the R package carData), so that nothing is
    downloaded.
    """
    from sklego.datasets import load_arrests  # imports scikit-learn: only when it is wanted

    return DataSet("arrests", load_arrests(as_frame=True), target="released", protected="colour")


def from_csv(path: Path, target: str | None, protected: str | None) -> DataSet:
    """Read the user's own table.

    Raises ``LaptopError`` if the file cannot be read as CSV, a column is not there, the target is
    not binary, or there are fewer than ``MIN_ROWS`` rows.
    """
    if not target:
        raise LaptopError(
            f"DATA={path} needs TARGET=column as well: the name of the column to predict."
        )
    try:
        frame = pd.read_csv(path)
    except OSError as error:
        raise LaptopError(
            f"DATA={path} cannot be read ({error.strerror}): give the path of a CSV file."
        ) from error
    except (ValueError, UnicodeDecodeError) as error:  # pandas' parser errors are ValueErrors
        raise LaptopError(
            f"DATA={path} is not a CSV file with a header line ({str(error).strip()}): save it as "
            "CSV, UTF-8."
        ) from error
    for given, column in (("TARGET", target), ("PROTECTED", protected)):
        if column is not None and column not in frame.columns:
            raise LaptopError(
                f"{given}={column} is not a column of {path}: it has {', '.join(frame.columns)}."
            )
    if protected == target:
        raise LaptopError(f"PROTECTED={protected} is the target too: name another column, or none.")
    if len(frame) < MIN_ROWS:
        raise LaptopError(
            f"DATA={path} has {len(frame)} rows, and the demo needs {MIN_ROWS} to split, judge and "
            "watch: give a larger file."
        )
    classes = frame[target].nunique()
    if classes != 2 or frame[target].isna().any():
        raise LaptopError(
            f"TARGET={target} has {classes} different values and {int(frame[target].isna().sum())} "
            "missing ones, and the model that ships with Perennial predicts exactly two, none "
            "missing: choose another column, or clean this one."
        )
    return DataSet(path.stem, frame, target, protected)


def files(data: DataSet, count: int) -> dict[str, bytes]:
    """The table as ``count`` CSV files of about equal size, by name."""
    parts = np.array_split(np.arange(len(data.frame)), count)
    return {
        f"{data.name}-{number}.csv": data.frame.iloc[rows].to_csv(index=False).encode()
        for number, rows in enumerate(parts, 1)
    }


def moved(data: DataSet) -> DataSet:
    """The same people in another world: what an endpoint sees when its population has changed.

    Every number that a caller sends moves up by one and a half standard deviations, every category
    becomes its rarest value in half of the rows. Types, target and protected attribute stay.
    """
    result = data.frame.copy()
    half = np.arange(len(result)) % 2 == 0
    for name in data.features.columns:
        column = result[name]
        if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
            result.loc[half, name] = column.value_counts().index[-1]
        else:
            shifted = column + 1.5 * column.std()
            whole = pd.api.types.is_integer_dtype(column)
            result[name] = shifted.round().astype(column.dtype) if whole else shifted
    return replace(data, name=f"{data.name}-moved", frame=result)


def corrupt(data: DataSet) -> bytes:
    """A file that must not become a model: words where numbers were, and a line cut short."""
    broken = data.frame.head(40).astype(object)
    for name in data.frame.select_dtypes("number").columns:
        if name != data.target:
            broken.iloc[3, broken.columns.get_loc(name)] = "a lot"  # type: ignore[index]  # pandas-stubs: one column, so an int
    lines = broken.to_csv(index=False).splitlines()
    lines[7] = lines[7].split(",")[0]
    return "\n".join(lines).encode()
