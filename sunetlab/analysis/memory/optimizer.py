"""What an optimiser holds between steps, and what it takes for itself during one."""

from typing import Any

from sunetlab.analysis.cost import WEIGHTED
from sunetlab.analysis.memory.sizes import FP32, Setting, Sizes
from sunetlab.analysis.plan import Plan


def variant(setting: Setting) -> str:
    """Loop, foreach or fused: what is asked for, or what PyTorch takes by itself."""
    return setting.variant or ("foreach" if setting.device == "cuda" else "loop")


def state(sizes: Sizes, setting: Setting) -> int:
    """Bytes from one step to the next: so many times the parameters' own, and so much for every tensor of them."""
    params = sum(sizes.weight) + sum(sizes.bias)
    times, each = factors_of_state(setting)
    return times * params + each * sum(size > 0 for size in (*sizes.weight, *sizes.bias))


def factors_of_state(setting: Setting) -> tuple[int, int]:
    """(copies of all parameters, bytes for each tensor of them) that an optimiser keeps.

    SGD's momentum; AdamW's two moments and its count of steps. AdamW counts steps once per tensor, in fp32; but for
    the fused variant that number lies on the CPU, and where the network is on a GPU it is not counted here.
    """
    if setting.optimizer == "sgd":
        return int(setting.momentum), 0
    counted = setting.device == "cpu" or variant(setting) == "fused"
    return 2, setting.up(FP32) if counted else 0


def temporaries(plan: Plan, sizes: Sizes, setting: Setting) -> int:
    """Bytes that a step takes at most, its state apart.

    Weights of more than one axis are one group of parameters, all others another; where nothing decays, all are one.
    The loop goes through a group parameter by parameter, foreach takes a group whole, fused takes nothing.
    """
    weights = [size for size, layer in zip(sizes.weight, plan.layers, strict=True) if layer.kind in WEIGHTED]
    everything = [size for both in zip(sizes.weight, sizes.bias, strict=True) for size in both if size]
    if variant(setting) != "loop":
        groups: list[int] = temporaries_of_groups(sum(weights), sum(everything) - sum(weights), setting)
        return max(groups)
    if setting.optimizer == "adamw":  # the root of the second moment is divided into a tensor of its own, which lives
        # until the next parameter has its own; only weights are large enough to be the worst moment
        group = weights if setting.weight_decay else everything
        return max(before + 2 * now for before, now in zip([0, *group], group, strict=False))
    return (setting.weight_decay + setting.momentum) * max(weights)  # each a new tensor, one parameter after another


def temporaries_of_groups(weights: Any, others: Any, setting: Setting) -> list[Any]:
    """Bytes (numbers, or arrays of them) that foreach or fused takes for each group of parameters, one after another.

    AdamW: the root of the second moment, of all parameters where none decays. SGD: the gradients with the decayed
    weights; Nesterov's step is added in place, and the group of all others does not decay.
    """
    if variant(setting) == "fused":
        return [0]
    if setting.optimizer == "adamw":
        return [weights, others] if setting.weight_decay else [weights + others]
    return [weights if setting.weight_decay else 0]
