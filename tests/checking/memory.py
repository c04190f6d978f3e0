"""What a controller under way still remembers: with it, two wake-ups that differ only in what they
have forgotten are one, and the small worlds are small.

A function that changes nothing in its object has told its caller all that it found out once it
returns: its result, or that it lost a race. What it read on the way, and how often, is forgotten:
the wake-up goes on in the same way whatever that was. That nothing is kept in the object is
asserted at the end of every wake-up (controller.py); that the schedules stay the same is a test
(test_reduction.py).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from unittest.mock import patch

from components.runtime.document import Conflict
from components.runtime.inventory import InventoryStore
from components.runtime.ledger import Ledger
from components.runtime.retrain_controller import RetrainController

PROCEDURES = (
    (InventoryStore, "look"),
    (Ledger, "add"),
    (RetrainController, "_publish"),
    (RetrainController, "_put_on_record"),
)
"""Their results are not used: here they have none, so that nobody can."""
FUNCTIONS = (
    (RetrainController, "_catch_up"),
    (RetrainController, "_claim"),
    (RetrainController, "_read_world"),
    (RetrainController, "_record"),
    (RetrainController, "_start"),
    (RetrainController, "_step"),
)


class Memory(Protocol):
    """Who remembers: `path` stands for all that matters of what it was told."""

    path: int


@contextmanager
def forgetting(memory: Memory) -> Iterator[None]:
    """Within, what only mattered inside one of these functions is forgotten when it returns."""
    with ExitStack() as stack:
        for where, name in PROCEDURES:
            procedure = _forgetting(memory, getattr(where, name), lambda _: None)
            stack.enter_context(patch.object(where, name, procedure))
        for where, name in FUNCTIONS:
            function = _forgetting(memory, getattr(where, name), lambda result: result)
            stack.enter_context(patch.object(where, name, function))
        yield


def _forgetting(
    memory: Memory, function: Callable[..., Any], told: Callable[[Any], Any]
) -> Callable[..., Any]:
    name = function.__name__  # what is known tells where the controller is, too

    def called(*arguments: Any, **named: Any) -> Any:
        before = memory.path
        try:
            result = told(function(*arguments, **named))
        except Conflict:
            memory.path = hash((before, name, "lost"))
            raise
        memory.path = hash((before, name, repr(result)))
        return result

    return called
