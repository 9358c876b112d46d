"""Clips, boxes, checkpoints and settings as the commands take them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from spiketrack.config import TrackerConfig
from spiketrack.errors import CheckpointError, ClipError, ConfigError, printable
from spiketrack.packaged import PRICE_TABLES
from spiketrack.terminal.console import note

if TYPE_CHECKING:
    from spiketrack.documents.manifest import Manifest
    from spiketrack.reference.checkpoint import Checkpoint
    from spiketrack.video.boxes import Box
    from spiketrack.video.clip import Clip

DEFAULT_PRICES = "operations-45nm-fp32"
Item = TypeVar("Item")
PRICES_HELP = f"{', '.join(PRICE_TABLES.names(DEFAULT_PRICES))}, or a YAML or JSON file."

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
    """The clip and the first box, checked against its first frame; both default to the bundled.

    ``ClipError`` for a clip without a box, and for all that ``open_clip`` and ``check_box`` find.
    """
    from spiketrack.video.clip import BUNDLED_BOX, bundled_clip, check_box, open_clip, parse_box

    if video is not None and box is None:
        raise ClipError(f"{video}: give --box x,y,w,h, the object in its first frame")
    clip = open_clip(video or bundled_clip(), frames)
    for line in clip.notes:
        note(f"warning: {line}")
    start = parse_box(box) if box else BUNDLED_BOX
    first = clip.first()
    return clip, check_box(start, first.shape[1], first.shape[0])


def until_it_fails(items: Iterable[Item], problems: list[str]) -> Iterator[Item]:
    """Frames, or what they gave, up to where the clip fails after the first tracked one.

    ``problems`` says why; ``end_with`` tells it.
    """
    count = 0
    try:
        for item in items:
            count += 1
            yield item
    except ClipError as error:
        if count < 2:
            raise
        problems.append(f"{error}; the {count - 1} frames tracked before are kept")


def end_with(clip: Clip, problems: Sequence[str]) -> None:
    """What reading the clip brought to light; exit code 1 where it failed midway."""
    for line in clip.late:
        note(f"warning: {line}")
    for problem in problems:
        note(f"error: {problem}")
    if problems:
        raise typer.Exit(1)


def clip_source(video: Path | None) -> str:
    """Where a clip came from: its absolute path, or its address without a password."""
    from spiketrack.video.clip import bundled_clip
    from spiketrack.video.streams import address, without_password

    there = None if video is None else address(video)
    return str((video or bundled_clip()).absolute()) if there is None else without_password(there)


def is_export(source: str) -> bool:
    """Whether a CHECKPOINT|DIR is an export folder; says so where its name is also of weights."""
    from spiketrack.reference.checkpoint import BUNDLED

    folder = Path(source).is_dir()
    if folder and source in BUNDLED:
        note(f"note: {source} is the export folder ./{source} here, not the bundled weights")
    return folder


def settings_with(
    settings: TrackerConfig, every: int | None, threshold: float | None
) -> TrackerConfig:
    """Tracker settings with the command line's template updates."""
    if every is not None and every < 1:
        raise ConfigError(f"--update-every {every}: must be at least 1 frame")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"--update-threshold {threshold:g}: must lie between 0 and 1")
    changes: dict[str, float] = {}
    if every is not None:
        changes["update_every"] = every
    if threshold is not None:
        changes["update_threshold"] = threshold
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


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
    from spiketrack.reference.checkpoint import read_checkpoint

    about = manifest.checkpoint
    read = read_checkpoint(name, key or about.key)
    if read.sha256 != about.sha256:
        raise CheckpointError(
            f"{read.path}: not the checkpoint that was exported "
            "(its SHA-256 differs from the manifest's)"
        )
    if read.key != about.key:
        exported = about.key or "the only one of its file"
        raise CheckpointError(f"{read.path}: --key {read.key}, but the export is of {exported}")
    _tell(read, name)
    return read
