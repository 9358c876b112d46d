"""``spiketrack outlets``: run every outlet in its own tool and print what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiketrack.commands.inputs import Key, open_checkpoint
from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views.markdown import Slot, table
from spiketrack.errors import ConfigError, UnsupportedError
from spiketrack.terminal.console import begin
from spiketrack.terminal.foreign import hushed
from spiketrack.terminal.progress import stages
from spiketrack.terminal.table import Column, Kind, Table, print_table

if TYPE_CHECKING:
    from spiketrack.verification.outlet_readers import Reading
    from spiketrack.verification.outlets import Measured


def outlets(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint file, or bundled weights: nano, nano-t3.")
    ],
    key: Key = None,
    frames: Annotated[int, typer.Option(help="Crops of the bundled clip, 1 to 8.")] = 4,
    only: Annotated[
        str, typer.Option(help="Comma separated: onnx-float, onnx, standard-nir, netx.")
    ] = "onnx-float,onnx,standard-nir,netx",
    into: Annotated[
        Path | None, typer.Option(help="Markdown file whose outlets table is to be replaced.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all findings as JSON.")] = None,
) -> None:
    """Measure ONNX, standard NIR and netx against this program's own backends.

    Exit code 1 if an integer outlet differs in a single count.
    """
    import dataclasses
    import tempfile

    from spiketrack.documents.verification import OutletRow, OutletsDocument, ReaderRow
    from spiketrack.verification.outlet_readers import try_readers
    from spiketrack.verification.outlets import MEASUREMENTS, Bench

    will_write((checkpoint,), json=json, into=into)
    names = _chosen(only, tuple(MEASUREMENTS))
    if not 1 <= frames <= 8:
        raise ConfigError(f"--frames {frames}: choose 1 to 8, as many as calibration crops")
    slot = Slot(into, "outlets") if into else None
    read = open_checkpoint(checkpoint, key)
    begin(f"{checkpoint}: compiling, writing, running in other tools")
    with tempfile.TemporaryDirectory() as folder, stages("compiling") as tell:
        needed = list(dict.fromkeys(MEASUREMENTS[name].outlet for name in names))
        bench = Bench(read, frames, Path(folder), needed)
        measured = []
        for name in names:
            tell(f"running {name}")
            with hushed():
                measured.append(MEASUREMENTS[name].run(bench))
        with hushed():
            readings = try_readers(Path(folder) / "standard") if "standard-nir" in needed else []
    digest = bench.network.manifest.network_digest
    network = f"network {digest[:12]}"
    text = markdown(
        measured, readings, f"{checkpoint} ({network}), {frames} frames of the bundled clip"
    )
    document = OutletsDocument(
        checkpoint=checkpoint,
        frames=frames,
        outlets=tuple(OutletRow(**dataclasses.asdict(row)) for row in measured),
        readers=tuple(ReaderRow(**dataclasses.asdict(row)) for row in readings),
        network_digest=digest,
    )
    with then_show(lambda: show(measured, readings)):
        if json is not None:
            document.write(json)
        if slot:
            slot.fill(text)
    if any(row.different for row in measured if row.least_iou is None):
        raise typer.Exit(1)


def _chosen(text: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UnsupportedError(f"--only {name}: choose among {', '.join(known)}")
    return names


HEAD = ("outlet", "populations", "operations", "difference", "s a frame", "versions")
READERS = ("reader", "version", "parts read", "why not the others")


def _measured(measured: Sequence[Measured]) -> list[tuple[str, ...]]:
    return [
        (
            row.outlet,
            _each(row, lambda c: f"{c[0]} of {c[1]}"),
            _each(row, lambda c: f"{100 * c[2]:.1f} %"),
            difference(row),
            f"{row.seconds:.3g}",
            ", ".join(f"{name} {number}" for name, number in row.versions.items()),
        )
        for row in measured
    ]


def _read(readings: Sequence[Reading]) -> list[tuple[str, ...]]:
    return [(r.reader, r.version, f"{r.taken} of {r.parts}", _why(r)) for r in readings]


def show(measured: Sequence[Measured], readings: Sequence[Reading]) -> None:
    """Both tables, the outlets last."""
    if readings:
        columns = [Column(title, kind="text" if "why" in title else None) for title in READERS]
        print_table(Table.of("other readers of the standard NIR files", columns, _read(readings)))
    kinds: dict[str, Kind] = {"s a frame": "number"}
    ranks = {"versions": 3, "operations": 2, "populations": 1}
    head = [Column(name, "", ranks.get(name, 0), kinds.get(name, "text")) for name in HEAD]
    print_table(Table.of("outlets against this program's own backends", head, _measured(measured)))


def markdown(measured: Sequence[Measured], readings: Sequence[Reading], about: str) -> str:
    """Both tables for a Markdown file."""
    parts = [f"Measured with {about}.\n", table(HEAD, _measured(measured))]
    rows = [(f"`{reader}`", *rest) for reader, *rest in _read(readings)]
    return "\n".join([*parts, table(READERS, rows)] if readings else parts)


def _each(row: Measured, show: Any) -> str:
    return ", ".join(f"{branch} {show(value)}" for branch, value in row.covers.items())


def difference(row: Measured) -> str:
    """Exact, or what was measured."""
    counts = f"{row.different:,} of {row.compared:,} counts differ"
    if row.least_iou is None:
        return f"exact: {counts}" if not row.different else counts
    return (
        f"teacher-forced {counts}, at most {row.worst:.2%} of a population; "
        f"box IoU at least {row.least_iou:.3f}"
    )


def _why(reading: Reading) -> str:
    return "; ".join(f"{number} parts: {why}" for why, number in reading.reasons.items())
