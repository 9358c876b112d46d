"""The document as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io

from spiketrack.documents.energy import EnergyDocument
from spiketrack.integer.costs.formulas import FIELDS
from spiketrack.terminal.amounts import amount, joules, percent

__all__ = ["CSV_COLUMNS", "amount", "joules", "percent", "to_csv"]

CSV_COLUMNS = (
    "branch", "name", "kind", *FIELDS, "dense_mac",
    "energy_pj", "energy_sd_pj", "energy_se_pj", "energy_share",
)  # fmt: skip


def to_csv(document: EnergyDocument) -> str:
    """All layers of both branches, one line each, columns ``CSV_COLUMNS``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = (*document.layers, *document.template.layers)
    writer.writerows(row.model_dump(mode="json") for row in rows)
    return text.getvalue()
