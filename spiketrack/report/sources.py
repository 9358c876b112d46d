"""What a report is made from: run folders, a verification, a placement, an export's manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiketrack.energy.document import document
from spiketrack.energy.network import read_network_cost
from spiketrack.energy.prices import DEFAULT, load_prices, packaged_tables
from spiketrack.errors import SpikeTrackError
from spiketrack.runs.folder import read_run_json
from spiketrack.runs.operations import RunCounts, read_run
from spiketrack.simulators.backends import backends, require_operations
from spiketrack.video.boxes import BoxRow, read_csv

VERIFY_SCHEMA = "spiketrack.verify"
MAP_SCHEMA = "spiketrack.map"


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder: ``run.json``, boxes, operation counts, energy document, export manifest.

    ``manifest`` is None where the export folder is gone. The runs of some backends hold no
    operations: then ``counts`` and ``energy`` are empty.
    """

    path: Path
    label: str
    about: Mapping[str, Any]
    boxes: tuple[BoxRow, ...]
    counts: RunCounts
    energy: Mapping[str, Any]
    manifest: Mapping[str, Any] | None

    @property
    def clip(self) -> tuple[str, tuple[float, ...]]:
        """What it tracked: the clip's path and the first box."""
        return str(self.about["clip"]["path"]), tuple(self.about["box"])


@dataclass(frozen=True, eq=False)
class Sources:
    """All inputs of a report; ``verify`` and ``placement`` are None if not given.

    ``command``: the command line that made the report.
    """

    run: Run
    against: tuple[Run, ...]
    verify: Mapping[str, Any] | None
    placement: Mapping[str, Any] | None
    command: str

    @property
    def runs(self) -> tuple[Run, ...]:
        """The run and those beside it."""
        return (self.run, *self.against)

    @property
    def priced(self) -> tuple[Run, ...]:
        """Those that counted operations; the first always did."""
        return tuple(run for run in self.runs if run.energy)


def read_sources(
    run: Path,
    against: tuple[Path, ...] = (),
    verify: Path | None = None,
    placement: Path | None = None,
    prices: str = DEFAULT,
    command: str = "",
) -> Sources:
    """Read everything; ``SpikeTrackError`` names the file and what is wrong with it."""
    given = None if verify is None else read_document(verify, VERIFY_SCHEMA, "verify")
    placed = None if placement is None else read_document(placement, MAP_SCHEMA, "map")
    paths = (run, *against)
    labels = _labels(paths)
    first = load_run(run, labels[0], prices, placement)
    others = [
        load_run(path, label, prices) if counts_operations(path) else boxes_alone(path, label)
        for path, label in zip(against, labels[1:], strict=True)
    ]
    return Sources(first, tuple(others), given, placed, command)


def _labels(paths: tuple[Path, ...]) -> list[str]:
    """Folder names; whole paths where two folders share a name."""
    names = [path.absolute().name for path in paths]
    if len(set(names)) == len(names):
        return names
    return [f"{index}: {path}" for index, path in enumerate(paths, 1)]


def load_run(path: Path, label: str, prices: str = DEFAULT, placement: Path | None = None) -> Run:
    """One run folder and its energy document (messages priced if there is a placement)."""
    about = read_run_json(path)
    require_operations(path, about["backend"])
    counts = read_run(path)
    table = load_prices(prices)
    packaged = packaged_tables()
    tables = packaged if table in packaged else [table, *packaged]
    energy = document(counts, table, tables, run=str(path))
    if placement is not None:
        energy["network_on_chip"] = read_network_cost(placement, table, energy)
    boxes = tuple(read_csv(path / "boxes.csv"))
    return Run(path, label, about, boxes, counts, energy, _manifest(about))


def counts_operations(path: Path) -> bool:
    """Whether a run holds operation counts; a backend of no row here may count."""
    row = backends().get(read_run_json(path)["backend"])
    return row is None or row.operations


def boxes_alone(path: Path, label: str) -> Run:
    """A run without operation counts."""
    about = read_run_json(path)
    boxes = tuple(read_csv(path / "boxes.csv"))
    return Run(path, label, about, boxes, {}, {}, _manifest(about))


def _manifest(about: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Manifest of the export that made the run, if it is still the same network."""
    path = Path(about["export"]) / "manifest.json"
    if not path.is_file():
        return None
    found = _json(path)
    same = found.get("checkpoint") == about["checkpoint"] and "layers" in found
    return found if same else None


def read_document(path: Path, schema: str, command: str) -> Mapping[str, Any]:
    """A JSON document of one of our commands."""
    if not path.is_file():
        raise SpikeTrackError(f"{path}: no such file; write it with spiketrack {command} --json")
    found = _json(path)
    if found.get("schema") != schema or found.get("version") != 1:
        raise SpikeTrackError(
            f"{path}: not a document {schema} 1; write it with spiketrack {command} --json"
        )
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpikeTrackError(f"{path}: unreadable ({error})") from None
    if not isinstance(found, dict):
        raise SpikeTrackError(f"{path}: no JSON object")
    return found
