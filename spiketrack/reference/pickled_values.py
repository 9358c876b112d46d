"""What a pickle may build: plain containers, tensors, and objects that do nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spiketrack.errors import CheckpointError

_MOST_AXES = 64
_SCALARS = (str, bytes, int, float, complex, type(None))


class RefusedCall(Exception):
    """A call that a pickle may not make; the text says what it would have done."""


@dataclass(frozen=True)
class Maker:
    """A name of the table that builds something: the only thing a pickle can call."""

    name: str
    make: Callable[..., Any]


@dataclass(frozen=True)
class StorageType:
    """``torch.FloatStorage`` and its like: the element type of a storage."""

    dtype: torch.dtype


class Inert:
    """Stands for a class or an object that is not rebuilt; keeps its parts and does nothing.

    ``parts``: arguments, states and members; ``items``: what was set by a key; ``function``:
    whether calling it would have run a function.
    """

    __slots__ = ("function", "items", "name", "parts")

    def __init__(self, name: str, parts: Iterable[Any] = (), function: bool = False) -> None:
        self.name = name
        self.parts = list(parts)
        self.items: dict[Any, Any] = {}
        self.function = function


class Refused(Inert):
    """Stands for what could have run code; ``reason`` says how, and it was not done."""

    __slots__ = ("reason",)

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name)
        self.reason = reason


def put(target: Any, key: Any, value: Any) -> None:
    """Set an item of a dictionary or of an inert object."""
    if not isinstance(target, dict | Inert):
        raise CheckpointError(f"sets items of a {type(target).__name__}")
    (target.items if isinstance(target, Inert) else target)[_plain(key)] = value


def _plain(key: Any) -> Any:
    """A key whose hash is cheap: hashing nested tuples takes time and stack without end."""
    if not _is_plain(key, 2):
        raise CheckpointError("a nested container as a dictionary's key or in a set")
    return key


def _is_plain(key: Any, depth: int) -> bool:
    if isinstance(key, tuple):
        return depth > 0 and len(key) <= 16 and all(_is_plain(part, depth - 1) for part in key)
    return isinstance(key, (*_SCALARS, Inert, StorageType))


def _each(parts: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(parts, list | tuple):
        raise CheckpointError(f"makes a container from a {type(parts).__name__}")
    return parts


def _pairs(parts: Any) -> list[tuple[Any, Any]]:
    if isinstance(parts, dict):
        return list(parts.items())
    return [(_plain(key), value) for key, value in _each(parts)]


def mapping(parts: Any = ()) -> dict[Any, Any]:
    """``dict(parts)`` for a mapping or pairs."""
    return dict(_pairs(parts))


def ordered_mapping(parts: Any = ()) -> OrderedDict[Any, Any]:
    """``OrderedDict(parts)`` for a mapping or pairs."""
    return OrderedDict(_pairs(parts))


def empty_mapping(*ignored: Any) -> dict[Any, Any]:
    """A mapping whose items follow."""
    return {}


def sequence(parts: Any = (), *ignored: Any) -> list[Any]:
    """``list(parts)`` of a list or tuple."""
    return list(_each(parts))


def fixed_sequence(parts: Any = ()) -> tuple[Any, ...]:
    """``tuple(parts)`` of a list or tuple."""
    return tuple(_each(parts))


def members(parts: Any = ()) -> set[Any]:
    """``set(parts)`` of plain members."""
    return {_plain(part) for part in _each(parts)}


def frozen_members(parts: Any = ()) -> frozenset[Any]:
    """``frozenset(parts)`` of plain members."""
    return frozenset(members(parts))


def type_of_nothing(value: Any) -> Inert:
    """``type(None)``; the type of anything else is refused."""
    if value is not None:
        raise RefusedCall("names builtins.type")
    return Inert("builtins.NoneType")


def of_a_name(function: str) -> Callable[..., Inert]:
    """``functools.partial``, ``getattr`` and the like, of another inert name alone."""

    def make(owner: Any, *rest: Any) -> Inert:
        if not isinstance(owner, Inert):
            raise RefusedCall(f"names {owner.name if isinstance(owner, Maker) else function}")
        if any(isinstance(part, str) and part.startswith("__") for part in rest):
            raise RefusedCall(f"names {function}")
        return Inert(owner.name, (owner, *rest), function=True)

    return make


def encode(text: str, codec: str = "latin1") -> bytes:
    """``_codecs.encode`` as protocol 2 writes bytes."""
    if codec != "latin1":
        raise RefusedCall("calls _codecs.encode with another codec than latin1")
    return text.encode("latin1")


def parameter(data: Any, *ignored: Any) -> Any:
    """The tensor of a ``Parameter``."""
    return data


def subclass(function: Any, kind: Any, arguments: Any, *ignored: Any) -> Any:
    """A tensor with attributes, or of a class of its own: the tensor."""
    return call(function, arguments)


def call(function: Any, arguments: Any) -> Any:
    """The one place where a pickle's call is honoured, for every opcode that can call.

    Raises ``RefusedCall`` for what no class or maker of the table is.
    """
    if isinstance(function, Maker):
        return function.make(*arguments)
    if isinstance(function, Refused):
        return function
    if not isinstance(function, Inert):
        raise RefusedCall(f"calls a {type(function).__name__}")
    if function.function:
        raise RefusedCall(f"calls {function.name}")
    return construct(function, arguments)


def construct(kind: Any, arguments: Any) -> Any:
    """What an opcode makes that only constructs: an inert object, or a maker's value."""
    if isinstance(kind, Inert) and not isinstance(kind, Refused):
        return Inert(kind.name, arguments)
    return call(kind, arguments)


def view(storage: Any, offset: Any, size: Any, stride: Any, *ignored: Any) -> Any:
    """A tensor of a flat storage, inside of it; nothing of a storage that is not read."""
    if isinstance(storage, Inert):
        return Inert("torch.Tensor", (storage,))
    if not isinstance(storage, Tensor):
        raise CheckpointError("a tensor without a storage")
    sizes, strides = _whole(size), _whole(stride)
    (start,) = _whole((offset,))
    if len(sizes) != len(strides):
        raise CheckpointError(f"a tensor of {len(sizes)} axes with {len(strides)} strides")
    count = 1
    for number in sizes:
        count *= number
    last = start + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True)) if count else 0
    if count > storage.numel() or last >= max(storage.numel(), 1):
        raise CheckpointError("a tensor that is larger than its storage")
    return torch.as_strided(storage, sizes, strides, start)


def _whole(numbers: Any) -> tuple[int, ...]:
    """Sizes, strides or an offset: whole numbers from 0, few, none so large that sums overflow."""
    if not isinstance(numbers, list | tuple) or len(numbers) > _MOST_AXES:
        raise CheckpointError("a tensor without sizes")
    if not all(type(number) is int and 0 <= number < 2**40 for number in numbers):
        raise CheckpointError("a tensor with impossible sizes")
    return tuple(numbers)
