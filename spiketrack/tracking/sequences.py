"""Benchmark sequences on disk, one folder or a folder of them: what they hold, where they are.

Evaluation and training read them here alike; the layouts are in ``spiketrack.tracking.layouts``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ClipError
from spiketrack.tracking.attributes import attributes
from spiketrack.tracking.flags import Flags, hidden, missing
from spiketrack.tracking.layouts import Source, find_sources
from spiketrack.tracking.nfs import aligned
from spiketrack.tracking.otb import omitted, ranged
from spiketrack.tracking.uav123 import part
from spiketrack.video.boxes import Box, read_rectangles
from spiketrack.video.footage import (
    Frame,
    ImageFolder,
    absolute,
    natural_key,
    read_images,
    survey_images,
)

LONGEST = 220  # bytes of a name: files of results add up to 35 of their own
DEPTH = 2  # LaSOT keeps sequences in folders of their class

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Sequence:
    """Images of one sequence, the target's box in each, and where the target is visible.

    ``boxes``: (N, 4) x, y, w, h in pixels from 0; ``visible``: (N,), False where the target is
    absent, wholly occluded, out of view or has no box; ``labelled``: False where the labels hold
    the first frame's box alone, as the test parts of GOT-10k and TrackingNet do; ``notes``: what
    a user should be told; ``attributes``: what the data set says is hard about it. A run from
    another start (``starts.py``) is ``of`` a sequence, named ``begins``, with a ``given`` box.
    """

    name: str
    layout: str
    images: tuple[Path, ...]
    boxes: Boxes
    visible: Flags
    labelled: bool = True
    notes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    of: str = ""
    begins: str = ""
    given: Box | None = None

    @property
    def start(self) -> Box:
        """The box that the tracker is given in the first frame."""
        return self.given or Box(*(float(v) for v in self.boxes[0]))

    @property
    def base(self) -> str:
        """The name of the sequence that this is a run of."""
        return self.of or self.name

    @property
    def digest(self) -> str:
        """SHA-256 of its name, layout and attributes, its frames' names, labels and start."""
        names = (self.name, self.layout, self.attributes, [path.name for path in self.images])
        content = ascii(names).encode()
        content += self.boxes.tobytes() + self.visible.tobytes() + repr(self.start).encode()
        return hashlib.sha256(content).hexdigest()

    def frames(self, notes: list[str] | None = None) -> Iterator[Frame]:
        """RGB frames in order; ``notes`` is told what only reading them shows."""
        return read_images(self.images, notes)

    def cut(self, frames: int | None) -> Sequence:
        """The first frame and at most ``frames`` more."""
        end = None if frames is None else frames + 1
        return dataclasses.replace(
            self, images=self.images[:end], boxes=self.boxes[:end], visible=self.visible[:end]
        )


@dataclass(frozen=True)
class Refused:
    """A sequence that is there but cannot be read, and why."""

    name: str
    reason: str


@dataclass
class Survey:
    """What a folder holds: sequences in natural order of their names, refusals, notes."""

    sequences: list[Sequence] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def survey(folder: Path) -> Survey:
    """The sequence in ``folder``, or all those below it; what is odd or skipped is noted.

    ``ClipError``: no such folder, or no sequence in it.
    """
    if not folder.is_dir():
        raise ClipError(f"{folder}: no such folder of sequences")
    surveyed = Survey()
    _walk(folder, DEPTH, surveyed)
    if not (surveyed.sequences or surveyed.refused):
        more = f" ({surveyed.notes[0]})" if surveyed.notes else ""
        raise ClipError(
            f"{folder}: no sequence found; expected groundtruth_rect.txt or groundtruth.txt in it "
            f"or in its sub-folders{more}"
        )
    return surveyed


def _walk(folder: Path, depth: int, surveyed: Survey) -> None:
    try:
        sources = find_sources(folder, surveyed.notes)
        children = sorted((p for p in folder.iterdir() if p.is_dir()), key=natural_key)
    except (ClipError, OSError) as error:
        reason = str(error) if isinstance(error, ClipError) else f"{folder}: {error.strerror}"
        surveyed.refused.append(Refused(absolute(folder).name, reason))
        return
    for source in sources:
        _add(source, surveyed)
    for child in children if depth and not sources else ():
        if child.name.startswith(".") or child.name == "__MACOSX":
            surveyed.notes.append(f"{child}: skipped, a hidden folder")
        else:
            _walk(child, depth - 1, surveyed)


def _add(source: Source, surveyed: Survey) -> None:
    try:
        known = [s.name for s in surveyed.sequences] + [r.name for r in surveyed.refused]
        if source.name in known:
            raise ClipError(
                f"{source.label.parent}: several sequences are named {source.name}; rename one"
            )
        if (size := len(os.fsencode(source.name))) > LONGEST:
            raise ClipError(
                f"{source.label}: the sequence's name has {size} bytes, files of results take "
                f"{LONGEST}; rename it"
            )
        surveyed.sequences.append(read_sequence(source))
    except ClipError as error:
        surveyed.refused.append(Refused(source.name, str(error)))


def read_sequence(source: Source) -> Sequence:
    """Frames and labels of one sequence; ``ClipError`` names the file that does not fit."""
    if not source.frames.is_dir():
        raise ClipError(
            f"{source.label}: {source.layout} layout: no folder of frames at {source.frames}"
        )
    frames = survey_images(source.frames)
    boxes = (source.read or read_rectangles)(source.label)
    if source.layout == "OTB":
        frames = ImageFolder(ranged(source.name, frames.images, len(boxes)), frames.notes)
    if source.first is not None:
        frames = ImageFolder(part(frames.images, source.first, len(boxes)), frames.notes)
    if source.layout == "NfS":
        images, boxes, said = aligned(frames.images, boxes)
        frames = ImageFolder(images, (*frames.notes, *said))
    labelled = not (len(boxes) == 1 < len(frames.images))
    notes = [*source.notes, *frames.notes]
    if labelled and (odd := missing(source.layout, source.label.parent)):
        notes.append(odd)
    if not labelled:
        notes.append(f"{source.label}: holds the first frame's box alone: tracked, not scored")
    elif len(boxes) != len(frames.images):
        why = f" ({'; '.join(frames.notes)})" if frames.notes else ""
        raise ClipError(f"{source.label}: {len(boxes)} boxes for {len(frames.images)} frames{why}")
    if not boxes[0].valid:
        raise ClipError(f"{source.label}: line 1: the first frame needs a box with a size")
    array = np.full((len(frames.images), 4), np.nan)
    array[: len(boxes)] = [box.as_tuple() for box in boxes]
    visible = np.zeros(len(array), np.bool_)
    visible[: len(boxes)] = [box.valid for box in boxes]
    visible &= ~hidden(source.label.parent, len(array))
    named = attributes(source.layout, source.name, source.label)
    whole = Sequence(
        source.name, source.layout, frames.images, array, visible, labelled, tuple(notes), named
    )
    return _without_omitted(whole)


def _without_omitted(whole: Sequence) -> Sequence:
    """OTB's Tiger1 starts later, as its benchmark's lists have it."""
    first = omitted(whole.name, len(whole.boxes)) if whole.layout == "OTB" else 0
    if not first:
        return whole
    return dataclasses.replace(
        whole,
        images=whole.images[first:],
        boxes=whole.boxes[first:],
        visible=whole.visible[first:],
        notes=(*whole.notes, f"{whole.name}: starts at frame {first + 1}, as OTB's lists have it"),
    )
