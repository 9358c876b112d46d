"""Tables for Markdown files, put between two comment lines of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spiketrack.errors import ConfigError
from spiketrack.files import atomic_path


class Slot:
    """The lines between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` of a file."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        self._around()

    def fill(self, text: str) -> None:
        """Replace what stands there, in the file as it is now."""
        before, after = self._around()
        begin, end = self.marks
        with atomic_path(self.path) as temporary:
            temporary.write_text(
                f"{before}{begin}\n{text}{end}{after}", encoding="utf-8", errors="backslashreplace"
            )

    def _around(self) -> tuple[str, str]:
        """The text before and after the two marks."""
        begin, end = self.marks
        text = self.path.read_text(encoding="utf-8")
        if not (begin in text and end in text):
            raise ConfigError(
                f"{self.path}: has no lines {begin} and {end} to put the table between"
            )
        return text.split(begin)[0], text.split(end)[1]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(v) for v in line) + " |\n" for line in lines)
