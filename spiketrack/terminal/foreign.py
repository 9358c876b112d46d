"""Other packages' own words on standard output: they would stand among our results."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Discard what is printed inside, by Python, by C code and by processes forked meanwhile."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.ExitStack() as stack:
        try:
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
            kept = os.dup(1)
        except OSError:  # closed: nothing can come through
            yield
            return
        stack.callback(os.close, kept)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nowhere)
        stack.callback(os.dup2, kept, 1)
        os.dup2(nowhere, 1)
        yield
