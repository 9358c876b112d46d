"""What sections are made of: histograms, maps, the drawing, cards, names, commands."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.report_data import FRAMES, Files, changed_run

from spiketrack import open_run
from spiketrack.documents.manifest import Manifest
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.run import SecondsPart
from spiketrack.export.nir.folder import read_export
from spiketrack.integer.graph import Conv
from spiketrack.report import build_report, read_sources
from spiketrack.report.build import SECTIONS
from spiketrack.report.commands import checkpoint_name, given_command
from spiketrack.report.distributions import count_occurrences, weight_occurrences
from spiketrack.report.facts import share_equal
from spiketrack.report.figures.cores import colourings
from spiketrack.report.figures.graph import blocks, network_svg
from spiketrack.report.figures.placement import resident_figure
from spiketrack.report.maps import activity_maps
from spiketrack.report.names import block, file_name, runs_of, without_folders
from spiketrack.runs.folder import RunFolder
from spiketrack.runs.operations import COUNTS_FILE


def test_every_section_has_a_name_of_its_own(report_files: Files) -> None:
    built = build_report(read_sources(report_files.run))
    names = [section.name for section in built.sections]
    assert len(set(names)) == len(names) == len(SECTIONS)
    assert len({table.name for table in built.tables}) == len(built.tables)
    assert len({figure.name for figure in built.figures}) == len(built.figures)


def test_the_page_holds_no_folder_of_its_maker(report_files: Files) -> None:
    from spiketrack.pages import render
    from spiketrack.report.page import page_of

    sources = read_sources(
        report_files.run, (report_files.other,), report_files.verify, report_files.placement
    )
    page = render(page_of(build_report(sources)))
    assert str(report_files.run.parent) not in page
    assert str(Path.home()) + "/" not in page


def test_every_place_shows_one_median(report_files: Files, tmp_path: Path) -> None:
    seconds = SecondsPart(first=1.0, frames=(0.1, 0.8, 0.2, 0.3))
    run = changed_run(tmp_path / "run", report_files.run, seconds=seconds)
    built = build_report(read_sources(run))
    card = next(fact for fact in built.facts if fact.label == "speed here")
    assert card.value == "4 frames/s"
    (table,) = (table for table in built.tables if table.name == "runs")
    assert table.rows[0][table.columns.index("seconds_a_frame")] == pytest.approx(0.25)
    assert ">0.25</td>" in open_run(run)._repr_html_()


def test_all_commands_in_their_order(report_files: Files) -> None:
    sources = read_sources(
        report_files.run,
        (),
        report_files.verify,
        report_files.placement,
        command="spiketrack report",
    )
    made = next(s for s in build_report(sources).sections if s.name == "provenance")
    words = [line.split()[:2] for line in made.commands]
    programs = [second if first == "spiketrack" else first for first, second in words]
    assert programs == ["spiketrack-export", "simulate", "verify", "energy", "map", "report"]
    machines = next(table for table in made.tables if table.name == "machines")
    assert [row[0] for row in machines.rows] == ["run run", "report"]
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", str(row[1])) for row in machines.rows
    )


def test_weights_of_the_histogram_are_those_of_the_export(report_files: Files) -> None:
    manifest = Manifest.read(report_files.export / "manifest.json")
    found = weight_occurrences(report_files.export, manifest)
    for branch, graph in read_export(report_files.export).graphs.items():
        weights = np.concatenate([n.weight.ravel() for n in graph if isinstance(n, Conv)])
        values, numbers = np.unique(weights, return_counts=True)
        expected = dict(zip(values.tolist(), numbers.tolist(), strict=True))
        assert {v - 128: n for v, n in enumerate(found[branch].tolist()) if n} == expected
    assert weight_occurrences(report_files.export / "none", manifest) == {}


def test_counts_of_the_histogram_are_those_of_the_run(report_files: Files, tmp_path: Path) -> None:
    about = RunFolder.read(report_files.run).about
    found = count_occurrences(report_files.run, about, {"search": 3})
    with h5py.File(report_files.run / COUNTS_FILE) as file:
        every = [data[:3] for data in file["counts/search"].values()]
    expected = [sum(int((counts == k).sum()) for counts in every) for k in range(5)]
    assert found["search"].tolist() == expected
    totals = about.model_copy(update={"counts": "totals"})
    assert count_occurrences(report_files.run, totals, {"search": 3}) == {}
    assert activity_maps(report_files.run, totals, ()) == ()


def test_a_run_of_totals_says_what_it_lacks(report_files: Files, tmp_path: Path) -> None:
    run = changed_run(tmp_path / "run", report_files.run, counts="totals")
    built = build_report(read_sources(run))
    section = next(s for s in built.sections if s.name == "distributions")
    assert "simulate with --counts full" in section.text[0]
    assert "count_histogram" not in [figure.name for figure in section.figures]


def test_maps_are_mean_counts_by_place(report_files: Files) -> None:
    folder = RunFolder.read(report_files.run)
    order = folder.counts()["search"].layers.names
    maps = activity_maps(report_files.run, folder.about, order)
    assert maps
    assert [order.index(m.name) for m in maps] == sorted(order.index(m.name) for m in maps)
    with h5py.File(report_files.run / COUNTS_FILE) as file:
        for one in maps:
            counts = file[f"counts/search/{one.name}"][:]
            shown = np.frombuffer(base64.b64decode(one.data), np.uint8)
            shown = shown.reshape(FRAMES, one.height, one.width)
            if counts.shape[-2:] != (one.height, one.width):
                continue  # too large for the page: means of several places
            expected = counts.mean((1, 2))
            assert one.most == pytest.approx(expected.max(), abs=1e-6)
            assert np.abs(shown * (one.most / 255) - expected).max() <= one.most / 255


def test_the_drawing_has_every_block_once_and_its_energy(report_files: Files) -> None:
    manifest = Manifest.read(report_files.export / "manifest.json")
    rows = manifest.layers["search"]
    energies = {("search", row.name): (1.0, 1 / len(rows)) for row in rows}
    found = blocks("search", rows, energies)
    names = dict.fromkeys(block(row.name) for row in rows if block(row.name) != "memory")
    assert list(found) == list(names)
    for name, box in found.items():
        assert box.layers == box.energy_pj == [block(row.name) for row in rows].count(name)
    svg = network_svg(manifest.layers, energies)
    links = re.findall(r'data-rows="([^"]*)" data-branch="search"', svg)
    assert links == list(names)
    memories = [name for name in found if "memory" in found[name].feeds]
    assert svg.count('class="memory"') == len(memories) > 0


def test_neurons_work_or_rest_in_every_step(report_files: Files) -> None:
    placement = MapDocument.read(report_files.placement)
    figure = resident_figure(placement.branches)
    for (title, plot), branch in zip(figure.variants, placement.branches, strict=True):
        total = branch.neurons * branch.latency_steps
        assert sum(sum(bar.y) for bar in plot.data) == total
        assert title == f"{branch.name} branch: {total:,}"


def test_core_colourings_begin_with_time(report_files: Files) -> None:
    placement = MapDocument.read(report_files.placement)
    time, stage, branch, *_ = colourings(placement)
    names = placement.core_map.layer_names
    begin = {
        f"{b.name}/{row.name}": row.work_steps[0][0]
        for b in placement.branches
        for row in b.layers
        if row.work_steps
    }
    for core, held in enumerate(placement.core_map.layers):
        assert time.values[core] == begin[names[held[0]]]
        assert branch.labels[int(branch.values[core])] == names[held[0]].split("/")[0]
    assert len(stage.labels) > len(branch.labels) == 2


@pytest.mark.parametrize(
    ("differing", "expected"),
    [(0.0, "100 %"), (0.084, "91.6 %"), (1e-6, "99.9999 %"), (0.5, "50.0 %"), (1.0, "0.0 %")],
)
def test_shares_round_to_all_only_where_all_are_equal(differing: float, expected: str) -> None:
    assert share_equal(differing) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ada/runs/run", "run"),
        ("/home/ada/runs/run/", "run"),
        ("runs/run", "runs/run"),
        ("~/run", "run"),
        ("C:\\Users\\ada\\run", "run"),
        ("nano", "nano"),
    ],
)
def test_paths_lose_their_folders(path: str, expected: str) -> None:
    assert file_name(path) == expected
    assert without_folders(["spiketrack", path]) == ["spiketrack", expected]
    assert without_folders([f"--out={path}"]) == [f"--out={expected}"]


def test_the_line_of_a_user_is_shown_without_its_folders() -> None:
    line = "spiketrack run '/home/ada/my clip/net.pth' --out=/home/ada/mine --frames 3"
    assert given_command(line) == "spiketrack run net.pth --out=mine --frames 3"


def test_stretches_of_equal_neighbours() -> None:
    assert runs_of(["a", "a", "b", "a"]) == [("a", 0, 1), ("b", 2, 2), ("a", 3, 3)]


def test_weights_of_others_have_no_name() -> None:
    assert checkpoint_name("0" * 64) == "CHECKPOINT"
