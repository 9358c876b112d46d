"""The clip and box that a step is given: checked, and described for documents."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from spiketrack.config import TrackerConfig
from spiketrack.documents.manifest import Calibration
from spiketrack.errors import ClipError, ConfigError
from spiketrack.video.boxes import Box
from spiketrack.video.clip import (
    BUNDLED_BOX,
    Clip,
    bundled_clip,
    check_box,
    open_clip,
    parse_box,
)
from spiketrack.video.streams import address, without_password

Item = TypeVar("Item")


def choose_clip(
    video: Path | None, box: str | None, frames: int | None, note: Callable[[str], None]
) -> tuple[Clip, Box]:
    """The clip and the first box, checked against its first frame; both default to the bundled.

    ``note`` takes what is odd about it. ``ClipError`` for a clip without a box, and for all that
    ``open_clip`` and ``check_box`` find.
    """
    if video is not None and box is None:
        raise ClipError(f"{video}: give --box x,y,w,h, the object in its first frame")
    clip = open_clip(video or bundled_clip(), frames)
    for line in clip.notes:
        note(f"warning: {line}")
    start = parse_box(box) if box else BUNDLED_BOX
    first = clip.first()
    return clip, check_box(start, first.shape[1], first.shape[0])


def clip_source(video: Path | None) -> str:
    """Where a clip came from: its absolute path, or its address without a password."""
    there = None if video is None else address(video)
    return str((video or bundled_clip()).absolute()) if there is None else without_password(there)


def until_it_fails(items: Iterable[Item], problems: list[str]) -> Iterator[Item]:
    """Frames, or what they gave, up to where the clip fails after the first tracked one.

    ``problems`` says why.
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


def settings_with(
    settings: TrackerConfig, every: int | None, threshold: float | None
) -> TrackerConfig:
    """Tracker settings with a caller's own template updates."""
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


def calibrated_on(about: Calibration | None, clip_digest: str | None) -> str:
    """Which clip chose the quantiser's constants, against the one of this digest."""
    if about is None:
        return "no clip"
    same = about.digest is not None and about.digest == clip_digest
    return f"{about.frames} frames of " + ("the same clip" if same else f"another, {about.clip}")
