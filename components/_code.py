"""The source of the functions, as a Lambda archive."""

from pathlib import Path

import pulumi

_RUNTIME = Path(__file__).parent / "runtime"


def runtime_archive() -> pulumi.AssetArchive:
    """The package ``runtime``: its ``*.py`` files and nothing else.

    A folder as an archive would take ``__pycache__`` along, whose bytes differ between machines
    and would deploy every function anew for no reason.
    """
    return pulumi.AssetArchive(
        {
            path.relative_to(_RUNTIME.parent).as_posix(): pulumi.FileAsset(str(path))
            for path in sorted(_RUNTIME.rglob("*.py"))
        }
    )
