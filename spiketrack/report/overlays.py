"""Boxes over the clip: of every run, and of the backends that a verification compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from spiketrack.documents.verification import VerifyDocument
from spiketrack.report.document import Overlay
from spiketrack.video.boxes import Box, BoxRow

if TYPE_CHECKING:
    from spiketrack.report.sources import Run


def overlays(runs: Sequence[Run], verify: VerifyDocument | None) -> tuple[Overlay, ...]:
    """Boxes of all sources that tracked the same object in the same clip as the first run."""
    tracked = [
        Overlay(f"{run.label} ({run.about.backend})", run.boxes)
        for run in runs
        if run.clip == runs[0].clip
    ]
    return (*tracked, *_verified(runs[0], verify))


def _verified(run: Run, verify: VerifyDocument | None) -> list[Overlay]:
    """Boxes of the backends in the verification, if it was of this clip and box."""
    if verify is None or not same_clip(run, verify) or verify.box != run.about.box:
        return []
    names = dict.fromkeys(name for row in verify.boxes for name in row.boxes)
    return [
        Overlay(
            f"verify: {name}",
            tuple(
                BoxRow(row.frame, Box(*row.boxes[name]), row.scores[name])
                for row in verify.boxes
                if name in row.boxes
            ),
        )
        for name in names
    ]


def same_clip(run: Run, verify: VerifyDocument) -> bool:
    """By their bytes where both are known, else by their names."""
    clip = run.about.clip
    if clip.digest is not None and verify.clip_digest is not None:
        return clip.digest == verify.clip_digest
    return clip.name == verify.clip


def last_frame(shown: Sequence[Overlay]) -> int:
    """The highest number that the slider reaches."""
    return max((row.frame for overlay in shown for row in overlay.rows), default=0)
