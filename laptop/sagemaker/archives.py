"""Tar archives of models and code: packed reproducibly, unpacked without trusting them."""

import gzip
import tarfile
from pathlib import Path

MAX_BYTES = 4 << 30
"""Size of everything in an archive, unpacked. SageMaker allows 50 GB; a laptop should not."""

MAX_MEMBERS = 100_000


class ArchiveError(Exception):
    """An archive that is not unpacked; the message says why."""


def unpack(archive: Path, directory: Path) -> None:
    """Unpack a tar (gzip or not) into a directory.

    Members that lead out of the directory, devices and links to the outside are refused (PEP 706),
    and so is an archive of more than ``MAX_BYTES`` or ``MAX_MEMBERS``.

    :raises ArchiveError: if it is none, or is refused; what was unpacked by then stays.
    """
    directory.mkdir(parents=True, exist_ok=True)
    size = members = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                size, members = size + member.size, members + 1
                if size > MAX_BYTES or members > MAX_MEMBERS:
                    raise ArchiveError(
                        f"{archive.name} unpacks to more than {MAX_BYTES} bytes or "
                        f"{MAX_MEMBERS} members"
                    )
                tar.extract(member, directory, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ArchiveError(f"{archive.name} could not be unpacked: {error}") from error


def pack(directory: Path, archive: Path) -> None:
    """Pack what is in a directory into a gzipped tar: the same files make the same bytes."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as tar,
    ):
        for path in sorted(directory.rglob("*")):
            member = tar.gettarinfo(path, path.relative_to(directory).as_posix())
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            if member.isfile():
                with path.open("rb") as content:
                    tar.addfile(member, content)
            else:
                tar.addfile(member)
