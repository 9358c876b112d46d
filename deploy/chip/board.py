"""What a neuro-core, a chip and a board can hold: a table of limits, a source beside each number.

Boards are YAML files in ``deploy/chip/boards``; a user's file has the same keys and may extend one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, ValidationError

from spiketrack.documents.placement import Limits
from spiketrack.documents.problems import problem
from spiketrack.documents.yaml_files import parse_yaml, read_yaml
from spiketrack.errors import ConfigError, SpikeTrackError, printable
from spiketrack.packaged import BOARDS
from spiketrack.readable import readable

DEFAULT_BOARD = "hala-point"
PARENT_DEPTH = 8  # boards that extend boards; more is a circle


class CapacityError(SpikeTrackError):
    """A layer that no core of this board can hold, however it is split."""


class Board(Limits):
    """The limits of a board by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str

    @property
    def cores(self) -> int | None:
        """Usable cores of the whole board."""
        return self.chips.value and self.chips.value * self.cores_per_chip.value

    @property
    def memory_bits(self) -> int:
        """Memory of one core in bits."""
        return self.memory_kib_per_core.value * 1024 * 8

    def tile(self, core: int) -> tuple[int, int]:
        """Column and row of a core's tile on its chip; odd rows run backwards, so that
        consecutive cores are neighbours."""
        row, column = divmod(core // self.cores_per_tile.value, self.tiles_across.value)
        return (self.tiles_across.value - 1 - column if row % 2 else column), row

    def changed(self, **values: Any) -> Board:
        """A copy with other values, e.g. ``board.changed(memory_kib_per_core=192)``."""
        return _validated({**self.model_dump(), **values}, f"board {self.name}")


def load_board(spec: str | None = None) -> Board:
    """Board by name, by number of chips (``"3"``, ``"3 chips"``) or from a YAML file.

    ``ConfigError`` for a name that is neither known nor a file, and for wrong keys or values.
    """
    spec = spec or DEFAULT_BOARD
    number = re.fullmatch(r"([0-9]{1,9})( ?chips?)?", spec.strip())
    if number:
        chips = int(number[1])
        plural = "" if chips == 1 else "s"
        return load_board("loihi2").changed(name=f"{chips} chip{plural}", chips=chips)
    return _validated(_merged(spec, PARENT_DEPTH), spec)


def board_names() -> list[str]:
    """Names of the packaged boards."""
    return BOARDS.names()


def _merged(spec: str, depth: int) -> dict[str, Any]:
    """Keys of a board over those of the board that it extends."""
    if not depth:
        raise ConfigError(f"{spec}: boards extend each other in a circle, or too deeply")
    keys = _parsed(spec)
    parent = keys.pop("extends", None)
    if parent is None:
        return keys
    return {**_merged(str(parent), depth - 1), **keys}


def _parsed(spec: str) -> dict[str, Any]:
    keys = _value(spec)
    if not isinstance(keys, dict):
        raise ConfigError(f"{spec}: a board file is a table of keys, see loihi2.yaml")
    return keys


def _value(spec: str) -> Any:
    if spec in board_names():
        return parse_yaml(BOARDS.read(spec), spec)
    path = Path(spec)
    if not readable(path):
        known = ", ".join(board_names())
        raise ConfigError(f"no board {printable(spec)}: choose {known}, 'N chips' or a YAML file")
    return read_yaml(path)


def _validated(keys: Mapping[str, Any], where: str) -> Board:
    try:
        return Board.model_validate(keys)
    except ValidationError as error:
        raise ConfigError(f"{where}: {problem(error)}") from None
