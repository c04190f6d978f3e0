"""The pipeline definition, compiled in a process of its own, kept under its source's digest."""

import hashlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from ._cache import write_atomically

_SOURCES = ("__init__.py", "check.py", "compile.py", "definition.py")
_TIMEOUT_SECONDS = 300


class DefinitionError(Exception):
    """The pipeline definition does not compile; the message names step and field."""


def compile_definition(folder: Path | None = None) -> str:
    """The pipeline definition of `folder` (default: this one) as normalised JSON.

    It is compiled by `python -m <folder>.compile`, unless `.cache/definitions/` beside the folder
    has it under the digest of its source and of the SDK's version. Raises DefinitionError, with
    what the compiler said, for a definition that does not compile or that AWS would refuse.
    """
    folder = Path(folder or Path(__file__).parent).resolve()
    cached = folder.parent / ".cache" / "definitions" / f"{_digest(folder)}.json"
    if cached.is_file():
        return cached.read_text("utf-8")
    definition = _compile(folder)
    write_atomically(cached, definition.encode())
    return definition


def _digest(folder: Path) -> str:
    """SHA-256 over what a compiled definition depends on."""
    digest = hashlib.sha256()
    for package in ("sagemaker", "botocore"):
        digest.update(f"{package}=={version(package)}\n".encode())
    for name in _SOURCES:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _compile(folder: Path) -> str:
    result = subprocess.run(  # noqa: S603  our own module under our own interpreter
        [sys.executable, "-m", f"{folder.name}.compile"],
        cwd=folder.parent,
        capture_output=True,
        encoding="utf-8",
        timeout=_TIMEOUT_SECONDS,
    )
    if result.returncode != 0:
        raise DefinitionError(
            f"The pipeline definition in {folder} does not compile. {result.stderr.strip()}"
        )
    return result.stdout
