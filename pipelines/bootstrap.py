"""Starts a step in a processing container: `python3 bootstrap.py steps/<step>.py arguments...`.

Installs the packages that the image lacks, then runs the step as a module of this folder. Where
every pin is satisfied (a laptop's step environment, an image of one's own), it touches nothing and
needs no network.
"""

import importlib
import runpy
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def pins(requirements: Path) -> dict[str, str]:
    """Package -> version of a requirements file. Raises ValueError for a line without a pin."""
    lines = (line.split("#")[0].strip() for line in requirements.read_text("utf-8").splitlines())
    found = {}
    for line in filter(None, lines):
        package, separator, pinned = line.partition("==")
        if not separator:
            raise ValueError(
                f"{requirements.name} asks for {line!r} without an exact version, so that two runs "
                f"could differ. Write {line.split('>')[0].split('<')[0].strip()}==<version>."
            )
        found[package.strip()] = pinned.strip()
    return found


def satisfied(package: str, pinned: str) -> bool:
    """Whether this very version is installed."""
    try:
        return version(package) == pinned
    except PackageNotFoundError:
        return False


def install(requirements: Path, *options: str) -> None:
    """pip install what the file pins, unless all of it is there already."""
    if requirements.is_file() and not all(
        satisfied(package, pinned) for package, pinned in pins(requirements).items()
    ):
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options]
        subprocess.run([*pip, "-r", str(requirements)], check=True)  # noqa: S603  pinned by us
        importlib.invalidate_caches()


def main() -> None:
    # --no-deps, because every dependency is listed: nothing that the image brings may change.
    install(ROOT / "steps" / "requirements.txt", "--no-deps")
    install(ROOT / "requirements.txt")
    script, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(script.removesuffix(".py").replace("/", "."), run_name="__main__")


if __name__ == "__main__":
    main()
