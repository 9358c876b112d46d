"""The surface for Python: a run opened, its rates and energy as sheets and figures, the road.

``spiketrack`` names what is public here and imports it on first use.
"""
