"""Section on what the populations of a run did: counts over time and firing rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spiketrack.inference import SEARCH
from spiketrack.pages.parts import Section, Table
from spiketrack.report.activity import Activity, activities
from spiketrack.report.figures.run import counts_figure, rates_figure
from spiketrack.report.sources import Sources


def activity_section(sources: Sources) -> Section:
    """Counts over time, heat map, and the numbers of every population and inference."""
    active = activities(sources.run.counts)
    numbers = " and ".join(f"{len(a.names)} ({b} branch)" for b, a in active.items())
    text = (
        f"Populations: {numbers}. Firing rate: share of neuron steps that send a message; "
        "a count is 0 to 4.",
    )
    tables = [mean_table(active)]
    for branch, activity in active.items():
        tables += [
            series_table(branch, "spikes", activity),
            series_table(branch, "events", activity),
        ]
    figures = (counts_figure(active), rates_figure(active))
    return Section("activity", "Activity", text, figures, tuple(tables))


def mean_table(activities: Mapping[str, Activity]) -> Table:
    """Means over the run, a row a population."""
    rows = [
        {
            "branch": branch,
            "population": name,
            "neuron_steps": int(activity.updates[i, 0]),
            "firing_rate": float(activity.rate[i].mean()),
            "mean_count": float(activity.mean_count[i].mean()),
            "lowest_rate": float(activity.rate[i].min()),
            "highest_rate": float(activity.rate[i].max()),
        }
        for branch, activity in activities.items()
        for i, name in enumerate(activity.names)
    ]
    return Table.of("rates", "Mean firing rates", rows)


def series_table(branch: str, field: str, activity: Activity) -> Table:
    """Spikes or events: a row a population, a column an inference."""
    values = getattr(activity, field)
    word, first = ("frame", 1) if branch == SEARCH else ("encoding", 0)
    columns = ("population", *(f"{word}_{i + first}" for i in range(values.shape[1])))
    rows: list[tuple[Any, ...]] = [
        (name, *line) for name, line in zip(activity.names, values.tolist(), strict=True)
    ]
    title = f"{field.capitalize()} of the {branch} branch, every {word}"
    return Table(f"{field}_{branch}", title, columns, tuple(rows))
