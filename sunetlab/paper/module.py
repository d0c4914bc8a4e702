"""Claims of §3.1 and Figure 1: what a u-net is made of."""

from fractions import Fraction
from itertools import pairwise

from sunetlab.analysis.fov import module_fields
from sunetlab.analysis.plan import plan
from sunetlab.paper.claim import Claim, Computed, Place, found, printed, reads
from sunetlab.paper.networks import (
    LARGEST,
    SUNETS,
    counted,
    figure1_module,
    is_preactivated,
    main_convolutions,
    module_layers,
    spec_of,
)


def _count() -> Computed:
    return found(len(figure1_module()), because="convolutions of a u-net of two levels")


def _preactivated() -> Computed:
    layers = plan(spec_of("SUNet-64")).layers
    convs = [layer for layer in main_convolutions(layers) if layer.name.startswith("blocks.0.unets.0.")]
    ready = sum(is_preactivated(conv, layers) for conv in convs)
    return found(ready, because=f"{ready} of a u-net's {len(convs)} convolutions take a ReLU of a BN")


def _kernels() -> Computed:
    return found(*(conv.kernel for conv in figure1_module()[1:-1]), because="all but the first and the last")


def _same_maps() -> Computed:
    maps = {conv.out_channels for conv in figure1_module()[:-1]}
    return found(len(maps), because=f"maps of all convolutions but the last, at N = 64: {sorted(maps)}")


def _maps_into_d1() -> Computed:
    convs = {conv.name.split("unets.0.")[1]: conv for conv in figure1_module()}
    d1 = convs["up.0.sample.conv"]
    return found(
        Fraction(d1.in_channels, d1.out_channels), because="maps that D1's transposed convolution takes, over N"
    )


def _fields() -> Computed:
    down = [field for name, field in module_fields(2, 1, "multigrid").items() if not name.startswith(("up", "expand"))]
    return found(
        *(field.usual for field in down), because="exact fields of the kernels going down, on the u-net's grid"
    )


def _sizes() -> Computed:
    convs = figure1_module()
    return found(*(conv.out_size[0] for conv in convs), because="sides of the maps that the ten convolutions give")


def _followed() -> Computed:
    convs = figure1_module()
    after = [following for conv, following in pairwise(convs) if conv.stride == 2]
    followed = sum(conv.kernel == 3 and conv.stride == 1 for conv in after)
    return found(followed, because="strided and transposed convolutions with a 3×3 at stride 1 right after them")


def _size_kept() -> Computed:
    spec = spec_of("SUNet-64").replace(n=2, stacks=(1,), widths=(2,), stem_width=2, depth=(2,))
    maps = [main_convolutions(module_layers(spec, 0, 0, (4 * side, 4 * side + 4))) for side in range(1, 65)]
    changed = sum(convs[0].in_size != convs[-1].out_size for convs in maps)
    return found(changed, because="inputs of 1×2 to 64×65 whose size a u-net does not give back")


def _pools_elsewhere() -> Computed:
    layers = [layer for name in SUNETS for layer in counted(spec_of(name)).layers]
    pools = [layer for layer in layers if "pool" in layer.kind]
    outside = [pool for pool in pools if not pool.name.startswith("blocks.") and pool.kind != "global_pool"]
    inside = [pool for pool in pools if "unets" in pool.name]
    return found(
        len(outside) + len(inside), because="pools in the stem and in u-nets: only transitions and the head pool"
    )


def _skips() -> Computed:
    spec = spec_of(LARGEST)
    joins = [layer for layer in counted(spec).layers if layer.kind == "add" and "unets" in layer.name]
    return found(
        Fraction(len(joins), sum(spec.stacks)), because=f"additions around {sum(spec.stacks)} u-nets: {len(joins)}"
    )


CLAIMS = (
    Claim(
        "convs-per-module",
        Place("3.1", 3),
        "convolutions in a u-net",
        printed("10"),
        "exact",
        _count,
        unit="convolutions",
    ),
    Claim(
        "module-preactivated",
        Place("3.1", 3),
        "of these, those with BN and ReLU before them: all",
        printed("10"),
        "exact",
        _preactivated,
        unit="convolutions",
    ),
    Claim(
        "kernels-3x3",
        Place("3.1", 3),
        "kernels of all but the bottleneck layers",
        printed("3 × 3"),
        "exact",
        _kernels,
        unit="pixels along a side of each kernel",
    ),
    Claim(
        "conv-after-sampling",
        Place("3.1", 4),
        "each of the four strided convolutions and deconvolutions has a convolution after it",
        reads("each", 4),
        "exact",
        _followed,
        unit="convolutions",
    ),
    Claim(
        "size-kept",
        Place("3.1", 4),
        "a u-net gives back the size that it takes",
        reads("retaining the original size", 0),
        "exact",
        _size_kept,
        unit="sizes changed",
    ),
    Claim(
        "pooling-replaced",
        Place("3.1", 4),
        "strided convolutions take the place of max-pooling: no pool in the stem or in a u-net",
        reads("replaced with strided convolution", 0),
        "exact",
        _pools_elsewhere,
        unit="pool(s) left",
    ),
    Claim(
        "figure1-same-maps",
        Place("3.1", 4, "Figure 1"),
        "every convolution of a u-net but the last gives the same number of maps",
        reads("same", 1),
        "exact",
        _same_maps,
        unit="different number(s) of maps",
    ),
    Claim(
        "figure1-fields",
        Place("3.1", 4, "Figure 1"),
        "fields of view of the kernels on the way down, pixels of the u-net's grid",
        printed("1", "3", "7", "11", "19"),
        "exact",
        _fields,
        unit="pixels of the grid",
    ),
    Claim(
        "figure1-sizes",
        Place("3.1", 4, "Figure 1"),
        "sides of the maps after each convolution for an input of 64×64",
        printed("64²", "32²", "32²", "16²", "16²", "32²", "32²", "64²", "64²", "64²"),
        "exact",
        _sizes,
        unit="pixels along a side",
    ),
    Claim(
        "figure1-d1-input",
        Place("3.1", 4, "Figure 1"),
        "maps that D1 takes, E1's beside D2's",
        printed("2N"),
        "exact",
        _maps_into_d1,
        unit="times N maps",
    ),
    Claim(
        "skip-around-each",
        Place("3.1", 4),
        "a skip connection goes around each u-net (share of u-nets)",
        reads("each", 1),
        "exact",
        _skips,
        unit="skip(s) per u-net",
    ),
)
