"""What a data set says is hard about a sequence: a row of 0 and 1 a sequence, named by the set.

Read from ``NAME.txt`` in a folder ``att`` or ``attributes``, which stands beside the labels or one
or two folders above, as UAV123, OTB's toolkit, LaSOT's and TNL2K keep them; or from ``att.txt`` in
the sequence's own folder.
"""

from __future__ import annotations

from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.tracking.names import published
from spiketrack.video.boxes import read_text

HOMES = ("att", "attributes", "anno/att")
NAMES = {
    "OTB": (
        "illumination variation", "out-of-plane rotation", "scale variation", "occlusion",
        "deformation", "motion blur", "fast motion", "in-plane rotation", "out of view",
        "background clutter", "low resolution",
    ),
    "UAV123": (
        "scale variation", "aspect ratio change", "low resolution", "fast motion",
        "full occlusion", "partial occlusion", "out of view", "background clutter",
        "illumination variation", "viewpoint change", "camera motion", "similar object",
    ),
    "LaSOT": (
        "illumination variation", "partial occlusion", "deformation", "motion blur",
        "camera motion", "rotation", "background clutter", "viewpoint change", "scale variation",
        "full occlusion", "fast motion", "out of view", "low resolution", "aspect ratio change",
    ),
    "TNL2K": (
        "camera motion", "rotation", "deformation", "full occlusion", "illumination variation",
        "out of view", "partial occlusion", "viewpoint change", "scale variation",
        "background clutter", "motion blur", "aspect ratio change", "low resolution",
        "fast motion", "adversarial sample", "thermal crossover", "modality switch",
    ),
}  # fmt: skip


def attributes(layout: str, name: str, label: Path) -> tuple[str, ...]:
    """The attributes of a sequence, none where nobody wrote them.

    ``ClipError`` for a file that has another number of entries than the data set has attributes.
    """
    names = NAMES.get(layout)
    path = _file(name, published(name, layout), label) if names else None
    if names is None or path is None:
        return ()
    fields = read_text(path).replace(",", " ").split()
    if len(fields) != len(names) or not set(fields) <= {"0", "1"}:
        raise ClipError(
            f"{path}: {len(fields)} entries, {layout} has {len(names)} attributes of 0 or 1"
        )
    return tuple(name for name, field in zip(names, fields, strict=True) if field == "1")


def _file(name: str, names: tuple[str, ...], label: Path) -> Path | None:
    home = label.parent
    own = [home / "att.txt"] if home.name == name else []
    above = [home, *list(home.absolute().parents)[:2]]
    places = [folder / inner / f"{n}.txt" for n in names for folder in above for inner in HOMES]
    return next((path for path in (*own, *places) if path.is_file()), None)
