"""What a network answers, as pictures and files: label images, overlays, confusion matrices, activation maps."""
