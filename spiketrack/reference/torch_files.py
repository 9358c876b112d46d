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
from spiketrack.reference.unpickling import StorageType, Unknown, Unpickler

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of torch.save before 1.6
_ZIP = b"PK\x03\x04"


def read_torch_file(path: Path) -> Any:
    """What ``torch.save`` wrote, as plain containers and tensors on the CPU.

    Raises ``CheckpointError`` for refused content; a corrupt file may raise anything.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == _ZIP
        file.seek(0)
        return _read_zip(file) if zipped else _read_stream(file, path.stat().st_size)


def _read_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if any(name.endswith("constants.pkl") for name in names):
            raise CheckpointError("a TorchScript program, which contains code; save a state dict")
        roots = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise CheckpointError("a zip archive, but not one of torch.save")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise CheckpointError("a zip archive with compressed records, unlike torch.save's")
        root = roots[0].removesuffix("data.pkl")
        _check_order(archive.read(root + "byteorder") if root + "byteorder" in names else b"little")
        return Unpickler(io.BytesIO(archive.read(roots[0])), _records(archive, root)).load()


def _check_order(order: bytes) -> None:
    if order != sys.byteorder.encode():
        raise CheckpointError("tensors in another byte order; save it on a like machine")


def _records(archive: zipfile.ZipFile, root: str) -> Callable[[Any], Tensor]:
    """Storage identifiers of the zip format → flat tensors, each read once."""
    found: dict[str, Tensor] = {}

    def load(identifier: Any) -> Tensor:
        _, kind, key, _, count = identifier
        if key not in found:
            found[key] = _flat(bytearray(archive.read(f"{root}data/{key}")), kind, count)
        return found[key]

    return load


def _flat(data: bytearray, kind: Any, count: int) -> Tensor:
    if not isinstance(kind, StorageType):
        raise CheckpointError("a storage of an unknown type")
    if len(data) != count * kind.dtype.itemsize:
        raise CheckpointError(f"a storage of {len(data)} bytes that should hold {count} elements")
    return torch.frombuffer(data, dtype=kind.dtype) if data else torch.empty(0, dtype=kind.dtype)


def _read_stream(file: BinaryIO, size: int) -> Any:
    """The format before torch 1.6: pickles one after the other, then the storages."""
    if Unpickler(file).load() != _MAGIC:
        raise CheckpointError("a pickle, but not one of torch.save")
    Unpickler(file).load()  # version of the format
    system = Unpickler(file).load()
    if not isinstance(system, Mapping) or system.get("little_endian") is not True:
        _check_order(b"big")
    storages: dict[str, Tensor] = {}
    loaded = Unpickler(file, _empty_storages(storages, size)).load()
    for key in Unpickler(file).load():
        _fill(storages[key], file)
    return loaded


def _empty_storages(storages: dict[str, Tensor], size: int) -> Callable[[Any], Any]:
    def load(identifier: Any) -> Any:
        if identifier[0] != "storage":
            return Unknown("module")
        _, kind, key, _, count, part = identifier
        if not isinstance(kind, StorageType) or part is not None:
            raise CheckpointError("a storage of an unknown kind; save it with a newer torch")
        if key not in storages:
            if not 0 <= count * kind.dtype.itemsize <= size:
                raise CheckpointError(f"a storage of {count} elements, more than the file holds")
            storages[key] = torch.empty(count, dtype=kind.dtype)
        return storages[key]

    return load


def _fill(storage: Tensor, file: BinaryIO) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    data = file.read(storage.numel() * storage.dtype.itemsize)
    kind = StorageType(storage.dtype)
    if count != storage.numel():
        raise CheckpointError(f"a storage of {count} elements that should hold {storage.numel()}")
    storage.copy_(_flat(bytearray(data), kind, count))
