"""What an image's header claims, looked at before a decoder believes it.

A kilobyte can claim gigabytes: decoders make room for the picture, or for one piece of the file,
before they find that the rest is missing.
"""

from __future__ import annotations

import struct

MOST_PIXELS = 2**28  # 16,384 x 16,384: 0.8 GB of RGB
_PNG = b"\x89PNG\r\n\x1a\n"
_SIZELESS = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # those that begin a picture


def problem(data: bytes) -> str:
    """Why an image must not be decoded; empty if nothing speaks against it."""
    try:
        size = _size(data)
    except (struct.error, IndexError):
        return "its header is cut off"
    if data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data:
        return "truncated JPEG"  # libjpeg would fill what is missing with grey
    if data.startswith(_PNG) and not _whole_png(data):
        return "truncated or garbled PNG"
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        return (
            f"its header claims {size[0]}x{size[1]} pixels, more than the {MOST_PIXELS:,} read here"
        )
    return ""


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, JPEG, BMP or WebP."""
    if data.startswith(_PNG):
        return _pair(struct.unpack_from(">II", data, 16))
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if data.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", data, 18)
        return abs(width), abs(height)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    return None


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values[0], values[1]


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place < len(data):
        if data[place] != 0xFF:
            return None
        marker = data[place + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        if marker == 0xDA:
            return None
        alone = marker in _SIZELESS or marker == 0xFF
        place += (1 if marker == 0xFF else 2) if alone else 2 + _length(data, place + 2)
    return None


def _length(data: bytes, place: int) -> int:
    return int(struct.unpack_from(">H", data, place)[0])


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        wide, high = (int.from_bytes(data[p : p + 3], "little") + 1 for p in (24, 27))
        return wide, high
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _whole_png(data: bytes) -> bool:
    """Whether the pieces follow each other up to the last."""
    place = len(_PNG)
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        last = data[place + 4 : place + 8] == b"IEND"
        place += 12 + int(length)
        if last:
            return place <= len(data)
    return False
