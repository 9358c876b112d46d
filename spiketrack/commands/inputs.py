"""Clips, boxes, checkpoints and settings as the commands take them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.errors import ConfigError, printable
from spiketrack.packaged import PRICE_TABLES
from spiketrack.steps.watch import Watch
from spiketrack.terminal.console import note
from spiketrack.terminal.progress import frame_bar, stages

if TYPE_CHECKING:
    from spiketrack.documents.manifest import Manifest
    from spiketrack.reference.checkpoint import Checkpoint
    from spiketrack.video.boxes import Box
    from spiketrack.video.clip import Clip

TERMINAL = Watch(note, frame_bar, stages)
DEFAULT_PRICES = "operations-45nm-fp32"
EXPORT_HELP = "Export folder, run folder, or a folder that spiketrack run left."
RUN_HELP = "Folder that spiketrack simulate or spiketrack run wrote."
PRICES_HELP = f"{', '.join(PRICE_TABLES.names(DEFAULT_PRICES))}, or a YAML or JSON file."

Video = Annotated[
    Path | None, typer.Option(help="Video file or folder of frames; default: the bundled clip.")
]
FirstBox = Annotated[
    str | None, typer.Option(help="x,y,w,h of the object in the first frame, pixels from 0.")
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="NAME",
        help="Which state dict of a checkpoint that holds several, such as net or model_ema; "
        "default: the network itself.",
    ),
]


def choose_clip(video: Path | None, box: str | None, frames: int | None) -> tuple[Clip, Box]:
    """The clip and the first box, the bundled ones by default; what is odd is said."""
    from spiketrack.steps import footage

    return footage.choose_clip(video, box, frames, note)


def end_with(late: Sequence[str], problems: Sequence[str]) -> None:
    """What reading a clip brought to light; exit code 1 where it failed midway."""
    for line in late:
        note(f"warning: {line}")
    for problem in problems:
        note(f"error: {problem}")
    if problems:
        raise typer.Exit(1)


def is_export(source: str) -> bool:
    """Whether a CHECKPOINT|DIR is an export folder; says so where its name is also of weights."""
    from spiketrack.reference.checkpoint import BUNDLED

    folder = Path(source).is_dir()
    if folder and source in BUNDLED:
        note(f"note: {source} is the export folder ./{source} here, not the bundled weights")
    return folder


def open_checkpoint(name: str, key: str | None, strip: bool = False) -> Checkpoint:
    """Read a checkpoint and say what was stripped, left out and chosen."""
    from spiketrack.reference.checkpoint import read_checkpoint

    read = read_checkpoint(name, key, strip)
    _tell(read, name)
    return read


def _tell(read: Checkpoint, name: str) -> None:
    for line in read.notes:
        note(f"note: {printable(name, 400)}: {line}")


def refuse_key(key: str | None, source: str) -> None:
    """``ConfigError`` for a ``--key`` beside an export folder."""
    if key is not None:
        raise ConfigError(f"--key {key}: {source} is an export folder; --key is for checkpoints")


def open_exported(name: str | None, key: str | None, manifest: Manifest) -> Checkpoint | None:
    """The checkpoint that an export was made of, or None without a name.

    Without ``key`` the state dict is the exported one. ``CheckpointError`` for any other.
    """
    if name is None:
        if key is not None:
            raise ConfigError(f"--key {key}: needs --checkpoint, the file that was exported")
        return None
    from spiketrack.steps.exported import exported_checkpoint

    read = exported_checkpoint(name, key, manifest)
    _tell(read, name)
    return read
