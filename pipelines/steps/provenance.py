"""Where a model version comes from: all that is needed to make it again, and to see if it is it."""

import hashlib
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LOCKS = ("image-requirements.txt", "steps/requirements.txt", "requirements.txt")


def environment_lock(root: Path) -> str:
    """SHA-256 (64 hex digits) over the pins of the image, of the steps and of the model."""
    digest = hashlib.sha256()
    for name in LOCKS:
        if (file := root / name).is_file():
            digest.update(f"{name}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def installed(root: Path) -> dict[str, str]:
    """The version that is really there of each package in the locks, and of Python."""
    found = {"python": platform.python_version()}
    for name in LOCKS:
        file = root / name
        for line in file.read_text("utf-8").splitlines() if file.is_file() else []:
            if pinned := re.match(r"[A-Za-z0-9._-]+(?===)", line):
                try:
                    found[pinned[0]] = version(pinned[0])
                except PackageNotFoundError:
                    found[pinned[0]] = "absent"
    return found


def metadata_value(text: str) -> str:
    """`text` as a CustomerMetadataValue may be: letters, digits, spaces and _.:/=+-@, 1 to 256.

    The limits are those of CreateModelPackage; every other character becomes "_".
    """
    return re.sub(r"[^\w .:/=+\-@]", "_", text)[:256]
