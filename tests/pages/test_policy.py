"""What a page may do: its own scripts run, nothing is fetched or sent, the library is as kept."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from spiketrack.pages import Drawing, Fact, Figure, Page, Section, Table, library, render
from spiketrack.pages.plots import pushed_apart
from spiketrack.pages.policy import content_policy, script_hash

HOSTILE = "</script><img src=x onerror=alert(1)>"
SUPPORT = Path(__file__).parents[1] / "support"


def sample(text: str = "fine") -> str:
    figure = Figure("curve", text, (("", go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name=text))),))
    table = Table.of("rows", text, [{"name": text, "energy_pj": 1.5}], note=text)
    section = Section("one", text, (text,), (figure,), (table,), (text,))
    facts = [Fact(text, text, text, text)]
    return render(Page(text, text, text, facts, [section], scripts=["// more"]))


def test_every_script_of_the_page_is_allowed_by_its_hash_and_no_other() -> None:
    page = sample()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    allowed = set(re.findall(r"'sha256-[^']*'", policy[1]))
    run = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert {script_hash(text) for text in [*run, library.source()]} == allowed
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert {rules[name] for name in ("default-src", "connect-src", "form-action")} == {"'none'"}
    assert "unsafe" not in rules["script-src"]


def test_a_hash_is_that_of_the_specification() -> None:
    # the example of Content Security Policy Level 3, section "Usage of hashes"
    assert script_hash("doSomething();") == "'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='"
    assert content_policy(["a", "a"]).count("sha256") == 1


def test_the_library_travels_packed_with_its_licence() -> None:
    page = sample()
    packed = re.search(r'id="library">([^<]*)<', page)
    assert packed
    unpacked = gzip.decompress(base64.b64decode(packed[1])).decode()
    assert unpacked == library.source()
    assert "Permission is hereby granted" in page
    assert len(page) < 0.8e6


@pytest.mark.parametrize(
    ("folder", "about"),
    [
        (Path(library.__file__).parent / "library", "library.json"),
        (SUPPORT / "axe", "axe.json"),
    ],
)
def test_what_is_kept_is_the_release_that_is_named(folder: Path, about: str) -> None:
    facts = json.loads((folder / about).read_text("utf-8"))
    content = (folder / facts["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == facts["sha256"]
    assert (folder / "LICENSE").is_file()
    assert not [text for text in facts["cut"] if text in content.decode()]


def test_the_library_names_no_server_of_its_maker_that_takes_data() -> None:
    found = set(re.findall(r"https?://[\w.-]+", library.source()))
    assert not {name for name in found if "cloud" in name or "cdn" in name}


def test_texts_stay_texts() -> None:
    page = sample(HOSTILE)
    assert "<img" not in page
    data = re.search(r'id="page-data">(.*?)</script>', page, re.DOTALL)
    assert data
    assert json.loads(data[1])["tables"]["rows"]["title"] == HOSTILE


def test_a_drawing_stands_in_its_figure() -> None:
    page = render(
        Page("t", "s", "n", [], [Section("a", "A", drawings=(Drawing("d", "D", "<svg/>"),))])
    )
    assert '<figure class="drawing" data-drawing="d">' in page


@pytest.mark.parametrize(
    ("places", "gap", "last", "expected"),
    [
        ([0, 1, 10], 3, 20, [0, 3, 10]),
        ([8, 9, 10], 3, 10, [4, 7, 10]),
        ([5], 3, 10, [5]),
        ([], 3, 10, []),
    ],
)
def test_names_are_pushed_apart(
    places: list[float], gap: float, last: float, expected: list[float]
) -> None:
    assert pushed_apart(places, gap, last) == expected
