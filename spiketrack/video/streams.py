"""Videos as RGB frames: files and addresses by FFmpeg's libraries (PyAV), cameras by OpenCV."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from spiketrack.errors import ClipError
from spiketrack.video.footage import Frame, quiet, to_rgb

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

PATIENCE = 20.0  # seconds that an address may take to open, and between its packets
CONVERT = "ffmpeg -i CLIP -c:v libx264 -pix_fmt yuv420p NEW.mp4"
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(?=[^/])(.*)", re.IGNORECASE | re.DOTALL)
_FOREIGN = {
    b"version https://git-lfs": "a Git-LFS pointer; run git lfs pull",
    b"<!doctype html": "an HTML page; download the video itself",
    b"<html": "an HTML page; download the video itself",
    b"PK\x03\x04": "a ZIP archive; unpack it",
}
_KINDS = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISSOCK, "a socket"))


@dataclass(frozen=True)
class Header:
    """What a video says of itself: frames (0: unknown), whether counted or guessed from its
    duration, frames a second (0: unknown), name of its codec, and of its pixels.
    """

    frames: int
    exact: bool
    fps: float
    codec: str
    pixels: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Grey pixels of 16 bits seldom use them all, and no scale is said to go with them."""
        deep = self.pixels.startswith(("gray16", "grayf"))
        return (f"{self.pixels} pixels: the whole range is read as 0..255",) if deep else ()


@dataclass
class Tally:
    """Frames that decoded, those that an edit list hides, packets that could not be decoded, and
    degrees by which the picture is turned clockwise.
    """

    decoded: int = 0
    hidden: int = 0
    spoilt: int = 0
    turn: int = 0


def address(source: str | Path) -> str | None:
    """``scheme://rest`` where ``source`` is no file but an address (a path loses a slash)."""
    match = _ADDRESS.fullmatch(str(source))
    if match is None or os.path.exists(source):  # noqa: PTH110  # a path of any length
        return None
    return f"{match[1].lower()}://{match[2]}"


def without_password(address: str) -> str:
    """The address without user and password, for names and messages."""
    return re.sub(r"//[^/@]*@", "//", address)


def check_file(path: Path) -> None:
    """``ClipError`` where a clip's file is missing, unreadable, no regular file or no video."""
    try:
        mode = path.stat().st_mode
        for is_kind, kind in _KINDS:
            if is_kind(mode):
                camera = re.fullmatch(r"/dev/video(\d+)", str(path))
                way = f"give the camera's number, {camera[1]}" if camera else "give a file"
                raise ClipError(f"{path}: is {kind}; a clip is read twice: {way}")
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError as error:
        raise ClipError(f"{path}: no such file or folder") from error
    except OSError as error:
        raise ClipError(f"{path}: {error.strerror or error}") from error
    if not head:
        raise ClipError(f"{path}: empty file, not a video")
    for start, kind in _FOREIGN.items():
        if head.lstrip().lower().startswith(start.lower()):
            raise ClipError(f"{path}: not a video but {kind}")


def read_header(source: str | Path) -> Header:
    """The header of a file or address."""
    with _opened(source) as (container, stream):
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        fps = fps if 0 < fps < 1e5 else 0.0
        kind = stream.codec_context.format  # not pix_fmt, which crashes where there is none
        about = (fps, stream.codec_context.name, kind.name if kind else "")
        if 0 < stream.frames < 2**31:
            return Header(stream.frames, True, *about)
        seconds = (container.duration or 0) / 1e6
        guess = round(seconds * fps) if 0 < seconds < 1e7 else 0
        return Header(guess, False, *about)


def count_frames(source: str | Path, most: int | None = None) -> Tally:
    """Frames that really decode, counted up to ``most``."""
    tally = Tally()
    with _opened(source) as (container, stream):
        for _ in _decode(container, stream, tally, str(source)):
            if most is not None and tally.decoded >= most:
                break
    return tally


def read_video(source: str | Path, tally: Tally | None = None) -> Iterator[Frame]:
    """Frames of a video in order, all of the first one's size, turned as the video asks.

    ``ClipError`` where the source itself fails midway.
    """
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    size: tuple[int, int] | None = None
    with _opened(source) as (container, stream):
        for image in _decode(container, stream, tally or Tally(), str(source)):
            size = size or (image.width, image.height)
            plain = reformatter.reformat(image, *size, format="rgb24")
            pixels: Frame = plain.to_ndarray().astype(np.uint8, copy=False)
            turns = round(image.rotation / 90) % 4
            yield np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _decode(
    container: InputContainer, stream: VideoStream, tally: Tally, name: str
) -> Iterator[VideoFrame]:
    """Frames of the packets; one that cannot be decoded is counted and left out."""
    from av.error import FFmpegError

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError as error:
            raise ClipError(f"{name}: frame {tally.decoded}: {error.strerror}") from error
        if packet is None:
            return
        if not packet.size and packet.dts is not None:
            continue  # a frame that a recorder dropped; decoding it would end the stream
        tally.hidden += packet.is_discard
        try:
            images = packet.decode()
        except FFmpegError:
            tally.spoilt += 1
            continue
        for image in images:
            tally.decoded += 1
            tally.turn = -image.rotation % 360
            yield image


@contextmanager
def _opened(source: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A file's or address's container and its video; ``ClipError`` if there is none."""
    import av

    name = without_password(str(source))
    try:
        container = _open(source)
    except av.error.InvalidDataError as error:
        raise ClipError(
            f"{name}: not a video that FFmpeg can read, or cut off before its index"
        ) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClipError(f"{name}: cannot be opened: {reason}") from error
    with container:
        yield container, _video_of(container, name)


def _open(source: str | Path) -> InputContainer:
    """A file is named by its absolute path, so that no part of it reads as a protocol."""
    import av

    if isinstance(source, str):
        return av.open(source, metadata_errors="replace", timeout=PATIENCE)
    options = {"protocol_whitelist": "file"}  # a play list inside a file reaches no network
    path = f"file:{source.absolute()}"
    return av.open(path, options=options, metadata_errors="replace")


def _video_of(container: InputContainer, name: str) -> VideoStream:
    stream = next(iter(container.streams.video), None)
    if stream is None or container.format.name in ("tty", "bin", "xbin", "adf", "idf"):
        raise ClipError(f"{name}: not a video: it holds no pictures")
    if stream.codec_context is None:
        raise ClipError(
            f"{name}: its codec is unknown to this FFmpeg; convert it where it plays: {CONVERT}"
        )
    stream.thread_type = "AUTO"
    return stream


def read_camera(index: int) -> Iterator[Frame]:
    """Frames of a camera until it stops answering; ``ClipError`` if there is none."""
    quiet()
    capture = cv2.VideoCapture(index)
    try:
        if not capture.isOpened():
            raise ClipError(f"camera {index}: there is none, or it is in use")
        while True:
            answered, image = capture.read()
            if not answered:
                return
            yield to_rgb(image)
    finally:
        capture.release()
