"""The published networks, one row each: Table 1 for classification, its dilated forms for segmentation."""

from typing import Any

from sunetlab.errors import InputError
from sunetlab.files import shown
from sunetlab.spec import SUNetSpec

_TABLE1: dict[str, dict[str, Any]] = {
    "sunet-64": {"n": 64, "stacks": (2, 4, 4, 1)},
    "sunet-128": {"n": 128, "stacks": (2, 4, 4, 1)},
    "sunet-7-128": {"n": 128, "stacks": (2, 7, 7, 1)},
}
_SEGMENTATION: dict[str, dict[str, Any]] = {  # §5.2, §6.2: 21 classes of PASCAL VOC, no de-gridding unless asked
    "os32": {"task": "segmentation", "output_stride": 32},
    "os16": {"task": "segmentation", "output_stride": 16},
    "os8": {"task": "segmentation", "output_stride": 8},
}

PRESETS: dict[str, dict[str, Any]] = _TABLE1 | {
    f"{name}-{form}": words | more for name, words in _TABLE1.items() for form, more in _SEGMENTATION.items()
}


def preset(name: str) -> SUNetSpec:
    """A published network by name.

    >>> preset("sunet-7-128-os8").dilations
    (1, 1, 2, 4)

    Raises:
        InputError: no such preset; the line lists them.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise InputError(f"network: {shown(name)}: no such preset; known are {', '.join(PRESETS)}")
    return SUNetSpec.make(**PRESETS[name])


def published_name(spec: SUNetSpec) -> str | None:
    """The preset that `spec` is, whatever its classes and with or without de-gridding; None for other networks.

    >>> published_name(preset("sunet-64-os8").replace(num_classes=11, degrid=True))
    'sunet-64-os8'
    """
    for name in PRESETS:
        if preset(name).replace(num_classes=spec.num_classes, degrid=spec.degrid) == spec:
            return name
    return None
