"""A pickle reader that builds plain containers and tensors, and executes or imports nothing.

Names in a pickle become, by their module:

- a short allow-list: a ``Maker``, one of this module's own functions, or an inert ``Unknown``;
- the builtins, the standard library or an installed distribution: refused, named in the error;
- anything else (a trainer's own classes): an inert ``Unknown``.

Nothing but a ``Maker`` is ever called, no attribute is ever set, no state is ever restored.
"""

from __future__ import annotations

import _compat_pickle
import importlib.metadata
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import torch
from torch import Tensor

from spiketrack.errors import CheckpointError

_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}  # fmt: skip
_INERT = {
    "builtins": ("bool", "bytearray", "bytes", "complex", "float", "int", "object", "slice", "str"),
    "torch": ("Tensor", "device", "dtype", "float64", "float32", "float16", "bfloat16", "int64",
              "int32", "int16", "int8", "uint8", "bool"),
    "torch.nn.parameter": ("Parameter",),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("scalar", "_reconstruct"),
    "numpy._core.multiarray": ("scalar", "_reconstruct"),
    "copyreg": ("_reconstructor",),
}  # fmt: skip


@dataclass(frozen=True)
class Maker:
    """A name of the allow-list that builds something: the only thing a pickle can call."""

    make: Callable[..., Any]


@dataclass(frozen=True)
class StorageType:
    """``torch.FloatStorage`` and its like: the element type of a storage."""

    dtype: torch.dtype


class Unknown:
    """Stands for a class or an object that is not rebuilt; takes anything and does nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Ignore."""

    def extend(self, values: Any) -> None:
        """Ignore."""

    def add(self, value: Any) -> None:
        """Ignore."""


def printable(text: str, limit: int = 160) -> str:
    """Text from a file for an error message: one line, no control characters, not too long."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= limit else f"{shown[:limit]}…"


def view(storage: Any, offset: int, size: Any, stride: Any, *ignored: Any) -> Tensor:
    """A tensor of a flat storage; torch checks that it stays inside."""
    if not isinstance(storage, Tensor):
        raise CheckpointError("a tensor without a storage")
    tensor = torch.as_strided(storage, size, stride, offset)
    if tensor.numel() > storage.numel():
        raise CheckpointError("a tensor that is larger than its storage")
    return tensor


def _encode(text: str, codec: str = "latin1") -> bytes:
    """``_codecs.encode`` as protocol 2 writes bytes."""
    if codec != "latin1":
        raise CheckpointError("_codecs.encode with another codec than latin1 is refused")
    return text.encode("latin1")


def _parameter(data: Any, *ignored: Any) -> Any:
    return data


def _empty_dict(*ignored: Any) -> dict[Any, Any]:
    return {}


@lru_cache(maxsize=1)
def _allowed() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        (module, name): Unknown(f"{module}.{name}")
        for module, names in _INERT.items()
        for name in names
    }
    table |= {("torch", name): StorageType(dtype) for name, dtype in _STORAGES.items()}
    table |= {
        ("builtins", kind.__name__): Maker(kind) for kind in (dict, frozenset, list, set, tuple)
    }
    table |= {
        ("torch.storage", f"{kind}Storage"): StorageType(torch.uint8)
        for kind in ("Untyped", "Typed")
    }
    table |= {
        ("collections", "OrderedDict"): Maker(OrderedDict),
        ("collections", "Counter"): Maker(_empty_dict),
        ("collections", "defaultdict"): Maker(_empty_dict),
        ("collections", "deque"): Maker(list),
        ("torch", "Size"): Maker(tuple),
        ("torch._utils", "_rebuild_tensor"): Maker(view),
        ("torch._utils", "_rebuild_tensor_v2"): Maker(view),
        ("torch._utils", "_rebuild_parameter"): Maker(_parameter),
        ("_codecs", "encode"): Maker(_encode),
    }
    return table | {
        (old, name): value
        for (module, name), value in table.items()
        for old in {"builtins": ["__builtin__"], "copyreg": ["copy_reg"]}.get(module, [])
    }


@lru_cache(maxsize=1)
def _known_modules() -> frozenset[str]:
    """Top-level names of the standard library (both spellings) and installed distributions."""
    known = {name.split(".")[0] for name in _compat_pickle.IMPORT_MAPPING}
    known |= set(sys.stdlib_module_names) | set(sys.builtin_module_names)
    known |= set(importlib.metadata.packages_distributions())
    # wheels without top_level.txt, which is most of them, are not in the line above
    folders = {Path(str(d.locate_file(""))) for d in importlib.metadata.distributions()}
    for folder in folders:
        if folder.name in ("site-packages", "dist-packages"):
            known |= {entry.name.split(".")[0] for entry in folder.iterdir()}
    return frozenset(known | {"spiketrack"})


def resolve(module: str, name: str) -> Any:
    """What a pickle's global ``module.name`` becomes.

    Raises ``CheckpointError`` for a name of an existing module outside the allow-list.
    """
    known = _allowed().get((module, name))
    if known is not None:
        return known
    if module.split(".")[0] in _known_modules():
        raise CheckpointError(
            f"refused: the file names {printable(f'{module}.{name}')}, which could run code; "
            "save it again as a plain state dict or .safetensors"
        )
    return Unknown(printable(f"{module}.{name}"))


def build(function: Any, arguments: Any, *keywords: Any) -> Any:
    """The one place where a pickle's call is honoured, for every opcode that can call."""
    if isinstance(function, Maker):
        return function.make(*arguments)
    if isinstance(function, Unknown):
        return Unknown(function.name)
    raise CheckpointError(f"refused: the file calls a {printable(type(function).__name__)}")


class Unpickler(pickle._Unpickler):
    """Python's own pickle machine with every opcode that calls or sets state replaced.

    ``persistent(identifier)`` finds the storages that torch keeps outside of its pickles.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]

    def __init__(self, file: BinaryIO, persistent: Callable[[Any], Any] | None = None) -> None:
        super().__init__(file, encoding="utf-8")
        self.persistent = persistent

    def find_class(self, module: str, name: str) -> Any:
        """See ``resolve``."""
        return resolve(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """See the class."""
        if self.persistent is None:
            raise CheckpointError("a storage outside of a torch file")
        return self.persistent(pid)

    def get_extension(self, code: int) -> None:
        """Extension codes name classes that no checkpoint needs."""
        raise CheckpointError(f"refused: pickle extension {code}")

    def _instantiate(self, kind: Any, arguments: Any) -> None:
        self.append(build(kind, arguments))

    def _call(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = build(self.stack[-1], arguments)

    def _call_with_keywords(self) -> None:
        self.stack.pop()
        self._call()

    def _drop_state(self) -> None:
        self.stack.pop()

    def _byte_array(self) -> None:
        # Python's own allocates whatever length the file claims
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    dispatch[pickle.BYTEARRAY8[0]] = _byte_array
    dispatch[pickle.REDUCE[0]] = _call
    dispatch[pickle.NEWOBJ[0]] = _call
    dispatch[pickle.NEWOBJ_EX[0]] = _call_with_keywords
    dispatch[pickle.BUILD[0]] = _drop_state
