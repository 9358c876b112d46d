"""Pages that hold everything, need no network and cannot reach one: parts, policy, library.

``write_page(Page(...), path)`` writes one HTML file. What it shows are ``Section`` values:
sentences, figures, drawings and tables. The report of a run and the plots of an evaluation are
such pages.
"""

from spiketrack.pages.page import Page, render, write_page
from spiketrack.pages.parts import Drawing, Fact, Figure, Section, Table

__all__ = ["Drawing", "Fact", "Figure", "Page", "Section", "Table", "render", "write_page"]
