"""Claims of Figure 2 and of what §5 builds: SUNet-7-128 dilated to an output stride of 8."""

from fractions import Fraction
from itertools import pairwise

from sunetlab import rules
from sunetlab.analysis.plan import Layer
from sunetlab.paper.claim import Claim, Computed, Place, Reading, found, printed, reads
from sunetlab.paper.networks import (
    LARGEST,
    SEGMENTATION_SIZE,
    counted,
    main_convolutions,
    module_layers,
    segmenting,
    spec_of,
)

PLACE = Place("5.1", 6, "Figure 2")
SPEC = spec_of(LARGEST, 8).replace(degrid=True)


def _levels() -> list[tuple[Layer, tuple[int, ...]]]:
    """The last layer of each of Figure 2's six levels, with the level's dilations."""
    layers = counted(SPEC, SEGMENTATION_SIZE).layers
    by_name = {layer.name: layer for layer in layers}
    ends = {layer.part: layer for layer in layers if layer.part.startswith("block")}
    blocks = [(end, (dilation,)) for end, dilation in zip(ends.values(), SPEC.dilations, strict=True)]
    degrid = [by_name[f"degrid.{index}.conv"] for index in range(len(rules.DEGRID_DILATIONS))]
    return [(by_name["stem.conv"], (1,)), *blocks, (degrid[-1], tuple(layer.dilation for layer in degrid))]


def _strides() -> Computed:
    strides = [Fraction(SEGMENTATION_SIZE[0], layer.out_size[0]) for layer, _ in _levels()]
    return found(*strides, because="pixels of a 512×512 image per pixel of the map after each level")


def _dilations() -> Computed:
    return found(*(d for _, dilations in _levels() for d in dilations), because="stem, blocks, de-gridding filters")


def _inset() -> Computed:
    convs = main_convolutions(module_layers(SPEC, 2, 0))
    return found(*(conv.dilation for conv in convs), because="dilations of the ten convolutions of a u-net of block 3")


def _resized() -> Computed:
    resize = segmenting(32).layers[-1]
    return found(*resize.out_size, because=f"the last layer is {resize.kind}, to the size of the input")


def _map_at_512() -> Computed:
    return found(segmenting(32).feature_size[0], because="side of the last block's map at 512×512, nothing dilated")


def _stride_of_the_network() -> Computed:
    return found(spec_of(LARGEST, 32).output_stride, because="pixels of the image per pixel of the last block's map")


def _pools_dropped() -> Computed:
    before, after = spec_of(LARGEST).blocks, spec_of(LARGEST, 8).blocks
    dropped = [b.index + 1 for b, a in zip(before, after, strict=True) if b.pool and not a.pool]
    return found(*dropped, because="blocks whose pool goes at output stride 8")


def _block_dilations() -> Computed:
    return found(*spec_of(LARGEST, 8).dilations[2:], because="dilations of blocks 3 and 4 at output stride 8")


def _strides_inside() -> Computed:
    convs = [c for block in (2, 3) for c in main_convolutions(module_layers(SPEC, block, 0)) if c.kernel == 3]
    return found(*(conv.stride for conv in convs), because="strides of the 3×3 convolutions of blocks 3 and 4")


def _twice() -> Computed:
    third, fourth = (
        {conv.name.split("unets.0.")[1]: conv.dilation for conv in main_convolutions(module_layers(SPEC, block, 0))}
        for block in (2, 3)
    )
    same = [name for name in fourth if name not in ("reduce", "expand.conv")]
    return found(*(Fraction(fourth[n], third[n]) for n in same), because=f"dilations in block 4 over block 3: {same}")


def _last_dilation() -> Computed:
    last = [conv for conv in main_convolutions(module_layers(SPEC, 3, 0)) if conv.kernel == 3][-1]
    return found(last.dilation, because="dilation of the last 3×3 of block 4 at output stride 8")


def _degrid_layers() -> list[Layer]:
    return [layer for layer in counted(SPEC, SEGMENTATION_SIZE).layers if layer.name.startswith("degrid")]


def _degrid_filters() -> Computed:
    convs = main_convolutions(_degrid_layers())
    falling = all(a.dilation > b.dilation for a, b in pairwise(convs))
    because = f"dilations {', '.join(str(conv.dilation) for conv in convs)}"
    return found(len(convs) if falling else 0, because=f"filters whose dilations fall: {because}")


def _degrid_maps() -> Computed:
    values = (value for conv in main_convolutions(_degrid_layers()) for value in (conv.kernel, conv.out_channels))
    return found(*values, because="kernels and maps of the de-gridding filters")


def _added_params() -> Computed:
    plain = spec_of(LARGEST, 8)
    added = counted(SPEC).params - counted(plain).params
    because = f"de-gridding adds {added:,} parameters to {counted(plain).params:,}"
    none = counted(spec_of(LARGEST, 16).replace(num_classes=1000)).params - counted(spec_of(LARGEST)).params
    return Computed((Reading((added,), because), Reading((none,), because, "without de-gridding filters")))


CLAIMS = (
    Claim(
        "bilinear-to-input",
        Place("5", 6),
        "maps are resized to the input's size, here 512×512",
        printed("512 × 512"),
        "exact",
        _resized,
        unit="pixels along a side",
    ),
    Claim(
        "figure2-strides",
        PLACE,
        "output strides after each of six levels, dilated for 8 at the end",
        printed("2", "4", "8", "8", "8", "8"),
        "exact",
        _strides,
        unit="pixels of the image per pixel of the map",
    ),
    Claim(
        "figure2-dilations",
        PLACE,
        "dilations of the stem, of blocks 1 to 4 and of two de-gridding filters at output stride 8",
        printed("1", "1", "1", "2", "4", "2", "1"),
        "exact",
        _dilations,
        unit="(dilation of each)",
    ),
    Claim(
        "figure2-inset",
        PLACE,
        "dilations inside a u-net of block 3",
        printed("1", "2", "4", "4", "8", "8", "4", "4", "2", "1"),
        "exact",
        _inset,
        unit="(dilation of each convolution)",
    ),
    Claim(
        "map-at-512",
        Place("5.1", 6),
        "side of the last map for an input of 512×512",
        printed("16 × 16"),
        "exact",
        _map_at_512,
        unit="pixels along a side",
    ),
    Claim(
        "output-stride-32",
        Place("5.1", 6),
        "output stride of the undilated network",
        printed("32"),
        "exact",
        _stride_of_the_network,
        unit="pixels of the image per pixel of the map",
    ),
    Claim(
        "pools-dropped",
        Place("5.2", 6),
        "blocks whose pools are dropped for an output stride of 8",
        printed("3", "4"),
        "exact",
        _pools_dropped,
        unit="(numbers of the blocks)",
    ),
    Claim(
        "block-dilations",
        Place("5.2", 6),
        "dilations of blocks 3 and 4 at output stride 8",
        printed("2", "4"),
        "exact",
        _block_dilations,
        unit="(dilation of each)",
    ),
    Claim(
        "stride-1-inside",
        Place("5.2", 6),
        "strides of the 3×3 convolutions of dilated blocks",
        printed("1"),
        "exact",
        _strides_inside,
        unit="pixel(s) of stride",
    ),
    Claim(
        "unet-plus-twice",
        Place("5.2", 6),
        "dilations in U-Net+ over those of the same layers in block 3",
        reads("twice", 2),
        "exact",
        _twice,
        unit="times the dilation",
    ),
    Claim(
        "last-dilation",
        Place("5.3", 7),
        "dilation of the last filter of U-Net+",
        printed("4"),
        "exact",
        _last_dilation,
        unit="(its dilation)",
    ),
    Claim(
        "degrid-filters",
        Place("5.3", 7),
        "de-gridding filters, with falling dilations",
        reads("two", 2),
        "exact",
        _degrid_filters,
        unit="filters",
    ),
    Claim(
        "degrid-maps",
        Place("5.3", 7),
        "kernels and maps of the de-gridding filters",
        printed("3 × 3", "512", "3 × 3", "512"),
        "exact",
        _degrid_maps,
        unit="(kernel, maps of each)",
    ),
    Claim(
        "no-additions",
        Place("5.3", 7),
        "segmentation needs nothing added to the network (parameters added)",
        reads("does not require any additional", 0),
        "exact",
        _added_params,
        unit="parameters added",
    ),
)
