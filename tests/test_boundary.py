"""Scores near boundaries against scipy's distance transforms and erosions, and on inputs that have no boundary."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from sunetlab.train.boundary import (
    BoundaryCounts,
    boundary_counts,
    boundary_iou,
    mean_boundary_iou,
    near_boundary,
)
from sunetlab.train.data import VOID
from sunetlab.train.metrics import mean_iou

CLASSES = 5


def blobs(seed: int, void: float) -> tuple[Tensor, Tensor]:
    """Predictions and masks of three images, in patches of several pixels, some of them void in the mask."""
    rng = np.random.default_rng(seed)
    masks = []
    for share in (0.0, void):
        coarse = rng.integers(0, CLASSES - 1, (3, 6, 7))
        coarse[rng.random(coarse.shape) < share] = VOID
        masks.append(torch.from_numpy(np.kron(coarse, np.ones((1, 5, 4), np.int64))[:, :27, 1:]))
    return masks[0], masks[1]


def away(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of each pixel the chessboard distance to the nearest of `mask`, by brute force; huge where there is none."""
    places = np.argwhere(mask)
    rows, columns = np.indices(mask.shape)
    far = np.full(mask.shape, 10**6)
    for row, column in places.tolist():
        far = np.minimum(far, np.maximum(abs(rows - row), abs(columns - column)))
    return far


@pytest.mark.parametrize("k", [1, 2, 7, 40])
@pytest.mark.parametrize("void_counts", [False, True])
def test_near_is_what_distances_to_other_labels_say(k: int, void_counts: bool) -> None:
    _, masks = blobs(k, 0.2)
    for mask in masks:
        labels = mask.numpy()
        expected = np.zeros(labels.shape, bool)
        for label in set(np.unique(labels).tolist()) - {VOID}:
            other = (labels != label) & ((labels != VOID) | void_counts)
            expected |= (labels == label) & (away(other) <= k)
        assert np.array_equal(near_boundary(mask, k, void_counts).numpy(), expected)
        if other.any():  # the brute force itself, against scipy
            assert np.array_equal(away(other), ndimage.distance_transform_cdt(~other, metric="chessboard"))


def eroded_band(mask: NDArray[np.bool_], k: int) -> NDArray[np.bool_]:
    """Cheng et al.: a mask less its erosion by k 3×3 squares, what lies beyond the image not being of it."""
    eroded = ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=k, border_value=0)
    return np.asarray(mask & ~eroded)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_boundary_iou_is_that_of_eroded_masks(k: int) -> None:
    predictions, masks = blobs(k, 0.0)
    found = boundary_iou(boundary_counts(predictions, masks, CLASSES, k).bands)
    for label in range(CLASSES):
        both = union = 0
        for prediction, mask in zip(predictions.numpy(), masks.numpy(), strict=True):
            bands = eroded_band(prediction == label, k), eroded_band(mask == label, k)
            both += int((bands[0] & bands[1]).sum())
            union += int((bands[0] | bands[1]).sum())
        if union:
            assert float(found[label]) == both / union
        else:
            assert bool(found[label].isnan())


@pytest.mark.parametrize("k", [1, 3])
def test_with_void_as_boundary_the_bands_are_those_of_eroded_masks_too(k: int) -> None:
    predictions, masks = blobs(k, 0.3)
    predictions = torch.where(masks == VOID, VOID, predictions)
    counts = boundary_counts(predictions, masks, CLASSES, k, void_is_boundary=True)
    for row, labels in ((1, masks), (2, predictions)):
        expected = [sum(int(eroded_band(each == c, k).sum()) for each in labels.numpy()) for c in range(CLASSES)]
        assert counts.bands[row].tolist() == expected


@pytest.mark.parametrize("void_counts", [False, True])
def test_the_trimap_is_the_confusion_of_near_pixels(void_counts: bool) -> None:
    predictions, masks = blobs(9, 0.2)
    expected = np.zeros((CLASSES, CLASSES), int)
    for prediction, mask in zip(predictions, masks, strict=True):
        near = near_boundary(mask, 2, void_counts).numpy()
        np.add.at(expected, (mask.numpy()[near], prediction.numpy()[near]), 1)
    counts = boundary_counts(predictions, masks, CLASSES, 2, void_counts)
    assert counts.trimap.tolist() == expected.tolist()
    assert 0 < counts.trimap.sum() < (masks != VOID).sum()


def test_images_add_up_and_bytes_count_as_integers_do() -> None:
    predictions, masks = blobs(3, 0.1)
    whole = boundary_counts(predictions, masks, CLASSES, 2)
    total = BoundaryCounts.zero(CLASSES)
    for prediction, mask in zip(predictions, masks, strict=True):
        total = total.plus(boundary_counts(prediction, mask.to(torch.uint8), CLASSES, 2))
    assert all(torch.equal(one, other) for one, other in zip(total, whole, strict=True))


def test_all_right_is_one_and_a_shift_costs_most_near_the_contour() -> None:
    mask = torch.zeros(1, 30, 30, dtype=torch.int64)
    mask[:, 8:22, 8:22] = 1
    right = boundary_counts(mask, mask, 2, 3)
    assert (float(mean_boundary_iou(right.bands)), float(mean_iou(right.trimap))) == (1, 1)
    shifted = mask.roll(1, 2)
    scores = [float(boundary_iou(boundary_counts(shifted, mask, 2, k).bands)[1]) for k in (1, 3, 7)]
    assert scores == sorted(scores)
    assert scores[-1] == pytest.approx(13 / 15)  # at k = 7 the band is the whole square: the usual IoU


def test_one_class_has_no_boundary_but_the_images_edge() -> None:
    mask = torch.ones(6, 8, dtype=torch.int64)
    counts = boundary_counts(mask, mask, 3, 2)
    assert not counts.trimap.any()
    assert bool(mean_iou(counts.trimap).isnan())
    assert counts.bands.tolist() == [[0, 6 * 8 - 2 * 4, 0]] * 3
    assert boundary_iou(counts.bands).isnan().tolist() == [True, False, True]


def test_classes_that_are_only_predicted_or_only_true_have_0() -> None:
    mask, prediction = torch.zeros(5, 5, dtype=torch.int64), torch.full((5, 5), 2)
    found = boundary_iou(boundary_counts(prediction, mask, 4, 1).bands)
    assert found.nan_to_num(-1).tolist() == [0, -1, 0, -1]
    assert float(mean_boundary_iou(boundary_counts(prediction, mask, 4, 1).bands)) == 0


def test_void_is_neither_counted_nor_a_boundary_unless_it_is_said_to_be() -> None:
    mask = torch.full((1, 9, 9), VOID)
    mask[:, 2:7, 2:7] = 1
    prediction = torch.zeros(1, 9, 9, dtype=torch.int64)
    prediction[:, 2:7, 2:7] = 1
    counts = boundary_counts(prediction, mask, 2, 1)
    assert (int(counts.bands.sum()), int(counts.trimap.sum())) == (0, 0)
    marked = boundary_counts(prediction, mask, 2, 1, void_is_boundary=True)
    assert marked.trimap.tolist() == [[0, 0], [0, 16]]
    assert marked.bands.tolist() == [[0, 16]] * 3
    nothing = torch.full((2, 4, 4), VOID)
    for void_counts in (False, True):
        empty = boundary_counts(torch.zeros_like(nothing), nothing, 2, 3, void_counts)
        assert not empty.bands.any()
        assert bool(mean_boundary_iou(empty.bands).isnan())
