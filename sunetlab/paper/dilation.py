"""Claims of §5 on fields of view: what dilation keeps, what it widens, and the holes that it leaves."""

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from sunetlab.analysis.fov import Seen, fov, holes, module_fields, seen
from sunetlab.analysis.plan import plan
from sunetlab.errors import InputError
from sunetlab.paper.claim import Claim, Computed, Number, Place, Reading, Search, found, reads
from sunetlab.paper.networks import LARGEST, SEGMENTATION_SIZE, SUNETS, main_convolutions, module_layers, spec_of
from sunetlab.paper.reconcile import changes
from sunetlab.spec import Downsampling, SUNetSpec

# Blocks that an output stride of 8 dilates → depth of their u-nets, their dilation, their stride undilated.
DILATED = {3: (2, 2, 16), 4: (1, 4, 32)}
OUTPUT_STRIDE = 8
STEM_STRIDES = {"paper": 4, "small": 1}


def _image_field(name: str, output_stride: int) -> tuple[int, int]:
    """Least and largest field of a network, in pixels of the image."""
    field = fov(plan(spec_of(name, output_stride), SEGMENTATION_SIZE)).network.image
    return field.least, field.most


def _halved() -> Computed:
    spans, adds, words = [], [], []
    for block, (depth, _, stride) in DILATED.items():
        reach = module_fields(depth, 1, "multigrid")["expand.conv"].usual - 1
        kept, cut = reach * stride, reach * (stride // 2)
        spans.append(Fraction(kept + 1, cut + 1))
        adds.append(Fraction(kept, cut))
        words.append(f"pixels that a u-net of block {block} spans: {kept + 1} with its pool, {cut + 1} without")
    because = "; ".join(words)
    return Computed(
        (
            Reading(tuple(spans), because),
            Reading(tuple(adds), because, "what a u-net adds to the field, one pixel less than it spans"),
        )
    )


def _restored() -> Computed:
    ratios: list[Number] = []
    words = []
    for name in SUNETS:
        before, after = _image_field(name, 32), _image_field(name, 16)
        ratios += [Fraction(wide, narrow) for wide, narrow in zip(after, before, strict=True)]
        words.append(f"{name}: {before[0]} to {before[1]} pixels at output stride 32, {after[0]} to {after[1]} at 16")
    return found(*ratios, because="; ".join(words))


def _constant() -> Computed:
    spec = spec_of(LARGEST, OUTPUT_STRIDE)

    def readings(words: Mapping[str, Any]) -> tuple[Reading]:
        changed = spec.replace(**words)
        if max(changed.dilations) == 1:
            raise InputError("nothing is dilated, so nothing is kept by dilation")
        return _fields_kept(changed)

    return Computed(_fields_kept(spec), search=Search((partial(changes, spec, spec.n),), readings))


def _fields_kept(spec: SUNetSpec) -> tuple[Reading]:
    """What u-nets of dilated blocks add to the field, then the network's field, over those undilated."""
    undilated = spec.replace(dilations=(1,) * len(spec.stacks))
    ratios, words = [], []
    for block, dilation in enumerate(spec.dilations):
        if dilation > 1:
            depth = spec.depth[block]
            before = _jump(undilated, block) * _reach(depth, 1, "multigrid")
            after = _jump(spec, block) * _reach(depth, dilation, spec.downsampling)
            ratios.append(Fraction(after, before))
            words.append(f"a u-net of block {block + 1} adds {before} pixels to the field undilated, {after} dilated")
    before, after = (fov(plan(one, SEGMENTATION_SIZE)).network.image.most for one in (undilated, spec))
    words.append(f"the network sees up to {before} pixels undilated, {after} at output stride {spec.output_stride}")
    return (Reading((*ratios, Fraction(after, before)), "; ".join(words)),)


def _reach(depth: int, dilation: int, downsampling: Downsampling) -> int:
    """What a u-net alone adds to the field of most positions, on its own grid; 0 where they see nothing through it."""
    return max(module_fields(depth, dilation, downsampling)["expand.conv"].usual - 1, 0)


def _jump(spec: SUNetSpec, block: int) -> int:
    """Pixels of the image per pixel of a block's map."""
    pools: int = sum(each.pool for each in spec.blocks[: block + 1])
    return STEM_STRIDES[spec.stem] << pools


def _distances() -> Computed:
    ratios = {
        f"{layer} of block {block}": Fraction(after, before)
        for block in DILATED
        for (layer, after), before in zip(
            _spacing(OUTPUT_STRIDE, block).items(), _spacing(32, block).values(), strict=True
        )
    }
    because = "pixels of the image from tap to tap of every 3×3 kernel of blocks 3 and 4, dilated over undilated"
    wider = ", ".join(layer for layer, ratio in ratios.items() if ratio > 1)
    plain = [ratio for layer, ratio in ratios.items() if "up" not in layer or "sample" not in layer]
    way = "all but the transposed convolutions, whose taps move apart"
    return Computed(
        (
            Reading(tuple(ratios.values()), f"{because}; more for {wider}"),
            Reading(
                tuple(plain), f"{because}: more for {wider}, which is why the field of a u-net's output grows", way
            ),
        )
    )


def _spacing(output_stride: int, block: int) -> dict[str, int]:
    """Pixels of the image from tap to tap of each 3×3 of a block's first u-net, by the layer's name within."""
    convs = main_convolutions(module_layers(spec_of(LARGEST, output_stride), block - 1, 0, SEGMENTATION_SIZE))
    sides = {c.name: c.out_size[0] if c.kind == "conv_transpose" else c.in_size[0] for c in convs if c.kernel == 3}
    jumps = {name: SEGMENTATION_SIZE[0] // side for name, side in sides.items()}
    return {c.name.split("unets.0.")[1]: c.dilation * jumps[c.name] for c in convs if c.name in jumps}


def _unet_plus(dilation: int) -> Seen:
    """What a position in the middle of a U-Net+ sees of the map that the U-Net+ takes."""
    spec = SUNetSpec(depth=(1,), n=1, stacks=(1,), widths=(2,), dilations=(dilation,), stem="small", stem_width=2)
    return seen(plan(spec, (129, 129)), (64, 64), "blocks.0.unets.0", "own")


def _gridded() -> Computed:
    left = holes(_unet_plus(4))
    because = f"U-Net+ at dilation 4 sees {left.density:.1%} of its {left.hull} pixels; neighbours share none of them"
    return found(left.step[0] * left.step[1], because=f"{because}: interleaved grids that do not meet")


def _smoothed() -> Computed:
    from scipy import ndimage

    mask = _unet_plus(4).mask
    before = float(mask.mean())
    smoothed = np.pad(mask, 3)  # two 3×3 filters, dilations 2 and 1, reach 3 pixels
    for dilation in (2, 1):
        kernel = np.zeros((2 * dilation + 1,) * 2, bool)
        kernel[::dilation, ::dilation] = True
        smoothed = ndimage.binary_dilation(smoothed, kernel)
    after = Fraction(int(smoothed.sum()), smoothed.size)
    because = f"share of its field that U-Net+ at dilation 4 sees: {before:.1%}; after the filters {float(after):.1%}"
    return found(after, because=because)


CLAIMS = (
    Claim(
        "field-halved",
        Place("5.1", 6),
        "without its pool a block adds half as much to the field (ratio)",
        reads("by a factor of two", 2),
        "exact",
        _halved,
        unit="times the field",
    ),
    Claim(
        "field-restored",
        Place("5.1", 6),
        "dilating block 4 by 2 in place of its pool gives the field back (ratio to the undilated network's)",
        reads("restored", 1),
        "about",
        _restored,
        unit="times the field, least and most of each network",
    ),
    Claim(
        "field-constant",
        Place("5.2", 6),
        "dilation keeps the fields in blocks 3 and 4 as they were (ratio to the undilated ones)",
        reads("constant", 1),
        "exact",
        _constant,
        unit="times the field: a u-net of block 3, of block 4, the network",
    ),
    Claim(
        "distances-preserved",
        Place("5.2", 6),
        "dilation keeps the distances over which blocks 3 and 4 work (from tap to tap, ratio to the undilated ones)",
        reads("preserving the distance scale", 1),
        "exact",
        _distances,
        unit="times the distance",
    ),
    Claim(
        "degrid-smooths",
        Place("5.1", 6, "Figure 2"),
        "de-gridding filters smooth artifacts away (share of the field that is then seen)",
        reads("smooth out", 1),
        "exact",
        _smoothed,
        unit="(share of the field)",
    ),
    Claim(
        "gridding",
        Place("5.3", 7),
        "dilation 4 at the end causes gridding (interleaved grids of what is seen)",
        reads("gridding artifacts", 1),
        "more than",
        _gridded,
        unit="interleaved grids",
    ),
    Claim(
        "no-context-modules",
        Place("5.2", 7),
        "the u-nets themselves carry information far; no context module is needed",
        study="context",
    ),
)
