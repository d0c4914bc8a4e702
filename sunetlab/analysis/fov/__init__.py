"""The field of view, exact: how far every box of a network sees, and which pixels one position sees."""

from sunetlab.analysis.fov.field import Field
from sunetlab.analysis.fov.sets import UNSEEN, Holes, Paths, Seen, holes, paths, seen, spread
from sunetlab.analysis.fov.sights import Fov, LevelSight, Sight, fov, module_fields

__all__ = [
    "UNSEEN",
    "Field",
    "Fov",
    "Holes",
    "LevelSight",
    "Paths",
    "Seen",
    "Sight",
    "fov",
    "holes",
    "module_fields",
    "paths",
    "seen",
    "spread",
]
