"""Which folders are this program's own: ``--force`` replaces nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiketrack.machine.locks import LOCK

_LARGEST = 2**28  # bytes of a document that is looked into


@dataclass(frozen=True)
class Kind:
    """A folder that a command writes: its document, and the files that stand beside it.

    ``key``: ``value`` in the document say that it is ours; ``listed`` names, from the document,
    files beside those of ``files``; ``option`` takes such a folder.
    """

    what: str
    document: str
    key: str
    value: str
    files: tuple[str, ...] = ()
    listed: Callable[[Mapping[str, Any]], Iterable[str]] = lambda document: ()
    option: str = "--out"

    def recognises(self, folder: Path) -> Mapping[str, Any] | None:
        """The document of a folder of this kind, whatever its version; else None."""
        try:
            path = folder / self.document
            if not path.is_file() or path.stat().st_size > _LARGEST:
                return None
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        ours = isinstance(document, dict) and document.get(self.key) == self.value
        return document if ours else None

    def obstacle(self, folder: Path) -> str:
        """Why the folder must not be replaced; empty for one that is empty or wholly ours."""
        present = sorted(name for name in _files(folder) if name != LOCK)
        if not present:
            return ""
        if self.recognises(folder) is None:
            return f"is no {self.what} that this command wrote"
        ours = self.names(folder)
        foreign = [name for name in present if name not in ours]
        if not foreign:
            return ""
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        return f"holds {foreign[0]}{more}, which this command did not write"

    def names(self, folder: Path) -> set[str]:
        """Relative names of all that a folder of this kind holds."""
        document = self.recognises(folder) or {}
        try:
            listed = set(self.listed(document))
        except (AttributeError, KeyError, TypeError):  # a document of another version
            listed = set()
        return {self.document, *self.files, *listed}


def _files(folder: Path) -> Iterable[str]:
    """Relative names of all files, links and empty folders below."""

    def failed(error: OSError) -> None:
        raise error

    for home, folders, names in os.walk(folder, onerror=failed):
        here = Path(home).relative_to(folder)
        links = [name for name in folders if (Path(home) / name).is_symlink()]
        for name in (*names, *links):
            yield (here / name).as_posix()
        if not (folders or names) and home != str(folder):
            yield here.as_posix()


class Boxes(Kind):
    """A folder told by the first line of its table of boxes."""

    def recognises(self, folder: Path) -> Mapping[str, Any] | None:
        """Nothing but that it is one."""
        try:
            if not (folder / self.document).is_file():
                return None
            with (folder / self.document).open(encoding="utf-8") as file:
                return {} if file.readline(200).strip() == self.value else None
        except (OSError, ValueError):
            return None


def _listed(document: Mapping[str, Any]) -> Iterable[str]:
    return map(str, document["files"])


def _boxes(document: Mapping[str, Any]) -> Iterable[str]:
    for method in (document["method"], *document["baselines"]):
        for sequence in document["planned"]:  # the document may be older than the files
            for kind in ("boxes", "times", "confidence"):
                yield f"{kind}/{method}/{sequence}.txt"
            yield f"sequences/{method}/{sequence}.json"
            yield f"got10k/{method}/{sequence}/{sequence}_001.txt"
            yield f"got10k/{method}/{sequence}/{sequence}_time.txt"


EXPORT = Kind(
    "export",
    "manifest.json",
    "format",
    "spiketrack-export",
    ("template.nir", "search.nir"),
    _listed,
)
RUN = Kind("run", "run.json", "format", "spiketrack-run", ("boxes.csv", "counts.h5", "chip.json"))
CHIP_KIT = Kind(
    "kit for a chip",
    "kit.json",
    "schema",
    "spiketrack.chip-kit",
    ("vectors.h5", "measured.json", "measured-schema.json"),
    option="--kit",
)
EVALUATION = Kind(
    "evaluation",
    "evaluation.json",
    "schema",
    "spiketrack.evaluation",
    ("plots.html", "plots.png", "got10k.zip", "trackingnet.zip"),
    _boxes,
)
TRACK = Boxes(
    "folder of boxes",
    "boxes.csv",
    "",
    "frame,x,y,w,h,score",
    ("otb.txt", "got10k.txt", "track.mp4", "filmstrip.png"),
)
KINDS = (EXPORT, RUN, EVALUATION, TRACK)
