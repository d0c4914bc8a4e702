"""Numbers from a spec alone: layers, parameters, multiply-accumulates. No torch in here."""
