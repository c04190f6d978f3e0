"""Every schedule of a small world, breadth first: the first broken promise is a shortest one."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from .promises import Broken, at_rest, witness
from .schedule import Move, Scene, after, moves, tell


@dataclass(frozen=True)
class Report:
    """What was explored, and what was found."""

    states: int
    steps: int
    rests: int
    """Different worlds from which everything was let calm down."""
    ends: frozenset[int] = frozenset()
    """The worlds in which nothing more can happen, by their keys."""
    schedules: int | None = None
    """None if not all were explored."""
    broken: Broken | None = None
    story: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line, and the story of what was found."""
        if self.broken:
            return "\n  ".join((f"{self.states:,} states: {self.broken}", *self.story))
        return f"{self.states:,} states, {self.steps:,} steps, {self.rests:,} worlds at rest, " + (
            f"{self.schedules:,} schedules" if self.schedules else "and not all of them"
        )


@dataclass
class Graph:
    """The states that were met, by number, and how each was met first."""

    numbers: dict[int, int]
    came: list[tuple[int, Move | None]]
    ways: list[list[int]]


def explore(
    start: Scene, most: int | None = None, possible: Callable[[Scene], Iterator[Move]] = moves
) -> Report:
    """Explore all that can happen from `start`, or the first `most` states of it."""
    graph = Graph({start.key: 0}, [(0, None)], [[]])
    ahead, rests, ends, steps = deque([start]), set[int](), set[int](), 0
    for number in count():
        if not ahead:
            return Report(number, steps, len(rests), frozenset(ends), _schedules(graph.ways))
        if most is not None and number >= most:
            return Report(number, steps, len(rests))
        scene, move = ahead.popleft(), None
        try:
            if scene.world.key not in rests:
                rests.add(scene.world.key)
                at_rest(scene.world)
            for move in possible(scene):  # the one that broke a promise is told
                steps += 1
                following = after(scene, move, witness)
                known = graph.numbers.get(following.key)
                if known is None:
                    known = graph.numbers[following.key] = len(graph.came)
                    graph.came.append((number, move))
                    graph.ways.append([])
                    ahead.append(following)
                graph.ways[number].append(known)
                move = None
            if not graph.ways[number]:
                ends.add(scene.world.key)
        except Broken as broken:
            story = _story(start, graph, number, move)
            return Report(len(graph.came), steps, len(rests), broken=broken, story=story)
    raise AssertionError("unreachable")


def _story(start: Scene, graph: Graph, number: int, last: Move | None) -> tuple[str, ...]:
    path = [last] if last else []
    while number:
        number, move = graph.came[number]
        if move:
            path.insert(0, move)
    lines, scene = list[str](), start
    for move in path:
        heard = list[str]()
        line = tell(scene, move)
        try:
            scene = after(scene, move, lambda *_: None, lambda asked: heard.append(str(asked)))  # noqa: B023
        except Broken:
            break
        finally:
            lines.append(line + ": " * bool(heard) + ", ".join(heard))
    if last is None:
        lines.append("From then on nothing happens but sweeps and ends of runs.")
    return tuple(lines)


def _schedules(ways: list[list[int]]) -> int:
    """How many ways there are from the first state to an end.

    Time only goes on: a ring would be two states that were taken for one.
    """
    counted: dict[int, int] = {}
    ahead, begun = [0], set[int]()
    while ahead:
        number = ahead[-1]
        missing = [each for each in ways[number] if each not in counted]
        if missing:
            if not begun.isdisjoint(missing):
                raise AssertionError(f"State {number} comes before and after another.")
            begun.add(number)
            ahead.extend(missing)
        else:
            counted[number] = sum(counted[each] for each in ways[number]) or 1
            ahead.pop()
    return counted[0]
