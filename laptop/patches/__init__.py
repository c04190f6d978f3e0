"""What ministack lacks, one module a concern.

Each module names in ``PINS`` the private names of ministack that it stands on, with their
signatures, and adds its behaviour in ``install``. ministack is pinned exactly in
laptop/requirements.txt; when that pin moves, ``unpinned`` says which names moved with it.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import LaptopError

PLAIN = (
    "alarm_states",
    "batches",
    "bucket_reads",
    "conditions",
    "deliveries",
    "function_roles",
    "log_keys",
    "message_moves",
    "object_events",
    "resource_arns",
    "transport",
)
"""Modules whose ``install`` takes nothing."""


def extension(name: str) -> Any:
    """One of the modules beside this one; they import ministack, which reads its settings then."""
    return importlib.import_module(f"{__name__}.{name}")


def pins() -> dict[str, str]:
    """Every private name of ministack that the laptop AWS stands on, and what it must be."""
    found: dict[str, str] = {}
    for name in (*PLAIN, "sagemaker", "strictness"):
        found |= extension(name).PINS
    return found


def described(value: object) -> str:
    """What is pinned of a private name: a function's signature, else its type."""
    if inspect.isfunction(value):
        return str(inspect.signature(value))
    return type(value).__name__


def unpinned(pins: Mapping[str, str]) -> list[str]:
    """One sentence for each pinned name that this ministack does not have as pinned."""
    complaints = []
    for path, expected in pins.items():
        module, _, name = path.rpartition(".")
        found = described(getattr(importlib.import_module(module), name, None))
        if found != expected:
            complaints.append(
                f"{path} is {found} in this ministack, and the laptop AWS extends "
                f"it as {expected}: adapt the patch that pins it, then the version in "
                "laptop/requirements.txt."
            )
    return complaints


def install(*, endpoint_url: str, workdir: Path) -> tuple[Callable[..., Any], Callable[[], None]]:
    """Extend ministack; returns its ASGI application and what ends its workers.

    Raises LaptopError, before anything is changed, if ministack is not the pinned one.
    """
    from ministack.app import app
    from ministack.core import lambda_runtime

    from . import requests, sagemaker, strictness

    complaints = unpinned(pins())
    if complaints:
        raise LaptopError(" ".join(complaints))
    for name in PLAIN:
        extension(name).install()
    service = sagemaker.install(endpoint_url=endpoint_url, workdir=workdir)
    strictness.install()  # last: it stands before every handler

    def shut_down() -> None:
        service.shutdown()
        lambda_runtime.reset()

    return requests.telling(app), shut_down
