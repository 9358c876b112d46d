"""The cards at the top of the page: the answers that a reader wants first."""

from __future__ import annotations

from spiketrack.documents.placement import MapDocument
from spiketrack.documents.verification import VerifyDocument
from spiketrack.energy.tables import amount, joules
from spiketrack.pages.parts import Fact
from spiketrack.report.sources import Sources


def facts(sources: Sources) -> tuple[Fact, ...]:
    """The answers that a reader wants first."""
    energy = sources.run.priced
    total, twin = energy.total, energy.ann_twin
    price = f"{energy.prices.name}, {energy.execution} execution"
    counted = [
        Fact("energy a frame", joules(total.energy_pj) or "none", price),
        Fact("as an ANN", joules(twin.energy_pj) or "none", f"{twin.prices}, every MAC"),
        Fact("spikes a frame", amount(total.spikes), f"{amount(total.events)} messages"),
        Fact("accumulations a frame", amount(total.ac_spike), f"{amount(total.mac)} MACs"),
    ]
    return (*counted, _agreement(sources.verify), _placement(sources.placement))


def _agreement(verify: VerifyDocument | None) -> Fact:
    if verify is None:
        return Fact("backends", "not compared", "give --verify")
    if verify.exact is None:
        return Fact("backends", "float alone", "no exact backend was compared with integer")
    value = "exact" if verify.exact else f"{verify.mismatches:,} counts differ"
    return Fact("backends", value, f"{amount(verify.counts_compared)} counts compared")


def _placement(placement: MapDocument | None) -> Fact:
    if placement is None:
        return Fact("on the chip", "not placed", "give --map")
    verdict = "fits" if placement.fits else "does not fit"
    detail = f"{placement.chips:,} chips; {verdict} {placement.board}"
    return Fact("on the chip", f"{placement.cores:,} cores", detail)
