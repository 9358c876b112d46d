"""Write the API reference, a page a module, from the docstrings: ``api_pages.py OUT``."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import pdoc

import spiketrack


def main(out: Path) -> None:
    """Every module of the package; public names are imported first, since they come late."""
    names = [entry.name for entry in pkgutil.walk_packages(spiketrack.__path__, "spiketrack.")]
    shown = ["spiketrack"]
    for name in ["spiketrack", *names]:
        if name.endswith("__main__"):
            continue
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            getattr(module, public)
        shown.append(name)
    pdoc.render.configure(docformat="restructuredtext", footer_text="SpikeTrack on Loihi")
    pdoc.pdoc(*dict.fromkeys(shown), output_directory=out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
