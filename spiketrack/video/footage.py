"""How frames are read: from a video file, a folder of images or a camera, always RGB uint8."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ClipError

Frame = NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})
SCAN_FRAMES = 3000  # a longer video is counted while it is read; decoding it twice takes minutes

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # our own line replaces FFmpeg's


def quiet() -> None:
    """Keep OpenCV from printing beside our one line."""
    cv2.setLogLevel(0)


@contextmanager
def captured(path: Path) -> Iterator[cv2.VideoCapture]:
    """An opened video; ``ClipError`` if OpenCV finds none in the file."""
    quiet()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise ClipError(
                f"{path}: not a video that OpenCV can read, or cut off before its index"
            )
        yield capture
    finally:
        capture.release()


def video_header(path: Path) -> tuple[int, float]:
    """(frames, frames a second) as the file claims; 0 where it does not say."""
    with captured(path) as capture:
        count = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        fps = float(capture.get(cv2.CAP_PROP_FPS))
    return int(count) if 0 < count < 2**31 else 0, fps if 0 < fps < 1e4 else 0.0


def allowed_gap(path: Path, claimed: int) -> int:
    """Frames that may be missing without the video being truncated.

    1; but Matroska, WebM and Flash headers hold a duration, from which FFmpeg guesses the
    count, and a variable frame rate makes that guess wrong: a twentieth of the frames.
    """
    with path.open("rb") as file:
        guessed = file.read(4).startswith((b"\x1aE\xdf\xa3", b"FLV"))
    return max(1, claimed // 20) if guessed else 1


def count_frames(path: Path, most: int | None = None) -> int:
    """Frames that really decode, counted up to ``most``."""
    with captured(path) as capture:
        count = 0
        while (most is None or count < most) and capture.grab():
            count += 1
    return count


def read_video(path: Path) -> Iterator[Frame]:
    """Frames of a video in order."""
    with captured(path) as capture:
        while True:
            found, image = capture.read()
            if not found:
                return
            yield to_rgb(image)


def read_images(paths: tuple[Path, ...]) -> Iterator[Frame]:
    """Images as frames; ``ClipError`` names one that cannot be read or has another size."""
    size: tuple[int, ...] | None = None
    for path in paths:
        frame = read_image(path)
        size = size or frame.shape
        if frame.shape != size:
            got, first = (f"{s[1]}x{s[0]}" for s in (frame.shape, size))
            raise ClipError(f"{path}: is {got} pixels, the frames before are {first}")
        yield frame


def read_image(path: Path) -> Frame:
    """One image as RGB (H, W, 3); grey ones get three equal channels."""
    quiet()
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ClipError(f"{path}: cannot be read: {error.strerror}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ClipError(f"{path}: unreadable frame: empty, truncated or no image")
    return to_rgb(image)


def read_camera(index: int) -> Iterator[Frame]:
    """Frames of a camera until it stops answering; ``ClipError`` if there is none."""
    quiet()
    capture = cv2.VideoCapture(index)
    try:
        if not capture.isOpened():
            raise ClipError(f"camera {index}: there is none, or it is in use")
        while True:
            found, image = capture.read()
            if not found:
                return
            yield to_rgb(image)
    finally:
        capture.release()


def to_rgb(image: NDArray[np.uint8]) -> Frame:
    """OpenCV's BGR → RGB."""
    frame: Frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return frame


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sort key by which ``frame2`` comes before ``frame10``."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part)) if part.isdigit() else (1, part.lower()) for part in parts if part]


def list_images(folder: Path) -> tuple[Path, ...]:
    """Images of a folder, or of its ``img`` sub-folder (OTB, LaSOT), in natural order."""
    inner = folder / "img"
    home = inner if inner.is_dir() else folder
    found = [p for p in home.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    visible = [p for p in found if not p.name.startswith(".")]
    if not visible:
        raise ClipError(f"{home}: no frames in this folder; expected .jpg, .png or other images")
    return tuple(sorted(visible, key=natural_key))
