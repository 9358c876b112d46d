"""Tables for Markdown files, put between two comment lines of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spiketrack.errors import ConfigError


class Slot:
    """The lines between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` of a file."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        self.text = path.read_text(encoding="utf-8")
        begin, end = self.marks
        if not (begin in self.text and end in self.text):
            raise ConfigError(f"{path}: has no lines {begin} and {end} to put the table between")

    def fill(self, text: str) -> None:
        """Replace what stands there."""
        begin, end = self.marks
        before, after = self.text.split(begin)[0], self.text.split(end)[1]
        self.path.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(v) for v in line) + " |\n" for line in lines)
