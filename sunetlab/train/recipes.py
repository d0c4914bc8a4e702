"""The recipes that have a name, one table each: every word with its value and where the value is from.

A, B.B or a section's number is a place in the paper's Appendix or in its text. Where the paper is silent, it is said
whose choice the value is.
"""

from typing import Any, NamedTuple


class Said(NamedTuple):
    """A word's value, and who says so."""

    value: Any
    source: str


_CIFAR = "this project: usual for residual networks on CIFAR"
_CAMVID = "this project: by short trainings judged on CamVid's validation images"
_QUICK = "this project: chosen for seconds of training on a CPU"
_RELEASE = "the authors' release; the paper does not say"

_FINE_TUNING: dict[str, Said] = {
    "optimizer": Said("sgd", "B.B: the SGD optimizer"),
    "lr": Said(0.0002, "B.B: initial learning rate of 0.0002"),
    "momentum": Said(0.95, "B.B: momentum of 0.95"),
    "nesterov": Said(False, "B.B says momentum, where A says Nesterov"),
    "weight_decay": Said(1e-4, "B.B: weight decay of 10^-4"),
    "decay_all": Said(True, "B.B: plain SGD, whose weight decay is on everything"),
    "warmup": Said(0.0, "B.B: none is named"),
    "schedule": Said("cosine", "B.B: every iteration by a factor of 0.5 (1 + cos(pi iter / max_iters))"),
    "final_lr": Said(0.0, "B.B: that factor's end"),
    "iterations": Said(45_000, "B.B: 45K iterations"),
    "batch_size": Said(22, "B.B: the batch size 22"),
    "bn_momentum": Said(0.01, "B.B: batch-norm parameters are learned with a decay rate of 0.99"),
    "head_lr": Said(10.0, _RELEASE),
    "head_bias_lr": Said(20.0, _RELEASE),
    "augment.crop": Said((512, 512), "B.B: the input crop size is 512 x 512"),
    "augment.scale": Said((0.5, 2.0), "B.B: a random scale from 0.5 to 2; here uniform in its logarithm"),
    "augment.rotate": Said(10.0, "B.B: randomly rotated between -10 and 10 degrees"),
    "augment.flip": Said(True, "B.B: randomly flipped horizontally"),
}
_SECOND: dict[str, Said] = _FINE_TUNING | {
    "iterations": Said(5_000, "6.2.1: fine-tuned on trainaug for 5K iterations"),
    "lr": Said(0.00002, "6.2.1: with 10x smaller initial learning rate"),
}

TRACED: dict[str, dict[str, Said]] = {
    "quick": {
        "optimizer": Said("adamw", _QUICK),
        "lr": Said(0.003, _QUICK),
        "weight_decay": Said(0.02, _QUICK),
        "epochs": Said(4, _QUICK),
        "batch_size": Said(32, _QUICK),
        "augment.flip": Said(False, "this project: the made images have no preferred side"),
    },
    "cifar10": {
        "lr": Said(0.2, _CIFAR),
        "epochs": Said(60, _CIFAR),
        "warmup": Said(3.0, _CIFAR),
        "batch_size": Said(128, _CIFAR),
        "label_smoothing": Said(0.1, _CIFAR),
        "augment.flip": Said(True, _CIFAR),
        "augment.shift": Said(0.125, _CIFAR),
    },
    "camvid": {
        "optimizer": Said("adamw", _CAMVID + ", before SGD at 0.05 and 0.15"),
        "lr": Said(0.001, _CAMVID + ", before 0.003"),
        "weight_decay": Said(0.05, _CAMVID),
        "epochs": Said(300, "this project: a guess for a GPU; 56 were tried (results/camvid-sunet64)"),
        "warmup": Said(5.0, "this project: a guess for a GPU; 2 of 56 were tried"),
        "batch_size": Said(8, "this project: a guess for a GPU; 4 crops were tried"),
        "augment.flip": Said(True, "this project: streets have no preferred side"),
        "augment.scale": Said((0.5, 1.5), _CAMVID),
        "augment.color": Said(0.3, "this project: the test images have a dusk that few training images have"),
    },
    "imagenet": {
        "optimizer": Said("sgd", "A: SGD"),
        "lr": Said(0.01, "A: initial learning rate 0.01"),
        "momentum": Said(0.9, "A: Nesterov momentum of 0.9 without dampening"),
        "nesterov": Said(True, "A: Nesterov momentum of 0.9 without dampening"),
        "weight_decay": Said(5e-4, "A: weight decay of 5e-4"),
        "decay_all": Said(True, "A: plain SGD, whose weight decay is on everything"),
        "warmup": Said(0.0, "A: none is named"),
        "schedule": Said("step", "A: decreased by a factor of 10 every 30 epochs"),
        "step_epochs": Said(30, "A: decreased by a factor of 10 every 30 epochs"),
        "step_factor": Said(0.1, "A: decreased by a factor of 10 every 30 epochs"),
        "epochs": Said(100, "A: a total of 100 epochs"),
        "batch_size": Said(256, "A: batch size of 256 (212 for SUNet-7-128, for want of memory)"),
        "augment.area": Said((0.08, 1.0), "6.1: the augmentation of ResNet and DenseNet; figures of fb.resnet.torch"),
        "augment.aspect": Said((3 / 4, 4 / 3), "6.1: the same"),
        "augment.crop": Said((224, 224), "6.1: 224 x 224 on test images"),
        "augment.flip": Said(True, "6.1: the augmentation of ResNet and DenseNet"),
        "augment.color": Said(0.4, "6.1: the same; figure of fb.resnet.torch"),
        "augment.lighting": Said(0.1, "6.1: the same; figure of fb.resnet.torch"),
    },
    "voc": _FINE_TUNING,
    "voc-coco": _SECOND,
    "voc-trainval": _SECOND
    | {
        "iterations": Said(5_000, "6.2.2 names no length: that of the fine-tuning before it (6.2.1)"),
        "lr": Said(0.00002, "6.2.2: at 10x smaller initial learning rate"),
        "freeze_bn": Said(True, "6.2.2: with batch-norm parameters frozen"),
        "keep": Said("last", "this project: the validation images are trained on, and can judge nothing"),
    },
    "cityscapes": _FINE_TUNING | {"iterations": Said(90_000, "B.B: for Cityscapes 90K iterations")},
}


def _nested(traced: dict[str, Said]) -> dict[str, Any]:
    """A recipe's words without their sources; those of `augment.` in a table of their own."""
    words: dict[str, Any] = {}
    for word, said in traced.items():
        table, _, name = word.rpartition(".")
        (words.setdefault(table, {}) if table else words)[name] = said.value
    return words


RECIPES: dict[str, dict[str, Any]] = {name: _nested(traced) for name, traced in TRACED.items()}
