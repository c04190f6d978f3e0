"""The loop that keeps a model alive on AWS: data, train, register, serve, monitor, retrain."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "pulumi" in sys.modules:
    # Pulumi's host looks for the components in this module as soon as it is imported.
    from ._public import *  # noqa: F403  # it says itself what is public
    from ._public import __all__ as __all__
else:
    # The command line needs none of them, and must not wait for the import of Pulumi.
    def __getattr__(name: str) -> Any:
        if name.startswith("_") and name != "__all__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{__name__}._public"), name)
