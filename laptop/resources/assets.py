"""Pulumi's assets and archives as bytes: equal content gives equal bytes, on every machine."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pulumi

from ..errors import LaptopError

_DOS_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


def content(asset: pulumi.Asset | pulumi.Archive) -> bytes:
    """The bytes of an asset, or the zip of an archive.

    The zip is the same for the same files: entries sorted by name, no time stamps, one mode. An
    archive that is already a ``.zip`` or ``.jar`` file is taken as it is.

    Raises LaptopError for a missing file, a remote asset, or a folder that holds no file.
    """
    if isinstance(asset, pulumi.Asset):
        return _bytes(asset)
    if isinstance(asset, pulumi.FileArchive) and Path(asset.path).suffix in {".zip", ".jar"}:
        return _read(Path(asset.path))
    return _zip(_files(asset))


def _bytes(asset: Any) -> bytes:
    if isinstance(asset, pulumi.FileAsset):
        return _read(Path(asset.path))
    if isinstance(asset, pulumi.StringAsset):
        return str(asset.text).encode()
    raise LaptopError(
        f"The laptop AWS reads no remote asset ({asset.uri}): use a FileAsset or a StringAsset."
    )


def _files(archive: Any, prefix: str = "") -> dict[str, bytes]:
    if isinstance(archive, pulumi.AssetArchive):
        files: dict[str, bytes] = {}
        for name, item in archive.assets.items():
            if isinstance(item, pulumi.Archive):
                files |= _files(item, f"{prefix}{name}/")
            else:
                files[prefix + name] = _bytes(item)
        return files
    if isinstance(archive, pulumi.FileArchive) and Path(archive.path).is_dir():
        root = Path(archive.path)
        return {
            prefix + path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }
    given = getattr(archive, "path", None) or getattr(archive, "uri", archive)
    raise LaptopError(
        f"The laptop AWS cannot read the archive {given}: use a folder, a .zip file or an "
        "AssetArchive."
    )


def _zip(files: dict[str, bytes]) -> bytes:
    if not files:
        raise LaptopError("An archive without a file cannot be deployed: check its path.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DOS_EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, files[name])
    return buffer.getvalue()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LaptopError(
            f"The asset {path} cannot be read ({error.strerror}): check the path in the program."
        ) from error
