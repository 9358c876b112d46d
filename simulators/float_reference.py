"""The float reference network as a backend, on CPU or CUDA, with recording and teacher forcing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Self

from spiketrack.errors import SpikeTrackError
from spiketrack.inference import Counts, Crop, Inference, Maps, SimulatorBase, Trace
from spiketrack.limits import MAX_COUNT
from spiketrack.machine.precision import whole_float32
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron

if TYPE_CHECKING:
    from spiketrack.reference.checkpoint import Checkpoint
    from spiketrack.simulators.backends import Options


def choose_device(name: str) -> torch.device:
    """``auto`` takes CUDA when there is one; ``cuda`` without one is an error."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SpikeTrackError("--device cuda: torch finds no CUDA device; use --device cpu")
    if name not in ("cpu", "cuda"):
        raise SpikeTrackError(f"--device {name}: choose auto, cpu or cuda")
    return torch.device(name)


@contextmanager
def recording(
    model: SpikeTrack, forced: Mapping[str, Counts] | None = None
) -> Iterator[dict[str, Tensor]]:
    """Collect every population's normalised spikes (before any forcing) while the context lasts.

    Names are module names; the second call of a module in one pass gets the suffix ``:2``.
    With ``forced``, each population's output is then replaced by these counts / 4.
    """
    spikes: dict[str, Tensor] = {}
    handles = []

    def hook(name: str):  # type: ignore[no-untyped-def]
        def after(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            key = name if name not in spikes else f"{name}:2"
            spikes[key] = output
            if forced is None:
                return None
            exact = torch.as_tensor(forced[key], dtype=output.dtype, device=output.device)
            return (exact / MAX_COUNT).reshape(output.shape)

        return after

    for name, module in model.named_modules():
        if isinstance(module, Neuron):
            handles.append(module.register_forward_hook(hook(name)))
    try:
        yield spikes
    finally:
        for handle in handles:
            handle.remove()


def as_counts(spikes: Mapping[str, Tensor]) -> dict[str, Counts]:
    """Normalised spikes → counts int8 on the CPU."""
    return {name: (s * MAX_COUNT).to(torch.int8).cpu().numpy() for name, s in spikes.items()}


class FloatSimulator(SimulatorBase):
    """The float reference; ``record`` keeps every population's counts of the last inference.

    ``dtype``: of its arithmetic; ``torch.float64`` turns ``model`` itself into one of float64.
    """

    name = "float"

    def __init__(
        self,
        model: SpikeTrack,
        device: str = "cpu",
        record: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device, self.dtype = choose_device(device), dtype
        self.model = model.to(self.device, dtype).eval()
        self.config = model.config
        self.record = record
        self.memory: tuple[Tensor, ...] = ()

    @classmethod
    def open(cls, checkpoint: Checkpoint, options: Options) -> Self:
        """As the table of backends opens it."""
        return cls(checkpoint.build(), options.device, options.counts)

    @torch.no_grad()
    @whole_float32()
    def encode_template(self, crops: Crop) -> Inference:
        """Memory of the templates (T, 3, S, S)."""
        z = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device, self.dtype)
        if not self.record:
            self.memory = self.model.encode_template(z)
            return Inference(None, Trace())
        with recording(self.model) as spikes:
            self.memory = self.model.encode_template(z)
        return Inference(None, Trace(as_counts(spikes)))

    @torch.no_grad()
    @whole_float32()
    def search(self, crop: Crop) -> Inference:
        """Maps of one crop (3, S, S)."""
        x = torch.from_numpy(np.ascontiguousarray(crop))[None].to(self.device, self.dtype)
        if not self.record:
            return Inference(to_maps(self.model(x, self.memory)), Trace())
        with recording(self.model) as spikes:
            maps = to_maps(self.model(x, self.memory))
        return Inference(maps, Trace(as_counts(spikes)))


def to_maps(out: Mapping[str, Tensor]) -> Maps:
    """The model's dictionary → ``Maps`` of batch item 0."""
    score, size, offset = (
        out[key][0].cpu().numpy() for key in ("score_map", "size_map", "offset_map")
    )
    return Maps(score[0], size, offset)
