"""Lines between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``, and what fills them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spiketrack.commands.views.markdown import table
from spiketrack.documents.digests import file_digest
from spiketrack.energy.tables import joules
from tools.readme.chip_blocks import chip_blocks

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = ROOT / "docs" / "networks.json"
README = ROOT / "README.md"
INPUTS = ("spiketrack/energy/price_tables", "spiketrack/timing/rate_tables", "deploy/chip/boards")
SHORT = ("nano", "spiketrack_s256_t1", "spiketrack_b256_t1", "spiketrack_b384_t1")
BENCH = ROOT / "docs" / "benchmarks.md"


def measured() -> dict[str, Any]:
    """What ``measure`` wrote."""
    document: dict[str, Any] = json.loads(NETWORKS.read_text("utf-8"))
    return document


def inputs() -> dict[str, str]:
    """Digests of the tables of prices and rates and the boards that the figures follow from."""
    files = sorted(path for folder in INPUTS for path in (ROOT / folder).glob("*.yaml"))
    return {path.relative_to(ROOT).as_posix(): file_digest(path) for path in files}


def blocks() -> dict[tuple[Path, str], str]:
    """File and name of every block → its text."""
    figures = measured()
    rows = figures["networks"]
    return {
        (README, "needs"): needs([rows[name] for name in SHORT]),
        (README, "reaches"): reaches(figures["accuracy"]),
        **chip_blocks(),
    }


def title(row: Mapping[str, Any]) -> str:
    """``spiketrack_s256_t1`` → ``S256-T1``; nano by its name."""
    name = str(row["name"])
    size, _, templates = name.removeprefix("spiketrack_").partition("_")
    return f"{size.upper()}-{templates.upper()}" if templates else name


def needs(rows: list[Mapping[str, Any]]) -> str:
    """The table of README."""
    head = (
        "network",
        "cores",
        "chips",
        "smallest board",
        "operations of a frame, `operations-45nm-fp32`",
        "as a dense ANN",
        "all that the chips spend",
        "frames a second here, on Lava",
    )
    return table(head, [_need(row) for row in rows])


def _need(row: Mapping[str, Any]) -> tuple[str, ...]:
    made_up = "" if row["trained"] else " †"
    span = f"{joules(row['whole_low_pj'])} … {joules(row['whole_high_pj'])}{made_up}"
    return (
        title(row),
        f"{row['cores']:,}",
        f"{row['chips']:,}",
        f"{row['board']} ({row['board_chips']:,})",
        joules(row["energy_pj"]) + made_up,
        joules(row["dense_pj"]),
        span,
        frames_a_second(row["name"]),
    )


def frames_a_second(name: str) -> str:
    """From the table that ``spiketrack bench --into docs/benchmarks.md`` wrote: of this network,
    else of its sibling with T = 3, which is said.
    """
    rates = {}
    for line in BENCH.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[1:3] == ["search", "frames per second"]:
            rates.setdefault(cells[0], f"{float(cells[3]):.3g}")  # later tables: other settings
    other = name.replace("_t1", "_t3")
    return rates[name] if name in rates else f"{rates[other]} (T3)"


def reaches(accuracy: Mapping[str, Any]) -> str:
    """One line about the bundled weights."""
    others = ", ".join(f"{name.upper()} {auc:.3f}" for name, auc in accuracy["baselines"].items())
    return (
        f"`nano` (2.9 M parameters) reaches a mean success AUC of {accuracy['auc']:.3f} on "
        f"{accuracy['sequences']} sequences, {accuracy['frames']} frames, kept out of its training "
        f"(`spiketrack evaluate nano SEQUENCES`); OpenCV's trackers on the same frames: {others}.\n"
    )


def write() -> list[Path]:
    """Fill every block; the files that changed."""
    changed = []
    for (path, name), text in blocks().items():
        before = path.read_text("utf-8")
        after = filled(before, name, text)
        if after != before:
            path.write_text(after, "utf-8")
            changed.append(path)
    return changed


def filled(page: str, name: str, text: str) -> str:
    """The page with this text between the two marks of the name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}{end}{rest.split(end)[1]}"
