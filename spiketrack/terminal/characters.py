"""Streams that are not UTF-8: what they cannot hold is replaced, and nothing is lost for it."""

from __future__ import annotations

import codecs
import sys

HANDLER = "spiketrack"  # errors=... of a stream
SUBSTITUTES = {
    "µ": "u", "μ": "u", "×": "x", "·": "*", "±": "+-", "…": "~", "→": "->", "²": "2", "–": "-",
    "—": "-", "’": "'", "“": '"', "”": '"', "━": "-", "─": "-", "│": "|", "╭": "+", "╮": "+",
    "╰": "+", "╯": "+", "≤": "<=", "≥": ">=",
}  # fmt: skip


def _substitute(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(SUBSTITUTES.get(letter, "?") for letter in lost), error.end


codecs.register_error(HANDLER, _substitute)


def tolerant_streams() -> None:
    """Standard output and error replace what they cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def shown(text: str, encoding: str) -> str:
    """The text as a stream of this encoding will show it."""
    return text.encode(encoding, HANDLER).decode(encoding)
