"""What has happened so far, for whoever shows it."""

import threading
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Moment:
    """One line of the timeline; ``at`` is in seconds since the story began."""

    at: float
    who: str
    what: str


@dataclass
class Stage:
    """One stage of the loop as it stands: its status, and since when or how long, in seconds."""

    name: str
    status: str = "waiting"
    began: float | None = None
    ended: float | None = None

    def seconds(self, now: float) -> float | None:
        """How long the stage has taken so far, or took."""
        if self.began is None:
            return None
        return (self.ended if self.ended is not None else now) - self.began


@dataclass
class Run:
    """One pipeline execution and its steps, in the order in which they began."""

    number: int
    arn: str
    status: str = "Executing"
    steps: dict[str, Stage] = field(default_factory=dict)


@dataclass
class Story:
    """Everything that is shown; written from several threads, each under ``lock``."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    began: float = field(default_factory=time.monotonic)
    chapter: str = ""
    chapters: list[Stage] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    endpoint: str = "none yet"
    alarm: str = "none yet"
    drift: list[tuple[float, float]] = field(default_factory=list)
    interrupted: threading.Event = field(default_factory=threading.Event)
    requests: int = 0
    errors: int = 0

    def now(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self.began

    def tell(self, who: str, what: str) -> None:
        """Add a line to the timeline."""
        with self.lock:
            self.moments.append(Moment(self.now(), who, what))

    def changed(self, action: str, kind: str, name: str, seconds: float) -> None:
        """Tell of a step of the engine, as ``laptop.engine.OnChange``."""
        self.tell("engine", f"{action} {kind} {name} ({seconds:.2f} s)")

    def open(self, title: str) -> None:
        """Begin a chapter; the one before ends."""
        with self.lock:
            self.close()
            self.chapter = title
            self.chapters.append(Stage(title, "running", began=self.now()))

    def close(self) -> None:
        """End the chapter that is open, if any."""
        with self.lock:
            if self.chapters and self.chapters[-1].ended is None:
                self.chapters[-1].status, self.chapters[-1].ended = "done", self.now()
