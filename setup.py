"""Which folders are packages: three of them stand at the top and install inside ``spiketrack``.

``spiketrack/export`` and the like are links for tools that read the checkout in place. They play no
part here, since a ZIP of the repository turns links into text files.
"""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
ROOMS = ("export", "deploy", "simulators")
DATA = {
    "spiketrack": ["py.typed", "configs/*.yaml", "configs/*.txt", "weights/*"],
    "spiketrack.energy": ["price_tables/*.yaml"],
    "spiketrack.timing": ["rate_tables/*.yaml"],
    "spiketrack.deploy.chip": ["boards/*.yaml"],
    "spiketrack.deploy.chip.rules": ["*.yaml", "printed/*.yaml"],
    "spiketrack.pages": ["*.html", "*.css", "*.js", "library/*"],
    "spiketrack.report": ["*.js", "viewer/*"],
}


def packages() -> list[str]:
    """Every package's installed name; an incomplete checkout is an error, never a smaller wheel."""
    names = []
    for folder in ("spiketrack", *ROOMS):
        if not (ROOT / folder / "__init__.py").is_file():
            raise SystemExit(f"{ROOT / folder}: no package; this checkout is incomplete")
        name = folder if folder == "spiketrack" else f"spiketrack.{folder}"
        inner = find_packages(str(ROOT / folder))
        names += [name, *(f"{name}.{found}" for found in inner if _own(folder, found))]
    return sorted(names)


def _own(folder: str, found: str) -> bool:
    return folder != "spiketrack" or found.split(".")[0] not in ROOMS


class FreshBuild(build_py):
    """A build that starts empty: setuptools would pack what an older tree left in ``build``."""

    def run(self) -> None:
        """Empty the folder, then build."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(
    cmdclass={"build_py": FreshBuild},
    packages=packages(),
    package_dir={"spiketrack": "spiketrack"} | {f"spiketrack.{room}": room for room in ROOMS},
    package_data=DATA,
)
