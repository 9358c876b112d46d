"""Ground truth beside the run's clip: the boxes of a benchmark sequence, and the run's figures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spiketrack.errors import ClipError
from spiketrack.report.document import Overlay
from spiketrack.tracking.layouts import find_sources
from spiketrack.tracking.metrics import Scores, score
from spiketrack.tracking.sequences import Sequence as Footage
from spiketrack.tracking.sequences import read_sequence
from spiketrack.video.boxes import Box, BoxRow, iou
from spiketrack.video.footage import image_home, read_images, survey_images

LABEL = "ground truth"
SAME = 0.9  # overlap of two first boxes of one object


@dataclass(frozen=True, eq=False)
class Truth:
    """Boxes of a labelled sequence where the target is visible, and what a run reached on it.

    ``scores``: None where the tracked frames hold no visible target.
    """

    layout: str
    rows: tuple[BoxRow, ...]
    scores: Scores | None

    @property
    def overlay(self) -> Overlay:
        """The boxes over the clip."""
        return Overlay(LABEL, self.rows, scored=False)


def ground_truth(clip: Path, tracked: Sequence[BoxRow]) -> Truth | None:
    """The labels of a clip that is a sequence's folder of frames; None where there are none.

    They are those of the tracked object: the first boxes overlap, the frames are the same.
    """
    footage = _sequence(clip, tracked[0].box)
    if footage is None:
        return None
    number = min(len(tracked), len(footage.boxes))
    visible, truth = footage.visible[:number], footage.boxes[:number]
    rows = tuple(BoxRow(i, Box(*map(float, truth[i])), 1.0) for i in range(number) if visible[i])
    if not visible[1:].any():
        return Truth(footage.layout, rows, None)
    boxes = np.array([row.box.as_tuple() for row in tracked[:number]])
    height, width = next(iter(read_images(footage.images[:1], []))).shape[:2]
    return Truth(footage.layout, rows, score(boxes, truth, visible, (width, height)))


def _sequence(clip: Path, start: Box) -> Footage | None:
    """The labelled sequence whose frames the clip is and which begins with that object."""
    if not clip.is_dir():
        return None
    for folder in (clip, clip.parent):
        for footage in _readable(folder, clip):
            if iou(footage.start, start) >= SAME and footage.labelled:
                return footage
    return None


def _readable(folder: Path, clip: Path) -> list[Footage]:
    """Sequences of a folder itself whose frames are the clip's; unreadable labels are none."""
    candidates = []
    try:
        frames = survey_images(clip).images
        homes = [s for s in find_sources(folder, []) if image_home(s.frames) == image_home(clip)]
    except (ClipError, OSError):
        return []
    for source in homes:
        with suppress(ClipError):
            candidates.append(read_sequence(source))
    return [footage for footage in candidates if footage.images == frames]
