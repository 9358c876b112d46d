"""How far a network amplifies: the share of counts that differ after the least push.

Two pushes of a search, the memory being the same: one count of the first population is changed by
one, and the crop is shifted by one pixel. Each count is compared with that of the undisturbed
search at the same place, so a shift also counts what merely moved.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from spiketrack.documents.yardstick import AmplificationPart
from spiketrack.inference import Crop
from spiketrack.limits import MAX_COUNT
from spiketrack.reference.model import SpikeTrack
from spiketrack.reference.neuron import Neuron
from spiketrack.simulators.float_reference import recording

SEED = 0
PLAIN, FLIPPED, SHIFTED = range(3)  # items of a batch


@torch.no_grad()
def amplification(
    model: SpikeTrack, crops: Iterable[tuple[Crop, Crop]], seed: int = SEED
) -> AmplificationPart | None:
    """Over templates (T, 3, S, S) and search crops (3, S, S), normalised; None without any.

    ``model`` in evaluation mode; which count is changed is drawn from ``seed``.
    """
    rng = np.random.default_rng(seed)
    searches = counts = 0
    differ = dict.fromkeys((FLIPPED, SHIFTED), 0)
    dtype = next(model.parameters()).dtype
    for z, x in crops:
        memory = model.encode_template(torch.from_numpy(np.ascontiguousarray(z)).to(dtype))
        plain = torch.from_numpy(np.ascontiguousarray(x)).to(dtype)
        batch = torch.stack([plain, plain, shifted(plain)])
        spikes = _pushed(model, batch, [m.expand(-1, 3, -1, -1, -1) for m in memory], rng)
        searches += 1
        for one in spikes.values():
            counts += one[PLAIN].numel()
            for item in differ:
                differ[item] += int((one[item] != one[PLAIN]).sum())
    if not searches:
        return None
    return AmplificationPart(
        searches=searches,
        counts=counts,
        flipped=differ[FLIPPED],
        flipped_rate=differ[FLIPPED] / counts,
        shifted=differ[SHIFTED],
        shifted_rate=differ[SHIFTED] / counts,
    )


def shifted(x: Tensor) -> Tensor:
    """(..., S, S) one pixel to the right, its first column kept."""
    return torch.cat([x[..., :1], x[..., :-1]], -1)


def _pushed(
    model: SpikeTrack, batch: Tensor, memory: list[Tensor], rng: np.random.Generator
) -> dict[str, Tensor]:
    """Spikes of all populations, one count of the first changed in item ``FLIPPED``."""
    done = False

    def flip(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        nonlocal done
        if done:
            return None
        done = True
        changed = output.clone()
        values = changed[FLIPPED]  # in any layout of memory
        place = tuple(int(rng.integers(size)) for size in values.shape)
        values[place] += (-1 if values[place] > 0 else 1) / MAX_COUNT
        return changed

    neurons = [module for module in model.modules() if isinstance(module, Neuron)]
    handles = [neuron.register_forward_hook(flip) for neuron in neurons]
    try:
        with recording(model) as spikes:
            model(batch, memory)
    finally:
        for handle in handles:
            handle.remove()
    return spikes
