"""What the names in a pickle become; nothing is ever imported, called or set.

By module, and alike whatever is installed:

- the table below: a ``Maker`` (a function of this project that builds something) or ``Inert``;
- other names of the standard library, torch, numpy and this package: ``Refused``;
- all else, a trainer's own classes: ``Inert``; ``Refused`` once a *function* of it is called.
  Python writes classes in capitals, or with the opcode that constructs.
"""

from __future__ import annotations

import _compat_pickle
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from spiketrack.reference import pickled_values as values
from spiketrack.reference.pickled_values import Inert, Maker, Refused, StorageType

_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool, "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}  # fmt: skip
_INERT = {
    "builtins": ("bool", "bytearray", "bytes", "complex", "float", "int", "object", "range",
                 "slice", "str", "Ellipsis", "NotImplemented"),
    "torch": ("Tensor", "device", "dtype", "Generator", "float64", "float32", "float16",
              "bfloat16", "complex64", "complex128", "int64", "int32", "int16", "int8", "uint8",
              "bool", "float8_e4m3fn", "float8_e5m2"),
    "torch.serialization": ("_get_layout",),
    "numpy": ("dtype", "ndarray", "float64", "float32", "float16", "int64", "int32", "int16",
              "int8", "uint64", "uint32", "uint16", "uint8", "bool_", "bool", "str_", "object_"),
    "numpy.core.multiarray": ("scalar", "_reconstruct"),
    "numpy._core.multiarray": ("scalar", "_reconstruct"),
    "numpy.core.numeric": ("_frombuffer",),
    "numpy._core.numeric": ("_frombuffer",),
    "numpy.random._pickle": ("__randomstate_ctor", "__bit_generator_ctor", "__generator_ctor"),
    "numpy.random.bit_generator": ("SeedSequence", "__pyx_unpickle_SeedSequence"),
    "array": ("array", "_array_reconstructor"),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone", "tzinfo"),
    "logging": ("Logger", "RootLogger", "getLogger"),
    "platform": ("uname_result",),
    "re": ("_compile",),
    "time": ("struct_time",),
    # exceptions, where dask has been imported
    "tblib.pickling_support": ("unpickle_exception", "unpickle_exception_with_attrs",
                               "unpickle_traceback"),
    "types": ("MappingProxyType", "SimpleNamespace"),
    "zoneinfo": ("ZoneInfo._unpickle",),
}  # fmt: skip
# all classes of these only hold data
_DATA_MODULES = {
    "argparse", "collections", "collections.abc", "configparser", "dataclasses", "datetime",
    "decimal", "enum", "fractions", "ipaddress", "numbers", "pathlib", "pathlib._local", "random",
    "string", "typing", "uuid", "zoneinfo",
}  # fmt: skip
_DATA_OF_TORCH = ("torch.nn.", "torch.optim.", "torch.amp.", "torch.cuda.amp.", "torch.utils.data.",
                  "torch.distributions.")  # fmt: skip
_ACTIVATIONS = ("torch.nn.functional", "torch.nn.init", "torch._C._nn")  # named, never called
# of the standard library in one Python or another, so that all refuse alike
_FORMER = {"asynchat", "asyncore", "cgi", "crypt", "distutils", "imp", "nis", "parser", "pipes",
           "smtpd", "spwd", "telnetlib", "xdrlib"}  # fmt: skip
_STARTERS = {"CDLL", "InteractiveConsole", "InteractiveInterpreter", "PackageImporter", "Popen",
             "PyDLL"}  # fmt: skip
_CLASS = re.compile(r"_*[A-Z]")
# what libraries call the functions that make one of their own objects again
_REBUILDS = re.compile(r"_+(pyx_)?(unpickle|reconstruct|rebuild|restore|make|new|create)")


@lru_cache(maxsize=1)
def _makers() -> dict[tuple[str, str], Callable[..., Any]]:
    inert = ("builtins", "getattr"), ("functools", "partial"), ("copyreg", "_reconstructor")
    of_names = {(module, name): values.of_a_name(f"{module}.{name}") for module, name in inert}
    return of_names | {
        ("builtins", "dict"): values.mapping,
        ("builtins", "list"): values.sequence,
        ("builtins", "tuple"): values.fixed_sequence,
        ("builtins", "set"): values.members,
        ("builtins", "frozenset"): values.frozen_members,
        ("builtins", "type"): values.type_of_nothing,
        ("collections", "OrderedDict"): values.ordered_mapping,
        ("collections", "Counter"): values.empty_mapping,
        ("collections", "defaultdict"): values.empty_mapping,
        ("collections", "deque"): values.sequence,
        ("torch", "Size"): values.fixed_sequence,
        ("torch._tensor", "_rebuild_from_type_v2"): values.subclass,
        ("torch._utils", "_rebuild_tensor"): values.view,
        ("torch._utils", "_rebuild_tensor_v2"): values.view,
        ("torch._utils", "_rebuild_parameter"): values.parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): values.parameter,
        ("_codecs", "encode"): values.encode,
    }


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str], Any]:
    table: dict[tuple[str, str], Any] = {
        ("torch", name): StorageType(dtype) for name, dtype in _STORAGES.items()
    }
    for kind in ("UntypedStorage", "TypedStorage"):
        table["torch.storage", kind] = StorageType(torch.uint8)
    return table | {key: Maker(".".join(key), make) for key, make in _makers().items()}


@dataclass(frozen=True)
class _Name:
    """One global of a pickle, its old spellings translated."""

    module: str
    name: str

    @property
    def full(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def root(self) -> str:
        return self.module.split(".")[0]

    @property
    def last(self) -> str:
        return self.name.rsplit(".", 1)[-1]

    @property
    def is_class(self) -> bool:
        return bool(_CLASS.match(self.last))


def resolve(module: str, name: str) -> Any:
    """What a pickle's global ``module.name`` becomes: see the module."""
    current = _translated(module, name)
    known = _table().get((current.module, current.name))
    if known is not None:
        return known
    if current.name in _INERT.get(current.module, ()):
        return Inert(current.full)
    if not _harmless(current):
        written = "" if current.module == module else f" (written {module}.{name})"
        return Refused(current.full, f"names {current.full}{written}")
    return Inert(current.full, function=not (current.is_class or _REBUILDS.match(current.last)))


def _translated(module: str, name: str) -> _Name:
    """A name as people write it: Python 2's, of protocols 0 to 2, and those behind ``os``."""
    if module in ("posix", "nt"):
        return _Name("os", name)
    pair = _compat_pickle.NAME_MAPPING.get((module, name))
    return _Name(*(pair or (_compat_pickle.IMPORT_MAPPING.get(module, module), name)))


def _harmless(name: _Name) -> bool:
    """Whether naming it, and constructing it if it is a class, has no effect."""
    parts = name.name.split(".")
    reaches_out = parts[0] in standard_modules() or any(p[:2] == p[-2:] == "__" for p in parts)
    if reaches_out or name.last in _STARTERS or not name.full.isprintable():
        return False
    if name.module in _ACTIVATIONS:
        return len(parts) == 1
    if name.root == "torch":
        rebuilt = name.module == "torch._utils" and bool(_REBUILDS.match(name.last))
        return rebuilt or (name.is_class and name.module.startswith(_DATA_OF_TORCH))
    if name.root == "numpy":
        return name.is_class and len(parts) == 1
    if name.root in standard_modules():
        raised = name.module == "builtins" and name.last.endswith(("Error", "Exception", "Warning"))
        return name.is_class and (raised or name.module in _DATA_MODULES)
    return name.is_class or name.root != "spiketrack"


@lru_cache(maxsize=1)
def standard_modules() -> frozenset[str]:
    """Top-level names of Python's standard library, in the spellings of all its versions."""
    old = {name.split(".")[0] for name in _compat_pickle.IMPORT_MAPPING} - {"test"}
    return frozenset(old | _FORMER | set(sys.stdlib_module_names) | set(sys.builtin_module_names))
