"""Many designs as arrays: what they cost and see, by formulas, equal to the analysis of each."""
