"""Many candidates, one question."""
