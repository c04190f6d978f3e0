"""A container without a container: a directory that stands for /opt/ml, and what runs in it.

No root is needed to give a process its own /opt/ml: wherever that path stands in a command line, an
environment or a configuration file, the directory's own path is put in its place. A script that
takes its paths from there runs unchanged; one with /opt/ml written into its code does not.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPT_ML = "/opt/ml"
_OPT_ML = re.compile(r"(?<![\w./-])/opt/ml(?![\w.-])")
HOST = "algo-1"
"""The name of the only host of a job."""


@dataclass(frozen=True)
class Command:
    """What to run: arguments, environment (on top of :func:`base_environment`), directory."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path


class RefusedError(Exception):
    """A request that cannot run on the laptop; the message says what to write instead."""


class OptMl:
    """The directory that stands for /opt/ml."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, path: str) -> Path:
        """The file that a path below /opt/ml means here.

        :raises RefusedError: if the path lies elsewhere.
        """
        relative = os.path.relpath(path, OPT_ML)
        if relative.startswith(".."):
            raise RefusedError(f"The path {path!r} does not lie below {OPT_ML}.")
        return self.root / relative

    def localise(self, value: Any) -> Any:
        """A JSON value with /opt/ml replaced in every string."""
        if isinstance(value, str):
            return _OPT_ML.sub(lambda _: str(self.root), value)
        if isinstance(value, Mapping):
            return {name: self.localise(member) for name, member in value.items()}
        return [self.localise(it) for it in value] if isinstance(value, list) else value

    def write(self, path: str, document: Any) -> None:
        """Write a configuration file, localised."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.localise(document), indent=1))

    def text(self, path: str, limit: int = 1024) -> str:
        """The beginning of a file that the process may have written, "" if it did not."""
        file = self.path(path)
        if not file.is_file():
            return ""
        with file.open("rb") as content:
            return content.read(limit).decode(errors="replace").strip()


def base_environment(step_python: str, home: Path) -> dict[str, str]:
    """All that a process inherits: where programs are, and a home and a place for scraps.

    Nothing of this machine's own environment, least of all its credentials, reaches a job.
    """
    scratch = home / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    programs = [str(Path(step_python).parent), "/usr/local/bin", "/usr/bin", "/bin"]
    return {
        "PATH": ":".join(programs),
        "HOME": str(home),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
