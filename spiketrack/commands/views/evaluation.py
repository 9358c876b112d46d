"""The table of ``spiketrack evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from spiketrack.documents.tracking import (
    EvaluationDocument,
    FiguresPart,
    ScoresPart,
    SequencePart,
    SpreadPart,
)
from spiketrack.terminal.amounts import counted
from spiketrack.terminal.console import say
from spiketrack.terminal.table import Column, Table, print_table
from spiketrack.tracking.rules import rules_said

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
    "energy_mj": (Column("mJ", "search of a frame"), ".4f"),
    "template_mj": (Column("+T mJ", "template encodings, spread over the frames", 6), ".4f"),
    "whole_low_mj": (Column("low mJ", "all that the chips of the placement spend"), ".4g"),
    "whole_high_mj": (Column("high mJ", "the same, high estimate"), ".4g"),
}


def show(document: EvaluationDocument) -> None:
    """Print a row for each sequence, the mean, and a mean row for each baseline."""
    columns = _known(document)
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
    starts = "" if document.starts == "ope" else f", starts {document.starts}"
    where = f" on {Path(document.footage).name}" if document.footage else ""
    title = f"{document.method}{where}, {document.backend} backend{starts}"
    print_table(Table.of(title, (*head, *(column for column, _ in columns.values())), rows, *means))
    for line in (*rules(document), *together(document), *spreads(document)):
        say(line)
    if document.mean is not None and document.mean.energy_mj is None:
        say(
            f"energy: backend {document.backend} counts no operations; "
            "--backend integer adds energy a frame"
        )


def rules(document: EvaluationDocument) -> list[str]:
    """What each layout is scored by."""
    parts = document.sequences.values()
    layouts = [part.layout for part in parts if part.success_auc is not None]
    return [f"scored by {said}" for said in rules_said(layouts)]


def together(document: EvaluationDocument) -> list[str]:
    """GOT-10k's own figures, of the frames of all sequences together; ``mean`` weighs sequences."""
    lines = []
    for method, part in document.methods.items():
        ao, sr50, sr75 = part.pooled.ao, part.pooled.sr50, part.pooled.sr75
        several = sum(one.ao is not None for one in part.sequences.values()) > 1
        if ao is None or sr50 is None or sr75 is None or not several:
            continue
        if any(one.layout == "GOT-10k" for one in part.sequences.values()):
            figures = f"AO {ao:.3f}, SR0.5 {sr50:.3f}, SR0.75 {sr75:.3f}"
            lines.append(f"{method}: {figures} over all frames, as GOT-10k's toolkit reports them")
    return lines


def spreads(document: EvaluationDocument) -> list[str]:
    """How sure a method's mean success AUC is, and how it depends on the start."""
    lines = []
    for method, part in document.methods.items():
        named = {f"{method}, {name}": one for name, one in part.spread_by_starts.items()}
        lines += _spread_lines(named or {method: part.spread})
    if (pair := document.against) is not None:
        line = f"{document.method} less {pair.other}: AUC {pair.difference:+.3f}"
        if pair.sequences > 1:
            line += f", 95 % {pair.low:+.3f} to {pair.high:+.3f}"
        line += f", in pairs of {pair.runs} runs of {counted(pair.sequences, 'sequence')}"
        lines.append(f"{line}; better in {pair.better}")
    return lines


def _spread_lines(spreads: Mapping[str, SpreadPart | None]) -> list[str]:
    lines = []
    for name, one in spreads.items():
        if one is None:
            continue
        line = f"{name}: AUC {one.mean:.3f}"
        if one.sequences > 1:
            line += f", 95 % {one.low:.3f} to {one.high:.3f}"
            line += f" (resampled from {one.sequences} sequences)"
        if one.runs > one.sequences:
            line += (
                f"; over {one.runs} runs: worst starts {one.worst:.3f}, "
                f"deviation over starts {one.deviation:.3f}"
            )
        lines.append(line)
    return lines


def _mean_of(part: FiguresPart, planned: int, method: str) -> str:
    """``mean``, ``mean (2 of 3)``, ``mil (mean)``, ``mil (mean, 2 of 3)``."""
    scored = sum(one.success_auc is not None for one in part.sequences.values())
    some = "" if scored == planned else f"{scored} of {planned}"
    if not method:
        return f"mean ({some})" if some else "mean"
    return f"{method} (mean, {some})" if some else f"{method} (mean)"


def _known(document: EvaluationDocument) -> Columns:
    """The columns that hold something: test parts have no labels, not every backend counts."""
    means = [part.mean for part in document.methods.values() if part.mean is not None]
    return {
        key: column
        for key, column in COLUMNS.items()
        if any(getattr(mean, key) is not None for mean in means)
    }


def _cells(figures: ScoresPart | SequencePart, columns: Columns) -> list[str]:
    shown = ((getattr(figures, key), form) for key, (_, form) in columns.items())
    return ["" if value is None else format(value, form) for value, form in shown]
