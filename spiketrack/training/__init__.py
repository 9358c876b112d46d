"""Training of SpikeTrack: data, pairs, losses, the loop and its state."""
