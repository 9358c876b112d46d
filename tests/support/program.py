"""Runs the program inside the test's own process."""

from __future__ import annotations

import pytest

from spiketrack import cli


class Program:
    """Runs the program in this process and keeps what it printed."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd
        self.err = ""

    def __call__(self, *arguments: object, code: int = 0) -> str:
        """Standard output of a run that ends with ``code``."""
        self.capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        out, self.err = self.capfd.readouterr()
        assert (ended.value.code or 0) == code, self.err or out
        return out

    def refuses(self, *arguments: object) -> str:
        """The one line of an error with exit code 2."""
        assert self(*arguments, code=2) == ""
        assert self.err.startswith("spiketrack: error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("spiketrack: error: ").strip()

    def refuses_after_notes(self, *arguments: object) -> str:
        """The last line of standard error, an error with exit code 2 after lines of notes."""
        assert self(*arguments, code=2) == ""
        last = self.err.strip().splitlines()[-1]
        assert last.startswith("spiketrack: error: "), self.err
        return last.removeprefix("spiketrack: error: ")
