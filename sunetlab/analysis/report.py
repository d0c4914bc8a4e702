"""A spec's numbers at an input size, in one place: layers and their costs, memory, what the network sees.

Costs are there at once; memory and the field of view are worked out when they are asked for.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sunetlab.analysis.cost import WEIGHTED, LayerCost, cost
from sunetlab.analysis.plan import Layer, Plan, Size, plan
from sunetlab.spec import SUNetSpec
from sunetlab.whole import whole

if TYPE_CHECKING:  # numpy is loaded when it is asked what the network sees
    from sunetlab.analysis.fov import Fov
    from sunetlab.analysis.memory import Memory, Setting


@dataclass(frozen=True, repr=False)
class Report:
    """A spec's numbers at an input size.

    Attributes:
        plan: every layer, with its shapes and geometry.
        batch: images at once; MACs and elements are for all of them.
        rows: every layer in order, with its costs.
        params: parameters, trainable ones (a BN's running statistics are buffers).
        params_classifier: those of the classifier alone.
        macs: multiply-accumulates of convolutions and the linear classifier.
    """

    plan: Plan
    batch: int
    rows: tuple[LayerCost, ...]
    params: int
    params_classifier: int
    macs: int

    @property
    def spec(self) -> SUNetSpec:
        """The network."""
        return self.plan.spec

    @property
    def size(self) -> Size:
        """(height, width) of the input, in pixels."""
        return self.plan.size

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer, in order."""
        return self.plan.layers

    @property
    def depth(self) -> int:
        """Layers as Table 1 counts them: convolutions on the main path, and the classifier."""
        return sum(layer.kind in WEIGHTED and not layer.skip for layer in self.layers)

    @property
    def feature_size(self) -> Size:
        """(height, width) of the last block's map."""
        return next(layer.out_size for layer in reversed(self.layers) if layer.part.startswith("block"))

    @cached_property
    def fov(self) -> "Fov":
        """Fields of view of the network, its blocks, modules and convolutions."""
        from sunetlab.analysis.fov import fov

        return fov(self.plan)

    def memory(self, setting: "Setting | None" = None, **words: Any) -> "Memory":
        """Bytes for the batch, by default in fp32 on a GPU: at rest, for the backward pass, at their worst.

        Args:
            setting: precision, optimiser and the like.
            words: the same, one by one: `precision="bf16"`, `optimizer="adamw"`, `device="cpu"`, …; see `Setting`.

        Raises:
            InputError: a word that `Setting` does not have, or a value that it does not take.
        """
        from sunetlab.analysis.memory import Setting, memory

        return memory(self.plan, self.batch, Setting.make(setting, **words))

    def __repr__(self) -> str:
        """The network, the input, and what people look for first."""
        size = f"{self.batch} x {self.size[0]}x{self.size[1]}"
        return f"Report({self.spec.id}, {size}: {self.params:,} params, {self.macs:,} MACs, {len(self.rows)} layers)"


def analyze(spec: SUNetSpec, size: Size | None = None, batch: int = 1) -> Report:
    """The numbers of `spec` for `batch` images of `size` (height, width); by default its design size.

    Raises:
        InputError: no size or no batch, or an input too small for the network.
    """
    batch = whole("batch", batch, 1)
    laid_out = plan(spec, size)
    rows = tuple(cost(layer, batch) for layer in laid_out.layers)
    return Report(
        plan=laid_out,
        batch=batch,
        rows=rows,
        params=sum(row.params for row in rows),
        params_classifier=sum(row.params for row in rows if row.layer.name == "classifier"),
        macs=sum(row.macs for row in rows),
    )
