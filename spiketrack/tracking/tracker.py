"""The tracker around the network: crop, search, decode, move the box, renew templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spiketrack.config import TrackerConfig
from spiketrack.errors import ConfigError, SpikeTrackError
from spiketrack.inference import Inference, Maps, Simulator
from spiketrack.video.boxes import Box, BoxRow
from spiketrack.video.clip import check_box
from spiketrack.video.crop import crop_square, take_crop
from spiketrack.video.footage import Frame

CropArray = NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """Where the head sees the object in the crop: centre and size in crop units 0..1, score."""

    cx: float
    cy: float
    w: float
    h: float
    score: float


@dataclass(frozen=True, repr=False)
class TrackResult:
    """What one frame gave.

    ``frame``: number from 0; ``box``: pixels from 0; ``score``: confidence 0..1 (1 in frame 0);
    ``crop``: search crop (3, S, S), None in frame 0; ``templates``: crops (T, 3, S, S) if they
    were encoded after this frame's search, else None; ``inference``: of the search;
    ``encoding``: of the templates.
    """

    frame: int
    box: Box
    score: float
    crop: CropArray | None = None
    templates: CropArray | None = None
    inference: Inference | None = None
    encoding: Inference | None = None

    def __repr__(self) -> str:
        box = ", ".join(f"{value:.1f}" for value in self.box.as_tuple())
        renewed = ", templates renewed" if self.updated else ""
        return f"TrackResult(frame {self.frame}: box {box}, score {self.score:.3f}{renewed})"

    @property
    def updated(self) -> bool:
        """Whether a later frame's search renewed the templates."""
        return self.frame > 0 and self.templates is not None

    @property
    def row(self) -> BoxRow:
        """Line of ``boxes.csv``."""
        return BoxRow(self.frame, self.box, self.score)


@lru_cache(maxsize=8)
def hann_window(grid: int) -> NDArray[np.float32]:
    """(P, P) outer product of 0.5 (1 - cos(2 pi i / (P + 1))), i = 1..P."""
    index = np.arange(1, grid + 1)
    line = 0.5 * (1 - np.cos(2 * np.pi * index / (grid + 1)))
    window = np.outer(line, line).astype(np.float32)
    window.flags.writeable = False
    return window


def decode(maps: Maps, window: bool = True) -> Prediction:
    """Box at the argmax cell of the score map, Hann-windowed if ``window``.

    centre = (cell + offset) / P, width and height = size at that cell, in units of the crop;
    score = maximum of the windowed map. The first of equal maxima, row by row, wins.
    """
    grid = maps.score.shape[0]
    response = maps.score * hann_window(grid) if window else maps.score
    row, column = divmod(int(response.argmax()), grid)
    dx, dy = (float(v) for v in maps.offset[:, row, column])
    w, h = (float(v) for v in maps.size[:, row, column])
    score = float(response[row, column])
    return Prediction((column + dx) / grid, (row + dy) / grid, w, h, score)


def to_frame(prediction: Prediction, last: Box, factor: float) -> Box:
    """Prediction in the crop around ``last`` → box in frame pixels, not yet clipped.

    With the crop's side s: centre = centre of ``last`` - s/2 + s (cx, cy), size = s (w, h).
    """
    side = crop_square(last, factor).side
    cx, cy = last.centre
    left = cx - 0.5 * side + side * (prediction.cx - 0.5 * prediction.w)
    top = cy - 0.5 * side + side * (prediction.cy - 0.5 * prediction.h)
    return Box(left, top, side * prediction.w, side * prediction.h)


def clip_box(box: Box, width: int, height: int, margin: int) -> Box:
    """Clip to the frame, keeping ``margin`` pixels inside and at least that size.

    x1 = min(max(0, x1), W - m), x2 = min(max(m, x2), W), w = max(m, x2 - x1), y alike.
    """
    x, w = _clip_side(box.x, box.w, width, margin)
    y, h = _clip_side(box.y, box.h, height, margin)
    return Box(x, y, w, h)


def _clip_side(start: float, size: float, limit: int, margin: int) -> tuple[float, float]:
    first = min(max(0.0, start), float(limit - margin))
    last = min(max(float(margin), start + size), float(limit))
    return first, max(float(margin), last - first)


class Tracker:
    """Follows one object with any backend; the same for simulate, track, evaluate and verify.

    ``start(frame, box)`` encodes the box's crop, repeated T times; each ``step(frame)`` searches
    around the last box. With T > 1 every ``update_every``-th frame above ``update_threshold``
    drops template 1, appends a crop at the new box and encodes all again.
    """

    def __init__(self, simulator: Simulator, settings: TrackerConfig) -> None:
        if settings.update_every < 1:
            raise ConfigError(f"update_every {settings.update_every}: must be at least 1 frame")
        self.simulator = simulator
        self.settings = settings
        self.size = simulator.config.resolution
        self.templates: list[CropArray] = []
        self.frame = 0
        self.box: Box | None = None

    def start(self, frame: Frame, box: Box) -> TrackResult:
        """Frame 0: ``box`` is taken as given. ``ClipError`` if it does not fit the frame."""
        check_box(box, frame.shape[1], frame.shape[0])
        self.box, self.frame = box, 0
        template = self._crop(frame, box, self.settings.template_factor)
        self.templates = [template] * self.simulator.config.templates
        stack, encoding = self._encode()
        return TrackResult(0, box, 1.0, templates=stack, encoding=encoding)

    def step(self, frame: Frame) -> TrackResult:
        """Next frame: search around the last box, move it, renew templates when it is time."""
        if self.box is None:
            raise SpikeTrackError("tracker: step before start; give it a first frame and a box")
        self.frame += 1
        settings = self.settings
        crop = self._crop(frame, self.box, settings.search_factor)
        inference = self.simulator.search(crop)
        if inference.maps is None:
            raise SpikeTrackError(f"{self.simulator.name}: the search gave no maps")
        prediction = decode(inference.maps, settings.window)
        moved = to_frame(prediction, self.box, settings.search_factor)
        self.box = clip_box(moved, frame.shape[1], frame.shape[0], settings.margin)
        stack, encoding = self._renew(frame, prediction.score)
        return TrackResult(self.frame, self.box, prediction.score, crop, stack, inference, encoding)

    def _renew(self, frame: Frame, score: float) -> tuple[CropArray | None, Inference | None]:
        settings = self.settings
        due = len(self.templates) > 1 and self.frame % settings.update_every == 0
        if not due or self.box is None or not score > settings.update_threshold:
            return None, None
        newest = self._crop(frame, self.box, settings.template_factor)
        self.templates = [self.templates[0], *self.templates[2:], newest]
        return self._encode()

    def _encode(self) -> tuple[CropArray, Inference]:
        stack = np.stack(self.templates)
        return stack, self.simulator.encode_template(stack)

    def _crop(self, frame: Frame, box: Box, factor: float) -> CropArray:
        return take_crop(frame, box, factor, self.size)


def follow(tracker: Tracker, frames: Iterable[Frame], box: Box) -> Iterator[TrackResult]:
    """Results of all frames, the first with the given box."""
    for index, frame in enumerate(frames):
        yield tracker.step(frame) if index else tracker.start(frame, box)
