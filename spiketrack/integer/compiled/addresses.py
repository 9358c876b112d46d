"""Addresses of tensors in compiled code: a number costs less to hand over than an array."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _pointer_to(kind: Any) -> Any:
    """A function of compiled code that takes an address as a pointer to ``kind``."""

    @intrinsic  # type: ignore[untyped-decorator]
    def cast(context: Any, address: Any) -> Any:
        return types.CPointer(kind)(types.int64), _as_pointer

    return cast


def _as_pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
    return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))


pointer = _pointer_to(types.uint8)
real_pointer = _pointer_to(types.float32)
byte_pointer = _pointer_to(types.int8)
short_pointer = _pointer_to(types.int16)
word_pointer = _pointer_to(types.int32)
long_pointer = _pointer_to(types.int64)
