"""From the operations of a frame to all that its chips spend, low and high.

    E = operations + updates + relays + resting + messages + host + static power · seconds · chips

Every amount is counted on a placement (``spiketrack time``); operations have the prices of Loihi 1,
since none of Loihi 2 is published; static power, host and seconds come from the table of rates. Low
and high are the two ends of what is not known: whether neurons that rest are serviced, how long a
step takes, how much a chip draws, whether it is switched off between frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.prices import PriceTable
from spiketrack.documents.timing import BranchTime, Estimate, TimeDocument
from spiketrack.documents.whole import WholeEnergy, WholeRow
from spiketrack.energy.prices import load_prices
from spiketrack.errors import ConfigError, DocumentError
from spiketrack.inference import SEARCH

DEFAULT = "operations-loihi1"
NEEDED = ("ac", "neuron_update_active", "neuron_update_inactive")
PICO = 1e12  # picojoules of a joule

OPERATIONS = "synaptic operations"
MULTIPLICATIONS = "multiplications"
UPDATES = "updates of populations"
RELAYS = "updates of relays, products and read-outs"
RESTING = "neurons that rest"
MESSAGES = "messages by hop"
HOST = "host input and output"
STATIC = "static power"
PARTS = (OPERATIONS, MULTIPLICATIONS, UPDATES, RELAYS, RESTING, MESSAGES, HOST, STATIC)


def whole_energy(
    time: TimeDocument, table: PriceTable, branch: str, period: float | None = None
) -> WholeEnergy:
    """Of one inference. ``period``: seconds from one frame to the next, for which the chips stay
    on in the high estimate; in the low one they are off until the next frame comes.

    ``ConfigError`` where the table has no price of an operation or an update, or the document has
    no such branch.
    """
    missing = [name for name in NEEDED if table.pj(name) is None]  # type: ignore[arg-type]
    if missing:
        raise ConfigError(
            f"{table.name}: a whole frame needs prices of {', '.join(NEEDED)}; "
            f"{', '.join(missing)} has none"
        )
    times = time.branch(branch)
    if times is None:
        raise ConfigError(f"no times of the {branch} branch; its run has no inference of it")
    seconds = on_for(times, period)
    rows = tuple(_rows(time, times, table, seconds))
    return WholeEnergy(
        branch=branch,
        inferences=times.inferences,
        prices=table.name,
        rates=time.rates.name,
        chips=time.chips,
        seconds=seconds,
        rows=rows,
        low_pj=sum(row.low_pj for row in rows),
        high_pj=sum(row.high_pj for row in rows),
        dominates=max(rows, key=lambda row: row.high_pj).part,
        least=max(rows, key=lambda row: row.low_pj).part,
        unpriced={"messages between chips": times.work.between_chips}
        if times.work.between_chips
        else {},
    )


def chip_prices(table: PriceTable) -> PriceTable:
    """The table itself if it prices a spiking chip's operations and updates, else Loihi 1's."""
    spiking = table.execution != "dense"
    whole = spiking and all(table.pj(name) is not None for name in NEEDED)  # type: ignore[arg-type]
    return table if whole else load_prices(DEFAULT)


def require_this_run(path: Path, time: TimeDocument, priced: EnergyDocument) -> None:
    """``DocumentError`` where seconds are of another run than the one that is priced."""
    if (time.network_digest, time.run_digest) != (priced.network_digest, priced.run_digest):
        raise DocumentError(
            f"{path}: seconds of another run than {priced.run}; write them with "
            f"spiketrack time {priced.run} --json"
        )


def whole_frames(
    time: TimeDocument, table: PriceTable, fps: float | None
) -> tuple[WholeEnergy, ...]:
    """Of every branch that ran; ``fps``: of the clip, whose next frame the chips wait for."""
    prices = chip_prices(table)
    return tuple(
        whole_energy(time, prices, branch.name, 1 / fps if fps and branch.name == SEARCH else None)
        for branch in time.branches
    )


def on_for(times: BranchTime, period: float | None) -> Estimate:
    """Seconds that the chips are on for one inference: one object, so frames do not overlap."""
    frame = next(mode for mode in times.modes if mode.mode == "fall-through").frame
    return Estimate(
        low=frame.low,
        central=max(frame.central, period or 0.0),
        high=max(frame.high, period or 0.0),
    )


def _rows(
    time: TimeDocument, times: BranchTime, table: PriceTable, seconds: Estimate
) -> Iterator[WholeRow]:
    work, rates = times.work, time.rates.rates
    added = table.pj("ac") or 0.0
    yield _row(
        OPERATIONS, work.operations, "operations", added, added,
        f"{added:g} pJ each: {table.prices['ac'].source}",
    )  # fmt: skip
    multiplied = table.pj("mac")
    yield _row(
        MULTIPLICATIONS, work.multiplications, "of pixels and of the gate",
        multiplied if multiplied is not None else 0.0,
        multiplied if multiplied is not None else added,
        "no price in the table: nothing, or that of a synaptic operation"
        if multiplied is None
        else f"{multiplied:g} pJ each: {table.prices['mac'].source}",
        "assumed" if multiplied is None else "modelled",
    )  # fmt: skip
    yield from _updates(times, table)
    hops = [
        (work.copies - work.between_chips, table.pj("spike_in_tile")),
        (work.hops_east_west, table.pj("hop_east_west")),
        (work.hops_north_south, table.pj("hop_north_south")),
    ]
    spent = sum(number * (price or 0.0) for number, price in hops)
    yield WholeRow(
        part=MESSAGES,
        number=work.copies,
        unit="messages to other cores",
        low_pj=spent,
        high_pj=spent,
        kind="modelled",
        source=f"{work.hops_east_west:,.0f} hops east-west, {work.hops_north_south:,.0f} "
        f"north-south at {table.name}; between chips no price",
    )
    host = work.host_in + work.host_out
    energy = rates["host_energy"]
    yield WholeRow(
        part=HOST,
        number=host,
        unit="values",
        low_pj=host * energy.low,
        high_pj=host * energy.high,
        kind="derived" if energy.kind == "derived" else "assumed",
        source=f"{energy.low:g} to {energy.high:g} pJ a value: {energy.source}",
    )
    power = rates["static_power"]
    yield WholeRow(
        part=STATIC,
        number=time.chips,
        unit="chips",
        low_pj=time.chips * power.low * seconds.low * PICO,
        high_pj=time.chips * power.high * seconds.high * PICO,
        kind="derived" if power.kind == "derived" else "assumed",
        source=f"{power.low:g} to {power.high:g} W a chip for {seconds.low * 1e3:.3g} to "
        f"{seconds.high * 1e3:.3g} ms: {power.source}",
    )


def _updates(times: BranchTime, table: PriceTable) -> Iterator[WholeRow]:
    """Of neurons whose program runs, and of all others in every step."""
    work = times.work
    active, idle = (
        table.pj(name) or 0.0 for name in ("neuron_update_active", "neuron_update_inactive")
    )
    share = min(work.messages / work.updates, 1.0) if work.updates else 0.0
    each = share * active + (1 - share) * idle
    source = (
        f"{active:g} pJ of those that send ({share:.1%}), {idle:g} pJ of the others: "
        f"{table.prices['neuron_update_active'].source}"
    )
    own = work.updates - work.relay_updates
    yield _row(UPDATES, own, "updates", each, each, source)
    yield _row(RELAYS, work.relay_updates, "updates", each, each, source)
    resting = max(work.resident_updates - work.updates, 0)
    yield _row(
        RESTING, resting, "neurons × steps", 0.0, idle,
        f"low: the chip skips them; high: it services each in every step at {idle:g} pJ, as "
        "Loihi 1 does; which holds for Loihi 2 is not public", "assumed",
    )  # fmt: skip


def _row(
    part: str, number: float, unit: str, low: float, high: float, source: str,
    kind: str = "modelled",
) -> WholeRow:  # fmt: skip
    return WholeRow(
        part=part,
        number=number,
        unit=unit,
        low_pj=number * low,
        high_pj=number * high,
        kind=kind,  # type: ignore[arg-type]
        source=source,
    )
