"""``spiketrack score``: result folders of any trackers beside each other, as papers print them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.targets import then_show, will_write
from spiketrack.errors import ConfigError
from spiketrack.files import atomic_path
from spiketrack.terminal.console import note
from spiketrack.terminal.console import say as line
from spiketrack.terminal.table import Column, Table, print_table

if TYPE_CHECKING:
    from spiketrack.documents.tracking import EvaluationDocument, FiguresPart
    from spiketrack.evaluation.papers import PaperTable


@dataclass(frozen=True)
class Files:
    """What is to be written, None where it is not."""

    latex: Path | None
    csv: Path | None
    plots: Path | None
    scatter: Path | None
    attributes: Path | None
    json: Path | None


def score(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="BOXES... DATASET",
            help="Result folders (NAME=FOLDER to name a tracker), then the data set: OTB text, "
            "GOT-10k's, pytracking's, or what spiketrack evaluate --out wrote.",
        ),
    ],
    latex: Annotated[Path | None, typer.Option(help="Write the table for a paper.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table with all digits.")] = None,
    plots: Annotated[
        Path | None,
        typer.Option(
            help="Write success, precision and normalised precision: .html, or .png, .svg, .pdf "
            "with kaleido."
        ),
    ] = None,
    scatter: Annotated[
        Path | None, typer.Option(help="Write AUC against energy a frame, the same formats.")
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(help="Write success by attribute: .tex, .csv, or a plot as for --plots."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all figures and curves.")] = None,
) -> None:
    """Score published raw results and your own by the data set's own rule, side by side.

    Exits with 1 where a tracker lacks a sequence or one cannot be read; the others are scored all
    the same.
    """
    from spiketrack.evaluation.papers import by_attribute, paper_table
    from spiketrack.evaluation.remarks import Remarks
    from spiketrack.evaluation.results import find_trackers, named, score_tracker
    from spiketrack.tracking.sequences import survey

    if len(results) < 2:
        raise ConfigError("give at least one folder of results and, last, the data set")
    dataset = Path(results[-1])
    inputs = [*(named(text)[1] for text in results[:-1]), dataset]
    files = Files(latex, csv, plots, scatter, attributes, json)
    will_write(inputs, **dataclasses.asdict(files))
    trackers = find_trackers(results[:-1])
    surveyed = survey(dataset)
    footage = [sequence for sequence in surveyed.sequences if sequence.labelled]
    if not footage:
        raise ConfigError(f"{dataset}: no sequence with labels of more than its first frame")
    remarks = Remarks()
    remarks.say(surveyed.notes)
    sizes: dict[str, tuple[int, int]] = {}
    scored = {t.name: score_tracker(t, footage, sizes) for t in trackers}
    for progress in scored.values():
        for one in progress.outcomes.values():
            remarks.say(one.notes)
    remarks.end()
    names = [sequence.name for sequence in footage]
    names += [refused.name for refused in surveyed.refused]
    parts = {name: progress.part(names) for name, progress in scored.items()}
    table = paper_table(parts)
    hard = by_attribute(parts)
    if attributes is not None and not hard:
        raise ConfigError(f"--attributes: {dataset} names no attributes of its sequences")
    failed = [f"failed: {refused.reason}" for refused in surveyed.refused]
    failed += [
        f"failed: {name}: {reason}"
        for name, progress in scored.items()
        for reason in dict.fromkeys(progress.failed.values())
    ]

    def show() -> None:
        _show(table, parts, len(names))
        _attributes(hard)
        for text in failed:
            note(text)

    with then_show(show):
        _write(_document(parts, names, dataset), table, hard, files)
    if failed:
        raise typer.Exit(1)


def _document(
    parts: Mapping[str, FiguresPart], names: list[str], dataset: Path
) -> EvaluationDocument:
    from spiketrack.tracking.figures import document
    from spiketrack.video.footage import absolute

    about = {"footage": str(absolute(dataset))}
    return document(next(iter(parts)), parts, names, about)


def _write(
    document: EvaluationDocument,
    table: PaperTable,
    hard: Mapping[str, Mapping[str, tuple[int, float]]],
    files: Files,
) -> None:
    """All files that were asked for."""
    from spiketrack.evaluation.papers import attribute_table

    texts = {files.latex: table.latex, files.csv: table.csv}
    kinds = {".tex": attribute_table(hard).latex, ".csv": attribute_table(hard).csv}
    suffix = "" if files.attributes is None else files.attributes.suffix.lower()
    if suffix in kinds:
        texts[files.attributes] = kinds[suffix]
    for path, text in texts.items():
        if path is not None:
            with atomic_path(path) as temporary:
                temporary.write_text(text(), encoding="utf-8")
    if files.json is not None:
        document.write(files.json)
    _draw(document, hard, files, drawn=suffix not in kinds)


def _draw(
    document: EvaluationDocument,
    hard: Mapping[str, Mapping[str, tuple[int, float]]],
    files: Files,
    drawn: bool,
) -> None:
    if files.plots is None and files.scatter is None and (files.attributes is None or not drawn):
        return
    if not any(part.sequences for part in document.methods.values()):
        note("no plot: no sequence of any tracker could be scored")
        return
    from spiketrack.evaluation.drawings import attribute_bars, energy_scatter, write_figure
    from spiketrack.tracking.plots import figure  # plotly loads slowly

    if files.plots is not None:
        write_figure(figure(document.to_json()), files.plots)
    if files.scatter is not None:
        write_figure(energy_scatter(document.methods), files.scatter)
    if files.attributes is not None and drawn:
        write_figure(attribute_bars(hard), files.attributes)


def _show(table: PaperTable, parts: Mapping[str, FiguresPart], planned: int) -> None:
    from spiketrack.evaluation.papers import LEGENDS

    head = (Column("tracker", kind="name"), Column("n", "sequences scored", kind="text"))
    columns = [Column(n, LEGENDS.get(n, ""), i, "number") for i, n in enumerate(table.columns)]
    rows = []
    for name, values in table.rows:
        scored = len(parts[name].sequences)
        some = str(scored) if scored == planned else f"{scored} of {planned}"
        rows.append((name, some, *("" if v is None else _text(v) for v in values)))
    print_table(Table.of("figures in per cent", (*head, *columns), rows))
    for said in table.said:
        line(f"scored by {said}")


def _text(value: float) -> str:
    return f"{value:.4f}" if value < 1 else f"{value:.1f}"


def _attributes(scores: Mapping[str, Mapping[str, tuple[int, float]]]) -> None:
    """Success AUC by attribute, where the data set has any."""
    if not scores:
        return
    names = list(dict.fromkeys(name for row in scores.values() for name in row))
    head = (
        Column("attribute", kind="name"),
        Column("n", "sequences", kind="number"),
        *(Column(name, rank=number, kind="number") for number, name in enumerate(names)),
    )
    rows = [
        (
            attribute,
            max(count for count, _ in row.values()),
            *(f"{100 * row[name][1]:.1f}" if name in row else "" for name in names),
        )
        for attribute, row in scores.items()
    ]
    print_table(Table.of("success AUC by attribute", head, rows))
