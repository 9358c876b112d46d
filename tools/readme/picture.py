"""docs/result.png: a filmstrip, energy by stage and the core map of one run of nano."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path

import cv2
import numpy as np

from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.placement import MapDocument
from spiketrack.energy.stages import by_stage, stage
from spiketrack.energy.tables import joules
from spiketrack.runs.folder import RunFolder
from spiketrack.steps.results import Results
from spiketrack.video.clip import open_clip
from spiketrack.video.render import annotate, label

WIDTH, HEIGHT = 1000, 470
SHOWN = 5  # frames
COLOURS = ("#8d99ae", "#2a9d8f", "#457b9d", "#e9c46a", "#e76f51", "#9b5de5", "#d62828")
TEXT = 'font-family="sans-serif" fill="#222"'
CORE = 8


def svg(results: Results) -> str:
    """The picture of a results folder as SVG."""
    priced = EnergyDocument.read(results.energy)
    placed = MapDocument.read(results.map)
    parts = by_stage(priced.layers, lambda row: row.name)
    colours = dict(zip(parts, COLOURS, strict=False))
    body = "".join([*_strip(results), *_energy(priced, colours), *_cores(placed, colours)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
        f'<rect width="100%" height="100%" fill="white"/>{body}</svg>'
    )


def _strip(results: Results) -> Iterator[str]:
    run = RunFolder.read(results.run)
    rows = run.boxes()
    chosen = {round(i) for i in np.linspace(0, len(rows) - 1, SHOWN)}
    answers = results.answers()
    agreement, name = answers.agreement, Path(answers.checkpoint).name
    proof = f"{agreement.mismatches:,} of {agreement.counts_compared:,} counts differ from integer"
    head = f"{name} follows a face on {answers.backend} (simulated; {proof})"
    yield _words(10, 18, head, 14)
    place = 0
    for number, frame in enumerate(open_clip(run.about.clip.path)):
        if number in chosen:
            drawn = annotate(frame, rows[number].box, label(number, rows[number].score))
            big = cv2.resize(drawn, (190, 155), interpolation=cv2.INTER_AREA)
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(big, cv2.COLOR_RGB2BGR))
            data = base64.b64encode(jpeg.tobytes()).decode()
            yield (
                f'<image x="{10 + 197 * place}" y="28" width="190" height="155" '
                f'href="data:image/jpeg;base64,{data}"/>'
            )
            place += 1
        if number >= max(chosen):
            return


def _energy(priced: EnergyDocument, colours: dict[str, str]) -> Iterator[str]:
    total = priced.total.energy_pj
    at = f"{priced.prices.name}, {priced.execution}"
    yield _words(10, 212, f"energy by stage: {joules(total)} a frame ({at}; modelled)", 14)
    sums = {
        name: sum(row.energy_pj for row in rows)
        for name, rows in by_stage(priced.layers, lambda row: row.name).items()
    }
    longest = max(sums.values())
    for place, (name, energy) in enumerate(sums.items()):
        y = 226 + 33 * place
        width = 250 * energy / longest
        yield _words(10, y + 17, name, 13)
        yield f'<rect x="110" y="{y}" width="{width:.1f}" height="24" fill="{colours[name]}"/>'
        yield _words(116 + width, y + 17, f"{joules(energy) or '0'}, {energy / total:.0%}", 12)


def _cores(placed: MapDocument, colours: dict[str, str]) -> Iterator[str]:
    """Each chip as its mesh of tiles, each core in the colour of the stage it holds most of."""
    yield _words(
        500,
        212,
        f"{placed.cores:,} neuro-cores on {placed.chips} Loihi 2 chips (placed, not run)",
        14,
    )
    cores, limits = placed.core_map, placed.limits
    across = limits.tiles_across.value
    a_chip = limits.cores_per_chip.value
    side = CORE * 2 + 2
    for core, chip in enumerate(cores.chip):
        inside = core % a_chip % limits.cores_per_tile.value
        left = 500 + (chip % 3) * (across * side + 16)
        top = 224 + (chip // 3) * 90
        x = left + cores.tile_column[core] * side + (inside % 2) * CORE
        y = top + cores.tile_row[core] * side + (inside // 2) * CORE
        held = Counter(stage(cores.layer_names[i].partition("/")[2]) for i in cores.layers[core])
        colour = colours.get(held.most_common(1)[0][0], "#ccc")
        yield f'<rect x="{x}" y="{y}" width="{CORE - 1}" height="{CORE - 1}" fill="{colour}"/>'
    for place, (name, colour) in enumerate(colours.items()):
        x, y = 500 + (place % 4) * 120, 420 + (place // 4) * 22
        yield f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>'
        yield _words(x + 17, y + 11, name, 12)


def _words(x: float, y: float, text: str, size: int) -> str:
    return f'<text x="{x:.1f}" y="{y}" font-size="{size}" {TEXT}>{escape(text)}</text>'


def write_picture(folder: Path, out: Path) -> None:
    """Draw a results folder in Chromium and write it as a PNG of 256 colours' worth of bytes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--force-color-profile=srgb"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1)
        page.set_content(f"<body style='margin:0'>{svg(Results(folder))}</body>")
        data = page.screenshot()
        browser.close()
    from PIL import Image

    small = Image.open(io.BytesIO(data)).convert("RGB").quantize(128)
    small.save(out, optimize=True)
