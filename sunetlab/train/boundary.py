"""Scores near the boundaries of objects, within k pixels: where a segmentation's resolution shows.

Two of them, each a sum of counts over images, as the confusion matrix is:

- Boundary IoU (Cheng et al. 2021, Boundary IoU: Improving Object-Centric Image Segmentation Evaluation): of each class
  the IoU of two bands, the pixels of the true mask near the true mask's contour, and those of the predicted mask near
  the predicted one's. As there, the image's edge is a contour where a mask is cut off by it.
- The trimap's mIoU (Krähenbühl & Koltun 2011; Chen et al. 2018, DeepLab): the usual scores over those pixels that are
  near a boundary between two labels of the truth. The image's edge is no such boundary.

A distance is the larger of those along the two axes, to the nearest pixel beyond the contour: the pixels within k are
those that k erosions by a 3×3 square take away, as in the code of Cheng et al. The pixels at a contour have distance 1.

Void is neither judged nor, unless `void_is_boundary`, the other side of a contour: in most data it is what nobody has
labelled, whose class may be that of its neighbour. In VOC void is drawn along the outlines of objects, five pixels
wide, so that labels hardly ever meet; there it is the boundary, and DeepLab measures its trimaps from it.

Masks and predictions below are (B, H, W) or (H, W), int64 or uint8, with `VOID` for void.
"""

from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from sunetlab.train.data import VOID
from sunetlab.train.metrics import confusion_matrix


class BoundaryCounts(NamedTuple):
    """Counts of pixels near boundaries; those of several images add up.

    Attributes:
        bands: (3, C) int64: of each class the pixels in both bands, in the true one, in the predicted one.
        trimap: (C, C) int64: the confusion matrix of the pixels near a boundary of the truth.
    """

    bands: Tensor
    trimap: Tensor

    @classmethod
    def zero(cls, num_classes: int, device: torch.device | None = None) -> Self:
        """No pixel counted yet."""
        bands = torch.zeros(3, num_classes, dtype=torch.int64, device=device)
        return cls(bands, torch.zeros(num_classes, num_classes, dtype=torch.int64, device=device))

    def plus(self, other: "BoundaryCounts") -> "BoundaryCounts":
        """The counts of both."""
        return BoundaryCounts(self.bands + other.bands, self.trimap + other.trimap)


def boundary_counts(
    prediction: Tensor, target: Tensor, num_classes: int, k: int, void_is_boundary: bool = False
) -> BoundaryCounts:
    """Count what lies within `k` pixels of a boundary, for both scores.

    Args:
        prediction: class indices in [0, num_classes).
        target: class indices, or `VOID`, of the same shape.
        num_classes: C.
        k: pixels, at least 1.
        void_is_boundary: whether a contour runs between an object and void.
    """
    judged = target != VOID
    prediction = torch.where(judged, prediction, VOID).long()  # void alike on both sides: no contour ends inside it
    target = target.long()
    in_truth = near_boundary(target, k, void_is_boundary, edge=True)
    in_prediction = near_boundary(prediction, k, void_is_boundary, edge=True)
    both = in_truth & in_prediction & (prediction == target)
    bands = [
        torch.bincount(labels[mask], minlength=num_classes)
        for labels, mask in ((target, both), (target, in_truth), (prediction, in_prediction))
    ]
    near = near_boundary(target, k, void_is_boundary, edge=False)
    return BoundaryCounts(torch.stack(bands), confusion_matrix(prediction[near], target[near], num_classes))


def near_boundary(labels: Tensor, k: int, void_is_boundary: bool = False, edge: bool = False) -> Tensor:
    """The pixels that are not void and have another label within `k` pixels.

    Args:
        labels: class indices or `VOID`.
        k: pixels, at least 1.
        void_is_boundary: whether void is another label.
        edge: whether what lies beyond the image is another label.

    Returns:
        bool, of the shape of `labels`.
    """
    values = labels.float().view(-1, 1, *labels.shape[-2:])  # (B, 1, H, W); labels are exact in float32
    void = values == VOID
    absent = torch.zeros_like(void) if void_is_boundary else void  # what is no label at all
    highest = _highest(values.masked_fill(absent, -1.0), k)
    lowest = -_highest(-values.masked_fill(absent, VOID + 1.0), k)
    near = ((highest != values) | (lowest != values)) & ~void
    if edge:
        near |= _at_edge(near, k) & ~void
    return near.view(labels.shape)


def _highest(values: Tensor, k: int) -> Tensor:
    """The highest value within `k` pixels, of (B, 1, H, W); what lies beyond the image has none."""
    down = F.max_pool2d(values, (2 * k + 1, 1), stride=1, padding=(k, 0))
    return F.max_pool2d(down, (1, 2 * k + 1), stride=1, padding=(0, k))


def _at_edge(mask: Tensor, k: int) -> Tensor:
    """(B, 1, H, W) bool: the pixels within `k` pixels of what lies beyond the image."""
    at = torch.ones_like(mask)
    at[..., k : mask.shape[-2] - k, k : mask.shape[-1] - k] = False
    return at


def boundary_iou(bands: Tensor) -> Tensor:
    """Boundary IoU of each class.

    Args:
        bands: (3, C) counts, as of `BoundaryCounts`.

    Returns:
        (C,) float64 in [0, 1]; nan for a class of which neither the truth nor the prediction has a pixel near a
        contour.
    """
    both, truth, prediction = bands.double()
    ious: Tensor = both / (truth + prediction - both)
    return ious


def mean_boundary_iou(bands: Tensor) -> Tensor:
    """The mean of `boundary_iou` over the classes that have one; () float64, nan where none has."""
    return boundary_iou(bands).nanmean()
