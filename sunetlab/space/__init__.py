"""Many specs at once: factors, constraints, the set of designs. No torch in here."""
