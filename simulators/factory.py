"""Opening any backend by name."""

from __future__ import annotations

from dataclasses import dataclass

from spiketrack.errors import SpikeTrackError, UnsupportedError
from spiketrack.export.nir.folder import ExportedNetwork
from spiketrack.inference import Simulator
from spiketrack.reference.checkpoint import Checkpoint

FLOAT = "float"
INTEGER_BACKENDS = ("integer", "lava", "inline", "onnx", "norse")  # agree to the last bit
BACKENDS = (FLOAT, *INTEGER_BACKENDS)
STEP_TIMEOUT = 120.0


@dataclass(frozen=True)
class Options:
    """What to record and how to run; a backend ignores what does not concern it.

    ``operations`` and ``counts`` switch recording on; ``device`` is the float reference's;
    ``threads`` and ``timeout`` (seconds a step) are those of Lava's processes.
    """

    operations: bool = False
    counts: bool = False
    device: str = "cpu"
    threads: int = 1
    timeout: float = STEP_TIMEOUT


def open_simulator(
    backend: str,
    network: ExportedNetwork | None = None,
    checkpoint: Checkpoint | None = None,
    options: Options = Options(),
) -> Simulator:
    """Open ``backend``; the float reference needs a checkpoint, all others an exported network.

    Close the result, or use it as a context. ``UnsupportedError`` for an unknown name.
    """
    if backend == FLOAT:
        return _open_float(checkpoint, options)
    if backend not in BACKENDS:
        raise UnsupportedError(f"--backend {backend}: choose one of {', '.join(BACKENDS)}")
    if network is None:
        raise SpikeTrackError(f"--backend {backend}: needs an export folder; export the checkpoint")
    return _open_integer(backend, network, options)


def _open_float(checkpoint: Checkpoint | None, options: Options) -> Simulator:
    from spiketrack.simulators.float_reference import FloatSimulator

    if checkpoint is None:
        raise SpikeTrackError("--backend float: needs --checkpoint; an export folder has integers")
    return FloatSimulator(checkpoint.build(), options.device, options.counts)


def _open_integer(backend: str, network: ExportedNetwork, options: Options) -> Simulator:
    record = (options.operations, options.counts)
    if backend == "integer":
        from spiketrack.simulators.integer import IntegerSimulator

        return IntegerSimulator(network.graphs, network.config, *record)
    if backend == "lava":
        from spiketrack.simulators.lava import LavaSimulator

        return LavaSimulator(
            network.graphs, network.config, *record, options.threads, options.timeout
        )
    if backend == "inline":
        from spiketrack.simulators.inline import InlineSimulator

        return InlineSimulator(network.graphs, network.config, *record)
    if backend == "onnx":
        from spiketrack.simulators.onnx_backend import OnnxSimulator

        return OnnxSimulator(network.graphs, network.config, options.counts)
    from spiketrack.simulators.norse_backend import NorseSimulator

    return NorseSimulator(network.graphs, network.config, options.counts)
