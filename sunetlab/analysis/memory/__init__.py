"""Bytes of a network, from its plan alone: what stays, what is kept for the backward pass, what a pass needs."""

from sunetlab.analysis.memory.kept import Kept, Memory, Peak, memory
from sunetlab.analysis.memory.sizes import Setting

__all__ = ["Kept", "Memory", "Peak", "Setting", "memory"]
