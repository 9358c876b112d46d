"""A figure in README and docs cannot go stale: commands wrote it, of what is here now."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support.paths import DATA, ROOT

from spiketrack.deploy.chip.program import build_program
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.reference.checkpoint import read_checkpoint

README = (ROOT / "README.md").read_text("utf-8")
CHIP = ROOT / "docs" / "chip.json"
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
DIGESTS = json.loads((DATA / "count_digests.json").read_text("utf-8"))
NANO = DIGESTS["nano"]["network"]
REMEDY = "make it anew with python -m tools.readme"


@pytest.fixture(scope="module")
def blocks() -> Iterator[ModuleType]:
    """The part of the tool that writes; it stands outside of the packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("tools.readme.blocks")


def test_every_block_is_what_would_be_written(blocks: ModuleType) -> None:
    for (path, name), text in blocks.blocks().items():
        page = path.read_text("utf-8")
        assert blocks.filled(page, name, text) == page, f"{path.name}, {name}: {REMEDY} write"


def test_they_are_of_the_networks_prices_and_boards_that_are_here(blocks: ModuleType) -> None:
    found = blocks.measured()
    assert found["inputs"] == blocks.inputs(), f"{REMEDY} measure"
    for name, digests in DIGESTS.items():
        assert found["networks"][name]["network_digest"] == digests["network"], f"{REMEDY} measure"
    assert found["accuracy"]["checkpoint_sha256"] == read_checkpoint("nano").sha256


def test_figures_of_chips_are_of_what_is_here(blocks: ModuleType) -> None:
    """And the cores of both files are the same; nano's time steps are those of its program now."""
    sheet, remedy = json.loads(CHIP.read_text("utf-8")), f"{REMEDY} chip"
    assert sheet["inputs"] == blocks.inputs(), remedy
    assert sheet["network_digest"] == NANO, remedy
    for row in blocks.measured()["networks"].values():
        found = sheet["variants"][blocks.title(row)]
        assert (found["cores"], found["chips"]) == (row["cores"], row["chips"]), remedy
    assert (
        sheet["frame"]["totals"]["low_pj"] == blocks.measured()["networks"]["nano"]["whole_low_pj"]
    )
    nano = sheet["variants"]["nano"]
    program = build_program(quantise(fold(read_checkpoint("nano").build(), "search")))
    steps = (program.latency, program.interval, program.frames_in_flight)
    assert steps == (nano["latency"], nano["interval"], nano["frames_in_flight"]), remedy


def test_every_example_is_of_the_bundled_network() -> None:
    for page in (README, TUTORIAL):
        printed = page.count("```text\n$ ")
        assert printed
        assert re.findall(r"<!-- network (\w+) -->\n```text", page) == [NANO] * printed


def test_every_example_says_the_same_placement(blocks: ModuleType) -> None:
    nano = blocks.measured()["networks"]["nano"]
    said = f"{nano['cores']:,} cores on {nano['chips']:,} chips"
    assert said in README
    assert TUTORIAL.count(said) == 2  # of run and of map


def test_the_readme_is_short_and_shows_a_small_picture() -> None:
    assert len(README.encode()) <= 12 * 1024
    shown = re.findall(r"!\[[^\]]+\]\(([\w./]+)\)", README)
    assert shown
    assert all((ROOT / name).stat().st_size < 150_000 for name in shown)


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_its_links_lead_somewhere(page: Path) -> None:
    """To a file, and to a heading in it where one is named."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith("http"):
            continue
        name, _, heading = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if heading:
            assert heading in anchors(target), link


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    lines = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", index))
    assert listed >= {page.name for page in pages()} - {"README.md", "index.md"}
