"""``curves.html``: the page of a training in a browser, and from logs of every length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.browser import SETTLED, until, violations

from spiketrack.training.page import facts, write_curves

EVENTS: list[dict[str, Any]] = [
    {"event": "step", "step": 1, "minutes": 0.1, "loss": 2.5, "focal": 1.0, "pairs_per_second": 9},
    {"event": "validation", "step": 1, "minutes": 0.2, "iou": 0.5, "hit": 0.7},
    {"event": "step", "step": 2, "minutes": 0.3, "loss": None, "focal": 0.9, "giou": 0.4},
    {"event": "validation", "step": 2, "minutes": 0.4, "iou": 0.4, "hit": 0.8},
    {"event": "grid", "step": 2, "minutes": 0.4, "differing": 0},
]


def test_the_first_screen_tells_last_loss_and_best_validation() -> None:
    told = {fact.label: (fact.value, fact.detail) for fact in facts(EVENTS)}
    assert told["steps"] == ("2", "0.4 minutes of training")
    assert told["loss"] == ("2.5", "of the last step")
    assert told["best validation IoU"] == ("0.500", "step 1; last 0.400")
    assert told["speed here"][0] == "9 pairs/s"


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_log_of_any_length_has_its_page(count: int, tmp_path: Path) -> None:
    write_curves(EVENTS[:count], tmp_path / "curves.html")
    page = (tmp_path / "curves.html").read_text("utf-8")
    assert "connect-src 'none'" in page
    assert "Pairs a second" in page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_curves_in_a_browser(page: Any, tmp_path: Path, scheme: str) -> None:
    write_curves(EVENTS, tmp_path / "curves.html")
    page.emulate_media(color_scheme=scheme)
    page.goto((tmp_path / "curves.html").as_uri())
    until(page, SETTLED)
    assert page.locator("figure .main-svg").count() >= 3
    titles = page.evaluate(
        "[...document.querySelectorAll('.modebar-btn')].map((one) => one.dataset.title)"
    )
    assert not [title for title in titles if "hare" in title or "loud" in title]
    assert violations(page) == []
