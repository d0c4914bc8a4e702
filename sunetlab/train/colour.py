"""Colours of a batch: from bytes to normalised floats, and what is done to them at random."""

import functools

import torch
from torch import Tensor

from sunetlab.train.data.sent import sent

# ImageNet's, of RGB in [0, 1]: every published network of this family was trained with them.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: the grey that contrast and saturation refer to
# Principal components of ImageNet's colours, RGB in [0, 1]: eigenvectors in columns, times their eigenvalues
# (Krizhevsky et al. 2012, §4.1, with the figures of fb.resnet.torch, which ResNet's and DenseNet's training share).
_COMPONENTS = (
    (-0.5675 * 0.2175, 0.7192 * 0.0188, 0.4009 * 0.0045),
    (-0.5808 * 0.2175, -0.0045 * 0.0188, -0.8140 * 0.0045),
    (-0.5836 * 0.2175, -0.6948 * 0.0188, 0.4203 * 0.0045),
)


def unit(images: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 to float32 in [0, 1]."""
    return images.float().div_(255)


def normalize(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] to mean 0 and deviation 1, in place."""
    return pixels.sub_(_channels(MEAN, pixels)).div_(_channels(DEVIATION, pixels))


def _channels(values: tuple[float, float, float], like: Tensor) -> Tensor:
    """Three numbers as (3, 1, 1), to meet an image."""
    return _placed(values, like.dtype, like.device)


@functools.cache
def _placed(values: tuple[float, float, float], dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, 1, 1), made once for every device: at each batch, a GPU would have to be waited for."""
    with torch.inference_mode(False):  # whoever asks first, all may use it
        return torch.tensor(values, dtype=dtype, device=device)[:, None, None]


def jitter(pixels: Tensor, factors: Tensor, areas: Tensor) -> Tensor:
    """Multiply brightness, contrast and saturation, in this order.

    Args:
        pixels: (B, 3, H, W) in [0, 1]; black beyond an image, where the result means nothing.
        factors: (B, 3): one factor per sample for each of the three.
        areas: (B,): px of each image, over which its mean grey is taken.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    brightness, contrast, saturation = factors.T[..., None, None, None]  # (B, 1, 1, 1) each
    pixels = (pixels * brightness).clamp_(0, 1)
    mean = _grey(pixels).sum((-2, -1), keepdim=True) / areas[:, None, None, None]
    pixels = torch.lerp(mean, pixels, contrast).clamp_(0, 1)
    return torch.lerp(_grey(pixels), pixels, saturation).clamp_(0, 1)


def _grey(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, 1, H, W)."""
    return (pixels * _channels(_LUMA, pixels)).sum(1, keepdim=True)


def light(pixels: Tensor, weights: Tensor) -> Tensor:
    """Add the principal components of ImageNet's colours.

    Args:
        pixels: (B, 3, H, W), RGB in [0, 1].
        weights: (B, 3): of each component, float64, on the CPU.

    Returns:
        (B, 3, H, W), which may leave [0, 1].
    """
    shift = (weights @ weights.new_tensor(_COMPONENTS).T).to(pixels.dtype)
    return pixels + sent(shift, pixels.device)[:, :, None, None]
