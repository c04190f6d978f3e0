"""The code that the jobs run, as one tar.gz whose bytes depend on nothing but its content."""

import gzip
import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._cache import write_atomically

# What the steps share with the Lambda functions. Not the whole folder: a change of a controller
# is no reason to train anew.
RUNTIME_MODULES = (
    *("__init__.py", "document.py", "drift.py"),
    *("segment.py", "set_hash.py", "snapshot.py"),
)
# What people read, and what Python leaves behind, is no part of the code.
_LEFT_OUT = {".md", ".pyc"}


@dataclass(frozen=True)
class Bundle:
    """`path` of the tar.gz; `code_version`, the SHA-256 (64 hex digits) of the tar inside it;
    `git_commit` (40 hex digits) that holds this very code, or "unknown"."""

    path: Path
    code_version: str
    git_commit: str


def bundle(folder: Path | None = None) -> Bundle:
    """Pack the steps, the model code and what they share with the runtime.

    `folder` is the pipelines folder (default: this one). The tar lies in `.cache/bundles/` beside
    it, under its code version. Layout: `bootstrap.py`, `steps/`, `model/`, `runtime/`,
    `image-requirements.txt`, and a `requirements.txt` of the model, if it has one, where the
    training container looks for it. The packages of the steps are in `steps/requirements.txt`.
    """
    folder = Path(folder or Path(__file__).parent).resolve()
    tar = _tar(dict(_contents(folder)))
    code_version = hashlib.sha256(tar).hexdigest()
    path = folder.parent / ".cache" / "bundles" / code_version / "sourcedir.tar.gz"
    if not path.is_file():
        write_atomically(path, _gzip(tar))
    return Bundle(path, code_version, _git_commit(folder))


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Names in the tar and their bytes."""
    yield "bootstrap.py", (folder / "bootstrap.py").read_bytes()
    yield "image-requirements.txt", (folder / "image-requirements.txt").read_bytes()
    # Not at the top, where the training container would install them too, without need.
    yield "steps/requirements.txt", (folder / "requirements.txt").read_bytes()
    for part in ("steps", "model"):
        for file in (folder / part).rglob("*"):
            if file.is_file() and file.suffix not in _LEFT_OUT and not file.name.startswith("."):
                yield file.relative_to(folder).as_posix(), file.read_bytes()
    if (model := folder / "model" / "requirements.txt").is_file():
        yield "requirements.txt", model.read_bytes()
    for name in RUNTIME_MODULES:
        yield f"runtime/{name}", (_runtime() / name).read_bytes()


def _runtime() -> Path:
    return Path(__file__).resolve().parent.parent / "components" / "runtime"


def _tar(contents: dict[str, bytes]) -> bytes:
    """Members in order of name, owned by root, from the epoch."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(contents):
            member = tarfile.TarInfo(name)
            member.size = len(contents[name])
            tar.addfile(member, io.BytesIO(contents[name]))
    return buffer.getvalue()


def _gzip(content: bytes) -> bytes:
    """gzip with neither a name nor a time in its header."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as stream:
        stream.write(content)
    return buffer.getvalue()


def _git_commit(folder: Path) -> str:
    """The last commit that changed these files, if they are as it left them; else "unknown".

    Not the commit at hand: another with every commit, it would show a change where there is none.
    """

    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run(  # noqa: S603  fixed arguments
                ["git", *arguments],  # noqa: S607  git is wherever the user has it
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
            )
        except FileNotFoundError:
            return None
        return result.stdout.strip() if result.returncode == 0 else None

    files = ("--", str(folder), *(str(_runtime() / name) for name in RUNTIME_MODULES))
    if git("status", "--porcelain", *files) != "":
        return "unknown"
    return git("log", "-1", "--format=%H", *files) or "unknown"
