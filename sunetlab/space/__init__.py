"""Many specs at once: factors, constraints, the set of designs. No torch in here."""

from sunetlab.space.pick import drawn, everything, where_of
from sunetlab.space.screen import Screen, figures
from sunetlab.space.space import Space

__all__ = ["Screen", "Space", "drawn", "everything", "figures", "where_of"]
