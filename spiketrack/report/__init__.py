"""The report that people look at: gathered from files, frozen, then written as page or pictures."""

from spiketrack.report.build import build_report
from spiketrack.report.document import Report
from spiketrack.report.page import write_html
from spiketrack.report.png import write_pngs
from spiketrack.report.sources import Sources, read_sources

__all__ = ["Report", "Sources", "build_report", "read_sources", "write_html", "write_pngs"]
