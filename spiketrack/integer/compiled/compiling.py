"""Compiling a loop once, with numba's result kept on disk where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: str, possible: bool = True) -> Callable[[Function], Function]:
    """Compile a loop for one signature, with numba's result kept on disk if that can be.

    A loop of instructions that this processor lacks, not ``possible``, stays as it is, uncalled.
    """

    def compile(loop: Function) -> Function:
        if not possible:
            return loop
        made: Function
        try:
            made = numba.njit(signature, cache=True)(loop)
        except (RuntimeError, OSError):  # no folder that can be written, or its disk is full
            made = numba.njit(signature)(loop)
        return made

    return compile
