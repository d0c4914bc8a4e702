"""Images that are made from a seed: overlapping shapes in any colour and texture, on clutter."""
