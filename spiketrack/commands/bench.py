"""``spiketrack bench``: how fast the network runs on Lava, against the float network in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spiketrack.commands.inputs import FirstBox, Key, Video, open_checkpoint
from spiketrack.commands.options.backend import PROCESSES_HELP
from spiketrack.commands.targets import then_show, will_write
from spiketrack.commands.views import ROWS_HELP
from spiketrack.commands.views.markdown import Slot
from spiketrack.commands.views.markdown import table as tabular
from spiketrack.terminal.console import say
from spiketrack.terminal.progress import stages
from spiketrack.terminal.table import Column, Table, print_table, table

if TYPE_CHECKING:
    from spiketrack.benchmark.results import Findings
    from spiketrack.benchmark.stock import StockRow


def bench(
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="Checkpoint or bundled name; may be repeated. Default: nano."),
    ] = None,
    key: Key = None,
    video: Video = None,
    box: FirstBox = None,
    frames: Annotated[int, typer.Option(help="Frames of the closed loop, at least 10.")] = 20,
    threads: Annotated[int, typer.Option(help="Threads in each Lava process.")] = 1,
    processes: Annotated[str, typer.Option(help=PROCESSES_HELP)] = "block",
    soak: Annotated[
        int,
        typer.Option(
            help="Further frames over which a small network's memory is watched, after 500 that "
            "settle it."
        ),
    ] = 500,
    against: Annotated[
        str | None, typer.Option(help="stock: also time Lava's own Conv model, layer by layer.")
    ] = None,
    throughput: Annotated[
        bool,
        typer.Option(
            "--throughput",
            help="Measure evaluation instead: one and two workers, and --sequences on Dask.",
        ),
    ] = False,
    sequences: Annotated[
        int, typer.Option(min=20, help="Short sequences on a local Dask cluster.")
    ] = 200,
    layers: Annotated[bool, typer.Option("--layers", help=ROWS_HELP)] = False,
    into: Annotated[
        Path | None,
        typer.Option(help="Markdown file whose table is to be replaced."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
) -> None:
    """Measure Lava, the float reference and the other backends in one run, as ratios.

    Lava tracks in closed loop; all others then get the same crops. Every backend runs in a
    process of its own; float, integer and inline on one and on two threads, whichever is faster
    counts. Leave the machine alone meanwhile. --json and --into are written after each network.
    Of a clip that fails midway the frames before are taken, exit code 1.
    """
    import tempfile

    from spiketrack.benchmark.machine import describe
    from spiketrack.benchmark.measure import Setting, measure
    from spiketrack.benchmark.results import Findings
    from spiketrack.commands.inputs import choose_clip, end_with
    from spiketrack.deploy.process_graph.grouping import check_processes
    from spiketrack.errors import ConfigError
    from spiketrack.steps.footage import until_it_fails
    from spiketrack.video.clip import bundled_clip

    if frames < MINIMUM:
        raise ConfigError(f"--frames {frames}: a median needs at least 10")
    if against not in (None, "stock"):
        raise ConfigError(f"--against {against}: choose stock")
    check_processes(processes)
    will_write((*(checkpoint or ()), video), json=json, into=into)
    if throughput:
        _evaluation(checkpoint or ["nano"], key, sequences, into, json)
        return
    slot = Slot(into, "bench-stock" if against else "bench") if into else None
    clip, start = choose_clip(video, box, frames)
    problems: list[str] = []
    if (tracked := sum(1 for _ in until_it_fails(clip, problems)) - 1) < MINIMUM:
        raise ConfigError(f"{clip.name}: {tracked} frames to track; a median needs at least 10")
    setting = Setting(
        (video or bundled_clip()).absolute(), start, tracked, threads, soak, key, processes
    )
    names = checkpoint or ["nano"]
    read = [open_checkpoint(name, key) for name in names]
    machine = describe()
    stock: list[list[StockRow]] = []
    findings = Findings()
    machine["frames"] = str(tracked)
    files = _Files(slot, json, machine, tracked)

    def show() -> None:
        if layers:
            table("machine and run", ("what", "is"), list(machine.items()))
            _show(findings)
        elif findings.results:
            say(f"measured on {', '.join(f'{name} {value}' for name, value in machine.items())}")
            _show_summary(findings)
        for rows in stock:
            _show_stock(rows)

    with (
        then_show(show),
        tempfile.TemporaryDirectory() as folder,
        stages("starting") as tell,
    ):
        for index, findings in enumerate(measure(names, read, Path(folder), setting, tell)):
            if against:
                from spiketrack.benchmark.stock import against_stock

                name = findings.details[-1].variant
                stock.append(against_stock(Path(folder) / str(index), name, tell))
            files.write(findings, stock)
    end_with(clip.late, problems)


def _evaluation(
    names: Sequence[str], key: str | None, sequences: int, into: Path | None, json: Path | None
) -> None:
    """Frames a second of workers, and what many sequences cost on Dask."""
    from spiketrack.benchmark.machine import describe
    from spiketrack.benchmark.results import Findings
    from spiketrack.benchmark.throughput import FRAMES, many, throughput
    from spiketrack.commands.options.backend import load_backend
    from spiketrack.evaluation.work import Job
    from spiketrack.simulators.backends import INTEGER

    slot = Slot(into, "bench-throughput") if into else None
    findings = Findings()
    files = _Files(slot, json, describe(), FRAMES)
    with then_show(lambda: _show(findings)), stages("starting") as tell:
        for name in names:
            read = load_backend(name, INTEGER, operations=True, key=key)
            job = Job(read.name, read.backend, read.network, None, read.settings, read.options)
            findings.results += throughput(job, tell) + many(job, sequences, tell)
            files.write(findings, [])


@dataclass(frozen=True)
class _Files:
    """Where the findings go, and the run that they are of."""

    slot: Slot | None
    json: Path | None
    machine: dict[str, str]
    frames: int

    def write(self, findings: Findings, stock: Sequence[Sequence[StockRow]]) -> None:
        """What is found so far, whole files after every network."""
        from spiketrack.benchmark.document import document

        if self.slot:
            self.slot.fill(markdown(findings, stock, self.machine))
        if self.json is not None:
            document(self.machine, self.frames, findings, stock).write(self.json)


MINIMUM = 10
TIMES = ("float", "integer", "inline", "lava")
LAVA_RATIO, RATE = "lava_over_float", "frames_per_second"
COLUMNS = ("variant", "branch", "measure", "median", "unit", "quartiles")


def _rows(findings: Findings) -> list[tuple[str, ...]]:
    return [
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


def _explained(findings: Findings) -> Iterator[str]:
    """Where the time of each variant goes."""
    for detail in findings.details:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in detail.shares.items())
        size = f"{detail.giga_macs:.2f} GMAC, {detail.processes} processes"
        yield f"{detail.variant}: {size}; of the cores' time in a frame: {shares}"
        for title, slowest in (
            ("slowest processes on Lava", detail.slowest_processes),
            ("slowest layers in one process", detail.slowest_layers),
        ):
            yield f"  {title}: " + ", ".join(f"{n} {ms:.2f} ms" for n, ms in slowest[:5])


def _show(findings: Findings) -> None:
    table("results", COLUMNS, _rows(findings))
    for line in _explained(findings):
        say(line)


def _show_summary(findings: Findings) -> None:
    """A line for each network and branch: times of a frame, and Lava's against float's."""
    values = {
        (row.variant, row.branch, row.measure): row.value if row.ratio is None else row.ratio
        for row in findings.results
    }
    pairs = dict.fromkeys(key[:2] for key in values if (*key[:2], "lava") in values)
    rows = [
        (*pair, *(values.get((*pair, measure)) for measure in (*TIMES, LAVA_RATIO, RATE)))
        for pair in pairs
    ]
    columns = (
        Column("network", kind="name"),
        Column("branch"),
        *(Column(f"{name} ms", kind="number") for name in TIMES),
        Column("lava ÷ float", kind="number"),
        Column("frames a second", "Lava in closed loop", kind="number"),
    )
    print_table(Table.of("medians of a frame", columns, rows))
    say("all measures, quartiles and where the time goes: --layers, --json")


STOCK_COLUMNS = ("layer", "shape", "stock, ms", "here, ms", "ratio", "stock model")


def _stock_rows(rows: Sequence[StockRow]) -> list[tuple[str, ...]]:
    """The slowest shapes and all that the stock model gets wrong; JSON has every one."""
    right = sorted((r for r in rows if r.ratio is not None), key=lambda r: -(r.stock_ms or 0.0))
    return [
        (
            row.layer,
            row.shape,
            "" if row.stock_ms is None else f"{row.stock_ms:.4g}",
            f"{row.ours_ms:.3g}",
            "" if row.ratio is None else f"{row.ratio:.4g} ×",
            row.verdict,
        )
        for row in (*right[:5], *(r for r in rows if r.ratio is None))
    ]


def _stock_sum(rows: Sequence[StockRow]) -> str:
    right = [row for row in rows if row.ratio is not None]
    there, here = sum(row.stock_ms or 0.0 for row in right), sum(row.ours_ms for row in right)
    return (
        f"{rows[0].variant}: Lava's own Conv model is right on {len(right)} of {len(rows)} shapes; "
        f"one layer of each takes it {there:.4g} ms and {here:.3g} ms here: {there / here:.4g} ×"
    )


def _show_stock(rows: Sequence[StockRow]) -> None:
    table("Lava's own Conv model: slowest shapes and wrong ones", STOCK_COLUMNS, _stock_rows(rows))
    say(_stock_sum(rows))


def markdown(
    findings: Findings, stock: Sequence[Sequence[StockRow]], machine: dict[str, str]
) -> str:
    """Everything that is printed, for a Markdown file."""
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    parts = [f"Measured on: {about}.\n", tabular(COLUMNS, _rows(findings))]
    if findings.details:
        parts.append("```text\n" + "".join(f"{line}\n" for line in _explained(findings)) + "```\n")
    for rows in stock:
        parts += [f"{_stock_sum(rows)}.\n", tabular(STOCK_COLUMNS, _stock_rows(rows))]
    return "\n".join(parts)
