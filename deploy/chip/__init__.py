"""The network on neuro-cores: layers of neurons, boards, partition, placement, traffic."""
