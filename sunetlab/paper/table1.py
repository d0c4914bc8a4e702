"""Claims of Table 1: sizes, maps, layers and parameters of the networks for classification."""

from fractions import Fraction
from functools import partial

from sunetlab import rules
from sunetlab.paper.claim import Claim, Computed, Place, Quantity, Reading, Search, found, printed, reads
from sunetlab.paper.networks import LARGEST, SUNETS, counted, main_convolutions, spec_of
from sunetlab.paper.reconcile import changes, grids
from sunetlab.paper.released import RELEASED
from sunetlab.paper.tables import slug
from sunetlab.spec import SUNetSpec

PLACE = Place("4", 5, "Table 1")
WIDTHS = {  # as printed, block by block
    "SUNet-64": ("256", "512", "768", "1024"),
    "SUNet-128": ("512", "1024", "1536", "2048"),
    "SUNet-7-128": ("512", "1280", "2048", "2304"),
}
PARAMS = {"SUNet-64": "6.9M", "SUNet-128": "24.6M", "SUNet-7-128": "37.7M"}
LAYERS = {"SUNet-64": "110", "SUNet-128": "110", "SUNet-7-128": "170"}
TOGETHER = {LARGEST: ("sunet-params",)}  # §6.2.2 counts the same network
STACKS = {"SUNet-64": ("2", "4", "4", "1"), "SUNet-128": ("2", "4", "4", "1"), "SUNet-7-128": ("2", "7", "7", "1")}


def params(name: str) -> Computed:
    """Parameters of the network that Table 1 describes."""
    spec, count = spec_of(name), counted(spec_of(name)).params
    released = RELEASED[name].params
    because = f"widths {', '.join(map(str, spec.widths))}; the released checkpoint has {released:,}"
    return Computed((Reading((count,), because),), Quantity(spec, "params"))


def layers(name: str) -> Computed:
    """Layers of the network that Table 1 describes."""
    spec = spec_of(name)
    report = counted(spec)
    skips = [layer.part for layer in report.layers if layer.skip]
    stem = skips.count("stem")
    because = f"with its {len(skips)} convolutions on skips, {stem} of them in the stem, {report.depth + len(skips)}"
    way = "convolutions on the main path and the classifier, without 1×1s on skips and without the stem's shortcut"
    return Computed((Reading((report.depth,), because, way),), Quantity(spec, "layers"))


def _widths(name: str) -> Computed:
    return found(*RELEASED[name].widths, because="the released checkpoint's shapes")


def _words_of_widths(name: str) -> Computed:
    spec = spec_of(name)
    finer = tuple(partial(changes, spec, grid) for grid in grids(spec))
    search = Search(finer, lambda words: _maps_over_widths(spec.replace(**words)))
    return Computed(_maps_over_widths(spec), search=search)


def _maps_over_widths(spec: SUNetSpec) -> tuple[Reading, ...]:
    """What u-nets have made by the end of each block, over the block's width."""
    so_far = [sum(spec.stacks[: block + 1]) for block in range(len(spec.stacks))]
    each = f"N = {spec.n} maps from each of {', '.join(map(str, so_far))} u-nets so far"
    ways = {
        "": (each, [spec.n * modules for modules in so_far]),
        "counting the stem's maps too": (
            f"{each}, and the stem's {spec.stem_width}",
            [spec.stem_width + spec.n * modules for modules in so_far],
        ),
        "with the stem's maps, to an even multiple of N": (
            f"{each}, and the stem's, to an even multiple of N",
            rules.widths_by_rule(spec.n, spec.stacks),
        ),
    }
    widths = f"over the widths {', '.join(map(str, spec.widths))}"
    return tuple(
        Reading(
            tuple(Fraction(many, width) for many, width in zip(maps, spec.widths, strict=True)),
            f"{because}: {', '.join(map(str, maps))}; {widths}",
            way,
        )
        for way, (because, maps) in ways.items()
    )


def _stacks(name: str) -> Computed:
    return found(*RELEASED[name].stacks, because="u-nets in each block of the released checkpoint")


def _maps_within() -> Computed:
    return found(*(RELEASED[name].n for name in SUNETS), because="the released checkpoints' shapes")


def _sides() -> Computed:
    layers = counted(spec_of(LARGEST)).layers
    last = {layer.name: layer for layer in layers}
    of_block = {layer.part: layer.out_size[0] for layer in layers if layer.part.startswith("block")}
    pools = [layer.out_size[0] for layer in layers if layer.kind == "avg_pool"]
    blocks = list(of_block.values())
    between = [side for pair in zip(pools, blocks[1:], strict=True) for side in pair]
    sides = (last["stem.conv"].out_size[0], last["stem.residual.add"].out_size[0], blocks[0], *between)
    return found(*sides, last["pool"].out_size[0], because="sides of the maps at 224×224")


def _stem() -> Computed:
    convs = main_convolutions(counted(spec_of(LARGEST)).layers)[:3]
    geometry = (value for conv in convs for value in (conv.kernel, conv.out_channels, conv.stride))
    return found(*geometry, because="kernel, maps and stride of the stem's convolutions")


def _transitions() -> Computed:
    pools = [layer for layer in counted(spec_of(LARGEST)).layers if layer.kind == "avg_pool"]
    geometry = {(pool.kernel, pool.stride) for pool in pools}
    values = (value for pair in sorted(geometry) for value in pair)
    return found(*values, because=f"window and stride of all {len(pools)} pools between blocks")


def _classification() -> Computed:
    last = {layer.name: layer for layer in counted(spec_of(LARGEST)).layers}
    values = (last["pool"].in_size[0], last["classifier"].out_channels)
    return found(*values, because="side of the map that the global pool takes; the classifier's classes")


CLAIMS = (
    Claim(
        "table1-sizes",
        PLACE,
        "sides of the maps after each stage, for an input of 224×224",
        printed("112 × 112", "56 × 56", "56 × 56", "28 × 28", "28 × 28", "14 × 14", "14 × 14", "7 × 7", "7×7", "1×1"),
        "exact",
        _sides,
        unit="pixels along a side",
    ),
    Claim(
        "table1-stem",
        PLACE,
        "kernels, maps and strides of the stem",
        printed("7 × 7", "64", "2", "3 × 3", "128", "2", "3 × 3", "128", "1"),
        "exact",
        _stem,
        unit="(kernel, maps, stride of each)",
    ),
    Claim(
        "table1-transitions",
        PLACE,
        "window and stride of the pools between blocks",
        printed("2 × 2", "2"),
        "exact",
        _transitions,
        unit="pixels (window, stride)",
    ),
    Claim(
        "table1-classification",
        PLACE,
        "the map that is pooled at the end, and the classes",
        printed("7 × 7", "1000"),
        "exact",
        _classification,
        unit="(pixels along a side, classes)",
    ),
    Claim(
        "table1-n",
        PLACE,
        "maps of the convolutions inside a u-net",
        printed("64", "128", "128"),
        "exact",
        _maps_within,
        unit="maps",
    ),
    *(
        Claim(
            f"table1-stacks-{slug(name)}",
            PLACE,
            f"u-nets in each block of {name}",
            printed(*stacks),
            "exact",
            partial(_stacks, name),
            unit="u-nets",
        )
        for name, stacks in STACKS.items()
    ),
    *(
        Claim(
            f"table1-widths-{slug(name)}",
            PLACE,
            f"maps at the end of each block of {name}",
            printed(*widths),
            "exact",
            partial(_widths, name),
            unit="maps",
        )
        for name, widths in WIDTHS.items()
    ),
    *(
        Claim(
            f"widths-in-words-{slug(name)}",
            Place("4", 5),
            f"the widths of {name} are about the maps of all its u-nets so far (N from each, over the width)",
            reads("approximately equates", 1),
            "about",
            partial(_words_of_widths, name),
            unit="of the width, block by block",
        )
        for name in SUNETS
    ),
    *(
        Claim(
            f"table1-layers-{slug(name)}",
            PLACE,
            f"layers of {name}",
            printed(LAYERS[name]),
            "exact",
            partial(layers, name),
            same_as=(f"table2-layers-{slug(name)}",),
            unit="layers",
        )
        for name in SUNETS
    ),
    *(
        Claim(
            f"table1-params-{slug(name)}",
            PLACE,
            f"parameters of {name}",
            printed(PARAMS[name]),
            "rounded",
            partial(params, name),
            same_as=(f"table2-params-{slug(name)}",),
            together=TOGETHER.get(name, ()),
            unit="parameters",
        )
        for name in SUNETS
    ),
)
