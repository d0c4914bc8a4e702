"""Claims of §6.2.2, §7 and Tables 6 and 7: other networks for segmentation."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from sunetlab.paper import others, pspnet
from sunetlab.paper.ablation import PROXY
from sunetlab.paper.claim import Claim, Computed, Place, Quantity, Reading, Search, found, number, printed, reads
from sunetlab.paper.networks import LARGEST, SEGMENTATION_SIZE, counted, segmenting, spec_of
from sunetlab.paper.tables import PSPNET_ADDED, PSPNET_PARAMS, SUNET_PARAMS, TABLE6, TABLE7

PLACE = Place("6.2.2", 9)


def _sunet_params() -> Computed:
    spec = spec_of(LARGEST, 16)
    report = counted(spec, SEGMENTATION_SIZE)
    body = report.params - report.params_classifier
    because = f"widths {', '.join(map(str, spec.widths))}, {spec.num_classes} classes"
    return Computed(
        (Reading((report.params,), because), Reading((body,), because, "counted without the classifier")),
        Quantity(spec, "params"),
    )


def _pspnet_params() -> Computed:
    body = _resnet_body()

    def readings(words: Mapping[str, Any]) -> tuple[Reading]:
        head = pspnet.head_params(pspnet.HEAD._replace(**words))
        because = f"ResNet-101 without its classifier, {body:,}, and pyramid pooling with all after it, {head:,}"
        return (Reading((body + head,), because),)

    return Computed(readings({}), search=Search((pspnet.changes,), readings))


def _pspnet_by_addition() -> Computed:
    whole, body, added = others.network("resnet101").params, _resnet_body(), number(PSPNET_ADDED)
    return Computed(
        (
            Reading((whole + added,), f"ResNet-101, {whole:,}, and the {PSPNET_ADDED} of §1"),
            Reading((body + added,), f"{body:,} and the {PSPNET_ADDED} of §1", "ResNet-101 without its classifier"),
        )
    )


def _resnet_body() -> int:
    resnet = others.network("resnet101")
    return resnet.params - resnet.params_classifier


def _pspnet_excess(share: bool) -> Computed:
    """What PSPNet has more than SUNet: parameters, or a share of SUNet's in percent."""
    theirs, counted_ours, ours = number(PSPNET_PARAMS), Fraction(segmenting(16).params), number(SUNET_PARAMS)
    more = [100 * (theirs / less - 1) if share else theirs - less for less in (counted_ours, ours)]
    return Computed(
        (
            Reading((more[0],), f"{PSPNET_PARAMS} beside {int(counted_ours):,} counted of {LARGEST}"),
            Reading(
                (more[1],), f"{PSPNET_PARAMS} beside {SUNET_PARAMS}, as printed", "arithmetic of the printed figures"
            ),
        )
    )


def _slightly_better() -> Computed:
    theirs, ours = TABLE6["PSPNet"], TABLE6["SUNet-7-128"]
    return found(number(theirs) - number(ours), because=f"Table 6: {theirs} − {ours}")


def _runtime() -> Computed:
    body = others.dilated_resnet_macs("resnet101", SEGMENTATION_SIZE[0])
    whole, sunet = body + pspnet.head_macs(SEGMENTATION_SIZE[0] // 8), segmenting(16).macs
    because = f"MACs at 512×512 of {LARGEST} at output stride 16: {sunet:,}; of ResNet-101 at 8"
    return Computed(
        (
            Reading((whole / sunet,), f"{because} with pyramid pooling: {whole:,}", f"MACs, {PROXY}"),
            Reading((body / sunet,), f"{because} alone: {body:,}", f"MACs of its ResNet-101 alone, {PROXY}"),
        )
    )


def _only_dilation() -> Computed:
    before, after = (spec_of(LARGEST, stride).model_dump() for stride in (None, 16))
    unlike = [word for word in before if before[word] != after[word]]
    because = f"words of the two networks that differ: {', '.join(unlike)}"
    rest = [word for word in unlike if word != "dilations"]
    body = [word for word in rest if word not in ("task", "num_classes")]
    return Computed((Reading((len(rest),), because), Reading((len(body),), because, "but for the head")))


CLAIMS = (
    Claim(
        "table6-captions-82",
        Place("6.2.2", 9, "Table 6"),
        "by how many percent PSPNet has more parameters than SUNet-7-128",
        printed("82%"),
        "rounded",
        lambda: _pspnet_excess(share=True),
        same_as=("pspnet-82.2",),
        unit="% more",
    ),
    Claim(
        "test-score-voc",
        Place("6.2.2", 9, "Table 6"),
        "mIoU of SUNet-7-128 on VOC's test images",
        printed(TABLE6["SUNet-7-128"]),
        study="fidelity",
    ),
    Claim(
        "test-scores-cityscapes",
        Place("6.2.2", 9, "Table 7"),
        "mIoU of SUNet-7-128 on Cityscapes' test images at output strides 16 and 8",
        printed(*TABLE7.values()),
        study="fidelity",
    ),
    Claim(
        "pspnet-slightly-better",
        PLACE,
        "PSPNet is slightly better (arithmetic of Table 6, points of mIoU)",
        reads("slightly better", 0),
        "more than",
        _slightly_better,
        unit="points of mIoU",
    ),
    Claim(
        "pspnet-29.1",
        PLACE,
        "parameters that PSPNet has more than SUNet-7-128",
        printed("29.1M"),
        "rounded",
        lambda: _pspnet_excess(share=False),
        unit="parameters",
    ),
    Claim(
        "pspnet-82.2",
        PLACE,
        "by how many percent PSPNet has more parameters than SUNet-7-128",
        printed("82.2%"),
        "rounded",
        lambda: _pspnet_excess(share=True),
        same_as=("table6-captions-82",),
        unit="% more",
    ),
    Claim(
        "sunet-params",
        PLACE,
        "parameters of SUNet-7-128 for segmentation",
        printed("35.4M"),
        "rounded",
        _sunet_params,
        together=("table1-params-7-128",),
        unit="parameters",
    ),
    Claim(
        "pspnet-params",
        PLACE,
        "parameters of PSPNet",
        printed("64.5M"),
        "rounded",
        _pspnet_params,
        unit="parameters",
    ),
    Claim(
        "pspnet-params-added-up",
        PLACE,
        f"parameters of PSPNet, by ResNet-101 and the {PSPNET_ADDED} that §1 says it adds (arithmetic of the two)",
        printed(PSPNET_PARAMS),
        "rounded",
        _pspnet_by_addition,
        unit="parameters",
    ),
    Claim(
        "pspnet-runtime",
        PLACE,
        "times that PSPNet takes longer, at output stride 8, than SUNet at 16",
        printed("2×"),
        "rounded",
        _runtime,
        measured="times",
        unit="times",
    ),
    Claim(
        "only-dilation-differs",
        Place("7", 9),
        "dilation is all that differs between the networks for the two tasks (other words that differ)",
        reads("is dilation", 0),
        "exact",
        _only_dilation,
        unit="other word(s)",
    ),
)
