"""Which listing the neurons of a layer run, and what it takes of them in a time step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spiketrack.deploy.chip.layers import Layer
from spiketrack.deploy.chip.microcode.machine import Listing
from spiketrack.deploy.chip.microcode.programs import (
    COUNT_LEAKY,
    COUNT_ONCE,
    PRODUCT,
    RELAY,
    ROUND,
    VOTE,
    WEIGH,
    Instructions,
    instructions,
)
from spiketrack.deploy.chip.requirements import COUNTS, RELAYS, ROUNDS, VOTES, WEIGHS
from spiketrack.errors import UnsupportedError

LISTINGS: Mapping[tuple[str, bool], tuple[Listing, ...]] = {  # by rule and whether it multiplies
    (COUNTS, False): (COUNT_ONCE,),
    (COUNTS, True): (PRODUCT, COUNT_ONCE),  # multiplies in every step, counts when it fires
    (RELAYS, False): (RELAY,),
    (RELAYS, True): (PRODUCT,),
    (ROUNDS, False): (ROUND,),
    (WEIGHS, False): (RELAY, WEIGH),  # takes the logits, then sends the weights
    (VOTES, False): (VOTE,),
}


@dataclass(frozen=True)
class LayerInstructions:
    """``listings`` that a layer's neurons run, and instructions of one neuron in a time step in
    which it only integrates, fires in silence, and fires and sends."""

    layer: str
    listings: tuple[str, ...]
    counted: Instructions


def listings_of(layer: Layer) -> tuple[Listing, ...]:
    """By its rule; ``UnsupportedError`` where no listing is known."""
    listings = LISTINGS.get((layer.rule, layer.product))
    if listings is None:
        known = ", ".join(sorted({rule for rule, _ in LISTINGS}))
        raise UnsupportedError(
            f"{layer.name}: no listing of the rule {layer.rule}; there are {known}"
        )
    if _takes_sums(layer) and len(listings) == 1:
        listings = (*listings, RELAY)
    if layer.steps > 1:
        return tuple(COUNT_LEAKY if listing is COUNT_ONCE else listing for listing in listings)
    return listings


def layer_instructions(layers: Sequence[Layer]) -> tuple[LayerInstructions, ...]:
    """Of every layer.

    A population that multiplies runs its product and, where it fires, what ``count`` does after
    taking what arrived; with copies, whose partial sums arrive then, it takes them as ``count``
    does. What weighs takes a logit as a relay does, and runs ``WEIGH`` to send.
    """
    return tuple(_of(layer) for layer in layers)


def _takes_sums(layer: Layer) -> bool:
    """Whether partial sums of copies arrive in the step in which it fires."""
    return layer.parts < layer.busy


def _of(layer: Layer) -> LayerInstructions:
    first, *rest = listings = listings_of(layer)
    counted = instructions(first)
    if rest:
        after = instructions(rest[0])
        if _takes_sums(layer):
            fires = Instructions(counted.idle, after.silent, after.sending)
            return LayerInstructions(layer.name, tuple(x.name for x in listings), fires)
        skipped = after.idle if layer.rule == COUNTS else 0
        counted = Instructions(
            counted.idle,
            counted.idle + after.silent - skipped,
            counted.idle + after.sending - skipped,
        )
    return LayerInstructions(layer.name, tuple(listing.name for listing in listings), counted)
