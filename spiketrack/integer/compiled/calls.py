"""Calls of compiled loops as numbers, so that many of them are made in one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Longs = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

CONVOLVE, DEPTHWISE, COUNT, COUNT_STEPS, ADD, READ, WRITE = range(7)
# columns of a row: the loop; places of its output and inputs with bytes from their begin; the
# address of its numbers; bytes of counts to be looked at behind it
CODE, OUT, OUT_AT, FIRST, FIRST_AT, SECOND, SECOND_AT, NUMBERS, LOOKED_AT = range(9)
COLUMNS = 9
OWN = -1  # in place of an input: what the same kernel has written so far


@dataclass(frozen=True)
class Place:
    """Where a call reads: an input of the kernel, or ``OWN``, and bytes from its begin."""

    source: int
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Call:
    """One call of the loop ``code``: it reads at ``reads`` and writes ``size`` bytes at ``offset``.

    ``numbers``: what the loop gets beside, arrays as address and shape; ``arrays``: those, kept.
    """

    code: int
    numbers: Longs
    arrays: tuple[NDArray[Any], ...]
    reads: tuple[Place, ...]
    size: int
    offset: int = 0

    def moved(self, inward: int, outward: int) -> Call:
        """The same call for the first input ``inward`` and the output ``outward`` bytes further."""
        first = replace(self.reads[0], offset=self.reads[0].offset + inward)
        return replace(self, reads=(first, *self.reads[1:]), offset=self.offset + outward)


@dataclass(frozen=True)
class Compiled(Generic[F]):
    """A kernel, and the calls that it consists of; without any it hands on what it is given.

    ``counts``: the output is counts in uint8, else float32.
    """

    run: F
    calls: tuple[Call, ...]
    counts: bool = False

    def __call__(self, *inputs: Any) -> Any:
        """The output, made on its own."""
        return self.run(*inputs)


def described(*parts: NDArray[Any] | int) -> tuple[Longs, tuple[NDArray[Any], ...]]:
    """Numbers of a call, arrays as their address and shape, and those arrays."""
    numbers: list[int] = []
    for part in parts:
        numbers += [part] if isinstance(part, int) else [part.ctypes.data, *part.shape]
    return np.array(numbers, np.int64), tuple(p for p in parts if not isinstance(p, int))
