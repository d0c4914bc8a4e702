"""Claims of the introduction and of §3's opening."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from sunetlab.analysis.memory import memory
from sunetlab.paper import aspp, others, pspnet
from sunetlab.paper.claim import Claim, Computed, Place, Reading, Search, found, number, printed, reads
from sunetlab.paper.networks import SUNETS, counted, figure1_module, main_convolutions, segmenting, spec_of
from sunetlab.paper.tables import COUNTERPARTS, PSPNET_PARAMS, TABLE3, torchvision_name


def resnet101_params() -> Computed:
    """Parameters of ResNet-101."""
    return found(others.network("resnet101").params, because="torchvision's ResNet-101, counted by fvcore")


def margin(name: str) -> Computed:
    """By how many points of mIoU a SUNet stands above ResNet-101 in Table 3."""
    ours, theirs = TABLE3[name], TABLE3["ResNet-101"]
    return found(number(ours) - number(theirs), because=f"Table 3: {ours} − {theirs}")


def _few_params() -> Computed:
    ours, psp = {name: segmenting(16, name).params for name in SUNETS}, number(PSPNET_PARAMS)
    words = ", ".join(f"{name} {count:,}" for name, count in ours.items())
    return found(*(count / psp for count in ours.values()), because=f"{words}, beside PSPNet's {PSPNET_PARAMS}")


def _cost_of_resolution() -> Computed:
    fine, coarse = ({name: segmenting(stride, name) for name in SUNETS} for stride in (8, 32))
    macs = [fine[name].macs / coarse[name].macs for name in SUNETS]
    kept = [memory(fine[name].plan).activations / memory(coarse[name].plan).activations for name in SUNETS]
    because = f"of {', '.join(SUNETS)} at 512×512: MACs, then bytes kept for the backward pass"
    return found(*macs, *kept, because=because)


def _pspnet_added() -> Computed:
    def readings(words: Mapping[str, Any]) -> tuple[Reading]:
        head = pspnet.HEAD._replace(**words)
        because = f"pyramid pooling, a {head.kernel}×{head.kernel} to {head.maps} maps, {head.classes} classes"
        return (Reading((pspnet.head_params(head),), because),)

    return Computed(readings({}), search=Search((pspnet.changes,), readings))


def _aspp_added() -> Computed:
    def readings(words: Mapping[str, Any]) -> tuple[Reading, ...]:
        ways = {
            "": aspp.ON_RESNET._replace(**words),
            "its form for VGG-16, with fc6 and fc7": aspp.ON_VGG,
            "that form on the maps of ResNet-101": aspp.ON_VGG._replace(width=aspp.ON_RESNET.width),
        }
        because = "the design of the work cited: {branches} branches, each a {kernel}×{kernel}, {classes} classes"
        return tuple(
            Reading((aspp.aspp_params(one),), because.format(**one._asdict()), way) for way, one in ways.items()
        )

    another = "another design than the one cited: DeepLabv3's"
    ways = {
        "head": f"{another} head, of Chen et al. (2017)",
        "aspp": f"{another} ASPP without what follows it",
        "dilated": f"{another} three dilated branches alone",
    }
    params = others.aspp_params()
    because = "torchvision's DeepLabv3 on ResNet-101, 21 classes"
    later = tuple(Reading((params[part],), because, way) for part, way in ways.items())
    return Computed((*readings({}), *later), search=Search((aspp.changes,), readings))


def _cascade_added() -> Computed:
    one = others.bottleneck_params()
    return found(9 * one, because=f"three more stages like ResNet-101's last: nine bottlenecks of {one:,}")


def _maps_per_convolution() -> Computed:
    ratios, words = [], []
    for name, rival in COUNTERPARTS.items():
        convs = main_convolutions(counted(spec_of(name)).layers)
        ours = Fraction(sum(conv.out_channels for conv in convs), len(convs))
        theirs = others.network(torchvision_name(rival)).maps
        ratios.append(ours / theirs)
        words.append(f"{name} {float(ours):.0f} maps per convolution on average, {rival} {float(theirs):.0f}")
    return found(*ratios, because="; ".join(words))


def _times_fewer() -> Computed:
    resnet, sunet = others.network("resnet101"), counted(spec_of("SUNet-64"))
    bodies = resnet.params - resnet.params_classifier, sunet.params - sunet.params_classifier
    return Computed(
        (
            Reading((resnet.params / sunet.params,), f"{resnet.params:,} / {sunet.params:,}"),
            Reading((bodies[0] / bodies[1],), f"{bodies[0]:,} / {bodies[1]:,}", "counted without both classifiers"),
        )
    )


def _capacity() -> Computed:
    convs = {half: [c for c in figure1_module() if f".{half}." in c.name] for half in ("down", "up")}
    weights = {half: sum(c.kernel**2 * c.in_channels * c.out_channels for c in of) for half, of in convs.items()}
    return Computed(
        (
            Reading(
                (Fraction(weights["down"], weights["up"]),),
                f"weights at N = 64: {weights['down']:,} going down, {weights['up']:,} coming up, as D1 takes 2N maps",
            ),
            Reading(
                (Fraction(len(convs["down"]), len(convs["up"])),),
                f"{len(convs['down'])} 3×3 convolutions going down, {len(convs['up'])} coming up",
                "convolutions, not parameters",
            ),
        )
    )


def _densenet_memory() -> Computed:
    dense, resnet = others.network("densenet201"), others.network("resnet101")
    because = (
        f"kept for the backward pass of one image at 224×224: DenseNet-201 {dense.saved_bytes:,} bytes, ResNet-101 "
        f"{resnet.saved_bytes:,}, with {dense.params / resnet.params:.2f} times its parameters"
    )
    return found(dense.saved_bytes / resnet.saved_bytes, because=because)


def _shrinking() -> Computed:
    ends = {layer.part: layer.out_size[0] for layer in counted(spec_of("SUNet-64")).layers if "block" in layer.part}
    sides = list(ends.values())
    ratios = (Fraction(before, after) for before, after in pairwise(sides))
    return found(*ratios, because=f"sides of the blocks' maps at 224×224: {sides}")


CLAIMS = (
    Claim(
        "few-params",
        Place("abstract", 1),
        "SUNets segment with few parameters (over those of PSPNet)",
        reads("small number of parameters", 1),
        "less than",
        _few_params,
        unit="of PSPNet's parameters",
    ),
    Claim(
        "cost-of-resolution",
        Place("1", 1),
        "keeping resolution up by dilation costs computing and memory (at output stride 8 over those at 32)",
        reads("computationally expensive and memory exhaustive", 1),
        "more than",
        _cost_of_resolution,
        unit="times as much",
    ),
    Claim(
        "resnet101-params-intro",
        Place("1", 2),
        "parameters of ResNet-101",
        printed("44.5M"),
        "rounded",
        resnet101_params,
        same_as=("table2-params-resnet-101", "resnet101-params-ablation"),
        unit="parameters",
    ),
    Claim(
        "pspnet-added",
        Place("1", 2),
        "parameters that PSPNet adds to ResNet-101",
        printed("22M"),
        "rounded",
        _pspnet_added,
        unit="parameters",
    ),
    Claim(
        "aspp-added",
        Place("1", 2),
        "parameters that DeepLab's ASPP adds to ResNet-101",
        printed("14.5M"),
        "rounded",
        _aspp_added,
        unit="parameters",
    ),
    Claim(
        "cascade-added",
        Place("1", 2),
        "parameters that DeepLab's cascade adds to ResNet-101",
        printed("40M"),
        "rounded",
        _cascade_added,
        unit="parameters",
    ),
    Claim(
        "fewer-maps",
        Place("1", 2),
        "stacked u-nets have fewer maps per layer than the usual networks",
        reads("fewer", 1),
        "less than",
        _maps_per_convolution,
        unit="of the maps per convolution of ResNet-18, -50 and -101",
    ),
    Claim(
        "margin-64-intro",
        Place("1", 2),
        "points of mIoU by which the smallest SUNet beats ResNet-101 (arithmetic of Table 3)",
        printed("4.5%"),
        "rounded",
        lambda: margin("SUNet-64"),
        same_as=("margin-64",),
        unit="points of mIoU",
    ),
    Claim(
        "times-fewer",
        Place("1", 2),
        "times fewer parameters of the smallest SUNet than of ResNet-101",
        printed("7×"),
        "rounded",
        _times_fewer,
        unit="times",
    ),
    Claim(
        "even-capacity",
        Place("3", 3),
        "encoder and decoder of a u-net have the same capacity",
        reads("evenly", 1),
        "exact",
        _capacity,
        unit="times the decoder's",
    ),
    Claim(
        "densenet-memory",
        Place("3", 3),
        "DenseNet needs much memory (DenseNet-201 beside ResNet-101, which errs as often)",
        reads("memory intensive", 1),
        "more than",
        _densenet_memory,
        unit="times the bytes",
    ),
    Claim(
        "shrinking-maps",
        Place("3", 3),
        "SUNets shrink their maps from block to block",
        reads("progressively", 1),
        "more than",
        _shrinking,
        unit="times the next block's side",
    ),
)
