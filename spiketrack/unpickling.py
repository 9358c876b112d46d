"""Reading pickled checkpoints without executing or importing anything that they name.

A short allow-list of harmless constructors is honoured. Any other name that belongs to the
builtins, the standard library or an installed distribution is refused; all remaining names (a
trainer's own classes) become inert placeholders.
"""

from __future__ import annotations

import _compat_pickle
import builtins
import collections
import importlib.metadata
import io
import pickle
import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch

from spiketrack.errors import CheckpointError

_PLAIN = ("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list",
          "set", "slice", "str", "tuple", "object")  # fmt: skip
_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
           "uint8", "bool")  # fmt: skip


def _rebuild_numpy(kind: type[Any], shape: tuple[int, ...], code: bytes) -> Any:
    """numpy's ``_reconstruct``, for plain arrays only."""
    if kind is not np.ndarray:
        raise CheckpointError("a numpy array of an unknown class; save the file again without it")
    return np.ndarray.__new__(np.ndarray, shape, code)


def _numpy_scalar(dtype: Any, data: Any = None) -> Any:
    """numpy's ``scalar`` without object dtypes, whose bytes are a pickle again."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(data, bytes):
        raise CheckpointError("a numpy scalar of objects is refused; save the file without it")
    return np.frombuffer(data, dtype)[0]


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    """``_codecs.encode`` as protocol 2 uses it for bytes: latin1 and nothing else."""
    if not isinstance(text, str) or codec != "latin1":
        raise CheckpointError("_codecs.encode with another codec than latin1 is refused")
    return text.encode("latin1")


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    """``copyreg._reconstructor`` of protocols 0 and 1, for placeholders only."""
    if not (isinstance(kind, type) and issubclass(kind, Placeholder)):
        raise CheckpointError("copyreg._reconstructor of a known class is refused")
    return kind()


def _allowed() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {("builtins", n): getattr(builtins, n) for n in _PLAIN}
    table |= {("__builtin__", n): getattr(builtins, n) for n in _PLAIN}
    table |= {("torch", f"{n}Storage"): getattr(torch, f"{n}Storage") for n in _STORAGES}
    table |= {("torch", n): getattr(torch, n) for n in _DTYPES}
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        table[module, "scalar"] = _numpy_scalar
        table[module, "_reconstruct"] = _rebuild_numpy
    return table | {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("collections", "Counter"): collections.Counter,
        ("collections", "deque"): collections.deque,
        ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        ("torch", "Size"): torch.Size,
        ("torch", "Tensor"): torch.Tensor,
        ("torch.nn.parameter", "Parameter"): torch.nn.Parameter,
        ("torch.storage", "TypedStorage"): torch.storage.TypedStorage,
        ("torch.storage", "UntypedStorage"): torch.storage.UntypedStorage,
        ("numpy", "dtype"): np.dtype,
        ("numpy", "ndarray"): np.ndarray,
        ("_codecs", "encode"): _encode,
        ("copyreg", "_reconstructor"): _reconstructor,
        ("copy_reg", "_reconstructor"): _reconstructor,
    }


class Placeholder:
    """Stands for an object of a class that is not here; takes anything and does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Placeholder:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Placeholder:
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, value: Any) -> None:
        """Ignore."""

    def extend(self, values: Any) -> None:
        """Ignore."""

    def add(self, value: Any) -> None:
        """Ignore."""


@lru_cache(maxsize=1)
def _known_modules() -> frozenset[str]:
    """Top-level names of the standard library (both spellings) and installed distributions."""
    old = {name.split(".")[0] for name in _compat_pickle.IMPORT_MAPPING}
    installed = set(importlib.metadata.packages_distributions())
    return frozenset(set(sys.stdlib_module_names) | set(sys.builtin_module_names) | old | installed)


def resolve(module: str, name: str) -> Any:
    """What a pickle's global ``module.name`` becomes.

    Raises ``CheckpointError`` for a name of an existing module outside the allow-list.
    """
    known = _allowed().get((module, name))
    if known is not None:
        return known
    if module.split(".")[0] in _known_modules():
        raise CheckpointError(
            f"refused: the file names {module}.{name}, which could run code; "
            "save it again as a plain state dict or .safetensors"
        )
    return type(name.rsplit(".", 1)[-1] or "Unknown", (Placeholder,), {"__module__": module})


class Unpickler(pickle.Unpickler):
    """A pickle reader whose globals come from ``resolve`` alone."""

    def find_class(self, module: str, name: str) -> Any:
        """See ``resolve``; torch's own wrapper asks for storages by their module."""
        return resolve(module, name)


def _load(file: Any, **options: Any) -> Any:
    return Unpickler(file, **options).load()


def _loads(data: bytes, **options: Any) -> Any:
    return _load(io.BytesIO(data), **options)


def pickle_module() -> ModuleType:
    """A stand-in for the ``pickle`` module to hand to ``torch.load``."""
    module = ModuleType("spiketrack_restricted_pickle")
    module.__dict__.update(
        Unpickler=Unpickler, load=_load, loads=_loads, UnpicklingError=pickle.UnpicklingError
    )
    return module
