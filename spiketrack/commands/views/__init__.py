"""Documents as people read them: a summary of at most thirty lines, or every layer."""

LINES = 30  # of a summary
LARGEST = 10  # layers that a summary names
LAYERS_HELP = "Show every layer instead of the summary."
ROWS_HELP = "Show every row instead of the summary."
