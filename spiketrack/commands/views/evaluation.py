"""The table of ``spiketrack evaluate``."""

from __future__ import annotations

from collections.abc import Mapping

from spiketrack.documents.tracking import EvaluationDocument, FiguresPart, ScoresPart
from spiketrack.terminal.console import say
from spiketrack.terminal.table import Column, Table, print_table

Columns = Mapping[str, tuple[Column, str]]  # figure → column, format

COLUMNS: Columns = {
    "success_auc": (Column("AUC", "success"), ".3f"),
    "precision_20": (Column("P20", "precision at 20 px"), ".3f"),
    "normalised_precision_20": (
        Column("Pn.2", "normalised precision at 0.20, the figure of LaSOT's tables", 1),
        ".3f",
    ),
    "normalised_precision_auc": (Column("PnAUC", "its mean over 0..0.5", 2), ".3f"),
    "ao": (Column("AO", "average overlap"), ".3f"),
    "sr50": (Column("SR.5", "frames of IoU above 0.5", 3), ".3f"),
    "sr75": (Column("SR.75", rank=4), ".3f"),
    "fps": (Column("fps", rank=5), ".1f"),
}
ENERGY: Columns = {
    "energy_mj": (Column("mJ", "search of a frame"), ".4f"),
    "template_mj": (Column("+T mJ", "template encodings, spread over the frames", 6), ".4f"),
}


def show(document: EvaluationDocument) -> None:
    """Print a row for each sequence, the mean, and a mean row for each baseline."""
    counted = document.mean is not None and document.mean.energy_mj is not None
    columns = {**COLUMNS, **(ENERGY if counted else {})}
    head = (Column("sequence", kind="name"), Column("n", "tracked frames"))
    rows = [
        (name, figures.frames, *_cells(figures, columns))
        for name, figures in document.sequences.items()
    ]
    means = [
        (
            _mean_of(part, len(document.planned), "" if method == document.method else method),
            None,
            *_cells(part.mean, columns),
        )
        for method, part in document.methods.items()
        if part.mean is not None
    ]
    title = f"{document.method}, {document.backend} backend"
    print_table(Table.of(title, (*head, *(column for column, _ in columns.values())), rows, *means))
    if not counted and document.mean is not None:
        say(
            f"energy: backend {document.backend} counts no operations; "
            "--backend integer adds energy a frame"
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
