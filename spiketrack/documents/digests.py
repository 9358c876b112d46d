"""SHA-256 of files: a document names the files beside it, a reader takes no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spiketrack.errors import DocumentError
from spiketrack.files import file_digest


def folder_digests(folder: Path, document: str) -> dict[str, str]:
    """Digest of every file below a folder but ``document`` itself, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / document
    }


def require_digest(path: Path, files: Mapping[str, str], document: str, remedy: str) -> None:
    """``DocumentError`` if a file that exists is not the one that ``document`` names."""
    if path.is_file() and file_digest(path) != files.get(path.name):
        raise DocumentError(
            f"{path}: not the file that {document} names (its SHA-256 is another); {remedy}"
        )


__all__ = ["file_digest", "folder_digests", "require_digest"]
