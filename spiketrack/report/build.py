"""The report on one page: sources → pictures, boxes and sections → one frozen document.

A section is one file with one function ``(sources) -> Section`` and its line in ``SECTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spiketrack.inference import SEARCH
from spiketrack.pages.parts import Section
from spiketrack.report.commands import UNKNOWN, checkpoint_name
from spiketrack.report.document import Report
from spiketrack.report.facts import facts
from spiketrack.report.maps import activity_maps
from spiketrack.report.overlays import last_frame
from spiketrack.report.pictures import BUDGET, read_pictures
from spiketrack.report.sections.activity import activity_section
from spiketrack.report.sections.agreement import agreement_section
from spiketrack.report.sections.chip import chip_section
from spiketrack.report.sections.clip import clip_section
from spiketrack.report.sections.distributions import distributions_section
from spiketrack.report.sections.energy import energy_section
from spiketrack.report.sections.formats import formats_section
from spiketrack.report.sections.network import network_section
from spiketrack.report.sections.placement import placement_section
from spiketrack.report.sections.provenance import limits_section, provenance_section
from spiketrack.report.sources import Sources
from spiketrack.terminal.amounts import counted

SECTIONS: tuple[Callable[[Sources], Section], ...] = (  # in the order of the page; the clip leads
    clip_section,
    energy_section,
    chip_section,
    network_section,
    activity_section,
    agreement_section,
    placement_section,
    formats_section,
    distributions_section,
    limits_section,
    provenance_section,
)


def build_report(sources: Sources, budget: int = BUDGET) -> Report:
    """Everything the page shows. ``budget``: bytes for the pictures of the clip."""
    about = sources.run.about
    network = about.network
    counts = sources.run.counts
    layers = counts[SEARCH].layers.names if SEARCH in counts else ()
    known = checkpoint_name(about.checkpoint.sha256)
    name = network.variant if known == UNKNOWN else known
    return Report(
        title=f"SpikeTrack on Loihi: {name} on {about.clip.name}",
        subtitle=(
            f"Network {name}, T = {network.templates}, embed dims "
            f"{'/'.join(map(str, network.embed_dims))}; {about.backend} backend; "
            f"clip {about.clip.name}, {counted(about.frames, 'frame')}"
        ),
        facts=facts(sources),
        pictures=read_pictures(Path(about.clip.path), last_frame(sources.overlays), budget),
        fps=about.clip.fps,
        overlays=sources.overlays,
        maps=activity_maps(sources.run.path, about, layers),
        sections=tuple(build(sources) for build in SECTIONS),
    )
