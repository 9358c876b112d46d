"""Fetch the plotting library of the pages from npm and keep it, its way to the cloud cut out.

    python tools/renew_plotly.py [VERSION]

needs ``npm``. The package is MIT-licensed; ``spiketrack/pages/library/library.json`` says which
release the kept file is, what npm says of the archive, and the SHA-256 of the file as it is kept.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "plotly.js-cartesian-dist-min"
FILE = "plotly-cartesian.min.js"
LIBRARY = Path(__file__).resolve().parents[1] / "spiketrack" / "pages" / "library"
# what would send a chart to a server, or name one: each occurs once and becomes nothing
CUTS = {
    'dflt:"https://cloud.plotly.com/newchart"': 'dflt:""',
    'window.open(n.href,"_blank")': "null",
    'dflt:"https://cdn.plot.ly/un/"': 'dflt:""',
}


def fetch(version: str, folder: Path) -> tuple[dict[str, str], Path]:
    """What npm says of the archive, and the unpacked package."""
    words = ["npm", "pack", f"{PACKAGE}@{version}", "--json"]
    told = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout
    (about,) = json.loads(told)
    with tarfile.open(folder / about["filename"]) as archive:
        archive.extractall(folder, filter="data")
    return about, folder / "package"


def cut(text: str) -> str:
    """The library without its way to the cloud; an unknown text is an error."""
    for old, new in CUTS.items():
        if text.count(old) != 1:
            raise SystemExit(f"{old} occurs {text.count(old)} times, not once: look at CUTS")
        text = text.replace(old, new)
    return text


def main(version: str) -> None:
    """Replace the kept file, its licence and what is said of it."""
    with tempfile.TemporaryDirectory() as folder:
        about, package = fetch(version, Path(folder))
        kept = cut((package / FILE).read_text("utf-8")).encode()
        licence = (package / "LICENSE").read_text("utf-8")
    facts = {
        "package": PACKAGE,
        "version": about["version"],
        "integrity": about["integrity"],
        "file": FILE,
        "sha256": hashlib.sha256(kept).hexdigest(),
        "cut": list(CUTS),
    }
    (LIBRARY / FILE).write_bytes(kept)
    (LIBRARY / "LICENSE").write_text(licence, "utf-8")
    (LIBRARY / "library.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    print(f"{LIBRARY / FILE}: {PACKAGE} {about['version']}, {len(kept) / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "latest")
