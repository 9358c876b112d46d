"""How long a chip takes, modelled from what its cores and links do in each time step."""
