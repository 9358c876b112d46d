"""Files of ``torch.save``, read without torch's loader, which trusts them.

torch's reader takes the length of a storage from the pickle and reads beyond the record where
it lies; here every length is checked against the bytes that are there.
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from spiketrack.errors import CheckpointError
from spiketrack.reference.pickled_values import Inert, StorageType
from spiketrack.reference.unpickling import Unpickler

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of torch.save before 1.6
_ZIP = b"PK\x03\x04"
_HEADER = 30  # bytes of a zip record before its name


def read_torch_file(path: Path, strip: bool = False) -> Any:
    """What ``torch.save`` wrote, as plain containers and tensors on the CPU.

    ``strip``: what could run code is left inert instead of refused. Raises ``CheckpointError``
    for refused content; a corrupt file may raise anything.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == _ZIP
        file.seek(0)
        size = path.stat().st_size
        return _read_zip(file, size, strip) if zipped else _read_stream(file, size, strip)


def _read_zip(file: BinaryIO, size: int, strip: bool) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if any(name.endswith("constants.pkl") for name in names):
            raise CheckpointError("a TorchScript program, which contains code; save a state dict")
        roots = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(roots) != 1:
            numpy = names and all(name.endswith(".npy") for name in names)
            kind = "numpy's .npz, not one" if numpy else "but not one"
            raise CheckpointError(f"a zip archive, {kind} of torch.save")
        _check_records(archive, size)
        root = roots[0].removesuffix("data.pkl")
        _check_order(archive.read(root + "byteorder") if root + "byteorder" in names else b"little")
        program = archive.read(roots[0])
        records = _records(archive, root)
        return Unpickler(io.BytesIO(program), len(program), records, strip).load()


def _check_records(archive: zipfile.ZipFile, size: int) -> None:
    """As torch writes them: stored, each once, and none inside another."""
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    if any(
        e.compress_type != zipfile.ZIP_STORED or e.compress_size != e.file_size for e in entries
    ):
        raise CheckpointError("a zip archive with compressed records, unlike torch.save's")
    if len({entry.filename for entry in entries}) < len(entries):
        raise CheckpointError("a zip archive with two records of one name")
    starts = [*(entry.header_offset for entry in entries[1:]), size]
    for entry, end in zip(entries, starts, strict=True):
        if entry.header_offset + _HEADER + len(entry.filename) + entry.file_size > end:
            raise CheckpointError("a zip archive with records that overlap")


def _check_order(order: bytes) -> None:
    if order != sys.byteorder.encode():
        raise CheckpointError("tensors in another byte order; save it on a like machine")


def _records(archive: zipfile.ZipFile, root: str) -> Callable[[Any], Any]:
    """Storage identifiers of the zip format → flat tensors, each read once."""
    storages: dict[str, Any] = {}

    def load(identifier: Any) -> Any:
        _, kind, key, _, count = identifier
        if not isinstance(key, str):
            raise CheckpointError("a storage whose name is no text")
        if key not in storages:
            storages[key] = _flat(bytearray(archive.read(f"{root}data/{key}")), kind, count)
        return storages[key]

    return load


def _flat(data: bytearray, kind: Any, count: Any) -> Tensor | Inert:
    if isinstance(kind, Inert):
        return kind
    if not isinstance(kind, StorageType) or type(count) is not int:
        raise CheckpointError("a storage of an unknown type")
    if len(data) != count * kind.dtype.itemsize:
        shown = count if abs(count) < 2**63 else "more"
        raise CheckpointError(f"a storage of {len(data)} bytes that should hold {shown} elements")
    return torch.frombuffer(data, dtype=kind.dtype) if data else torch.empty(0, dtype=kind.dtype)


def _read_stream(file: BinaryIO, size: int, strip: bool) -> Any:
    """The format before torch 1.6: pickles one after the other, then the storages."""
    if Unpickler(file, size, None, strip).load() != _MAGIC:
        raise CheckpointError("a pickle, but not one of torch.save")
    Unpickler(file, size, None, strip).load()  # version of the format
    system = Unpickler(file, size, None, strip).load()
    if not isinstance(system, Mapping) or system.get("little_endian") is not True:
        _check_order(b"big")
    storages = _Storages(size)
    loaded = Unpickler(file, size, storages.find, strip).load()
    storages.fill(Unpickler(file, size, None, strip).load(), file)
    return loaded


class _Storages:
    """Storages that the pickle of a stream names and the bytes behind it fill, each once."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._storages: dict[str, Tensor] = {}

    def find(self, identifier: Any) -> Any:
        """The storage of an identifier, to be filled later."""
        if identifier[0] != "storage":
            return identifier[1]  # a module's class, beside its source
        _, kind, key, _, count, part = identifier
        if not isinstance(kind, StorageType) or part is not None or not isinstance(key, str):
            raise CheckpointError("a storage of an unknown kind; save it with a newer torch")
        if key not in self._storages:
            if type(count) is not int or not 0 <= count * kind.dtype.itemsize <= self._left:
                raise CheckpointError("a storage of more elements than the file holds")
            self._left -= count * kind.dtype.itemsize
            self._storages[key] = torch.zeros(count, dtype=kind.dtype)
        return self._storages[key]

    def fill(self, keys: Any, file: BinaryIO) -> None:
        """Read them in the order of ``keys``, which has to name them all."""
        texts = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not texts or sorted(self._storages) != sorted(keys):
            raise CheckpointError("a stream that does not hold the storages that it names")
        for key in keys:
            _fill(self._storages[key], file)


def _fill(storage: Tensor, file: BinaryIO) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    data = file.read(storage.numel() * storage.dtype.itemsize)
    flat = _flat(bytearray(data), StorageType(storage.dtype), count)
    if not isinstance(flat, Tensor) or count != storage.numel():
        raise CheckpointError(f"a storage of {count} elements that should hold {storage.numel()}")
    storage.copy_(flat)
