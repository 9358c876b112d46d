"""``python -m tools.readme``: see the package."""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.readme import __doc__ as about
from tools.readme.blocks import ROOT, write


def main() -> None:
    """Measure, draw or write."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    anew = parts.add_parser("measure", help="docs/networks.json")
    anew.add_argument("names", nargs="*", help="networks; default: all")
    anew.add_argument("--evaluation", type=Path, help="JSON of spiketrack evaluate nano")
    chips = parts.add_parser("chip", help="docs/chip.json")
    chips.add_argument("names", nargs="*", help="parts of it; default: all")
    parts.add_parser("example", help="the worked example of docs/tutorial.md")
    drawn = parts.add_parser("picture", help="docs/result.png")
    drawn.add_argument("results", type=Path, help="folder of spiketrack run nano")
    parts.add_parser("write", help="the blocks that both files of figures fill")
    given = parser.parse_args()
    if given.part == "measure":
        from tools.readme.measure import measure

        measure(given.names, given.evaluation)
    elif given.part == "chip":
        from tools.readme.chip_figures import measure_chip

        measure_chip(given.names)
    elif given.part == "example":
        from tools.readme.example import fill

        fill()
    elif given.part == "picture":
        from tools.readme.picture import write_picture

        write_picture(given.results, ROOT / "docs" / "result.png")
    else:
        for path in write():
            print(path)


if __name__ == "__main__":
    main()
