"""The table of ``spiketrack evaluate``."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.table import Table

from spiketrack.commands import tables
from spiketrack.commands.progress import console
from spiketrack.documents.tracking import EvaluationDocument, FiguresPart, ScoresPart

Columns = Mapping[str, tuple[str, str]]  # figure → heading, format

COLUMNS: Columns = {
    "success_auc": ("AUC", ".3f"),
    "precision_20": ("P20", ".3f"),
    "normalised_precision_20": ("Pn.2", ".3f"),
    "normalised_precision_auc": ("PnAUC", ".3f"),
    "ao": ("AO", ".3f"),
    "sr50": ("SR.5", ".3f"),
    "sr75": ("SR.75", ".3f"),
    "fps": ("fps", ".1f"),
}
ENERGY: Columns = {"energy_mj": ("mJ", ".4f"), "template_mj": ("+T mJ", ".4f")}
CAPTION = (
    "n: tracked frames. AUC: success. P20: precision at 20 px. Pn.2: normalised precision at\n"
    "0.20, the figure of LaSOT's tables; PnAUC: its mean over 0..0.5.\n"
    "mJ: search of a frame. +T: template encodings, spread over the frames."
)


def show(document: EvaluationDocument) -> None:
    """Print a row for each sequence, the mean, and a mean row for each baseline."""
    counted = document.mean is not None and document.mean.energy_mj is not None
    columns = {**COLUMNS, **(ENERGY if counted else {})}
    title = f"{document.method}, {document.backend} backend"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("sequence", no_wrap=True)
    for heading in ("n", *(heading for heading, _ in columns.values())):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, figures in document.sequences.items():
        table.add_row(name, str(figures.frames), *_cells(figures, columns))
    table.add_section()
    for method, part in document.methods.items():
        label = _mean_of(part, len(document.planned), "" if method == document.method else method)
        if part.mean is not None:
            style = "bold" if method == document.method else None
            table.add_row(label, "", *_cells(part.mean, columns), style=style)
    tables.console.print(table)
    console.print(CAPTION, markup=False, highlight=False)
    if not counted and document.mean is not None:
        console.print(
            f"energy: backend {document.backend} counts no operations; "
            "--backend integer adds energy a frame",
            markup=False,
            highlight=False,
        )


def _mean_of(part: FiguresPart, planned: int, method: str) -> str:
    """``mean``, ``mean (2 of 3)``, ``mil (mean)``, ``mil (mean, 2 of 3)``."""
    scored = sum(one.success_auc is not None for one in part.sequences.values())
    some = "" if scored == planned else f"{scored} of {planned}"
    if not method:
        return f"mean ({some})" if some else "mean"
    return f"{method} (mean, {some})" if some else f"{method} (mean)"


def _cells(figures: ScoresPart, columns: Columns) -> list[str]:
    shown = ((getattr(figures, key), form) for key, (_, form) in columns.items())
    return ["" if value is None else format(value, form) for value, form in shown]
