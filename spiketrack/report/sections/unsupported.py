"""What the toolchain does not do, with the reason: a list that every report prints."""

from __future__ import annotations

from collections.abc import Sequence

from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.manifest import Manifest, OutletEntry
from spiketrack.pages.parts import Table

NOT_SUPPORTED = (
    ("joules of Loihi 2", "Intel has published no prices; tables of other machines are used"),
    ("memory traffic", "no published price beyond what a price table contains"),
    ("messages between chips", "counted in the placement, no published price"),
    ("a run on the chip itself", "needs Intel's closed compiler; Lava's own runtime is used"),
    ("on-chip learning", "weights are fixed; only memories are rewritten with the templates"),
    ("cropping, decoding, template choice on the chip", "they run on the host, in floating point"),
)


def unsupported(energy: EnergyDocument, manifest: Manifest | None) -> Table:
    """The fixed list, operations without a price, and what stock NIR tools cannot read."""
    rows = [{"area": "all", "what": what, "why": why} for what, why in NOT_SUPPORTED]
    table = energy.prices
    for operation in energy.total.unpriced:
        why = f"price table {table.name} {table.version} has no price for it"
        rows.append({"area": "energy", "what": operation, "why": why})
    if manifest is not None:
        for operation, why in manifest.not_standard_nir.operations.items():
            rows.append({"area": "standard NIR", "what": operation, "why": why})
        for outlet, files in (manifest.also or {}).items():
            rows += _left_out(outlet, files)
    columns = ("area", "what", "why")
    return Table.of("unsupported", "Not supported, and why", rows, columns, unfolded=True)


def _left_out(outlet: str, files: Sequence[OutletEntry]) -> list[dict[str, str]]:
    return [
        {"area": outlet, "what": f"{file.path}: {number} nodes", "why": reason}
        for file in files
        for reason, number in file.left_out.items()
    ]
