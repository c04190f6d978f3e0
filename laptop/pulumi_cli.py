"""The genuine ``pulumi`` command: the one on PATH if it is new enough, else the one we built.

``make engine`` builds it from Go modules into a cache outside of the working tree, once for all
checkouts that pin the same modules.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .errors import LaptopError

FOLDER = Path(__file__).parent / "pulumi-engine"
"""Our Go module: it pins what is built. Each of its subfolders is a tool that is built as well."""

MODULE = "github.com/pulumi/pulumi/pkg/v3"

Version = tuple[int, int, int]


def version_in(text: str) -> Version | None:
    """The version that a text such as ``v3.259.0`` begins with, or None."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _pinned() -> str:
    (version,) = re.findall(rf"{re.escape(MODULE)} v(\S+)", (FOLDER / "go.mod").read_text())
    return str(version)


PINNED = _pinned()
"""What is built. It is also the oldest version that is used: the tests run on no older one."""


def find() -> Path:
    """The command to run.

    Raises LaptopError with one sentence when there is none, or only one that is too old.
    """
    on_path = _on_path()
    if on_path and supported(version_of(on_path)):
        return on_path
    built = tool("pulumi")
    if built.exists():
        return built
    if on_path is None:
        raise LaptopError(
            f"There is no `pulumi` on PATH, and none was built: run `make engine`, which builds "
            f"{PINNED}, or install {PINNED} or newer."
        )
    raise LaptopError(
        f"{on_path} is {version_of(on_path) or 'of no known version'}, and Perennial needs "
        f"pulumi {PINNED} or a newer 3.x: upgrade it, or run `make engine`, which builds {PINNED}."
    )


def tool(name: str) -> Path:
    """Where a command is once ``make engine`` has built it: ``pulumi``, or a tool of ours."""
    return _cache() / name


def supported(text: str) -> bool:
    """Whether a version is new enough, and of the major version that the SDK speaks to."""
    version, oldest = version_in(text), version_in(PINNED)
    return bool(version and oldest and version >= oldest and version[0] == oldest[0])


def version_of(command: Path) -> str:
    """What a ``pulumi`` says its version is; empty if it says nothing."""
    try:
        answer = subprocess.run(  # noqa: S603  the command that is about to be used
            [str(command), "version"],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def make() -> None:
    """Build what is missing; what is there takes no time.

    Raises LaptopError with one sentence if Go is missing, or if the build fails.
    """
    on_path = _on_path()
    usable = on_path is not None and supported(version_of(on_path))
    if usable:
        print(f"{on_path} is used: it is {PINNED} or newer.")
    packages = {path.parent.name: f"./{path.parent.name}" for path in FOLDER.glob("*/*.go")}
    if not usable:
        packages["pulumi"] = f"{MODULE}/cmd/pulumi"
    missing = [package for name, package in packages.items() if not tool(name).exists()]
    if missing:
        _build(missing)
    for name in sorted(packages):
        print(tool(name))


def _build(packages: Sequence[str]) -> None:
    """Build into a folder aside, then move: an interrupted build leaves nothing half made."""
    go = shutil.which("go")
    if go is None:
        raise LaptopError(
            f"Go is what pulumi {PINNED} is built with, and there is no `go` on PATH: install Go "
            f"1.25 or newer (https://go.dev/dl), or put pulumi {PINNED} or newer on PATH."
        )
    print(
        f"Building pulumi {PINNED} into {_cache()} "
        "(about 5 minutes on two cores the first time, seconds when Go has its parts)",
        flush=True,
    )
    _cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=_cache()) as aside:
        version = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={PINNED}"
        built = subprocess.run(  # noqa: S603  Go, on modules whose checksums are ours
            [
                *(go, "build", "-mod=readonly", "-ldflags", f"-s -w {version}"),
                *("-o", f"{aside}/", *packages),
            ],
            cwd=FOLDER,
            env=os.environ | {"GOWORK": "off"},  # a go.work further up has no say
        )
        if built.returncode:
            raise LaptopError(
                f"Go could not build pulumi {PINNED} (exit code {built.returncode}); what it said "
                "is above: run `make engine` again once that is mended."
            )
        for binary in Path(aside).iterdir():
            binary.replace(tool(binary.name))


def _on_path() -> Path | None:
    found = shutil.which("pulumi")
    return Path(found) if found else None


def _cache() -> Path:
    """The folder of these pins: other pins, or other tools, are another folder."""
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "perennial" / f"pulumi-{PINNED}-{digest.hexdigest()[:12]}"
