"""The demo's report: one HTML file that needs nothing beside it."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .data import DataSet
from .scenario import Facts
from .story import Story

mpl.use("svg")
mpl.rcParams["font.size"] = 9
mpl.rcParams["axes.spines.top"] = False
mpl.rcParams["axes.spines.right"] = False
mpl.rcParams["svg.fonttype"] = "none"  # text stays text: it can be searched and is smaller
BEFORE, AFTER, LIMIT = "#7a9cc6", "#c8553d", "#444444"
METRICS = ("roc_auc", "balanced_accuracy", "accuracy")


def write(path: Path, data: DataSet, facts: Facts, story: Story) -> Path:
    """Write the report of a run to ``path`` (its folder is made) and return the absolute path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    )
    page = environment.get_template("report.html.j2").render(
        data=data,
        facts=facts,
        story=story,
        plots={
            "drift": plot(lambda axes: drift(axes, facts.calm, facts.moved), height=3.2),
            "share": plot(lambda axes: share(axes, story), height=2.4),
            "metrics": plot(lambda axes: metrics(axes, facts), height=2.8),
            "timeline": plot(lambda axes: timeline(axes, story), height=3.2),
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path.resolve()


def plot(draw: Callable[[Axes], None], *, height: float) -> str:
    """A plot as an SVG element; ``height`` in inches."""
    figure = Figure(figsize=(8, height), layout="constrained")
    draw(figure.add_subplot())
    image = io.StringIO()
    figure.savefig(image, format="svg", metadata={"Date": None})
    text = image.getvalue()
    return text[text.index("<svg") :]


def drift(axes: Axes, calm: list[dict[str, Any]], moved: list[dict[str, Any]]) -> None:
    """PSI of each column: the last report of normal traffic beside the last of moved traffic."""
    before, after = _psi(calm[-1]), _psi(moved[-1])
    names = list(before)
    rows = range(len(names))
    axes.barh(
        [row + 0.2 for row in rows], list(before.values()), 0.38, color=BEFORE, label="before"
    )
    axes.barh(
        [row - 0.2 for row in rows],
        [after[name] for name in names],
        0.38,
        color=AFTER,
        label="after",
    )
    axes.set_yticks(list(rows), names)
    axes.axvline(float(moved[-1]["psi_threshold"]), color=LIMIT, lw=0.8, ls="--", label="limit")
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlabel("population stability index against the baseline of the live model")
    axes.legend(frameon=False)


def _psi(report: dict[str, Any]) -> dict[str, float]:
    columns = [*report["features"], report["prediction"]]
    return {column["name"]: column["psi"] for column in columns}


def share(axes: Axes, story: Story) -> None:
    """Share of drifted columns over the time of the demo."""
    axes.step(
        [at for at, _ in story.drift],
        [value for _, value in story.drift],
        where="post",
        color=AFTER,
    )
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("seconds since the start")
    axes.set_ylabel("share of drifted columns")


def metrics(axes: Axes, facts: Facts) -> None:
    """Quality and fairness of each registered version."""
    versions = [f"version {package['ModelPackageVersion']}" for package in facts.versions]
    for name in METRICS:
        axes.plot(versions, [one["metrics"][name] for one in facts.evaluations], "o-", label=name)
    gaps = [one["fairness"].get("demographic_parity_difference") for one in facts.evaluations]
    known = [gap for gap in gaps if gap is not None]
    if len(known) == len(versions):
        axes.plot(versions, known, "s--", color=LIMIT, label="fairness gap")
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1))


def timeline(axes: Axes, story: Story) -> None:
    """Chapters and runs as bars over time."""
    bars = [(chapter.name, chapter.began, chapter.ended, BEFORE) for chapter in story.chapters]
    for run in story.runs.values():
        ends = [stage.ended for stage in run.steps.values() if stage.ended is not None]
        begins = [stage.began for stage in run.steps.values() if stage.began is not None]
        if begins and ends:
            bars.append((f"run {run.number}", min(begins), max(ends), AFTER))
    bars.reverse()
    for row, (_, began, ended, colour) in enumerate(bars):
        if began is not None and ended is not None:
            axes.barh(row, ended - began, left=began, color=colour)
    axes.set_yticks(range(len(bars)), [name.partition(":")[0] for name, *_ in bars])
    axes.set_xlabel("seconds since the start")
