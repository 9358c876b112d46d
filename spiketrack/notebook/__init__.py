"""What notebooks show and pandas takes: sheets of values, and tables as HTML."""
