"""Pickles and torch archives written opcode by opcode, as no pickler would."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

PROTO2, PROTO4 = b"\x80\x02", b"\x80\x04"
RECORD = {"0": bytes(64)}


def text(value: str) -> bytes:
    """Push a string."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    """Push a whole number of up to 71 bits."""
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def name(module: str, last: str) -> bytes:
    """Push a global."""
    return f"c{module}\n{last}\n".encode()


def group(*parts: bytes) -> bytes:
    """Push a tuple."""
    return b"(" + b"".join(parts) + b"t"


def numbers(*values: int) -> bytes:
    """Push a tuple of whole numbers."""
    return group(*map(number, values))


def storage(count: bytes, key: str = "0") -> bytes:
    """Push a storage of floats that lies outside of the pickle."""
    place = text("storage"), name("torch", "FloatStorage"), text(key), text("cpu"), count
    return group(*place) + b"Q"


def tensor(size: bytes, stride: bytes, offset: int = 0, count: int = 16, key: str = "0") -> bytes:
    """Push a tensor."""
    hooks = name("collections", "OrderedDict") + b")R"
    parts = storage(number(count), key), number(offset), size, stride, b"\x89", hooks
    return name("torch._utils", "_rebuild_tensor_v2") + group(*parts) + b"R"


def state(*items: tuple[str, bytes]) -> bytes:
    """A whole program: a dictionary."""
    return PROTO2 + b"}(" + b"".join(text(key) + value for key, value in items) + b"u."


def archive(program: bytes, records: Mapping[str, bytes] = RECORD) -> bytes:
    """A torch zip archive of one pickle and its storages."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("archive/data.pkl", program)
        target.writestr("archive/version", "3\n")
        for key, data in records.items():
            target.writestr(f"archive/data/{key}", data)
    return buffer.getvalue()
