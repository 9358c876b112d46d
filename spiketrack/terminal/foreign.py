"""Other packages' own words: they would stand among our results and notes."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Discard what is printed inside, by Python, by C code and by processes forked meanwhile.

    Both streams; an exception passes.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        for number, stream in ((1, sys.__stdout__), (2, sys.__stderr__)):
            with contextlib.suppress(OSError):  # closed: nothing can come through
                _discard(number, stream, stack)
        yield


def _discard(number: int, stream: IO[str] | None, stack: contextlib.ExitStack) -> None:
    if stream is not None:
        stream.flush()
    kept = os.dup(number)
    stack.callback(os.close, kept)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    stack.callback(os.close, nowhere)
    stack.callback(os.dup2, kept, number)
    os.dup2(nowhere, number)
