"""``spiketrack bench``: how fast the network runs on Lava, against the float network in torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from spiketrack.commands.tables import say, table

if TYPE_CHECKING:
    from spiketrack.benchmark.results import Findings
    from spiketrack.benchmark.stock import StockRow


def bench(
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="Checkpoint or bundled name; may be repeated. Default: nano."),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="Video file or folder of frames; default: the bundled clip."),
    ] = None,
    box: Annotated[
        str | None, typer.Option(help="x,y,w,h of the object in the first frame, pixels from 0.")
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames of the closed loop, at least 10.")] = 20,
    threads: Annotated[int, typer.Option(help="Threads in each Lava process.")] = 1,
    soak: Annotated[
        int, typer.Option(help="Further frames over which a small network's memory is watched.")
    ] = 500,
    against: Annotated[
        str | None, typer.Option(help="stock: also time Lava's own Conv model, layer by layer.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
) -> None:
    """Measure Lava, the float reference and the other backends in one run, as ratios.

    Lava tracks in closed loop; all others then get the same crops. Every backend runs in a
    process of its own; the float reference and torch's integer backend on one and on two threads,
    whichever is faster counts. Leave the machine alone meanwhile.
    """
    import tempfile

    from spiketrack.benchmark.machine import describe
    from spiketrack.benchmark.measure import Setting, measure
    from spiketrack.clip import bundled_clip
    from spiketrack.commands.inputs import choose_clip
    from spiketrack.errors import ConfigError
    from spiketrack.files import write_json

    if frames < 10:
        raise ConfigError(f"--frames {frames}: a median needs at least 10")
    if against not in (None, "stock"):
        raise ConfigError(f"--against {against}: choose stock")
    names = checkpoint or ["nano"]
    _, start = choose_clip(video, box, frames)
    setting = Setting((video or bundled_clip()).absolute(), start, frames, threads, soak)
    machine = describe()
    stock: list[list[StockRow]] = []
    with tempfile.TemporaryDirectory() as folder, _status() as tell:
        findings = measure(names, Path(folder), setting, tell)
        if against:
            from spiketrack.benchmark.stock import against_stock

            stock = [against_stock(Path(folder) / str(i), n, tell) for i, n in enumerate(names)]
    table("machine", ("what", "is"), list(machine.items()))
    _show(findings)
    for rows in stock:
        _show_stock(rows)
    if json is not None:
        write_json(
            json,
            {
                "schema": "spiketrack.bench",
                "version": 1,
                "machine": machine,
                "frames": frames,
                "results": [result.as_dict() for result in findings.results],
                "details": [dataclasses.asdict(detail) for detail in findings.details],
                "stock": [dataclasses.asdict(row) for rows in stock for row in rows],
            },
        )


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """A line that says what is being measured."""
    with Console(stderr=True).status("starting") as status:
        yield lambda what: status.update(what)


def _show(findings: Findings) -> None:
    rows = [
        (
            result.variant,
            result.branch,
            result.measure.replace("_", " "),
            f"{result.ratio:.3g} ×" if result.ratio is not None else f"{result.value:.4g}",
            result.unit,
            "" if result.low is None else f"{result.low:.3g} … {result.high:.3g}",
        )
        for result in findings.results
    ]
    table("results", ("variant", "branch", "measure", "median", "unit", "quartiles"), rows)
    for detail in findings.details:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in detail.shares.items())
        say(
            f"{detail.variant}: {detail.giga_macs:.2f} GMAC, {detail.processes} processes: {shares}"
        )
        for title, found in (
            ("slowest processes on Lava", detail.slowest_processes),
            ("slowest layers in one process", detail.slowest_layers),
        ):
            say(f"  {title}: " + ", ".join(f"{n} {ms:.2f} ms" for n, ms in found[:5]))


def _show_stock(rows: Sequence[StockRow]) -> None:
    """The slowest shapes and all that the stock model gets wrong; JSON has every one."""
    right = [row for row in rows if row.ratio is not None]
    wrong = [row for row in rows if row.ratio is None]
    slowest = sorted(right, key=lambda row: -(row.stock_ms or 0.0))[:8]
    shown = [
        (
            row.layer,
            row.shape,
            "" if row.stock_ms is None else f"{row.stock_ms:.4g}",
            f"{row.ours_ms:.3g}",
            "" if row.ratio is None else f"{row.ratio:.4g} ×",
            row.verdict,
        )
        for row in (*slowest, *wrong)
    ]
    columns = ("layer", "shape", "stock, ms", "here, ms", "ratio", "stock model")
    name = rows[0].variant if rows else ""
    table(f"{name}: Lava's own Conv model, slowest shapes and wrong ones", columns, shown)
    total = sum(row.stock_ms or 0.0 for row in right), sum(row.ours_ms for row in right)
    say(f"{name}: right on {len(right)} of {len(rows)} shapes, one layer each:")
    say(f"  {total[0]:.4g} ms there, {total[1]:.3g} ms here: {total[0] / total[1]:.4g} ×")
