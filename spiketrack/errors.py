"""Every error that a user can meet: one base class, one line, node, value, limit and remedy."""

from __future__ import annotations


def printable(text: str, limit: int = 160) -> str:
    """Foreign text for a message: one line, control characters as escapes, not too long."""
    shown = "".join(c if c.isprintable() else _escape(c) for c in text[:limit])
    return shown if len(text) <= limit else f"{shown}… ({len(text):,} characters)"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def harmless(text: str) -> str:
    """Text for a terminal: control characters, but for line breaks and tabs, as escapes."""
    if text.isprintable():
        return text
    kept = "\n\t\u00a0"
    return "".join(
        c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text
    )


def one_line(text: str) -> str:
    """A foreign name for a terminal: as ``harmless``, and on one line."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


class SpikeTrackError(Exception):
    """Base of all expected errors; the command line prints it as one line and exits with 2.

    Its text may hold names of foreign files: none of their characters steers a terminal.
    """

    def __str__(self) -> str:
        return harmless(super().__str__())


class CheckpointError(SpikeTrackError):
    """A checkpoint that is missing, corrupt, foreign, refused, or has the wrong keys or shapes."""


class ClipError(SpikeTrackError):
    """A clip that is missing, no video, truncated or too short, or a box that does not fit it."""


class GraphError(SpikeTrackError):
    """An integer graph that breaks a rule: shape, bit width, head-room or an unknown node."""


class NirError(SpikeTrackError):
    """A ``.nir`` file or an export folder that cannot be read as ours."""


class Hdf5Error(SpikeTrackError):
    """An HDF5 file that is damaged, or holds what our writers never leave."""


class DocumentError(SpikeTrackError):
    """A JSON document of ours that is missing, of another version, or holds a wrong value."""


class ConfigError(SpikeTrackError):
    """A configuration, price or board file with a wrong key or value."""


class TrainingError(SpikeTrackError):
    """A training that cannot go on: a loss or weights that are not finite, or a lost worker."""


class LavaError(SpikeTrackError):
    """A Lava run that failed or did not answer; names the process."""


class MissingDependency(SpikeTrackError):
    """An optional package that a command needs and how to install it."""


class UnsupportedError(SpikeTrackError):
    """Something that is known and deliberately left out."""
