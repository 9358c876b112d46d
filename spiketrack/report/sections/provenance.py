"""Section on what made the report: commands, versions, networks, and what is not supported."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from spiketrack.machine.named import machine, now
from spiketrack.pages import library
from spiketrack.pages.parts import Section, Table
from spiketrack.report.commands import (
    UNKNOWN,
    checkpoint_name,
    energy_command,
    export_command,
    given_command,
    map_command,
    simulate_command,
    time_command,
    verify_command,
)
from spiketrack.report.names import file_name
from spiketrack.report.sections.unsupported import unsupported
from spiketrack.report.sources import Run, Sources
from spiketrack.version import VERSION


def provenance_section(sources: Sources) -> Section:
    """All commands in the order in which they were given, machines, dates, versions."""
    commands = commands_of(sources)
    text = "Paths stand here without the folders that hold them: where a command needs one, add it."
    if any(UNKNOWN in line.split() for line in commands):
        text += f" {UNKNOWN} is a file that only its owner can name."
    tables = (run_table(sources), machine_table(sources), version_table(sources))
    return Section("provenance", "How this was made", (text,), (), tables, commands)


def commands_of(sources: Sources) -> tuple[str, ...]:
    """Export, runs, verification, energy, placement, report."""
    run = sources.run
    exports = dict.fromkeys(export_command(one) for one in sources.runs)
    lines = [*exports, *(simulate_command(one) for one in sources.runs)]
    if sources.verify is not None:
        lines.append(verify_command(run, sources.verify))
    lines.append(energy_command(run))
    if sources.placement is not None:
        lines.append(map_command(run, sources.placement.board))
    if sources.time is not None:
        lines.append(time_command(run))
    return tuple(line for line in (*lines, given_command(sources.command)) if line)


def limits_section(sources: Sources) -> Section:
    """What is left out, with reasons."""
    table = unsupported(sources.run.priced, sources.run.manifest)
    return Section("unsupported", "Not supported", (), (), (table,))


def run_table(sources: Sources) -> Table:
    """A row a run: network, clip, backend, tracker."""
    return Table.of("runs", "Runs", [_run(run) for run in sources.runs], unfolded=True)


def _run(run: Run) -> dict[str, Any]:
    about = run.about
    network = about.network
    known = checkpoint_name(about.checkpoint.sha256)
    return {
        "run": run.label,
        "backend": about.backend,
        "network": network.variant if known == UNKNOWN else known,
        "templates": network.templates,
        "embed_dims": network.embed_dims,
        "checkpoint_sha256": about.checkpoint.sha256,
        "network_digest": about.network_digest,
        "clip": file_name(about.clip.path),
        "box": ",".join(f"{value:g}" for value in about.box),
        "frames": about.frames,
        "template_updates": len(about.updates),
        "seconds_a_frame": about.seconds.median if about.seconds.frames else None,
        "tracker": about.tracker,
    }


def machine_table(sources: Sources) -> Table:
    """When and on which machine runs and report were made; older runs do not say."""
    rows: list[dict[str, Any]] = [
        {"made": f"run {run.label}", "date": made.date} | made.machine
        for run in sources.runs
        if (made := run.about.made) is not None
    ]
    rows.append({"made": "report", "date": now()} | machine())
    columns = ("made", "date", "processor", "cores", "system")
    return Table.of("machines", "Dates and machines", rows, columns, unfolded=True)


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
    mine[library.about()["package"]] = library.about()["version"]
    rows += [{"made": "report", "package": name, "version": v} for name, v in mine.items()]
    return Table.of("versions", "Versions", rows, unfolded=True)
