"""Claims of §4: the networks for classification."""

from fractions import Fraction
from itertools import accumulate

from sunetlab.analysis.fov import fov
from sunetlab.analysis.plan import plan
from sunetlab.paper import others
from sunetlab.paper.claim import Claim, Computed, Number, Place, Reading, found, number, printed, reads
from sunetlab.paper.depth import rivals_at
from sunetlab.paper.networks import LARGEST, SUNETS, counted, is_preactivated, main_convolutions, module_layers, spec_of
from sunetlab.paper.tables import COUNTERPARTS, TABLE2, torchvision_name

HALF = Fraction(1, 2)


def _unlike() -> Computed:
    smaller, larger = spec_of("SUNet-128").stacks, spec_of(LARGEST).stacks
    blocks = [block + 1 for block, (a, b) in enumerate(zip(smaller, larger, strict=True)) if a != b]
    return found(*blocks, because=f"stacks {smaller} and {larger} differ in blocks {blocks}; SUNet-64 in N alone")


def _preactivated() -> Computed:
    layers = counted(spec_of(LARGEST)).layers
    convs = [layer for layer in layers if layer.kind in ("conv", "conv_transpose")]
    without = [conv.name for conv in convs if not is_preactivated(conv, layers)]
    because = f"convolutions of {LARGEST} without BN-ReLU before them: {', '.join(without)}"
    rest = [name for name in without if name != "stem.conv"]
    return Computed(
        (Reading((len(without),), because), Reading((len(rest),), because, "all but the first, which takes the image"))
    )


def _into_block4() -> Computed:
    first = module_layers(spec_of(LARGEST), 3, 0)[0]
    return found(first.in_size[0], because="side of the map that block 4 takes at 224×224")


def _into_e2() -> Computed:
    spec = spec_of(LARGEST).replace(depth=(2, 2, 2, 2))
    convs = {conv.name.split("unets.0.")[1]: conv for conv in main_convolutions(module_layers(spec, 3, 0))}
    sample = convs["down.1.sample.conv"]
    because = "side of the map at E2's strided convolution, were block 4's u-net of two levels"
    return Computed(
        (
            Reading((sample.in_size[0],), because),
            Reading((sample.out_size[0],), because, "the map that E2's first convolution gives, not takes"),
        )
    )


def _e2_possible() -> Computed:
    deep = spec_of(LARGEST).replace(depth=(2, 2, 2, 2))
    level = next(level for level in fov(plan(deep)).levels if (level.block, level.level) == (4, 2))
    because = (
        f"a network with E2 and D2 in block 4 can be laid out, with {counted(deep).params:,} parameters; E2's second "
        f"convolution works on {level.size[0]}×{level.size[1]}, its kernel spans {level.reach}"
    )
    fits = int(min(level.size) >= level.reach)
    return Computed(
        (
            Reading((1,), because),
            Reading((fits,), because, "not worth it: E2's map would be smaller than its kernel"),
        )
    )


def _levels_of_unet_plus() -> Computed:
    return found(spec_of(LARGEST).depth[3], because="levels of the u-net of block 4")


def _skips() -> list[tuple[str, int, bool]]:
    spec = spec_of(LARGEST)
    return [
        (f"blocks.{block}", module, any(layer.skip for layer in module_layers(spec, block, module)))
        for block, stack in enumerate(spec.stacks)
        for module in range(stack)
    ]


def _identities() -> Computed:
    expanded = [module for _, module, has_conv in _skips() if has_conv and module]
    return found(len(expanded), because="u-nets with a convolution on their skip, beyond the first of each block")


def _expansions() -> Computed:
    spec = spec_of(LARGEST)
    kernels = [layer.kernel for block in range(4) for layer in module_layers(spec, block, 0) if layer.skip]
    return found(*kernels, because="kernels on the skip of the first u-net of each block")


def _retained() -> Computed:
    wide: list[Number] = []
    narrow: list[Number] = []
    for name in SUNETS:
        spec = spec_of(name)
        given = accumulate(stack * width for stack, width in zip(spec.stacks, spec.widths, strict=True))
        made = (spec.n * modules for modules in accumulate(spec.stacks))
        wide += map(Fraction, spec.widths, given)
        narrow += map(Fraction, spec.widths, made)
    because = "width of each block over the maps from every u-net so far, for the three networks"
    return Computed(
        (
            Reading(tuple(wide), f"{because}: all that a u-net gives"),
            Reading(tuple(narrow), because, "N maps from each u-net, before its last 1×1 widens them"),
        )
    )


def _similar_errors() -> Computed:
    pairs = [(number(TABLE2[ours].top1), number(TABLE2[theirs].top1)) for ours, theirs in COUNTERPARTS.items()]
    return found(*(a / b for a, b in pairs), because="top-1 errors of Table 2, each SUNet's over its ResNet's")


def _fewer_params() -> Computed:
    ours = {name: counted(spec_of(name)).params for name in SUNETS}
    theirs = {name: others.network(torchvision_name(rival)).params for name, rival in COUNTERPARTS.items()}
    words = "; ".join(f"{name} {ours[name]:,}, {COUNTERPARTS[name]} {theirs[name]:,}" for name in SUNETS)
    return found(*(ours[name] / theirs[name] for name in SUNETS), because=words)


def _convs_at(side: int) -> Computed:
    convs = [conv for conv in main_convolutions(counted(spec_of(LARGEST)).layers) if conv.out_size[0] == side]
    threes = sum(conv.kernel == 3 for conv in convs)
    because = f"{len(convs)} convolutions of {LARGEST}'s main path give maps of {side}×{side}, {threes} of them 3×3"
    return Computed((Reading((len(convs),), because), Reading((threes,), because, "3×3 convolutions alone")))


def _most_at_14_and_7() -> Computed:
    report = counted(spec_of(LARGEST))
    convs = [row for row in report.rows if row.layer.kernel == 3]
    there = [row for row in convs if row.layer.out_size[0] in (14, 7)]
    macs = Fraction(sum(row.macs for row in report.rows if row.layer.out_size[0] in (14, 7)), report.macs)
    because = f"{float(100 * macs):.0f} % of the MACs; {len(there)} of {len(convs)} 3×3 convolutions"
    return Computed(
        (
            Reading((macs,), because),
            Reading((Fraction(len(there), len(convs)),), because, "3×3 convolutions, not multiply-accumulates"),
        )
    )


CLAIMS = (
    Claim(
        "unlike-in-blocks",
        Place("4", 5),
        "the blocks in which the networks have different numbers of u-nets",
        printed("2", "3"),
        "exact",
        _unlike,
        unit="(numbers of the blocks)",
    ),
    Claim(
        "conv-means-bn-relu-conv",
        Place("4", 5),
        "every convolution has BN and ReLU before it (exceptions)",
        reads("each", 0),
        "exact",
        _preactivated,
        unit="exception(s)",
    ),
    Claim(
        "block4-input",
        Place("4", 5),
        "side of the map that block 4 takes",
        printed("7 × 7"),
        "exact",
        _into_block4,
        unit="pixels along a side",
    ),
    Claim(
        "e2-input",
        Place("4", 5),
        "side of the map that E2 would take in block 4",
        printed("2 × 2"),
        "exact",
        _into_e2,
        unit="pixels along a side",
    ),
    Claim(
        "e2-not-possible",
        Place("4", 5),
        "E2 and D2 cannot be had in block 4 (networks that have them)",
        reads("not possible", 0),
        "exact",
        _e2_possible,
        unit="network(s) with E2 and D2 in block 4",
    ),
    Claim(
        "unet-plus-levels",
        Place("4", 5),
        "levels of the U-Net+ of block 4",
        reads("single", 1),
        "exact",
        _levels_of_unet_plus,
        unit="level(s)",
    ),
    Claim(
        "identity-skips",
        Place("4", 5),
        "skips are the identity but around each block's first u-net (exceptions)",
        reads("all but the first", 0),
        "exact",
        _identities,
        unit="exception(s)",
    ),
    Claim(
        "expansion-kernel",
        Place("4", 5),
        "kernels on the skips of the first u-nets",
        printed("1 × 1"),
        "exact",
        _expansions,
        unit="pixel(s) along a side of each kernel",
    ),
    Claim(
        "widths-retain-all",
        Place("4", 5),
        "a block's width leaves room for the maps of all u-nets before its end",
        reads("retain all", 1),
        "at least",
        _retained,
        unit="of the maps given so far, block by block",
    ),
    Claim(
        "equivalent-to-resnets",
        Place("4", 5),
        "each SUNet errs about as often as its ResNet (arithmetic of Table 2)",
        reads("roughly equivalent", 1),
        "about",
        _similar_errors,
        unit="of the ResNet's errors",
    ),
    Claim(
        "fewer-params-than-resnets",
        Place("4", 5),
        "each SUNet has fewer parameters than its ResNet",
        reads("fewer parameters", 1),
        "less than",
        _fewer_params,
        unit="of the ResNet's parameters",
    ),
    Claim(
        "picked-among-others",
        Place("4", 5),
        "these three were picked among other architectures",
        study="search",
    ),
    Claim(
        "convs-at-14",
        Place("4", 6),
        f"convolutions of {LARGEST} on maps of 14×14",
        printed("46"),
        "exact",
        lambda: _convs_at(14),
        unit="convolutions",
    ),
    Claim(
        "convs-at-7",
        Place("4", 6),
        f"convolutions of {LARGEST} on maps of 7×7",
        printed("44"),
        "exact",
        lambda: _convs_at(7),
        unit="convolutions",
    ),
    Claim(
        "most-at-14-and-7",
        Place("4", 6),
        "a SUNet does most of its work on maps of 14×14 and 7×7",
        reads("most", HALF),
        "more than",
        _most_at_14_and_7,
        unit="of the work",
    ),
    Claim(
        "rivals-at-14-and-7",
        Place("4", 6),
        "ResNets and DenseNets do most of their work on maps of 14×14 and 7×7",
        reads("most", HALF),
        "more than",
        lambda: rivals_at(14, 7),
        unit="of the convolutions",
    ),
    Claim(
        "order-matters",
        Place("4", 6),
        "the order in which maps are processed makes SUNet better at segmentation than ResNet",
        study="context",
    ),
)
