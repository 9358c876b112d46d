"""Section on distributions: counts, firing rates, weights and head-room as histograms."""

from __future__ import annotations

from pathlib import Path

from spiketrack.limits import POTENTIAL_BITS
from spiketrack.pages.parts import Figure, Section
from spiketrack.report.activity import activities
from spiketrack.report.distributions import FRAMES, count_occurrences, weight_occurrences
from spiketrack.report.figures.distributions import (
    counts_histogram,
    headroom_histogram,
    rates_histogram,
    weights_histogram,
)
from spiketrack.report.sources import Sources


def distributions_section(sources: Sources) -> Section:
    """Histograms of what the run and its export hold; a sentence for each that is missing."""
    run = sources.run
    active = activities(run.counts)
    inferences = {branch: one.spikes.shape[1] for branch, one in active.items()}
    counts = count_occurrences(run.path, run.about, inferences)
    export, manifest = Path(run.about.export), run.manifest
    weights = {} if manifest is None else weight_occurrences(export, manifest)
    figures: list[Figure] = [rates_histogram(active)]
    text = ["Firing rate: share of a population's neuron steps that send a message."]
    if counts:
        figures.insert(0, counts_histogram(counts))
        text.append(f"Counts are those of {FRAMES} inferences at most of each branch.")
    else:
        text.append("Single counts are not in this run: simulate with --counts full.")
    if weights:
        figures.append(weights_histogram(weights))
        text.append("Weights are int8 mantissas; each output channel has a shift of its own.")
    else:
        text.append("Weights are not at hand: the export that made the run is gone.")
    if manifest is not None:
        figures.append(headroom_histogram(manifest.layers))
        text.append(f"Head-room: bits below the limit of {POTENTIAL_BITS}-bit potentials.")
    return Section("distributions", "Distributions", (" ".join(text),), tuple(figures))
