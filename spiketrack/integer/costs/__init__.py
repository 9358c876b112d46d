"""What each node costs as a formula, and the sums over counts that the formulas ask for."""
