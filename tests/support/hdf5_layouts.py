"""Which versions of HDF5's structures a file holds, read from its bytes.

Source: HDF5 file format specification, version 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"\x89HDF\r\n\x1a\n"
LAYOUT, CONTINUATION = 8, 16  # types of messages in an object's header


def superblock(path: Path) -> int:
    """0 or 1 before HDF5 1.8, 2 from 1.8, 3 from 1.10; the byte behind the signature."""
    content = path.read_bytes()
    assert content.startswith(SIGNATURE)
    return content[len(SIGNATURE)]


def layouts(path: Path) -> set[int]:
    """Versions of all data layout messages: 3 from HDF5 1.6.3, 4 from 1.10, 5 from 2.0."""
    return set(_layouts(path.read_bytes()))


def _layouts(content: bytes) -> Iterator[int]:
    for start in _places(content, b"OHDR"):
        flags = content[start + 5]
        assert content[start + 4] == 2
        place = start + 6 + 16 * bool(flags & 32) + 4 * bool(flags & 16)
        width = 1 << (flags & 3)
        size = int.from_bytes(content[place : place + width], "little")
        yield from _messages(content, place + width, size, flags)


def _messages(content: bytes, place: int, size: int, flags: int) -> Iterator[int]:
    end = place + size
    head = 4 + 2 * bool(flags & 4)
    while place + head <= end:
        kind, length = content[place], int.from_bytes(content[place + 1 : place + 3], "little")
        data = place + head
        if kind == LAYOUT:
            yield content[data]
        if kind == CONTINUATION:  # a block OCHK: signature before the messages, checksum behind
            offset = int.from_bytes(content[data : data + 8], "little")
            more = int.from_bytes(content[data + 8 : data + 16], "little")
            assert content[offset : offset + 4] == b"OCHK"
            yield from _messages(content, offset + 4, more - 8, flags)
        place = data + length


def _places(content: bytes, word: bytes) -> Iterator[int]:
    place = content.find(word)
    while place >= 0:
        yield place
        place = content.find(word, place + 1)
