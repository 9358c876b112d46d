"""Addresses of tensors in compiled code: a number costs less to hand over than an array."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def pointer(context: Any, address: Any) -> Any:
    """An address as a pointer to bytes without sign."""
    return types.CPointer(types.uint8)(types.int64), _as_pointer


@intrinsic  # type: ignore[untyped-decorator]
def real_pointer(context: Any, address: Any) -> Any:
    """An address as a pointer to float32."""
    return types.CPointer(types.float32)(types.int64), _as_pointer


def _as_pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))
