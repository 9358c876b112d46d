"""Images as frames: how they are found in a folder, ordered and read, always as RGB uint8."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spiketrack.errors import ClipError
from spiketrack.video.image_headers import problem
from spiketrack.video.levels import Levels, Raw, extent

Frame = NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"}
)
HOMES = ("img", "imgs", "color", "images", "frames")  # OTB and LaSOT, TNL2K, VOT, others
_NUMBER = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class ImageFolder:
    """Images of a folder in natural order, and what a user should be told of them."""

    images: tuple[Path, ...]
    notes: tuple[str, ...]


def quiet() -> None:
    """Keep OpenCV from printing beside our one line."""
    home: Any = cv2
    if not hasattr(cv2, "setLogLevel"):  # moved in OpenCV 5
        home = home.utils.logging
    home.setLogLevel(0)


def read_images(paths: tuple[Path, ...], notes: list[str] | None = None) -> Iterator[Frame]:
    """Images as frames; deep ones share the clip's levels, of which ``notes`` is told.

    ``ClipError`` names one that cannot be read or has another size.
    """
    levels = levels_of(paths)
    if levels is not None and notes is not None:
        notes.append(levels.note(str(paths[0].parent)))
    size: tuple[int, ...] | None = None
    for path in paths:
        frame = read_image(path, levels)
        size = size or frame.shape
        if frame.shape != size:
            got, first = (f"{s[1]}x{s[0]}" for s in (frame.shape, size))
            raise ClipError(f"{path}: is {got} pixels, the frames before are {first}")
        yield frame


def read_image(path: Path, levels: Levels | None = None) -> Frame:
    """One image as RGB (H, W, 3); grey ones get three equal channels.

    Pixels deeper than 8 bits are brought to 8 by ``levels``, else by this image's own.
    """
    raw = read_raw(path)
    if raw.dtype != np.uint8:
        chosen = levels or levels_of((path,))
        raw = raw.astype(np.uint8) if chosen is None else chosen.to_bytes(raw)
    return to_rgb(raw)


@functools.lru_cache(maxsize=64)
def levels_of(paths: tuple[Path, ...]) -> Levels | None:
    """Levels of a clip's images, None where they are of 8 bits; deep ones are all looked at.

    The first image tells whether they are deep; a later one that cannot be read is left to the
    reader that reaches it.
    """
    first = read_raw(paths[0])
    if first.dtype == np.uint8:
        return None
    whole = extent(first)
    for path in paths[1:]:
        try:
            raw = read_raw(path)
        except ClipError:
            continue
        if raw.dtype != np.uint8:
            whole = whole.joined(extent(raw))
    return whole.levels()


def read_raw(path: Path) -> Raw:
    """One image as BGR (H, W, 3) of the type that it is stored in."""
    quiet()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClipError(f"{path}: cannot be read: {error.strerror}") from error
    if trouble := problem(content):
        raise ClipError(f"{path}: unreadable frame: {trouble}")
    data = np.frombuffer(content, np.uint8)
    try:
        image = _decoded(data) if content else None
    except cv2.error as error:
        raise ClipError(f"{path}: unreadable frame: {_short(error)}") from error
    if image is None:
        raise ClipError(f"{path}: unreadable frame: empty, truncated or no image")
    return np.asarray(image)


def _decoded(data: NDArray[np.uint8]) -> Raw | None:
    """(H, W, 3); OpenCV makes no colours of grey floats, which thermal cameras write."""
    image: Raw | None = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is None and (stored := cv2.imdecode(data, cv2.IMREAD_UNCHANGED)) is not None:
        planes = np.atleast_3d(stored)
        grey = planes.shape[2] < 3
        image = np.repeat(planes[:, :, :1], 3, axis=2) if grey else planes[:, :, :3].copy()
    return image


def _short(error: cv2.error) -> str:
    if "CV_IO_MAX_IMAGE" in str(error):
        return "its header claims more pixels than OpenCV reads (2^20 a side, 2^30 in all)"
    return f"OpenCV refuses it ({getattr(error, 'err', None) or 'no reason given'})"


def to_rgb(image: NDArray[np.uint8]) -> Frame:
    """OpenCV's BGR → RGB."""
    frame: Frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return frame


def natural_key(path: Path) -> tuple[list[tuple[int, Any]], str]:
    """Sort key by which ``frame2`` comes before ``frame10``; equal ones go by their full name."""
    parts = _NUMBER.split(path.name)
    key = [(0, int(p)) if _NUMBER.fullmatch(p) else (1, p.lower()) for p in parts if p]
    return key, path.name


def absolute(folder: Path) -> Path:
    """Where a folder is, under its own name: links keep theirs, ``..`` is followed."""
    return folder.resolve() if ".." in folder.parts else folder.absolute()


def frame_number(path: Path) -> int | None:
    """The last number in a file's name, None without one."""
    numbers = _NUMBER.findall(path.stem)
    return int(numbers[-1]) if numbers else None


def image_home(folder: Path) -> Path:
    """The folder itself, or the sub-folder in which data sets keep the frames."""
    return next((folder / name for name in HOMES if (folder / name).is_dir()), folder)


def survey_images(folder: Path) -> ImageFolder:
    """Images of a folder, or of its sub-folder for frames; hidden files are left out and said."""
    home = image_home(folder)
    try:
        files = [p for p in home.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
    except OSError as error:
        raise ClipError(f"{home}: {error.strerror or error}") from error
    hidden = sorted(p for p in files if p.name.startswith("."))
    images = sorted((p for p in files if not p.name.startswith(".")), key=natural_key)
    if not images:
        raise ClipError(
            f"{home}: no frames in this folder; expected .jpg, .png or other images{_below(home)}"
        )
    skipped = [f"{home}: hidden files are no frames: {_names(hidden)}"] if hidden else []
    return ImageFolder(tuple(images), (*skipped, *_order_notes(home, images)))


def _below(home: Path) -> str:
    """Sub-folders that hold images themselves."""
    folders = sorted(p for p in home.iterdir() if p.is_dir() and p.name[0] != ".")
    holders = [p for p in folders[:100] if has_images(p)]
    return f"; there are some in {_names(holders)}" if holders else ""


def has_images(folder: Path) -> bool:
    """Whether a folder, or its sub-folder for frames, holds an image that is not hidden."""
    home = image_home(folder)
    if not home.is_dir():
        return False
    return any(p.suffix.lower() in IMAGE_SUFFIXES and p.name[0] != "." for p in home.iterdir())


def _order_notes(home: Path, images: list[Path]) -> list[str]:
    """Numbers that are missing, or that several images share."""
    pairs = [
        (a, b, one, two)
        for a, b in itertools.pairwise(images)
        if (one := frame_number(a)) is not None and (two := frame_number(b)) is not None
    ]
    notes = []
    twins = [f"{a.name} and {b.name}" for a, b, one, two in pairs if _same_key(a, b)]
    if twins:
        notes.append(f"{home}: frames of the same number, by name: {_some(twins)}")
    steps = {two - one for _, _, one, two in pairs if two > one}
    gaps = [f"{a.name} to {b.name}" for a, b, one, two in pairs if two - one > 1]
    if gaps:
        known = f"always by {min(steps)}" if len(steps) == 1 else _some(gaps)
        notes.append(f"{home}: frame numbers jump, taken as neighbours: {known}")
    return notes


def _same_key(a: Path, b: Path) -> bool:
    one, two = (natural_key(Path(path.stem))[0] for path in (a, b))
    return one == two


def _names(paths: list[Path]) -> str:
    return _some([path.name for path in paths])


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
