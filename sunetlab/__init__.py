"""Architecture search and analysis for Stacked U-Nets.

>>> from sunetlab import SUNetSpec, analyze
>>> analyze(SUNetSpec.make(depth=2, n=128, stacks=(2, 7, 7, 1))).params
39113832
"""

from typing import TYPE_CHECKING

from sunetlab.analysis.report import Report, analyze
from sunetlab.errors import InputError, SunetlabError
from sunetlab.presets import PRESETS, preset
from sunetlab.spec import SUNetSpec

if TYPE_CHECKING:
    from sunetlab.model.sunet import SUNet

__version__ = "0.1.0"
__all__ = ["PRESETS", "InputError", "Report", "SUNetSpec", "SunetlabError", "analyze", "build", "preset"]


def build(spec: SUNetSpec) -> "SUNet":
    """The network that a spec describes, freshly initialised; torch is imported here and not before."""
    from sunetlab.model.sunet import SUNet

    return SUNet(spec)
