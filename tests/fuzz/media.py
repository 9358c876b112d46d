"""Mutated clips, images and label files: our own error or a right result, never anything else.

Each kind is a function of a seed and an empty folder. It makes one input, reads it as the program
does and says what became of it; an ``AssertionError`` is a wrong result, any other exception but
our own is a failure of the reader.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from support.synthetic_clips import moving_patch, write_images, write_otb

from spiketrack.errors import SpikeTrackError
from spiketrack.tracking.sequences import survey
from spiketrack.training.folders import decode
from spiketrack.video.boxes import Box, read_csv, read_rectangles
from spiketrack.video.clip import check_box, open_clip
from spiketrack.video.crop import take_crop
from spiketrack.video.footage import read_image

TAKEN = "taken"
REFUSED = "refused"
CONTAINERS = (
    ("mp4", "mpeg4"),
    ("mp4", "libx264"),
    ("webm", "libvpx-vp9"),
    ("avi", "mjpeg"),
    ("matroska", "libx264"),
    ("mpegts", "mpeg2video"),
    ("gif", "gif"),
    ("mov", "libx265"),
)
IMAGES = (
    (".png", np.uint8),
    (".png", np.uint16),
    (".jpg", np.uint8),
    (".tiff", np.float32),
    (".bmp", np.uint8),
    (".webp", np.uint8),
    (".ppm", np.uint16),
    (".jp2", np.uint8),
)
QUIET = {"x265-params": "log-level=none"}
ENDS = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4))
MILD = (b"0", b"-1", b" 7.5 ", b"3", b"1e2")
WILD = (
    b"nan",
    b"inf",
    b"-inf",
    b"1e400",
    b"\xb2",
    "\u0664".encode(),
    b"1_0",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"9" * 400,
    b"\x1b[31m",
    b"x,y,w,h",
    b"",
)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """One to eight changes: flipped bits, overwritten or repeated parts, sizes, cuts."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        if not out:
            return bytes(out)
        place, length = int(rng.integers(len(out))), int(rng.integers(1, 64))
        kind = rng.integers(7)
        if kind == 0:
            out[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            out[place : place + length] = rng.bytes(length)
        elif kind == 2:
            out[place : place + length] = bytes(length)
        elif kind == 3:
            del out[place : place + length]
        elif kind == 4:
            out[place:place] = out[place : place + length]
        elif kind == 5:
            out[place : place + 4] = rng.choice(
                [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4)]
            )
        elif rng.random() < 0.3:
            del out[place:]
    return bytes(out)


@functools.cache
def whole_video(container: str, codec: str) -> bytes:
    """Twelve frames."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=25, options=QUIET if codec == "libx265" else {})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 64, 48
        formats = stream.codec_context.codec.video_formats
        stream.pix_fmt = formats[0].name if formats else "yuv420p"
        for frame in moving_patch(12, 80, 64)[0]:
            image = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:48, :64]), "rgb24")
            target.mux(stream.encode(image))
        target.mux(stream.encode(None))
    return file.getvalue()


def video(seed: int, folder: Path) -> str:
    """A video file, opened and read as a clip."""
    rng = np.random.default_rng(seed)
    container, codec = CONTAINERS[seed % len(CONTAINERS)]
    path = folder / f"clip.{container}"
    path.write_bytes(mutated(whole_video(container, codec), rng))
    try:
        clip = open_clip(path, int(rng.integers(1, 12)) if rng.random() < 0.3 else None)
        frames = list(clip)
    except SpikeTrackError as error:
        return refused(error)
    assert clip.length in (None, len(frames))
    assert {frame.shape for frame in frames} == {frames[0].shape}
    assert all(frame.dtype == np.uint8 and frame.flags.c_contiguous for frame in frames)
    return TAKEN


def image(seed: int, folder: Path) -> str:
    """An image of each type, read alone and as one of a folder."""
    rng = np.random.default_rng(seed)
    suffix, kind = IMAGES[seed % len(IMAGES)]
    scale = 1 if kind == np.uint8 else 16
    pixels = (moving_patch(1, 80, 64)[0][0].astype(np.int64) * scale).astype(kind)
    whole = cv2.imencode(suffix, pixels)[1].tobytes()
    write_images(folder, [moving_patch(1, 80, 64)[0][0]], "1.png")
    path = folder / f"2{suffix}"
    path.write_bytes(mutated(whole, rng))
    try:
        read = read_image(path)
        assert read.dtype == np.uint8
        assert read.ndim == 3
        assert read.shape[2] == 3
        assert len({frame.shape for frame in open_clip(folder)}) == 1
    except SpikeTrackError as error:
        return refused(error)
    return TAKEN


def text_of(seed: int, rows: list[str]) -> bytes:
    """Lines with some fields replaced by what people and programs write, or mutated bytes."""
    rng = np.random.default_rng(seed)
    data = "\n".join(rows).encode() + b"\n"
    if rng.random() < 0.3:
        return mutated(data, rng)
    fields = data.split(b",")
    words = MILD if rng.random() < 0.5 else WILD
    for _ in range(rng.integers(1, 4)):
        fields[rng.integers(len(fields))] = words[rng.integers(len(words))]
    return (b"", b"\xef\xbb\xbf")[seed % 2] + b",".join(fields)


def labels(seed: int, folder: Path) -> str:
    """A file of rectangles or polygons."""
    width = 8 if seed % 3 == 0 else 4
    rows = [",".join(str(10 * line + field) for field in range(width)) for line in range(6)]
    path = folder / "groundtruth.txt"
    path.write_bytes(text_of(seed, rows))
    try:
        found = read_rectangles(path)
    except SpikeTrackError as error:
        return refused(error)
    assert found
    assert all(len(box.as_tuple()) == 4 for box in found)
    assert all(type(value) is float for box in found for value in box.as_tuple())
    return TAKEN


def table(seed: int, folder: Path) -> str:
    """A ``boxes.csv``."""
    rows = ["frame,x,y,w,h,score", *(f"{i},{i}.5,2,3,4,0.5" for i in range(6))]
    path = folder / "boxes.csv"
    path.write_bytes(text_of(seed, rows))
    try:
        found = read_csv(path)
    except SpikeTrackError as error:
        return refused(error)
    numbers = [value for row in found for value in (*row.box.as_tuple(), row.score, row.frame)]
    assert np.isfinite(numbers).all()
    return TAKEN


def sequence(seed: int, folder: Path) -> str:
    """A folder in a data set's layout with odd names and files, surveyed and decoded."""
    rng = np.random.default_rng(seed)
    home = write_otb(folder / "A", *moving_patch(4, 80, 64))
    frames = home / "img"
    if rng.random() < 0.5:
        frames = frames.rename(home / rng.choice(["imgs", "color", "frames", "IMG", "²"]))
    names = ("²{}.png", "{}.png", "._{}.png", "{}.PNG", "a{}b07.png", "9" * 200 + "{}.png")
    for path in sorted(frames.iterdir()):
        if rng.random() < 0.3:
            path.rename(path.with_name(rng.choice(names).format(int(path.stem))))
    label = home / "groundtruth_rect.txt"
    if rng.random() < 0.5:
        label.write_bytes(text_of(seed, label.read_text().splitlines()))
    new = ("groundtruth.txt", "groundtruth_rect.²._.txt", "A.txt", "notes.txt", ".hidden.txt")
    if rng.random() < 0.5:
        label.rename(home / rng.choice(new))
    if rng.random() < 0.3:
        (home / rng.choice(["absence.label", "out_of_view.txt"])).write_bytes(
            text_of(seed, ["0,0,0,1"])
        )
    try:
        found = survey(folder)
        for one in found.sequences:
            assert len(one.images) == len(one.boxes) == len(one.visible)
            assert not one.visible.any() or np.isfinite(one.boxes[one.visible]).all()
            clip = decode(one, 64, [])
            assert len(clip.frames) == len(clip.boxes) > 0
    except SpikeTrackError as error:
        return refused(error)
    for refusal in found.refused:
        assert refusal.reason
    return TAKEN if found.sequences else REFUSED


def crop(seed: int, folder: Path) -> str:
    """A box of any numbers in a frame, and the crop around it."""
    rng = np.random.default_rng(seed)
    extremes = np.array([0, -0.0, 1e-300, 1, 63.5, -50, 1e9, 1e308, np.inf, np.nan])
    values = np.where(rng.random(4) < 0.1, rng.choice(extremes, 4), rng.uniform(-5, 40, 4))
    frame = rng.integers(0, 255, (int(rng.integers(1, 50)), int(rng.integers(1, 70)), 3), np.uint8)
    try:
        box = check_box(Box(*values.tolist()), frame.shape[1], frame.shape[0])
        pixels = take_crop(frame, box, float(rng.choice([1e-9, 0.5, 4, 1000])), 16)
    except SpikeTrackError as error:
        return refused(error)
    assert pixels.shape == (3, 16, 16)
    assert np.isfinite(pixels).all()
    return TAKEN


def refused(error: SpikeTrackError) -> str:
    """One line of printable text, not endless."""
    message = " ".join(str(error).split())
    assert message
    assert len(message) < 1000, message[:200]
    return REFUSED


KINDS: dict[str, Callable[[int, Path], str]] = {
    "video": video,
    "image": image,
    "labels": labels,
    "table": table,
    "sequence": sequence,
    "crop": crop,
}
