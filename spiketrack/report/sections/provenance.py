"""Section on what made the report: commands, versions, networks, and what is not supported."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from spiketrack.pages.parts import Section, Table
from spiketrack.report.commands import energy_command, simulate_command
from spiketrack.report.sections.unsupported import unsupported
from spiketrack.report.sources import Run, Sources
from spiketrack.version import VERSION


def provenance_section(sources: Sources) -> Section:
    """Exact commands and versions."""
    commands = [simulate_command(run) for run in sources.runs]
    commands += [energy_command(sources.run), sources.command]
    tables = (run_table(sources), version_table(sources))
    return Section("provenance", "How this was made", (), (), tables, tuple(filter(None, commands)))


def limits_section(sources: Sources) -> Section:
    """What is left out, with reasons."""
    table = unsupported(sources.run.priced, sources.run.manifest)
    return Section("unsupported", "What is not supported", (), (), (table,))


def run_table(sources: Sources) -> Table:
    """A row a run: network, clip, backend, tracker."""
    return Table.of("runs", "Runs", [_run(run) for run in sources.runs], unfolded=True)


def _run(run: Run) -> dict[str, Any]:
    about = run.about
    seconds = sorted(about.seconds.frames)
    network = about.network
    return {
        "run": run.label,
        "backend": about.backend,
        "network": network.variant,
        "templates": network.templates,
        "embed_dims": network.embed_dims,
        "checkpoint_sha256": about.checkpoint.sha256,
        "network_digest": about.network_digest,
        "clip": about.clip.path,
        "box": ",".join(f"{value:g}" for value in about.box),
        "frames": about.frames,
        "template_updates": len(about.updates),
        "seconds_a_frame": seconds[len(seconds) // 2] if seconds else None,
        "tracker": about.tracker,
    }


def version_table(sources: Sources) -> Table:
    """Versions of the packages that made runs and report."""
    rows = [
        {"made": f"run {run.label}", "package": name, "version": version}
        for run in sources.runs
        for name, version in run.about.versions.items()
    ]
    manifest = sources.run.manifest
    for name, version in ({} if manifest is None else manifest.versions).items():
        rows.append({"made": "export", "package": name, "version": version})
    if sources.verify is not None:
        version = sources.verify.spiketrack
        rows.append({"made": "verification", "package": "spiketrack", "version": version})
    mine = {"spiketrack": VERSION, "python": platform.python_version()}
    mine |= {name: importlib.metadata.version(name) for name in ("plotly", "numpy")}
    rows += [{"made": "report", "package": name, "version": v} for name, v in mine.items()]
    return Table.of("versions", "Versions", rows, unfolded=True)
