"""The network itself, as torch modules, and its weights."""
