"""The chip's layers as Lava processes: one time step of Lava is one of the chip."""
