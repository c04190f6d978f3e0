"""Files that are kept under a digest of their content, written whole or not at all."""

import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """A reader finds the whole file or none, also while two processes write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as temporary:
        temporary.write(content)
    Path(temporary.name).replace(path)
