"""Claims of §6.2 and §6.2.1 on costs and structure: what dilation to an output stride of 16 or 8 changes."""

from fractions import Fraction

from sunetlab.analysis.report import Report
from sunetlab.paper import others
from sunetlab.paper.claim import Claim, Computed, Place, Reading, found, number, printed, reads
from sunetlab.paper.introduction import resnet101_params
from sunetlab.paper.networks import LARGEST, SEGMENTATION_SIZE, segmenting, spec_of
from sunetlab.paper.table1 import params
from sunetlab.paper.tables import TABLE5

PROXY = "a proxy for time"


def traffic(report: Report) -> int:
    """Elements that all layers of one image give: what memory has to bear, in a first approximation."""
    return sum(row.elements for row in report.rows)


def _dilated_at_16() -> Computed:
    dilations = spec_of(LARGEST, 16).dilations
    because = f"dilations of the blocks at output stride 16: {', '.join(map(str, dilations))}"
    return found(*(dilation for dilation in dilations if dilation > 1), because=because)


def _undilated_at_32() -> Computed:
    return found(*spec_of(LARGEST, 32).dilations, because="dilation of each block at output stride 32")


def _faster() -> Computed:
    return Computed(_times(segmenting(8), segmenting(16)))


def _much_faster() -> Computed:
    sunet = segmenting(32)
    rivals = {name: others.dilated_resnet_macs(name, SEGMENTATION_SIZE[0]) for name in ("resnet101", "resnet152")}
    beside = (
        Reading(
            (macs / sunet.macs,),
            f"MACs at 512×512: {name} at output stride 8 {macs:,}, {LARGEST} at 32 {sunet.macs:,}",
            f"MACs beside {name}, {PROXY}",
        )
        for name, macs in rivals.items()
    )
    return Computed((*beside, *_times(segmenting(8), sunet)))


def _times(fine: Report, coarse: Report) -> tuple[Reading, ...]:
    """Times less work at the coarser output stride, by the two proxies for time."""
    counts = {"MACs": (fine.macs, coarse.macs), "elements of all maps": (traffic(fine), traffic(coarse))}
    strides = fine.spec.output_stride, coarse.spec.output_stride
    return tuple(
        Reading(
            (more / less,),
            f"{what} of {LARGEST} at 512×512: {more:,} at output stride {strides[0]}, {less:,} at {strides[1]}",
            f"{what} of {LARGEST}, {PROXY}",
        )
        for what, (more, less) in counts.items()
    )


def _fewer_pixels() -> Computed:
    (height, width), (h, w) = segmenting(8).feature_size, segmenting(32).feature_size
    return found(Fraction(height * width, h * w), because=f"maps of {height}×{width} at output stride 8, {h}×{w} at 32")


def _no_drop() -> Computed:
    at_32 = number(TABLE5[32][0])
    own = [at_32 - number(TABLE5[stride][0]) for stride in (8, 16)]
    return Computed(
        (
            Reading(tuple(own), f"Table 5: {TABLE5[32][0]} at 32, {TABLE5[8][0]} at 8, {TABLE5[16][0]} at 16"),
            Reading((number("0.7"),), "by the paper's own 0.7 points above them", "beside ResNet-101 and -152 alone"),
        )
    )


def _dropped_points() -> Computed:
    length, stride, dilation = 4096, 2, 2
    read = {stride * at + dilation * tap for at in range(length // stride) for tap in (-1, 0, 1)}
    dropped = length - len(read & set(range(length)))
    because = f"{dropped} of {length} positions along a side are read by no kernel of stride 2 and dilation 2"
    return found(Fraction(dropped, length), because=because)


def _many_dilated() -> Computed:
    fine, coarse = (
        sum(stack for stack, d in zip(spec.stacks, spec.dilations, strict=True) if d > 1)
        for spec in (spec_of(LARGEST, 8), spec_of(LARGEST, 16))
    )
    return found(fine - coarse, because=f"dilated u-nets of {LARGEST}: {fine} at output stride 8, {coarse} at 16")


def _same_network() -> Computed:
    before, after = segmenting(32), spec_of(LARGEST)
    backbone = after.replace(task="segmentation", num_classes=21)
    unlike = sum(a != b for a, b in zip(backbone.blocks, before.spec.blocks, strict=True))
    return found(unlike, because="blocks that differ from the classification network's at output stride 32")


def _small_change() -> Computed:
    fine, coarse = spec_of(LARGEST, 8).dilations[-1], spec_of(LARGEST, 16).dilations[-1]
    because = f"dilation before the classifier, which has 1: {coarse} at output stride 16, {fine} at 8"
    return found(Fraction(coarse, fine), because=because)


CLAIMS = (
    Claim(
        "dilated-at-16",
        Place("6.2", 8),
        "dilation of the last block at output stride 16; all others have none",
        reads("two", 2),
        "exact",
        _dilated_at_16,
        unit="(its dilation)",
    ),
    Claim(
        "twice-as-fast",
        Place("6.2", 8),
        "times faster at output stride 16 than at 8",
        printed("2×"),
        "rounded",
        _faster,
        measured="times",
        unit="times",
    ),
    Claim(
        "smallest-params",
        Place("6.2.1", 8),
        "parameters of SUNet-64",
        printed("6.7M"),
        "rounded",
        lambda: params("SUNet-64"),
        same_as=("table1-params-64", "table2-params-64"),
        unit="parameters",
    ),
    Claim(
        "resnet101-params-ablation",
        Place("6.2.1", 8),
        "parameters of ResNet-101",
        printed("44.5M"),
        "rounded",
        resnet101_params,
        same_as=("resnet101-params-intro", "table2-params-resnet-101"),
        unit="parameters",
    ),
    Claim(
        "points-dropped",
        Place("6.2.1", 8),
        "a dilated convolution with a stride passes over every second position (share)",
        reads("alternate", Fraction(1, 2)),
        "exact",
        _dropped_points,
        unit="of the positions",
    ),
    Claim(
        "more-dilated-at-8",
        Place("6.2.1", 8),
        "at output stride 8 many more u-nets are dilated than at 16",
        reads("many dilated modules", 0),
        "more than",
        _many_dilated,
        unit="more u-nets dilated",
    ),
    Claim(
        "undilated-at-32",
        Place("6.2.1", 8),
        "nothing is dilated at output stride 32",
        reads("none", 1),
        "exact",
        _undilated_at_32,
        unit="(dilation of every block)",
    ),
    Claim(
        "same-network-at-32",
        Place("6.2.1", 8),
        "at output stride 32 the network is the one for classification (blocks that differ)",
        reads("equivalent", 0),
        "exact",
        _same_network,
        unit="block(s) changed",
    ),
    Claim(
        "fewer-pixels",
        Place("6.2.1", 8),
        "times fewer pixels at output stride 32 than at 8",
        printed("16×"),
        "exact",
        _fewer_pixels,
        unit="times",
    ),
    Claim(
        "four-times-as-fast",
        Place("6.2.1", 8),
        "times faster at output stride 32 than networks at 8",
        printed("4×"),
        "rounded",
        _much_faster,
        measured="times",
        unit="times",
    ),
    Claim(
        "no-drop",
        Place("6.2.1", 8),
        "an output stride of 32 costs no accuracy (points of mIoU above output strides 8 and 16)",
        reads("no performance drop", 0),
        "at least",
        _no_drop,
        unit="points of mIoU",
    ),
    Claim(
        "small-change-at-16",
        Place("6.2.1", 8),
        "the dilation before the classifier is smaller at output stride 16 than at 8 (ratio)",
        reads("small change", 1),
        "less than",
        _small_change,
        unit="of the dilation at 8",
    ),
)
