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
    """pip install what the file pins, unless all of it is there already.

    Raises RuntimeError if pip cannot; what it said is in the log.
    """
    wanted = pins(requirements) if requirements.is_file() else {}
    absent = [
        f"{package}=={wanted[package]}"
        for package in wanted
        if not satisfied(package, wanted[package])
    ]
    if not absent:
        return
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options]
    if subprocess.run([*pip, "-r", str(requirements)], check=False).returncode != 0:  # noqa: S603  # our own arguments
        raise RuntimeError(
            f"pip cannot install {', '.join(absent)}. Give the step an image that has them, or a "
            "network with a package index; on a laptop, run `make setup`."
        )
    importlib.invalidate_caches()


def main() -> None:
    script, *arguments = sys.argv[1:]
    try:
        # --no-deps, because every dependency is listed: nothing that the image brings may change.
        install(ROOT / "steps" / "requirements.txt", "--no-deps")
        install(ROOT / "requirements.txt")
    except Exception as error:
        # Before the step can say so itself: SageMaker shows this file as the job's ExitMessage.
        message = Path(arguments[arguments.index("--message") + 1])
        message.parent.mkdir(parents=True, exist_ok=True)
        message.write_text(str(error)[:1024], "utf-8")
        raise
    sys.argv = [script, *arguments]
    runpy.run_module(script.removesuffix(".py").replace("/", "."), run_name="__main__")


if __name__ == "__main__":
    main()
