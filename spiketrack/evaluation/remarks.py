"""What is odd about sequences, on a terminal: the first of a kind, and how many more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from spiketrack.terminal.console import note


class Remarks:
    """Lines ``WHERE: WHAT``: a data set of hundreds of sequences says each WHAT once."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.counts: Counter[str] = Counter()

    def say(self, lines: Iterable[str]) -> None:
        """Say those of a new kind, count the others; a line said before is neither."""
        for line in dict.fromkeys(lines):
            kind = line.partition(": ")[2]
            if line in self.said:
                continue
            self.said.add(line)
            self.counts[kind] += 1
            if self.counts[kind] == 1 or not kind:
                note(f"note: {line}")

    def end(self) -> None:
        """Say how many there were more of each kind."""
        for kind, count in self.counts.items():
            if kind and count > 1:
                note(f"note: {count - 1} more: {kind}")
        self.counts.clear()
