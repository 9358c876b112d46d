"""Opening a backend for the commands that track, from a checkpoint or an export folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spiketrack.commands.inputs import is_export, open_checkpoint, refuse_key
from spiketrack.errors import SpikeTrackError
from spiketrack.simulators.backends import FLOAT, INTEGER, Options, either, find, open_simulator
from spiketrack.terminal.progress import stages

if TYPE_CHECKING:
    from spiketrack.config import NetworkConfig, TrackerConfig
    from spiketrack.export.nir.folder import ExportedNetwork
    from spiketrack.inference import Simulator
    from spiketrack.reference.checkpoint import Checkpoint

BACKEND_HELP = f"{either()}; default: float for a checkpoint, integer for an export folder."
PROCESSES_HELP = (
    "lava, inline: block (a process a block), branch (one for all blocks), or how many at most "
    "share the blocks of a branch; lava-chip: processes that share its layers, block: one a core."
)


@dataclass(frozen=True)
class Opened:
    """A running backend, the tracker's settings of its network, and the network's name.

    ``network_digest``: of the integer network, None where the checkpoint itself runs.
    """

    simulator: Simulator
    settings: TrackerConfig
    name: str
    network_digest: str | None
    checkpoint_sha256: str


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a backend runs, read but not started: an integer network or a checkpoint."""

    backend: str
    network: ExportedNetwork | None
    checkpoint: Checkpoint | None
    options: Options
    settings: TrackerConfig
    sizes: NetworkConfig
    name: str
    network_digest: str | None
    checkpoint_sha256: str

    def open(self) -> Opened:
        """Start it."""
        simulator = open_simulator(self.backend, self.network, self.checkpoint, self.options)
        return Opened(
            simulator, self.settings, self.name, self.network_digest, self.checkpoint_sha256
        )


def open_backend(
    source: str,
    backend: str | None,
    device: str = "cpu",
    operations: bool = False,
    key: str | None = None,
) -> Opened:
    """``load_backend``, started."""
    return load_backend(source, backend, device, operations, key).open()


def load_backend(
    source: str,
    backend: str | None,
    device: str = "cpu",
    operations: bool = False,
    key: str | None = None,
) -> Loaded:
    """Find a backend by name; without one, ``float`` for a checkpoint, ``integer`` for a folder.

    A checkpoint on an integer backend is quantised in memory, calibrated on the bundled clip.
    ``operations`` counts operations where the backend can; ``key`` names one of several state
    dicts in a checkpoint.
    """
    folder = is_export(source)
    chosen = backend or (INTEGER if folder else FLOAT)
    find(chosen)
    options = Options(operations=operations, device=device)
    if folder:
        refuse_key(key, source)
        return _from_folder(source, chosen, options)
    return _from_checkpoint(source, key, chosen, options)


def _from_folder(source: str, backend: str, options: Options) -> Loaded:
    from spiketrack.export.nir.folder import read_export
    from spiketrack.steps.left import left

    if find(backend).needs == "checkpoint":
        raise SpikeTrackError(
            f"--backend {backend}: {source} is an export folder; give a checkpoint"
        )
    network = read_export(left(Path(source)).export)
    manifest = network.manifest
    name = Path(source).absolute().name
    digests = manifest.network_digest, manifest.checkpoint.sha256
    return Loaded(backend, network, None, options, network.tracker, network.config, name, *digests)


def _from_checkpoint(source: str, key: str | None, backend: str, options: Options) -> Loaded:
    from spiketrack.pipeline import calibration, compile_network

    read = open_checkpoint(source, key)
    network = None
    if find(backend).needs == "export":
        with stages("Quantising the network"):
            network = compile_network(read, calibration(read))
    stem = Path(source).name.split(".")[0]
    name = f"{stem}-{key}" if key else stem
    digest = None if network is None else network.manifest.network_digest
    return Loaded(
        backend, network, None if network else read, options, read.tracker, read.network, name,
        digest, read.sha256,
    )  # fmt: skip
