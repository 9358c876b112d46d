"""Pictures of a page as people see it: wide, on a phone, dark, and in print.

    python tools/screenshots.py report.html [--out pictures] [--select "#energy"]

writes ``wide``, ``phone`` and ``dark.png`` (the first screen: 1400×900, 400×800), the same with
``-whole`` (the whole page), ``print.png`` and ``page.pdf``; with ``--select`` one picture of that
element in each. It needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWS: dict[str, dict[str, Any]] = {
    "wide": {"size": (1400, 900), "scheme": "light"},
    "phone": {"size": (400, 800), "scheme": "light"},
    "dark": {"size": (1400, 900), "scheme": "dark"},
}
PAPER = (794, 1123)  # A4 at 96 pixels an inch
DRAWN = "document.body.dataset.settled === 'yes'"


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("--out", type=Path, default=Path("pictures"))
    parser.add_argument("--select", default="", help="a CSS selector: pictures of it alone")
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True, parents=True)
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=list(FLAGS)
        )
        page = context.new_page()
        page.goto(given.page.absolute().as_uri())
        if given.select:  # what stays in view would lie over the element
            page.add_style_tag(content="nav { position: static !important }")
        for name, view in VIEWS.items():
            look(page, given.out, name, view, given.select)
        paper(page, given.out, given.select)
        context.close()


def look(page: Any, out: Path, name: str, view: dict[str, Any], select: str) -> None:
    """The first screen and the whole page, or one element."""
    width, height = view["size"]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=view["scheme"], media="screen")
    wait(page)
    if select:
        page.locator(select).first.screenshot(path=out / f"{name}.png")
        return
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=out / f"{name}.png")
    page.screenshot(path=out / f"{name}-whole.png", full_page=True)


def paper(page: Any, out: Path, select: str) -> None:
    """The page in print: a picture of its layout, and the PDF itself."""
    page.set_viewport_size({"width": PAPER[0], "height": PAPER[1]})
    page.emulate_media(color_scheme="light", media="print")
    wait(page)
    if select:
        page.locator(select).first.screenshot(path=out / "print.png")
        return
    page.screenshot(path=out / "print.png", full_page=True)
    page.pdf(path=out / "page.pdf", format="A4")


def wait(page: Any) -> None:
    """Until every figure is drawn; polled from here, since the page's policy forbids eval."""
    for _ in range(600):
        page.wait_for_timeout(100)
        if page.evaluate(DRAWN):
            page.wait_for_timeout(1500)  # a change of scheme or size is drawn again
            return
    raise SystemExit("a figure was not drawn within a minute")


if __name__ == "__main__":
    main()
