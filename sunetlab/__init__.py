"""Architecture search and analysis for Stacked U-Nets.

>>> from sunetlab import SUNetSpec, analyze
>>> analyze(SUNetSpec.make(depth=2, n=128, stacks=(2, 7, 7, 1))).params
39113832
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sunetlab.analysis.report import Report, analyze
    from sunetlab.errors import InputError, SunetlabError
    from sunetlab.model.sunet import SUNet
    from sunetlab.presets import PRESETS, preset
    from sunetlab.spec import SUNetSpec

__version__ = "0.1.0"
__all__ = ["PRESETS", "InputError", "Report", "SUNetSpec", "SunetlabError", "analyze", "build", "preset"]

_HOMES = {
    "PRESETS": "presets",
    "InputError": "errors",
    "Report": "analysis.report",
    "SUNetSpec": "spec",
    "SunetlabError": "errors",
    "analyze": "analysis.report",
    "preset": "presets",
}


if not TYPE_CHECKING:  # else every name would have a type

    def __getattr__(name: str) -> Any:
        """What is named above, loaded when it is asked for: the command line can be stopped before anything is."""
        if name not in _HOMES:
            raise AttributeError(f"module 'sunetlab' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"sunetlab.{_HOMES[name]}"), name)
        return value


def build(spec: "SUNetSpec") -> "SUNet":
    """The network that a spec describes, freshly initialised; torch is imported here and not before."""
    from sunetlab.model.sunet import SUNet

    return SUNet(spec)
