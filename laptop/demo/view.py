"""The story on a terminal: live where there is one, line by line where there is not."""

import threading
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .story import Moment, Run, Stage, Story

STEPS = ("Prepare", "Train", "Evaluate", "Gate", "Register")
STYLES = {
    "Succeeded": "green",
    "done": "green",
    "Failed": "red",
    "Executing": "yellow",
    "Starting": "yellow",
    "running": "yellow",
}
LINES = 14


class View:
    """Shows a story while it happens; use as a context manager."""

    def __init__(self, story: Story, console: Console) -> None:
        self._story = story
        self._console = console
        self._live: Live | None = None
        self._stop = threading.Event()
        self._printed = 0
        self._thread = threading.Thread(target=self._print_moments, name="view", daemon=True)

    def __enter__(self) -> "View":
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=lambda: picture(self._story),
                console=self._console,
                refresh_per_second=5,
                transient=True,
            )
            self._live.start()
        else:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        else:
            self._stop.set()
            self._thread.join()
        self._flush()

    def _print_moments(self) -> None:
        while not self._stop.wait(0.3):
            self._flush()

    def _flush(self) -> None:
        with self._story.lock:
            new = self._story.moments[self._printed :]
        self._printed += len(new)
        for moment in new:
            self._console.print(line(moment), soft_wrap=True)


def line(moment: Moment) -> Text:
    """A line of the timeline."""
    return Text.assemble(
        (f"{moment.at:6.1f} s ", "dim"), (f"{moment.who:<9} ", "bold cyan"), moment.what
    )


def picture(story: Story) -> RenderableType:
    """The loop as it stands."""
    with story.lock:
        now = story.now()
        moments = Table.grid()
        for moment in story.moments[-LINES:]:
            text = line(moment)
            text.truncate(200, overflow="ellipsis")
            moments.add_row(text)
        return Group(
            Panel(_runs(list(story.runs.values()), now), title=f"{story.chapter}  {now:.0f} s"),
            Panel(_facts(story), title="serving and watching"),
            Panel(moments, title="timeline"),
        )


def _runs(runs: list[Run], now: float) -> RenderableType:
    table = Table(box=None, expand=True)
    table.add_column("run")
    for name in STEPS:
        table.add_column(name.lower())
    for run in runs:
        table.add_row(
            Text(str(run.number), STYLES.get(run.status, "")),
            *(_cell(run.steps.get(name), now) for name in STEPS),
        )
    return table if runs else Text("no run yet", "dim")


def _cell(stage: Stage | None, now: float) -> Text:
    if stage is None:
        return Text("·", "dim")
    seconds = stage.seconds(now)
    mark = {"Succeeded": "✓", "Failed": "✗"}.get(stage.status, "…")
    return Text(f"{mark} {seconds or 0:.1f} s", STYLES.get(stage.status, ""))


def _facts(story: Story) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    share = f"{story.drift[-1][1]:.0%} of columns" if story.drift else "not measured yet"
    table.add_row("endpoint", story.endpoint, "requests", str(story.requests))
    table.add_row("drift", share, "errors", str(story.errors))
    table.add_row("alarm", story.alarm)
    return table
