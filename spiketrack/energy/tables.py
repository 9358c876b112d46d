"""Energies and amounts as text, and the document as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io

from spiketrack.documents.energy import EnergyDocument
from spiketrack.integer.costs.formulas import FIELDS

CSV_COLUMNS = (
    "branch", "name", "kind", *FIELDS, "dense_mac",
    "energy_pj", "energy_sd_pj", "energy_se_pj", "energy_share",
)  # fmt: skip
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_JOULES = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (0.0, "pJ"))


def amount(value: float | None) -> str:
    """12.3 M: three digits and a unit; empty for None."""
    if value is None:
        return ""
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def joules(picojoules: float | None) -> str:
    """1.23 mJ: three digits and a unit; empty for None and for nothing."""
    if not picojoules:
        return ""
    size, unit = next(pair for pair in _JOULES if picojoules >= pair[0])
    return f"{picojoules / (size or 1):.3g} {unit}"


def percent(share: float | None) -> str:
    """12.3 %; empty for None."""
    return "" if share is None else f"{share:.1%}"


def to_csv(document: EnergyDocument) -> str:
    """All layers of both branches, one line each, columns ``CSV_COLUMNS``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = (*document.layers, *document.template.layers)
    writer.writerows(row.model_dump(mode="json") for row in rows)
    return text.getvalue()
