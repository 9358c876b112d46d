"""Chromium for tests: one browser a file, pages that must meet no error and ask for nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = Path(__file__).parent / "axe" / "axe.min.js"
SETTLED = "document.body.dataset.settled === 'yes'"


def started(profile: Path) -> Iterator[Any]:
    """A browser with a profile of its own."""
    driver = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip(reason="the pages need a browser: apt-get install chromium")
    with driver.sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=list(FLAGS), accept_downloads=True
        )
        yield context
        context.close()


def watched(browser: Any) -> Iterator[Any]:
    """A page that must meet no error and ask for nothing but its own file."""
    opened = browser.new_page()
    opened.set_default_timeout(30_000)
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    opened.on("request", lambda request: troubles.append(request.url) if foreign(request) else None)
    yield opened
    opened.close()
    assert troubles == []


def foreign(request: Any) -> bool:
    """Whether a request goes beyond the page itself."""
    own = ("data:", "blob:")
    return not (request.url.startswith(own) or request.url.endswith(".html"))


def until(page: Any, condition: str) -> None:
    """Wait for a condition; the page's policy forbids Playwright's own way, which uses eval."""
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def violations(page: Any) -> list[str]:
    """What axe-core finds, one line a rule: its name and the first elements that break it."""
    page.evaluate(AXE.read_text("utf-8") + "\n; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{rule['id']}: {json.dumps([node['html'][:160] for node in rule['nodes'][:3]])}"
        for rule in found["violations"]
    ]
