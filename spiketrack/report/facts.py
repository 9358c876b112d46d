"""The cards at the top of the page: the answers that a reader wants first, and what they are.

``simulated``: found by running the network; ``modelled``: computed from what was counted;
``measured``: by a clock, or against labels. Nothing here was measured on a chip.
"""

from __future__ import annotations

from spiketrack.documents.energy import AtTable, EnergyDocument
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.verification import VerifyDocument
from spiketrack.inference import SEARCH
from spiketrack.pages.parts import Fact
from spiketrack.report.overlays import same_clip
from spiketrack.report.sources import Run, Sources
from spiketrack.report.truth import Truth
from spiketrack.terminal.amounts import amount, counted, joules

SIMULATED, MODELLED, MEASURED = "simulated", "modelled", "measured"
NOTICE = (
    "Simulated: no chip was used. Energy is modelled: operations counted in this run, times the "
    "prices of a table."
)


def facts(sources: Sources) -> tuple[Fact, ...]:
    """Operations, the whole frame, the dense ANN, float, exactness, accuracy, chips, speed."""
    energy = sources.run.priced
    accuracy = [] if sources.truth is None else [_accuracy(sources.truth)]
    return (
        _operations(energy),
        _whole(energy),
        _dense(energy),
        _float(sources.verify, sources.run),
        _exact(sources.verify, sources.run),
        *accuracy,
        _placement(sources.placement),
        _speed(sources.run),
    )


def _operations(energy: EnergyDocument) -> Fact:
    at = [row.energy_pj for row in energy.tables]
    span = f"{joules(min(at))} to {joules(max(at))} over {len(at)} price tables"
    detail = f"{energy.prices.name}, {energy.execution} execution; {span}"
    return Fact("operations of a frame", joules(energy.total.energy_pj) or "none", detail, MODELLED)


def _whole(energy: EnergyDocument) -> Fact:
    """From operations to static power, low to high."""
    label = "all that its chips spend"
    spent = next((row for row in energy.whole if row.branch == SEARCH), None)
    if spent is None:
        return Fact(label, "not modelled", "give --time")
    detail = f"a frame on {counted(spent.chips, 'chip')}; largest: {' and '.join(spent.largest)}"
    return Fact(label, f"{joules(spent.low_pj)} to {joules(spent.high_pj)}", detail, MODELLED)


def _dense(energy: EnergyDocument) -> Fact:
    """The same network with every MAC executed, at the same prices."""
    label = "as a dense ANN"
    ratios = {row.name: _ratio(row) for row in energy.tables}
    known = {name: value for name, value in ratios.items() if value is not None}
    if not known:
        return Fact(label, "no price", "no table here prices a MAC", MODELLED)
    name = energy.prices.name if energy.prices.name in known else next(iter(known))
    dense = next(row.dense_pj for row in energy.tables if row.name == name)
    span = f"{min(known.values()):.3g} × to {max(known.values()):.3g} × over {len(known)} tables"
    told = span if len(known) > 1 else "the one table that prices a MAC"
    return Fact(
        label, f"{known[name]:.3g} × as much", f"{joules(dense)} at {name}; {told}", MODELLED
    )


def _ratio(row: AtTable) -> float | None:
    """Dense over spiking; None on dense machines and where a MAC has no price."""
    if row.dense_pj is None or row.execution == "dense" or not row.energy_pj:
        return None
    return row.dense_pj / row.energy_pj


def _float(verify: VerifyDocument | None, run: Run) -> Fact:
    label = "integer against float"
    if verify is None or verify.float_ is None:
        return Fact(label, "not compared", "give --verify, made with --checkpoint")
    loss, box = verify.float_.summary, verify.float_.free_running.median_iou
    boxes = "" if box is None else f"; median box IoU {box:.3f}, each on its own road"
    judged = f"; judged by float64: {verify.float_.yardstick.judgement}"
    value = f"{share_equal(loss.mean_mismatch_rate)} equal"
    detail = f"counts, fed the float run's{boxes}{judged}{_where(verify, run)}"
    return Fact(label, value, detail, SIMULATED)


def share_equal(differing: float) -> str:
    """A share of equal counts; 100 % only where nothing differs."""
    if not differing:
        return "100 %"
    digits = next((n for n in range(1, 9) if float(f"{100 - 100 * differing:.{n}f}") < 100), 9)
    return f"{100 - 100 * differing:.{digits}f} %"


def _exact(verify: VerifyDocument | None, run: Run) -> Fact:
    label = "exactness"
    if verify is None:
        return Fact(label, "not compared", "give --verify")
    if verify.exact is None:
        return Fact(label, "float alone", "no exact backend was compared with integer", SIMULATED)
    names = " = ".join(["integer", *verify.backends])
    if verify.exact:
        detail = f"{names}: 0 of {amount(verify.counts_compared)} counts differ"
        return Fact(label, "exact", detail + _where(verify, run), SIMULATED)
    detail = f"of {amount(verify.counts_compared)} compared with integer{_where(verify, run)}"
    return Fact(label, f"{verify.mismatches:,} counts differ", detail, SIMULATED)


def _where(verify: VerifyDocument, run: Run) -> str:
    """The clip that was compared on, where it is not the one that was followed."""
    return "" if same_clip(run, verify) else f"; on another clip, {verify.clip}"


def _accuracy(truth: Truth) -> Fact:
    label = "accuracy on this clip"
    if truth.scores is None:
        return Fact(label, "not scored", "no tracked frame has a visible target", MEASURED)
    scores = truth.scores
    detail = (
        f"AO {scores.ao:.3f}; centre within 20 px in {scores.precision_20:.0%} of {len(truth.rows)}"
    )
    return Fact(label, f"AUC {scores.success_auc:.3f}", f"{detail} frames", MEASURED)


def _placement(placement: MapDocument | None) -> Fact:
    label = "on Loihi 2"
    if placement is None:
        return Fact(label, "not placed", "give --map")
    boards = [board for board in placement.boards if board.fits and board.chips is not None]
    smallest = min(boards, key=lambda board: board.chips or 0, default=None)
    room = "no board of known size holds them"
    if smallest is not None:
        size = counted(smallest.chips or 0, "chip")
        room = f"{smallest.name} ({size}) is the smallest board that holds them"
    value = counted(placement.cores, "core")
    return Fact(label, value, f"on {counted(placement.chips, 'chip')}; {room}", MODELLED)


def _speed(run: Run) -> Fact:
    seconds = run.about.seconds
    if not seconds.frames:
        return Fact("speed here", "no frame", "", MEASURED)
    who = f"{run.about.backend} backend, median of {len(seconds.frames)}"
    detail = f"{who}; the simulation, not a chip"
    return Fact("speed here", f"{1 / seconds.median:.3g} frames/s", detail, MEASURED)
