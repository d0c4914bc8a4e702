"""Claims of §3.1: why a u-net has two levels, and what connects u-nets."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

from sunetlab.analysis.cost import CONVOLUTIONS
from sunetlab.analysis.fov import fov
from sunetlab.analysis.plan import plan
from sunetlab.paper import others
from sunetlab.paper.claim import Claim, Computed, Place, Reading, found, printed, reads
from sunetlab.paper.memories import dense_memory
from sunetlab.paper.networks import LARGEST, counted, main_convolutions, module_layers, spec_of


def _levels() -> Computed:
    depth = spec_of(LARGEST).depth
    words = f"levels by block: {', '.join(map(str, depth))}"
    return Computed((Reading(depth, words), Reading(depth[:-1], words, "all but the U-Net+ of block 4")))


def _modules_by_depth() -> Computed:
    budget = counted(spec_of("SUNet-128")).params
    most = {depth: _most_modules(depth, budget) for depth in (2, 3, 4)}
    words = "; ".join(f"depth {depth}: {modules}" for depth, modules in most.items())
    because = f"u-nets within SUNet-128's parameters and widths, stacks 2,k,k,1 or 2,k+1,k,1: {words}"
    return found(most[2] - most[3], most[3] - most[4], because=because)


def _most_modules(depth: int, budget: int) -> int:
    """The most u-nets whose network stays within a number of parameters."""
    spec = spec_of("SUNet-128")
    most = 0
    for modules in range(2, 12):
        stacks = (2, (modules + 1) // 2, modules // 2, 1)
        if counted(spec.replace(depth=depth, stacks=stacks, widths=spec.widths)).params <= budget:
            most = sum(stacks)
    return most


def _gradient_path() -> Computed:
    shortest, longest = _crossed(2, min), _crossed(2, max)
    farthest = max(shortest, key=shortest.__getitem__)
    deeper = max(_crossed(3, min).values())
    entered = shortest["reduce"] + 1
    return Computed(
        (
            Reading((max(longest.values()) + 1,), "convolutions on the longest way through a u-net"),
            Reading(
                (shortest[farthest],),
                f"the farthest is {farthest}; with three levels it would be {deeper}; the shortest way through the "
                f"whole u-net, which turns at E1, has {entered} as well",
                "convolutions that the gradient crosses, by its shortest way, before it reaches the farthest one",
            ),
        )
    )


def _crossed(depth: int, choose: Callable[[int, int], int]) -> dict[str, int]:
    """Convolutions between a u-net's output and each of its convolutions, by the shortest or the longest way."""
    spec = spec_of("SUNet-64").replace(depth=(depth,), stacks=(1,), widths=(256,))
    layers, prefix = plan(spec).layers, "blocks.0.unets.0."
    crossed: dict[int, int] = {}
    for index, layer in reversed(list(enumerate(layers))):
        if layer.name == f"{prefix}add":
            crossed[index] = 0
        if index in crossed and layer.name.startswith(prefix) and not layer.skip:
            for taken in layer.inputs:
                way = crossed[index] + (layer.kind in CONVOLUTIONS)
                crossed[taken] = choose(crossed.get(taken, way), way)
    return {
        layer.name.removeprefix(prefix): crossed[index]
        for index, layer in enumerate(layers)
        if layer.name.startswith(prefix) and layer.kind in CONVOLUTIONS and not layer.skip
    }


def rivals_at(*sides: int) -> Computed:
    """The share of convolutions of ResNets and DenseNets whose maps have one of these sides."""
    shares = {name: others.network(name).share(sides) for name in others.RESNETS + others.DENSENETS}
    words = ", ".join(f"{name} {float(100 * share):.0f} %" for name, share in shares.items())
    because = f"share of convolutions with such maps at 224×224: {words}"
    deeper = tuple(share for name, share in shares.items() if name != "resnet18")
    return Computed((Reading(tuple(shares.values()), because), Reading(deeper, because, "without ResNet-18")))


def _covering() -> Computed:
    because = "sides of the maps that the field of the innermost convolution should span"
    return Computed((Reading((28, 14), because), Reading((14,), because, "at 14×14 alone")))


def _stacking() -> Computed:
    modules = [m for m in fov(plan(spec_of(LARGEST))).modules if m.part == "block 2"]
    usual = [module.image.usual for module in modules]
    because = f"fields in pixels of the image after each u-net of block 2 of {LARGEST}: {usual}"
    return found(*(after - before for before, after in pairwise(usual)), because=because)


def _bottlenecks() -> Computed:
    spec = spec_of("SUNet-128")
    narrow, wide, words = 0, 0, []
    for block, width in enumerate(spec.widths):
        convs = main_convolutions(module_layers(spec, block, spec.stacks[block] - 1))
        narrow += sum(conv.kernel**2 * conv.in_channels * conv.out_channels for conv in convs)
        wide += sum(conv.kernel**2 * conv.in_channels * conv.out_channels for conv in convs[2:-2])
        wide += 2 * 9 * spec.n * width
    words.append(f"weights of the last u-net of each block of SUNet-128: {narrow:,}")
    words.append(f"{wide:,} if their first and last 3×3 took and gave the block's maps")
    return found(wide / narrow, because="; ".join(words))


CLAIMS = (
    Claim(
        "two-levels",
        Place("3.1", 4),
        "levels of every u-net",
        reads("two", 2),
        "exact",
        _levels,
        unit="level(s)",
    ),
    Claim(
        "deeper-is-worse",
        Place("3.1", 4),
        "depth three and four classify worse at about the same number of parameters",
        study="depth",
    ),
    Claim(
        "depth-2-stacks-more",
        Place("3.1", 4),
        "with the same parameters shallower u-nets can be stacked more often (how many more than one level deeper)",
        reads("more", 0),
        "more than",
        _modules_by_depth,
        unit="more u-nets, depth 2 beside 3, then 3 beside 4",
    ),
    Claim(
        "gradient-path",
        Place("3.1", 4),
        "longest way of the gradient within a u-net",
        reads("six", 6),
        "exact",
        _gradient_path,
        unit="convolutions",
    ),
    Claim(
        "deep-levels-hard-to-train",
        Place("3.1", 4),
        "the innermost convolutions of deeper u-nets are harder to train",
        study="depth",
    ),
    Claim(
        "rivals-at-28-and-14",
        Place("3.1", 4),
        "ResNets and DenseNets work mostly on maps of 28×28 and 14×14",
        reads("primarily", Fraction(1, 2)),
        "more than",
        lambda: rivals_at(28, 14),
        unit="of the convolutions",
    ),
    Claim(
        "field-19-covers",
        Place("3.1", 4),
        "the innermost field suffices for long-distance context on maps of 28×28 and 14×14: it spans them",
        printed("19"),
        "at most",
        _covering,
        unit="pixels along a side of the map",
    ),
    Claim(
        "field-19-suffices",
        Place("3.1", 4),
        "the innermost field is enough context for the task",
        printed("19"),
        study="context",
    ),
    Claim(
        "stacking-widens",
        Place("3.1", 4),
        "stacking u-nets widens the field (pixels of the image that each u-net adds)",
        reads("increase", 0),
        "more than",
        _stacking,
        unit="pixels more",
    ),
    Claim(
        "gradient-flow",
        Place("3.1", 4),
        "SUNets train best with a skip around each u-net",
        study="connectivity",
    ),
    Claim(
        "bottlenecks-save",
        Place("3.1", 4),
        "1×1 bottlenecks keep parameters down (times as many weights without them)",
        reads("avoiding", 1),
        "more than",
        _bottlenecks,
        unit="times the weights",
    ),
    Claim(
        "dense-memory",
        Place("3.1", 4),
        "dense connectivity between u-nets needs much memory (over that with the identity)",
        reads("memory intensive", 1),
        "more than",
        dense_memory,
        unit="times the bytes",
    ),
    Claim(
        "dense-fails",
        Place("3.1", 4),
        "dense connectivity between u-nets kept BN from learning",
        study="connectivity",
    ),
)
