"""Claims of the appendix on training: the memory of the GPUs, the schedule."""

import math
from fractions import Fraction

from sunetlab.paper.claim import Claim, Computed, Place, Reading, found, number, printed, reads
from sunetlab.paper.memories import most_images
from sunetlab.paper.networks import LARGEST, SEGMENTATION_SIZE, SUNETS, spec_of

ITERATIONS = {"PASCAL VOC": 45_000, "Cityscapes": 90_000}


BOUND = "possible by a bound from above, which could only refute it"


def _batch_of(name: str) -> Computed:
    images = most_images(spec_of(name))
    because = (
        f"at most {images} images of 224×224 on each of four GPUs of 24 GiB, in fp32, by what PyTorch's operations "
        "keep today, without what convolutions work in or what is gathered on one GPU"
    )
    return Computed((Reading((4 * images,), because, BOUND),))


def _batches_of_others() -> Computed:
    batches = [_batch_of(name).readings[0] for name in SUNETS if name != LARGEST]
    because = "; ".join(batch.derivation for batch in batches)
    return Computed((Reading(tuple(batch.values[0] for batch in batches), because, BOUND),))


def _batch_for_segmentation() -> Computed:
    images = {stride: most_images(spec_of(LARGEST, stride), SEGMENTATION_SIZE) for stride in (16, 8)}
    words = ", ".join(f"{many} at output stride {stride}" for stride, many in images.items())
    because = f"at most so many images of 512×512 on each of two GPUs: {words}"
    return Computed((Reading(tuple(2 * many for many in images.values()), because, BOUND),))


def _rate(iteration: int, iterations: int) -> float:
    """The factor on the first learning rate: half a cosine (Appendix B)."""
    return 0.5 * (1 + math.cos(math.pi * iteration / iterations))


def _first_rate() -> Computed:
    factor = Fraction(_rate(0, ITERATIONS["PASCAL VOC"]))
    return found(number("0.0002") * factor, because="the rate times the cosine's factor at iteration 0")


def _rising() -> Computed:
    rises = [sum(_rate(at + 1, total) >= _rate(at, total) for at in range(total)) for total in ITERATIONS.values()]
    because = f"iterations after which the rate is not lower, of {' and '.join(map(str, ITERATIONS.values()))}"
    return found(*rises, because=because)


CLAIMS = (
    Claim(
        "batch-256",
        Place("A", 13),
        "images of which the two smaller SUNets train at once on four P6000: no more than the memory allows",
        printed("256"),
        "at least",
        _batches_of_others,
        unit="images at most, SUNet-64 then SUNet-128",
    ),
    Claim(
        "batch-212",
        Place("A", 13),
        "images of which SUNet-7-128 trains at once on four P6000: no more than the memory allows",
        printed("212"),
        "at least",
        lambda: _batch_of(LARGEST),
        unit="images at most",
    ),
    Claim(
        "batch-22",
        Place("B", 13),
        "images that train at once on two P6000 for segmentation: no more than the memory allows",
        printed("22"),
        "at least",
        _batch_for_segmentation,
        unit="images at most, output stride 16 then 8",
    ),
    Claim(
        "first-learning-rate",
        Place("B", 13),
        "the learning rate at the first iteration of the cosine",
        printed("0.0002"),
        "exact",
        _first_rate,
        unit="(the rate)",
    ),
    Claim(
        "rate-falls-always",
        Place("B", 13),
        "the learning rate falls after every iteration (exceptions)",
        reads("every iteration", 0),
        "exact",
        _rising,
        unit="exception(s)",
    ),
    Claim(
        "strides-noisy",
        Place("D", 13),
        "strides in dilated blocks make maps noisy",
        study="multigrid",
    ),
    Claim(
        "degrid-coherent",
        Place("D", 13),
        "de-gridding filters make predictions coherent",
        study="output-stride",
    ),
)
