"""Accuracy and intersection over union, all from one confusion matrix.

The matrix is summed on the device, batch after batch (`total += confusion_matrix(...)`), and read once at the end; a
score of the sum is the score of the whole set, which a mean of the batches' scores is not. Below, m[t, p] is the count
of truth t predicted as p. Every score is a float64 tensor without dimensions, and nan where nothing was counted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sunetlab.train.data import VOID


def confusion_matrix(prediction: Tensor, target: Tensor, num_classes: int, ignore: int | None = VOID) -> Tensor:
    """Count every pair of truth and prediction.

    Args:
        prediction: int64 class indices in [0, num_classes), of any shape.
        target: int64 or uint8 class indices of the same shape.
        num_classes: C.
        ignore: The target that is not counted; None counts every target.

    Returns:
        (C, C) int64 on the device of the prediction: rows truth, columns prediction.

    Raises:
        ValueError: `ignore` is itself a class, or a target is neither a class nor `ignore`.
    """
    if ignore is not None and 0 <= ignore < num_classes:
        raise ValueError(f"ignore {ignore} is one of the {num_classes} classes; give None where every target counts")
    target = target.long()
    cells = num_classes**2
    # Cell 0 is void. A wrong target goes to the cell after the last, which bincount grows by itself: the length of the
    # answer, known without another look at the device, tells whether there was one.
    wrong = (target < 0) | (target >= num_classes)
    cell = (target * num_classes + prediction + 1).masked_fill_(wrong, cells + 1)
    if ignore is not None:
        cell = cell.masked_fill_(target == ignore, 0)
    counts = torch.bincount(cell.flatten(), minlength=cells + 1)
    if len(counts) > cells + 1:
        raise ValueError(_out_of_range(target[wrong].tolist(), num_classes, ignore))
    return counts[1:].view(num_classes, num_classes)


def _out_of_range(targets: list[int], num_classes: int, ignore: int | None) -> str:
    """The message for targets that are no class; the list still holds `ignore`."""
    values = ", ".join(str(value) for value in sorted({*targets} - {ignore}))
    void = "" if ignore is None else f", or {ignore} for void"
    return f"target {values}: a target is a class from 0 to {num_classes - 1}{void}"


def accuracy(matrix: Tensor) -> Tensor:
    """The part of what was counted that is predicted right: sum_c m[c, c] / sum m.

    Absent classes have no part in it.

    Args:
        matrix: (C, C) counts.

    Returns:
        () float64 in [0, 1]; nan for an empty matrix.
    """
    matrix = matrix.double()
    return matrix.trace() / matrix.sum()


def pixel_accuracy(matrix: Tensor) -> Tensor:
    """`accuracy` under the name that it has in segmentation, where pixels are counted."""
    return accuracy(matrix)


def accuracy_per_class(matrix: Tensor) -> Tensor:
    """The part of each class that is predicted as such: m[c, c] / sum_p m[c, p].

    Args:
        matrix: (C, C) counts.

    Returns:
        (C,) float64 in [0, 1]; nan for a class absent from the truth.
    """
    matrix = matrix.double()
    return matrix.diag() / matrix.sum(1)


def mean_class_accuracy(matrix: Tensor) -> Tensor:
    """The mean of `accuracy_per_class` over the classes that are present in the truth.

    Args:
        matrix: (C, C) counts.

    Returns:
        () float64 in [0, 1]; nan for an empty matrix.
    """
    return accuracy_per_class(matrix).nanmean()


def iou_per_class(matrix: Tensor) -> Tensor:
    """Intersection over union: m[c, c] / (sum_p m[c, p] + sum_t m[t, c] - m[c, c]).

    A class that is predicted but never true, or true but never predicted, has 0; one that is neither has no union.

    Args:
        matrix: (C, C) counts.

    Returns:
        (C,) float64 in [0, 1]; nan for a class absent from both truth and prediction.
    """
    matrix = matrix.double()
    hits = matrix.diag()
    return hits / (matrix.sum(1) + matrix.sum(0) - hits)


def mean_iou(matrix: Tensor) -> Tensor:
    """The mean of `iou_per_class` over the classes that are present in truth or prediction.

    A class absent from both is left out; a class that is only predicted counts as 0.

    Args:
        matrix: (C, C) counts.

    Returns:
        () float64 in [0, 1]; nan for an empty matrix.
    """
    return iou_per_class(matrix).nanmean()


def frequency_weighted_iou(matrix: Tensor) -> Tensor:
    """The mean of `iou_per_class` weighted by the truth: sum_c (sum_p m[c, p]) iou_c / sum m.

    A class absent from the truth has weight 0, whatever is predicted.

    Args:
        matrix: (C, C) counts.

    Returns:
        () float64 in [0, 1]; nan for an empty matrix.
    """
    weights = matrix.double().sum(1)
    return (weights * iou_per_class(matrix).nan_to_num(0.0)).sum() / weights.sum()


def topk_correct(logits: Tensor, target: Tensor, k: int) -> Tensor:
    """How many samples have their class among the k greatest logits.

    Args:
        logits: (B, C).
        target: (B,) int64 class indices.
        k: Guesses per sample; with k of C or more every guess is right.

    Returns:
        () int64 on the device of the logits: a count, so that batches add up.
    """
    guesses = logits.topk(min(k, logits.shape[1]), dim=1).indices  # (B, k)
    return (guesses == target[:, None]).sum()
