"""One way to say what is wrong in a user's file: ``key.path: what, found VALUE; remedy``."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from spiketrack.errors import printable

SHOWN = 60  # characters of a foreign key or value that a message repeats
_DIGITS = 10**SHOWN
_SPELLING = "unknown key; remove it or correct its spelling"
_ENDS = {"missing": "Field required", "extra_forbidden": _SPELLING}


def problem(error: ValidationError) -> str:
    """The first error of a validation as ``key.path: what, found VALUE``, and how many follow."""
    first = error.errors(include_url=False)[0]
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{_place(first['loc'])}: {_what(first)}{more}"


def _place(location: tuple[int | str, ...]) -> str:
    parts = [str(part) for part in location if part != "[key]"]
    return printable(".".join(parts), SHOWN) or "the whole file"


def _what(first: Any) -> str:
    if first["type"] in _ENDS:
        return _ENDS[first["type"]]
    message = printable(first["msg"].removeprefix("Value error, "), 4 * SHOWN)
    return message if first["type"] == "json_invalid" else f"{message}, found {_shown(first)}"


def _shown(first: Any) -> str:
    """A scalar as it stands; anything larger by its kind alone."""
    value = first["input"]
    if isinstance(value, int) and not -_DIGITS < value < _DIGITS:
        return "a number of too many digits"
    if value is None or isinstance(value, (bool, int, float, str)):
        return printable(str(value), SHOWN) or "nothing"
    return "a table" if isinstance(value, dict) else "a list"
