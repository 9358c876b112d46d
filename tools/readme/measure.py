"""What networks need, measured by the functions of the commands, into docs/networks.json."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from spiketrack.deploy.chip.program import choices_of
from spiketrack.documents.energy import EnergyDocument
from spiketrack.documents.placement import MapDocument
from spiketrack.documents.tracking import EvaluationDocument
from spiketrack.energy.prices import DEFAULT, load_prices
from spiketrack.files import write_json
from spiketrack.reference.checkpoint import read_checkpoint
from spiketrack.steps.answers import energy, placement
from spiketrack.steps.export import export
from spiketrack.steps.place import place
from spiketrack.steps.price import price, with_whole_frames
from spiketrack.steps.simulate import Execution, simulate
from tools.readme.blocks import NETWORKS, ROOT, SHORT, inputs

PUBLISHED = (*SHORT[1:], "spiketrack_s256_t3")  # the last has its counts in tests/data
FRAMES = {"nano": 30}  # of the bundled clip; of the others 2, whose rates are made up anyway
SHARED = Path(os.environ.get("SPIKETRACK_SHARED", ROOT.parent / "shared"))


def measure(names: list[str], evaluation: Path | None) -> None:
    """Measure the named networks (all without names); keep what the file says of others."""
    sheet: dict[str, Any] = {"inputs": {}, "accuracy": {}, "networks": {}}
    if NETWORKS.exists():
        sheet |= json.loads(NETWORKS.read_text("utf-8"))
    for name in names or ["nano", *PUBLISHED]:
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            sheet["networks"][name] = network(name, Path(folder))
        sheet["networks"] = {
            key: sheet["networks"][key] for key in ("nano", *PUBLISHED) if key in sheet["networks"]
        }
        sheet["inputs"] = inputs()
        write_json(NETWORKS, sheet)
    if evaluation is not None:
        sheet["accuracy"] = accuracy(EvaluationDocument.read(evaluation))
        write_json(NETWORKS, sheet)


def network(name: str, folder: Path) -> dict[str, Any]:
    """Export, a short run on the bundled clip, its energy, its placement."""
    checkpoint = name
    if name != "nano":
        checkpoint = str(folder / f"{name}.pth.tar")
        script = SHARED / "golden" / "synthetic_checkpoint.py"
        subprocess.run([sys.executable, str(script), name, checkpoint], check=True)
    made = export(read_checkpoint(checkpoint), folder / "export")
    how = Execution(backend="integer")
    simulate(made.folder, folder / "run", frames=FRAMES.get(name, 2), how=how)
    choices = choices_of("pipelined", "graded", "1")
    placed = place(made.folder, "hala-point", choices, folder / "run")
    placed.write(folder / "map.json")
    table = load_prices(DEFAULT)
    priced = price(folder / "run", table)
    priced = with_whole_frames(priced, folder / "run", table, folder / "map.json")
    digest = made.network.manifest.network_digest
    return {"name": name, "trained": name == "nano", "network_digest": digest} | row(priced, placed)


def row(priced: EnergyDocument, placed: MapDocument) -> dict[str, Any]:
    """The figures of both documents that the tables show."""
    spent, where = energy(priced), placement(placed)
    return {
        "frames": priced.frames,
        "cores": where.cores,
        "chips": where.chips,
        "board": where.smallest,
        "board_chips": where.smallest_chips,
        "energy_pj": spent.chosen.energy_pj,
        "dense_pj": spent.dense_pj,
        "whole_low_pj": spent.whole_low_pj,
        "whole_high_pj": spent.whole_high_pj,
    }


def accuracy(document: EvaluationDocument) -> dict[str, Any]:
    """Mean success AUC of the network and of OpenCV's trackers on the same frames."""
    means = {name: part.mean.success_auc for name, part in document.methods.items() if part.mean}
    return {
        "auc": means.pop(document.method),
        "baselines": means,
        "sequences": len(document.planned),
        "frames": sum(part.frames for part in document.sequences.values()),
        "checkpoint_sha256": document.checkpoint_sha256,
    }
