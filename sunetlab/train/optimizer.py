"""A recipe's optimiser: which parameters decay, and which learn faster than the others."""

from collections import defaultdict

import torch
from torch import nn

from sunetlab.train.recipe import Recipe

CLASSIFIER = "classifier"
HEAD = (f"{CLASSIFIER}.", "degrid.")  # names of what a classification network has no use for, or other uses


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD or AdamW over the parameters that are trained; each group has its `lr_scale` and `weight_decay`.

    Unless the recipe says `decay_all`, only weights of more than one axis decay. The head's parameters learn `head_lr`
    times as fast as the body's, the biases of its convolutions `head_bias_lr` times.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 or recipe.decay_all
            groups[_lr_scale(name, recipe), recipe.weight_decay if decays else 0.0].append(parameter)
    table = [
        {"params": parameters, "lr_scale": scale, "weight_decay": decay}
        for (scale, decay), parameters in groups.items()
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(table, lr=recipe.lr, betas=(recipe.momentum, 0.999))
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(table, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its part of the learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)  # states saved before there were scales have none


def _lr_scale(name: str, recipe: Recipe) -> float:
    if not name.startswith(HEAD):
        return 1.0
    is_conv_bias = name.endswith(".bias") and ".bn." not in name
    return recipe.head_bias_lr if is_conv_bias else recipe.head_lr
