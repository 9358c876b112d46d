"""Tables that come with the package: a YAML file in their folder is an entry, nothing else is."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Traversable  # moves to importlib.resources.abc in Python 3.11


@dataclass(frozen=True)
class Packaged:
    """The YAML files of one folder of a package, by their names without the suffix."""

    package: str
    folder: str

    def names(self, first: str = "") -> list[str]:
        """All entries in alphabetical order, ``first`` before the others."""
        files = [PurePath(file.name) for file in self._root().iterdir()]
        names = [file.stem for file in files if file.suffix == ".yaml"]
        return sorted(names, key=lambda name: (name != first, name))

    def read(self, name: str) -> bytes:
        """The file of an entry."""
        return (self._root() / f"{name}.yaml").read_bytes()

    def _root(self) -> Traversable:
        return resources.files(self.package) / self.folder


PRICE_TABLES = Packaged("spiketrack.energy", "price_tables")
BOARDS = Packaged("spiketrack.deploy.chip", "boards")
PRINTED_PARTITIONS = Packaged("spiketrack.deploy.chip.rules", "printed")
RATE_TABLES = Packaged("spiketrack.timing", "rate_tables")
CONFIGS = Packaged("spiketrack", "configs")
