"""The compiler on one page: checkpoint → float → folded → integer → checked → files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiketrack.calibration import CalibrationData, calibrate
from spiketrack.documents.manifest import Calibration, LayerFormat, Manifest, NotStandard
from spiketrack.documents.network import CheckpointPart, NetworkPart, TrackerPart
from spiketrack.errors import SpikeTrackError
from spiketrack.export.nir.folder import ExportedNetwork, write_export, write_manifest
from spiketrack.export.nir.vocabulary import OPERATIONS, VOCABULARY, VOCABULARY_VERSION
from spiketrack.export.passes.quantise import quantise
from spiketrack.export.passes.spiketrack import fold
from spiketrack.files import atomic_folder
from spiketrack.inference import SEARCH, TEMPLATE
from spiketrack.integer.digest import network_digest
from spiketrack.integer.formats import layer_formats
from spiketrack.integer.graph import Graph
from spiketrack.integer.rules.checks import check
from spiketrack.ownership import EXPORT
from spiketrack.reference.checkpoint import Checkpoint, read_checkpoint
from spiketrack.version import VERSION, versions_of
from spiketrack.video.clip import BUNDLED_BOX, Where, box_of, bundled_clip, open_clip
from spiketrack.video.crop import take_crop
from spiketrack.video.identity import clip_digest

Progress = Callable[[str], None]
PACKAGES = ("h5py", "lava-nc", "nir", "numpy", "torch")


def export_checkpoint(
    checkpoint: str | Path | Checkpoint,
    folder: str | Path,
    clip: str | Path | None = None,
    box: Where | None = None,
    force: bool = False,
    progress: Progress = lambda stage: None,
    also: str | tuple[str, ...] = (),
    calibrated: CalibrationData | None = None,
) -> ExportedNetwork:
    """Quantise a checkpoint and write its export folder, complete or not at all.

    ``clip`` and ``box``: what it is calibrated on, the object in the clip's first frame as x, y, w,
    h in pixels from 0 (default: the bundled ones); ``force`` replaces an export; ``progress`` is
    told each stage; ``also``: further formats (onnx, standard-nir, netx), one text with commas or
    names; ``calibrated``: the statistics of ``clip`` and ``box``, where they are there already.
    """
    source = checkpoint.path if isinstance(checkpoint, Checkpoint) else checkpoint
    with atomic_folder(Path(folder), EXPORT, force, (source, clip)) as temporary:
        progress("reading the checkpoint")
        read = checkpoint if isinstance(checkpoint, Checkpoint) else read_checkpoint(checkpoint)
        if calibrated is None:
            progress("calibrating")
        data = calibrated or calibration(read, clip, box)
        progress("quantising")
        network = compile_network(read, data)
        progress("writing")
        network = write_export(network, temporary)
        if also:
            progress("writing other formats")
            names = tuple(also.split(",")) if isinstance(also, str) else also
            network = with_outlets(network, read, temporary, names)
    return network


def calibration(
    checkpoint: Checkpoint, clip: str | Path | None = None, box: Where | None = None
) -> CalibrationData:
    """Statistics from a clip and box, by default from the bundled ones."""
    if (clip is None) != (box is None):
        raise SpikeTrackError("--calibrate and --box: give both or neither")
    source = bundled_clip() if clip is None else Path(clip)
    where = BUNDLED_BOX if box is None else box_of(box)
    data = calibrate(checkpoint, checkpoint.build(), open_clip(source), where)
    return dataclasses.replace(data, digest=clip_digest(source))


def compile_network(checkpoint: Checkpoint, data: CalibrationData | None) -> ExportedNetwork:
    """Every stage in order, each checked: fold, quantise, prove, describe."""
    model = checkpoint.build()
    graphs: dict[str, Graph] = {}
    layers: dict[str, tuple[LayerFormat, ...]] = {}
    for branch in (TEMPLATE, SEARCH):
        folded = fold(model, branch)
        graph = quantise(folded, data.statistics[branch] if data else None)
        proven = check(graph, f"quantising the {branch} branch")
        graphs[branch] = graph
        layers[branch] = tuple(
            LayerFormat.model_validate(row, strict=False) for row in layer_formats(graph, proven)
        )
    manifest = describe(checkpoint, data, graphs, layers)
    return ExportedNetwork(graphs, checkpoint.network, checkpoint.tracker, manifest)


def with_outlets(
    network: ExportedNetwork, checkpoint: Checkpoint, folder: Path, names: tuple[str, ...]
) -> ExportedNetwork:
    """Write further formats beside the ``.nir`` files and list them in the manifest."""
    from spiketrack.export.outlets.formats import ExportContext, write_outlets

    model = checkpoint.build()
    folded = {branch: fold(model, branch) for branch in network.graphs}
    template = template_crops(checkpoint)
    context = ExportContext(folder, network.graphs, folded, template)
    manifest = network.manifest.model_copy(update={"also": write_outlets(names, context)})
    return write_manifest(dataclasses.replace(network, manifest=manifest), folder)


def template_crops(checkpoint: Checkpoint) -> NDArray[np.float32]:
    """The bundled clip's object as T templates (T, 3, S, S): whose memory outlets may bake in."""
    frame = open_clip(bundled_clip()).first()
    size, factor = checkpoint.network.resolution, checkpoint.tracker.template_factor
    crop = take_crop(frame, BUNDLED_BOX, factor, size)
    return np.stack([crop] * checkpoint.network.templates)


def describe(
    checkpoint: Checkpoint,
    data: CalibrationData | None,
    graphs: Mapping[str, Graph],
    layers: Mapping[str, tuple[LayerFormat, ...]],
) -> Manifest:
    """The manifest, of no file yet; the same checkpoint and clip give the same bytes."""
    versions = versions_of(PACKAGES)
    sizes = dataclasses.asdict(checkpoint.network)
    return Manifest(
        versions={"spiketrack": VERSION} | versions,
        checkpoint=CheckpointPart(sha256=checkpoint.sha256, key=checkpoint.key),
        network=NetworkPart(**sizes, variant=checkpoint.network.variant),
        tracker=TrackerPart(**dataclasses.asdict(checkpoint.tracker)),
        calibration=None if data is None else _source(data),
        not_standard_nir=NotStandard(
            vocabulary=VOCABULARY, version=VOCABULARY_VERSION, operations=dict(OPERATIONS)
        ),
        layers=dict(layers),
        network_digest=network_digest(graphs),
        files={},
    )


def _source(data: CalibrationData) -> Calibration:
    box, frames = data.box.as_tuple(), data.frames
    return Calibration(clip=data.source, digest=data.digest, box=box, frames=frames)
