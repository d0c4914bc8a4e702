"""One candidate, one recipe, one result."""
