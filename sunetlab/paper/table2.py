"""Claims of §6.1 and Table 2: ImageNet, and the networks that SUNets are compared with there."""

from functools import partial

from sunetlab.paper import others
from sunetlab.paper.claim import Claim, Computed, Place, Reading, found, number, printed
from sunetlab.paper.introduction import resnet101_params
from sunetlab.paper.networks import SUNETS
from sunetlab.paper.table1 import TOGETHER, layers, params
from sunetlab.paper.tables import TABLE2, slug, torchvision_name

PLACE = Place("6.1", 7, "Table 2")
RIVALS = [name for name in TABLE2 if name not in SUNETS]


def _rival_params(name: str) -> Computed:
    if name == "ResNet-101":
        return resnet101_params()
    rival = others.network(torchvision_name(name))
    because = f"torchvision's {name}, counted by fvcore"
    return Computed(
        (
            Reading((rival.params,), because),
            Reading((rival.params - rival.params_bn,), because, "counted without BN's scales and shifts"),
        )
    )


def _rival_layers(name: str) -> Computed:
    rival = others.network(torchvision_name(name))
    all_of_them = rival.layers + rival.shortcuts
    because = f"{len(rival.convs)} convolutions on the main path, {rival.shortcuts} on shortcuts, and the classifier"
    way = "convolutions on the main path and the classifier, without those on shortcuts"
    return Computed((Reading((all_of_them,), because), Reading((rival.layers,), because, way)))


def _rival_errors(name: str) -> Computed:
    top1, top5 = others.errors(torchvision_name(name))
    return found(top1, top5, because="what torchvision states today beside the same weights, in its own evaluation")


def _best_errors() -> Computed:
    ours = min((TABLE2[name].top1 for name in SUNETS), key=number)
    theirs = min((TABLE2[name].top1 for name in RIVALS), key=number)
    return found(number(ours), because=f"lowest top-1 error of a SUNet in Table 2, beside {theirs} of the others")


def _errors_of_sunets() -> tuple[str, ...]:
    return tuple(text for name in SUNETS for text in (TABLE2[name].top1, TABLE2[name].top5))


CLAIMS = (
    Claim(
        "as-good-as-the-best",
        PLACE,
        "the best SUNet errs about as often as the best of the others (arithmetic of Table 2)",
        printed("22.35"),
        "about",
        _best_errors,
        unit="% top-1 error",
    ),
    *(
        Claim(
            f"table2-params-{slug(name)}",
            PLACE,
            f"parameters of {name}",
            printed(TABLE2[name].params),
            "rounded",
            partial(_rival_params, name),
            same_as=("resnet101-params-intro", "resnet101-params-ablation") if name == "ResNet-101" else (),
            unit="parameters",
        )
        for name in RIVALS
    ),
    *(
        Claim(
            f"table2-layers-{slug(name)}",
            PLACE,
            f"layers of {name}",
            printed(TABLE2[name].layers),
            "exact",
            partial(_rival_layers, name),
            unit="layers",
        )
        for name in RIVALS
    ),
    *(
        Claim(
            f"table2-errors-{slug(name)}",
            PLACE,
            f"top-1 and top-5 errors of {name}",
            printed(TABLE2[name].top1, TABLE2[name].top5),
            "rounded",
            partial(_rival_errors, name),
            measured="errors",
            unit="% top-1, top-5 error",
        )
        for name in RIVALS
    ),
    *(
        Claim(
            f"table2-params-{slug(name)}",
            PLACE,
            f"parameters of {name}",
            printed(TABLE2[name].params),
            "rounded",
            partial(params, name),
            same_as=(f"table1-params-{slug(name)}",),
            together=TOGETHER.get(name, ()),
            unit="parameters",
        )
        for name in SUNETS
    ),
    *(
        Claim(
            f"table2-layers-{slug(name)}",
            PLACE,
            f"layers of {name}",
            printed(TABLE2[name].layers),
            "exact",
            partial(layers, name),
            same_as=(f"table1-layers-{slug(name)}",),
            unit="layers",
        )
        for name in SUNETS
    ),
    Claim(
        "table2-errors-of-sunets",
        PLACE,
        "top-1 and top-5 errors of the three SUNets",
        printed(*_errors_of_sunets()),
        study="fidelity",
    ),
)
