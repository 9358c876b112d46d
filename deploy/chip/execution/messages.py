"""What travels between layers: the values that a layer sends in one time step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.requirements import KEYS, POSITIONS, TABLE, Synapses
from spiketrack.integer.graph import COUNT
from spiketrack.limits import HEADS

COUNT_PAYLOAD, PIXEL_PAYLOAD, MEMBRANE_PAYLOAD, SPIKE_PAYLOAD = 3, 8, 24, 1  # bits


@dataclass(frozen=True, eq=False)
class Message:
    """Values of the neurons that send in one time step, a row for each tile of a product.

    Whole maps are (1, C, H, W): counts or binary spikes in uint8, membranes in float32. A position
    is (tiles, C), a key index (8, tiles, …), the gate's weights of one network step (C,).
    """

    values: Tensor


def part_of(value: Tensor, layer: Layer, index: int) -> Message:
    """What a layer that holds ``value`` sends as part ``index`` of its sending.

    ``value`` is (1, C, H, W); what weighs holds (T, C).
    """
    sends = layer.sends
    if sends.binary:
        return Message((value > index).to(torch.uint8))
    if sends.part == POSITIONS:
        flat = value.permute(0, 2, 3, 1).flatten(0, 2)
        return Message(flat[index :: sends.parts])
    if sends.part == KEYS:
        _, channels, height, width = value.shape
        return Message(
            value.reshape(HEADS, channels // HEADS, height, width)[:, index :: sends.parts]
        )
    if sends.part == TABLE:
        return Message(value[index])
    return Message(value)


def senders(message: Message, layer: Layer, index: int) -> NDArray[np.bool_]:
    """Neurons (C, H, W) that send as part ``index``: non-zero counts, every value otherwise."""
    values = message.values
    sent = values != 0 if layer.signal == COUNT else torch.ones_like(values, dtype=torch.bool)
    sending = np.zeros(layer.shape, np.bool_)
    channels, height, width = layer.shape
    if layer.sends.part == POSITIONS:
        rows = sending.reshape(channels, height * width)
        rows[:, index :: layer.sends.parts] = sent.numpy().T
    elif layer.sends.part == KEYS:
        heads = sending.reshape(HEADS, channels // HEADS, height, width)
        heads[:, index :: layer.sends.parts] = sent.numpy()
    else:
        sending[...] = sent.numpy().reshape(layer.shape)
    return sending


def for_tile(message: Message, link: Synapses) -> Tensor:
    """What ends in one copy of a product: position, or key index, tile · parts + index."""
    return message.values[link.tile] if link.part == POSITIONS else message.values[:, link.tile]


def payload_bits(layer: Layer) -> int:
    """Bits that one message of a layer carries."""
    if layer.sends.binary:
        return SPIKE_PAYLOAD
    return COUNT_PAYLOAD if layer.signal == COUNT else MEMBRANE_PAYLOAD
