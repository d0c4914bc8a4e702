"""BN whose statistics are those of all processes' images: torch's own on GPUs, and here the one for CPUs.

nn.SyncBatchNorm refuses what lies on a CPU. Below, mean and variance of a map follow from sums over all processes, and
gradients go through them: the derivative of a sum by each of its summands is 1, so the gradient by one process's
summand is the sum of all processes' gradients by the sum.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Sum = Callable[[Tensor], Tensor]
"""From this process's values to the sum of all processes', in the same tensor."""


class _JointSum(torch.autograd.Function):
    """The sum of all processes' values, with its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, total: Sum) -> Tensor:
        ctx.total = total
        return total(values.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.total(gradient.clone()), None


class JointBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` in training on the images of all processes; in evaluation, on those that it is given.

    Args:
        norm: the one that it takes the place of, whose parameters and statistics are its own from now on.
        total: sums over processes.
    """

    def __init__(self, norm: nn.BatchNorm2d, total: Sum) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.total = total

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → the same; B may be 0, as long as another process has images."""
        if not self.training:
            return super().forward(x)
        wide = x.double()  # a variance as the difference of two means needs the digits
        here = wide.new_tensor([x.numel() // x.shape[1]])
        sums = torch.cat((wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3)), here))
        sums = _JointSum.apply(sums, self.total)  # at once: every exchange makes all processes wait
        count = sums[-1]
        mean, squares = (sums[:-1] / count).chunk(2)  # (C,) each
        variance = squares - mean.square()
        self._keep(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        normal: Tensor = wide * scale[:, None, None] + shift[:, None, None]
        return normal.to(x.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        """Let the running statistics follow; the variance that is kept is the unbiased one, as torch's is."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked += 1


def share_statistics(model: nn.Module, total: Sum) -> None:
    """From now on every BN of a model has the statistics of all processes' images, in training; names stay."""
    if any(parameter.is_cuda for parameter in model.parameters()):
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return
    for parent in list(model.modules()):
        for name, norm in parent.named_children():
            if type(norm) is nn.BatchNorm2d:
                setattr(parent, name, JointBatchNorm2d(norm, total))
