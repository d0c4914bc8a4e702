"""What is live while a network runs without gradients, by the lives that eager Python gives its tensors.

A tensor lives as long as anything names it: a module's argument until the module's call returns, a local variable of
a `forward` until that ends. So the walk below is the network's own code (`model/blocks.py`, `model/sunet.py`) once
more, one method per box, and says where each name goes. In evaluation a BN gives its map and nothing else, but on a
GPU in bf16, where cuDNN does not compute it, it gives two statistics as well, which nobody takes.
"""

from sunetlab.analysis.memory.sizes import Meter, Setting, Sizes
from sunetlab.analysis.plan import Plan
from sunetlab.spec import Block, Module


def run_inference(plan: Plan, sizes: Sizes, setting: Setting) -> Meter:
    """Meter what one pass takes: its own tensors, and not the weights or the images."""
    walk = _Walk(plan, sizes, setting)
    walk.network()
    return walk.meter


class _Walk:
    """Goes through the layers in order; a map is named by its layer's index, `at` is the layer last run."""

    def __init__(self, plan: Plan, sizes: Sizes, setting: Setting) -> None:
        self.plan, self.sizes, self.setting = plan, sizes, setting
        self.meter = Meter()
        self.gives_statistics = setting.bf16 and setting.device == "cuda"
        self.at = -1

    # One method per box: what it leaves is its result.

    def network(self) -> None:
        x = self.blocks(self.stem())
        features = self.bn_relu()
        self.drop(x)
        self.head(self.degrid(features) if self.plan.spec.degrid else features)

    def stem(self) -> int:
        self.meter.take(self.sizes.image_cast, 0)
        first = self.layer()
        self.meter.give(self.sizes.image_cast)
        entry = self.bn_relu()
        narrow = self.layer()
        normed = self.bn_relu()
        self.drop(narrow)
        main = self.layer()
        self.drop(normed)
        shortcut = self.layer()
        total = self.layer()
        self.drop(first, entry, main, shortcut)
        return total

    def blocks(self, stem: int) -> int:
        """`stem` is the argument of the call of all blocks: it lives until the last one returns."""
        x = stem
        for block in self.plan.spec.blocks:
            y = self.block(x, block)
            if x != stem:
                self.drop(x)
            x = y
        self.drop(stem)
        return x

    def block(self, x: int, block: Block) -> int:
        """What enters the first module is the argument of the call of all modules; `x` belongs to the caller."""
        entry = x = self.layer() if block.pool else x
        for module in block.modules:
            y = self.module(module, len(block.levels))
            if x != entry:
                self.drop(x)
            x = y
        if block.pool:
            self.drop(entry)
        return x

    def module(self, module: Module, depth: int) -> int:
        """The BN-ReLU'd entry and the maps of all levels are local variables: they live until the end."""
        entry = self.bn_relu()
        reduced = self.layer()
        encoded = [self.level()]
        self.drop(reduced)
        encoded += [self.level() for _ in range(depth - 1)]
        y = self.level()
        for _ in range(depth - 1):
            joined = self.layer()
            self.drop(y)
            y = self.level()
            self.drop(joined)
        grown = self.unit()
        self.drop(y)
        expands = not module.growth and module.in_channels != module.out_channels
        skip = [self.layer()] if expands else []
        total = self.layer()
        self.drop(entry, grown, *encoded, *skip)
        return total

    def level(self) -> int:
        """Down or up: two units."""
        sampled = self.unit()
        y = self.unit()
        self.drop(sampled)
        return y

    def unit(self) -> int:
        normed = self.bn_relu()
        y = self.layer()
        self.drop(normed)
        return y

    def degrid(self, features: int) -> int:
        """`features` is the argument of the call of both filters."""
        first = self.filter()
        second = self.filter()
        self.drop(features, first)
        return second

    def filter(self) -> int:
        y = self.layer()
        normed = self.bn_relu()
        self.drop(y)
        return normed

    def head(self, features: int) -> None:
        y = self.layer()
        if self.plan.spec.task == "classification":
            self.drop(features)  # its name goes to the mean
        elif self.setting.resizes_in_fp32:
            self.meter.take(2 * self.sizes.out[y], y)
        self.layer()

    # One method per operation.

    def layer(self) -> int:
        """Any layer but a BN. Autocast's copies of its parameters go with it, or stay to the end of the network."""
        self.at = at = self.at + 1
        sizes = self.sizes
        casts = sizes.weight_cast[at] + sizes.bias_cast[at]
        self.meter.take(casts + sizes.out[at], at)
        if self.setting.inference_mode:
            self.meter.give(casts)
        return at

    def bn_relu(self) -> int:
        self.at = at = self.at + 2
        self.meter.take(self.sizes.out[at], at - 1)
        if self.gives_statistics:
            self.meter.take(2 * self.sizes.statistic[at - 1], at - 1)
            self.meter.give(2 * self.sizes.statistic[at - 1])
        return at

    def drop(self, *maps: int) -> None:
        for at in maps:
            self.meter.give(self.sizes.out[at])
