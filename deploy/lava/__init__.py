"""The network as Lava processes: grouping, building, running, ending."""
