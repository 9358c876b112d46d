"""Fetch what is kept of npm: the plotting library of the pages, and axe-core of their tests.

    python tools/renew_vendored.py plotly [VERSION]
    python tools/renew_vendored.py axe [VERSION]

needs ``npm``. Beside the file stand its licence and a JSON file that says which release it is,
what npm says of the archive, and the SHA-256 of the file as it is kept. Of the plotting library
(MIT) what would send a chart to a server is cut out; axe-core (MPL 2.0) is kept as it is, for
tests alone.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Kept:
    """A file of an npm package and where it is kept; each text of ``cuts`` occurs once in it."""

    package: str
    file: str
    folder: Path
    about: str
    licences: tuple[str, ...]
    cuts: tuple[tuple[str, str], ...] = ()


KEPT = {
    "plotly": Kept(
        "plotly.js-cartesian-dist-min",
        "plotly-cartesian.min.js",
        ROOT / "spiketrack" / "pages" / "library",
        "library.json",
        ("LICENSE",),
        (
            ('dflt:"https://cloud.plotly.com/newchart"', 'dflt:""'),
            ('window.open(n.href,"_blank")', "null"),
            ('dflt:"https://cdn.plot.ly/un/"', 'dflt:""'),
        ),
    ),
    "axe": Kept(
        "axe-core",
        "axe.min.js",
        ROOT / "tests" / "support" / "axe",
        "axe.json",
        ("LICENSE", "LICENSE-3RD-PARTY.txt"),
    ),
}


def fetch(kept: Kept, version: str, folder: Path) -> tuple[dict[str, str], Path]:
    """What npm says of the archive, and the unpacked package."""
    words = ["npm", "pack", f"{kept.package}@{version}", "--json"]
    told = subprocess.run(
        words, cwd=folder, check=True, capture_output=True, encoding="utf-8"
    ).stdout
    (about,) = json.loads(told)
    with tarfile.open(folder / about["filename"]) as archive:
        archive.extractall(folder, filter="data")
    return about, folder / "package"


def cut(kept: Kept, text: str) -> str:
    """The file without what is cut; a release that says it in other words is an error."""
    for old, new in kept.cuts:
        if text.count(old) != 1:
            raise SystemExit(f"{old} occurs {text.count(old)} times, not once: look at the cuts")
        text = text.replace(old, new)
    return text


def main(kept: Kept, version: str) -> None:
    """Replace the kept file, its licences and what is said of it."""
    with tempfile.TemporaryDirectory() as folder:
        about, package = fetch(kept, version, Path(folder))
        content = cut(kept, (package / kept.file).read_text("utf-8")).encode()
        licences = {name: (package / name).read_bytes() for name in kept.licences}
    facts = {
        "package": kept.package,
        "version": about["version"],
        "integrity": about["integrity"],
        "file": kept.file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "cut": [old for old, _ in kept.cuts],
    }
    kept.folder.mkdir(exist_ok=True)
    (kept.folder / kept.file).write_bytes(content)
    for name, licence in licences.items():
        (kept.folder / name).write_bytes(licence)
    (kept.folder / kept.about).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    print(f"{kept.folder / kept.file}: {kept.package} {about['version']}, {len(content):,} bytes")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or sys.argv[1] not in KEPT:
        raise SystemExit(f"name one of {', '.join(KEPT)}, and a version if not the latest")
    main(KEPT[sys.argv[1]], sys.argv[2] if len(sys.argv) == 3 else "latest")
