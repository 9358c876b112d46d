"""Frames of the clip as JPEG data URIs that fit a budget of bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from spiketrack.errors import ClipError, SpikeTrackError
from spiketrack.report.document import Pictures
from spiketrack.video.clip import open_clip
from spiketrack.video.footage import Frame
from spiketrack.video.streams import address, without_password

BUDGET = 2_400_000  # bytes of all data URIs together; the plotting library takes twice as much
SAMPLES = 5  # frames tried for each size
MOST = 600  # pictures; a longer clip shows every second, third, ... frame
WIDTHS = (640, 512, 416, 352, 288, 224, 176, 128, 96)
QUALITIES = (82, 68, 55)
BLANK = (320, 240)


def read_pictures(path: Path, last: int, budget: int = BUDGET) -> Pictures:
    """Frames 0..``last`` of a clip; without pictures, and with the reason, if it is not there.

    A clip that came from an address is not fetched again.
    """
    if (there := address(path)) is not None:
        return Pictures(*BLANK, note=f"The clip came from {without_password(there)}: not shown.")
    try:
        return encode(open_clip(path, last or None), last, budget)
    except ClipError as error:
        return Pictures(*BLANK, note=f"The clip cannot be shown: {error}")


def encode(frames: Iterable[Frame], last: int, budget: int = BUDGET) -> Pictures:
    """The largest and best JPEGs of frames 0..``last`` that keep within the budget together."""
    step = -(-(last + 1) // MOST)
    kept: list[Frame] = []
    numbers: list[int] = []
    height, width = 0, 0
    for number, frame in enumerate(frames):
        if number % step == 0 and number <= last:
            height, width = frame.shape[:2]
            kept.append(shrink(frame, WIDTHS[0]))
            numbers.append(number)
    size, quality = _fit(kept, budget)
    data = tuple(data_uri(frame, size, quality) for frame in kept)
    note = f"One frame in {step} has a picture." if step > 1 else ""
    return Pictures(width, height, tuple(numbers), data, note)


def _fit(frames: Sequence[Frame], budget: int) -> tuple[int, int]:
    """(width, quality) by the mean size of a few frames."""
    picks = np.linspace(0, len(frames) - 1, min(SAMPLES, len(frames))).round().astype(int)
    for width in WIDTHS:
        for quality in QUALITIES:
            sizes = [len(data_uri(frames[i], width, quality)) for i in picks]
            if np.mean(sizes) * len(frames) <= budget:
                return width, quality
    return WIDTHS[-1], QUALITIES[-1]


def data_uri(frame: Frame, width: int, quality: int) -> str:
    """RGB frame → ``data:image/jpeg;base64,...``, no wider than ``width`` pixels."""
    bgr = cv2.cvtColor(shrink(frame, width), cv2.COLOR_RGB2BGR)
    encoded, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise SpikeTrackError(f"frame of shape {frame.shape}: OpenCV cannot encode a JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def shrink(frame: Frame, width: int) -> Frame:
    """The frame itself, or a copy of it that is ``width`` pixels wide."""
    if frame.shape[1] <= width:
        return frame
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    small: Frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    return small
