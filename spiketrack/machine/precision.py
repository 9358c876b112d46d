"""float32 products with all their bits, whatever else torch may do in this program.

    with whole_float32():
        y = model(x)        # neither TF32 (10 bits of a factor) nor bfloat16 (7)

On CUDA torch convolves in TF32 unless it is told not to, and ``set_float32_matmul_precision`` lets
it shorten products on either device. A count changes where a membrane is off by the least bit, and
integers above 2^11 do not fit TF32. The program's own settings are back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

WHOLE = {"ieee", "none", "highest", False}  # none: nothing was allowed, which is IEEE 754


@dataclass(frozen=True)
class Switch:
    """One setting of torch and its value that allows nothing."""

    read: Callable[[], Any]
    write: Callable[[Any], None]
    whole: Any


@lru_cache
def switches() -> tuple[Switch, ...]:
    """Those of this torch: since 2.9 one an operation, before one a device."""
    backends: Any = torch.backends
    if hasattr(backends.cudnn, "conv"):
        places = (backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul)
        cpu = (backends.mkldnn.conv, backends.mkldnn.matmul)
        return tuple(_attribute(place, "fp32_precision", "ieee") for place in (*places, *cpu))
    products = Switch(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"
    )
    return (_attribute(backends.cudnn, "allow_tf32", False), products)


def _attribute(place: Any, name: str, whole: Any) -> Switch:
    return Switch(lambda: getattr(place, name), lambda value: setattr(place, name, value), whole)


@contextmanager
def whole_float32() -> Iterator[None]:
    """Nothing shortens float32 inside; also a decorator."""
    before: list[tuple[Switch, Any]] = []
    try:
        for switch in switches():
            value = switch.read()
            if value not in WHOLE:
                before.append((switch, value))
                switch.write(switch.whole)
        yield
    finally:
        for switch, value in reversed(before):
            switch.write(value)
