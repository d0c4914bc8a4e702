"""Claims of §6.2.1 and Tables 3 to 5 on accuracy: arithmetic between printed figures, and what needs training."""

from fractions import Fraction

from sunetlab.paper.claim import Claim, Computed, Number, Place, found, number, printed, reads
from sunetlab.paper.introduction import margin
from sunetlab.paper.tables import COCO, COUNTERPARTS, TABLE2, TABLE3, TABLE4, TABLE5

TABLE3_PLACE = Place("6.1", 7, "Table 3")
TABLE4_PLACE = Place("6.2.1", 9, "Table 4")
TABLE5_PLACE = Place("6.2.1", 9, "Table 5")


def _all_above() -> Computed:
    resnet = TABLE3["ResNet-101"]
    gains = [number(TABLE3[name]) - number(resnet) for name in COUNTERPARTS]
    return found(*gains, because=f"Table 3, {', '.join(COUNTERPARTS)}, each less {resnet}")


def _gap_of_classes() -> Computed:
    ratios: list[Number] = []
    words = []
    for name, rival in COUNTERPARTS.items():
        top1 = number(TABLE2[rival].top1) - number(TABLE2[name].top1)
        miou = number(TABLE3[name]) - number(TABLE3["ResNet-101"])
        ratios.append(miou / top1)
        words.append(f"{name}: {float(top1):.2f} points of top-1 beside {rival}, {float(miou):.2f} of mIoU")
    return found(*ratios, because="; ".join(words))


def _multigrid_gain(output_stride: int) -> Fraction:
    strided, multigrid = map(number, TABLE4[output_stride])
    return multigrid - strided


def _multigrid() -> Computed:
    gains = [_multigrid_gain(stride) for stride in (8, 16)]
    return found(*gains, because="Table 4, multigrid less strided, output strides 8 and 16")


def _more_prominent() -> Computed:
    return found(
        _multigrid_gain(8) - _multigrid_gain(16), because="Table 4, the gain at output stride 8 less that at 16"
    )


def _one_scale(output_stride: int) -> Computed:
    table4, table5 = TABLE4[output_stride][1], TABLE5[output_stride][0]
    values = (number(table5), number(TABLE3["SUNet-7-128"])) if output_stride == 16 else (number(table5),)
    tables = "Tables 5 and 3" if output_stride == 16 else "Table 5"
    return found(*values, because=f"the same network at output stride {output_stride} in {tables}; here {table4}")


def _no_help_at_16() -> Computed:
    plain, degridded = TABLE5[16][0], TABLE5[16][1]
    return found(number(degridded) - number(plain), because=f"Table 5: {degridded} with the filters, {plain} without")


def _shrinking_margins() -> Computed:
    margins = []
    for row, words in ((0, "one scale"), (-1, "every strategy")):
        at_32, at_16, at_8 = (number(TABLE5[stride][row]) for stride in (32, 16, 8))
        margins.append((at_16 - at_32, at_8 - at_16, words))
    words = "; ".join(f"{how}: {float(first):+.2f} to 16, {float(then):+.2f} to 8" for first, then, how in margins)
    return found(*(then - first for first, then, _ in margins), because=f"Table 5, points gained, {words}")


def _coco_better() -> Computed:
    ours, theirs = COCO["SUNet-7-128"], COCO["ResNet+ASPP"]
    return found(number(ours) - number(theirs), because=f"{ours} − {theirs}")


CLAIMS = (
    Claim(
        "margin-64",
        Place("6.2.1", 8),
        "points of IoU by which SUNet-64 beats ResNet-101 (arithmetic of Table 3)",
        printed("4.5%"),
        "rounded",
        lambda: margin("SUNet-64"),
        same_as=("margin-64-intro",),
        unit="points of mIoU",
    ),
    Claim(
        "margin-7-128",
        Place("6.2.1", 8),
        "points of IoU by which SUNet-7-128 beats ResNet-101: more than (arithmetic of Table 3)",
        printed("10.5%"),
        "more than",
        lambda: margin("SUNet-7-128"),
        unit="points of mIoU",
    ),
    Claim(
        "table3-scores",
        TABLE3_PLACE,
        "mIoU of ResNet-101 and the three SUNets",
        printed(*TABLE3.values()),
        study="fidelity",
    ),
    Claim(
        "all-above-resnet-101",
        TABLE3_PLACE,
        "every SUNet segments better than ResNet-101 (arithmetic of Table 3)",
        reads("perform very well", 0),
        "more than",
        _all_above,
        unit="points of mIoU",
    ),
    Claim(
        "larger-is-better-trained",
        TABLE3_PLACE,
        "mIoU of the three SUNets, which grows with them",
        printed("72.85", "77.16", "78.95"),
        study="size",
    ),
    Claim(
        "classification-alike",
        Place("6.2.1", 8),
        "what segmentation gains is many times what classification does (arithmetic of Tables 2 and 3)",
        reads("negligible", 1),
        "more than",
        _gap_of_classes,
        unit="times the gain",
    ),
    Claim(
        "select-by-segmentation",
        Place("6.2.1", 8),
        "models chosen by segmentation would segment better than those chosen by classification",
        study="selection",
    ),
    Claim(
        "multigrid-better",
        Place("6.2.1", 8),
        "multigrid dilation beats strides in dilated blocks (arithmetic of Table 4, points of mIoU)",
        reads("beneficial", 0),
        "more than",
        _multigrid,
        unit="points of mIoU",
    ),
    Claim(
        "multigrid-more-prominent",
        Place("6.2.1", 8),
        "multigrid gains more at output stride 8 than at 16 (arithmetic of Table 4, points of mIoU)",
        reads("more prominent", 0),
        "more than",
        _more_prominent,
        unit="points of mIoU",
    ),
    Claim(
        "table4-scores",
        TABLE4_PLACE,
        "mIoU of SUNet-7-128 with strides and with multigrid",
        printed(*TABLE4[8], *TABLE4[16]),
        study="multigrid",
    ),
    Claim(
        "table4-at-16",
        TABLE4_PLACE,
        "mIoU of SUNet-7-128 at output stride 16, as in Tables 3 and 5",
        printed(TABLE4[16][1]),
        "exact",
        lambda: _one_scale(16),
        unit="% mIoU",
    ),
    Claim(
        "table4-at-8",
        TABLE4_PLACE,
        "mIoU of SUNet-7-128 at output stride 8, as in Table 5",
        printed(TABLE4[8][1]),
        "exact",
        lambda: _one_scale(8),
        unit="% mIoU",
    ),
    Claim(
        "better-than-resnets-at-8",
        Place("6.2.1", 8),
        "points of IoU by which SUNet at output stride 32 beats ResNet-101 and -152 at 8; theirs are not in the paper",
        printed("0.7"),
        study="output-stride",
    ),
    Claim(
        "degrid-no-help-at-16",
        Place("6.2.1", 8),
        "de-gridding filters gain nothing at output stride 16 (arithmetic of Table 5, points of mIoU)",
        reads("do not improve", 0),
        "at most",
        _no_help_at_16,
        unit="points of mIoU",
    ),
    Claim(
        "margins-shrink",
        Place("6.2.1", 8),
        "each halving of the output stride gains less mIoU (arithmetic of Table 5, points beyond the gain before)",
        reads("decreases", 0),
        "less than",
        _shrinking_margins,
        unit="points of mIoU",
    ),
    Claim(
        "table5-scores",
        TABLE5_PLACE,
        "mIoU of SUNet-7-128 by output stride and inference strategy",
        printed(*TABLE5[32], *TABLE5[16], *TABLE5[8]),
        study="output-stride",
    ),
    Claim(
        "coco-better",
        Place("6.2.1", 8),
        "after MS-COCO SUNet is slightly better than ResNet with ASPP (arithmetic, points of mIoU)",
        reads("slightly better", 0),
        "more than",
        _coco_better,
        unit="points of mIoU",
    ),
    Claim(
        "coco-equivalent",
        Place("6.2.1", 8),
        "after MS-COCO SUNet equals Xception with ASPP and a decoder (arithmetic, mIoU)",
        printed(COCO["Xception"]),
        "about",
        lambda: found(number(COCO["SUNet-7-128"]), because="mIoU of SUNet-7-128 after MS-COCO, as printed"),
        unit="% mIoU",
    ),
    Claim(
        "coco-score",
        Place("6.2.1", 8),
        "mIoU of SUNet-7-128 after MS-COCO",
        printed(COCO["SUNet-7-128"]),
        study="fidelity",
    ),
)
