"""The report on one page: sources → pictures, boxes and sections → one frozen document."""

from __future__ import annotations

from pathlib import Path

from spiketrack.documents.placement import MapDocument
from spiketrack.documents.verification import VerifyDocument
from spiketrack.energy.tables import amount, joules
from spiketrack.report.activity_section import activity_section
from spiketrack.report.document import Fact, Overlay, Report, Section, Table
from spiketrack.report.energy_section import energy_section
from spiketrack.report.network_sections import (
    agreement_section,
    formats_section,
    placement_section,
)
from spiketrack.report.pictures import BUDGET, read_pictures
from spiketrack.report.provenance import limits_section, provenance_section
from spiketrack.report.sources import Sources
from spiketrack.video.boxes import Box, BoxRow


def build_report(sources: Sources, budget: int = BUDGET) -> Report:
    """Everything the page shows. ``budget``: bytes for the pictures of the clip."""
    run = sources.run
    overlays = overlays_of(sources)
    network = run.about.network
    return Report(
        title=f"SpikeTrack on Loihi: {run.label}",
        subtitle=(
            f"Network {network.variant}, T = {network.templates}, embed dims "
            f"{'/'.join(map(str, network.embed_dims))}; {run.about.backend} backend; "
            f"clip {run.about.clip.name}, {run.about.frames} frames"
        ),
        facts=facts(sources),
        pictures=read_pictures(Path(run.about.clip.path), last_frame(overlays), budget),
        fps=run.about.clip.fps,
        overlays=overlays,
        sections=(
            clip_section(sources, overlays),
            energy_section(sources),
            activity_section(sources),
            agreement_section(sources, overlays),
            placement_section(sources),
            formats_section(sources),
            limits_section(sources),
            provenance_section(sources),
        ),
    )


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


def last_frame(overlays: tuple[Overlay, ...]) -> int:
    """The highest number that the slider reaches."""
    return max((row.frame for overlay in overlays for row in overlay.rows), default=0)


def overlays_of(sources: Sources) -> tuple[Overlay, ...]:
    """Boxes of all sources that tracked the same object in the same clip."""
    run = sources.run
    tracked = [
        Overlay(f"{other.label} ({other.about.backend})", other.boxes)
        for other in sources.runs
        if other.clip == run.clip
    ]
    return (*tracked, *_verified(sources))


def _verified(sources: Sources) -> list[Overlay]:
    """Boxes of the backends in the verification, if it was of this clip and box."""
    verify, about = sources.verify, sources.run.about
    if verify is None or verify.clip != about.clip.name:
        return []
    if verify.box != about.box:
        return []
    names = dict.fromkeys(name for row in verify.boxes for name in row.boxes)
    return [
        Overlay(
            f"verify: {name}",
            tuple(
                BoxRow(row.frame, Box(*row.boxes[name]), row.scores[name])
                for row in verify.boxes
                if name in row.boxes
            ),
        )
        for name in names
    ]


def clip_section(sources: Sources, overlays: tuple[Overlay, ...]) -> Section:
    """Boxes of every source, the clip being the page's own part."""
    text = tuple(
        f"{run.label} tracked another clip or object: its boxes are not shown."
        for run in sources.against
        if run.clip != sources.run.clip
    )
    rows = [
        {"source": overlay.label, "frame": row.frame}
        | dict(zip("xywh", row.box.as_tuple(), strict=True))
        | {"score": row.score}
        for overlay in overlays
        for row in overlay.rows
    ]
    return Section("clip", "The clip", text, tables=(Table.of("boxes", "Boxes", rows),))
