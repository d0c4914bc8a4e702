"""Memory of training: the images that a GPU of the authors' takes, and what dense connectivity costs."""

from functools import cache
from itertools import accumulate

from sunetlab.analysis.memory import memory
from sunetlab.analysis.plan import Size, plan
from sunetlab.paper.claim import Computed, Reading
from sunetlab.paper.networks import SUNETS, spec_of
from sunetlab.spec import SUNetSpec

P6000_BYTES = 24 * 2**30  # a Quadro P6000's, by its data sheet


@cache
def most_images(spec: SUNetSpec, size: Size | None = None) -> int:
    """The most images that one P6000 can train on at once."""
    laid_out = plan(spec, size)
    images = 1
    while memory(laid_out, 2 * images).training.bytes <= P6000_BYTES:
        images *= 2
    step = images
    while step := step // 2:
        if memory(laid_out, images + step).training.bytes <= P6000_BYTES:
            images += step
    return images


def dense_memory() -> Computed:
    """Memory of training with dense connectivity between u-nets over that with the identity."""
    ratios: dict[str, list[float]] = {"shared": [], "whole": []}
    for name in SUNETS:
        spec = spec_of(name)
        identity = memory(plan(spec)).activations
        grown = accumulate(
            (stack * width for stack, width in zip(spec.stacks, spec.widths, strict=True)), initial=spec.stem_width
        )
        widths = {"shared": spec.widths, "whole": tuple(grown)[1:]}
        for how, several in widths.items():
            dense = spec.replace(connectivity="dense", widths=several)
            ratios[how].append(memory(plan(dense)).activations / identity)
    because = "bytes kept for the backward pass, dense over identity, of the three networks"
    way = "every u-net gives as many maps as with the identity, and none is dropped"
    return Computed(
        (
            Reading(tuple(ratios["shared"]), f"{because}; blocks end with Table 1's widths, shared out over u-nets"),
            Reading(tuple(ratios["whole"]), because, way),
        )
    )
