"""The checkpoint that an export was made of."""

from __future__ import annotations

from pathlib import Path

from spiketrack.documents.manifest import Manifest
from spiketrack.errors import CheckpointError
from spiketrack.reference.checkpoint import Checkpoint, read_checkpoint


def exported_checkpoint(name: str | Path, key: str | None, manifest: Manifest) -> Checkpoint:
    """Read it; without ``key`` the state dict is the exported one.

    ``CheckpointError`` for any other file and for another state dict of the same.
    """
    about = manifest.checkpoint
    return of_export(read_checkpoint(name, key or about.key), manifest)


def of_export(read: Checkpoint, manifest: Manifest) -> Checkpoint:
    """The same of a checkpoint that is read."""
    about = manifest.checkpoint
    if read.sha256 != about.sha256:
        raise CheckpointError(
            f"{read.path}: not the checkpoint that was exported "
            "(its SHA-256 differs from the manifest's)"
        )
    if read.key != about.key:
        exported = about.key or "the only one of its file"
        raise CheckpointError(f"{read.path}: --key {read.key}, but the export is of {exported}")
    return read
