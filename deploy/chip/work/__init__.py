"""What each core and link does in each time step, counted from what layers send."""
