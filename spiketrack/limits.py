"""Bit widths and sizes of the target, each with its source: the only place for such numbers."""

from __future__ import annotations

POTENTIAL_BITS = 24  # signed membrane; Lava's fixed-point LIF and Loihi 2 state words
POTENTIAL_MAX = 2 ** (POTENTIAL_BITS - 1) - 1
WEIGHT_BITS = 8  # signed synaptic mantissa; Loihi 2
WEIGHT_MAX = 2 ** (WEIGHT_BITS - 1) - 1
DECAY_BITS = 12  # Loihi's LIF: du, dv
DECAY_ONE = 2**DECAY_BITS
MEMORY_BITS = 16  # kv is at most 16 P^2: 14 bits unsigned at P = 24; two 8-bit synapses
MAX_COUNT = 4  # D = 4 virtual sub-steps, or a graded payload 0..4
HEADS = 8  # fixed by the published architecture
MAX_STEPS = 3  # a population has three decays
MAX_DELAY = 62  # time steps that a synapse can delay a message; Loihi, lava-dl
PIXEL_MAX = 255  # of a crop; the image layer reads pixels as graded spikes of 8 bits
