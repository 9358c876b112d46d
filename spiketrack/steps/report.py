"""The page about a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiketrack.energy.prices import DEFAULT
from spiketrack.report import build_report, read_sources, write_html, write_pngs


@dataclass(frozen=True)
class Reported:
    """The page, its bytes, and the pictures beside it if any were asked for."""

    page: Path
    size: int
    pictures: tuple[str, ...] = ()


def report(
    run: Path,
    out: Path,
    against: tuple[Path, ...] = (),
    verify: Path | None = None,
    placement: Path | None = None,
    prices: str = DEFAULT,
    command: str = "",
    pictures: Path | None = None,
    time: Path | None = None,
) -> Reported:
    """Write one HTML file about ``run`` that opens without a network.

    ``verify``, ``placement``, ``time``: documents of the commands of these names; ``command``: the
    line that the page says it was made with; ``pictures``: a folder for the main ones as PNG.
    """
    sources = read_sources(run, against, verify, placement, prices, command, time)
    built = build_report(sources)
    size = write_html(built, out)
    names = () if pictures is None else tuple(write_pngs(built, pictures))
    return Reported(out, size, names)
