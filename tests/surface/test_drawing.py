"""The picture of a network from Python."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.program import Program
from support.report_data import Files

import spiketrack
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.folder import read_export

pytestmark = pytest.mark.slow


def test_the_picture_is_that_of_the_command(
    report_files: Files, tmp_path: Path, program: Program
) -> None:
    drawn = spiketrack.draw_network(report_files.export)
    program("info", report_files.export, "--graph", tmp_path / "graph.svg")
    assert drawn.save(tmp_path / "mine.svg").read_text() == (tmp_path / "graph.svg").read_text()
    network = read_export(report_files.export)
    assert spiketrack.draw_network(network).svg == drawn.svg
    assert spiketrack.draw_network(str(report_files.run)).svg == drawn.svg


def test_a_notebook_shows_it_as_a_picture_of_its_own(report_files: Files) -> None:
    """Its style sheet must not reach the page: an image, not markup of the page."""
    drawn = spiketrack.draw_network(report_files.export)
    page = drawn._repr_html_()
    found = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert found
    assert base64.b64decode(found[1]).decode() == drawn.svg
    assert "<style" not in page
    assert ElementTree.fromstring(drawn.svg).tag.endswith("svg")
    assert repr(drawn).startswith("NetworkDrawing(")
    assert "\n" not in repr(drawn)


def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpikeTrackError, match="nothing"):
        spiketrack.draw_network(tmp_path / "nothing")
