"""Pictures of a spec: a module, a network, a field of view."""
