"""Names of layers as people read them: the part of the network, the block, the short name.

And paths of files without the folders that hold them: a report travels, its maker's home does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

ROOT = "encoder"
OPTION = re.compile(r"(--[\w-]+=|)(.*)", re.DOTALL)
FOREIGN = re.compile(r"^(?:[A-Za-z]:)?[\\/]|^~")


def stage(name: str) -> str:
    """``encoder.mrm.2.retriever.q_spike`` → ``encoder.mrm.2``: the part of the network."""
    parts = name.split(".")
    if parts[0] != ROOT or len(parts) < 3:
        return parts[0]
    return ".".join(parts[:3] if parts[1] == "mrm" else parts[:2])


def block(name: str) -> str:
    """``encoder.block3.0.attn.q_conv`` → ``encoder.block3.0``: what stands as one box."""
    parts = name.split(".")
    if parts[0] != ROOT or len(parts) < 3:
        return parts[0]
    return ".".join(parts[:3] if parts[2].isdecimal() else parts[:2])


def short(name: str) -> str:
    """The name without what all layers share."""
    return name.removeprefix(f"{ROOT}.")


def runs_of(labels: Sequence[str]) -> list[tuple[str, int, int]]:
    """Stretches of equal neighbours: label, first and last index."""
    stretches: list[tuple[str, int, int]] = []
    for index, label in enumerate(labels):
        if stretches and stretches[-1][0] == label:
            stretches[-1] = (label, stretches[-1][1], index)
        else:
            stretches.append((label, index, index))
    return stretches


def file_name(path: str) -> str:
    """A path as the report shows it: its last part where it is absolute, else as it is."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] if FOREIGN.match(path) else path


def without_folders(words: Iterable[str]) -> list[str]:
    """The words of a command, each absolute path by its last part alone; ``--out=PATH`` too."""
    named = (OPTION.match(word) for word in words)
    return [m[1] + file_name(m[2]) for m in named if m]
