"""Whatever other packages print stays out of our results."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from spiketrack.terminal.foreign import hushed


def test_words_of_others_are_discarded(capfd: pytest.CaptureFixture[str]) -> None:
    """Python's, C's and a child's; ours before and after come through."""
    print("before", flush=True)
    with hushed():
        print("buy our product")
        os.write(1, b"buy it now\n")
        os.write(2, b"no such thing is found\n")
        subprocess.run([sys.executable, "-c", "print('really')"], check=True)
    print("after", flush=True)
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_an_error_passes_and_output_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), hushed():
        raise ValueError("broken")
    os.write(1, b"here\n")
    assert capfd.readouterr().out == "here\n"
