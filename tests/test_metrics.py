"""Scores against torchmetrics where it has them, and against hand-made matrices where classes are absent."""

import math
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassJaccardIndex

from sunetlab.train.metrics import (
    accuracy,
    accuracy_per_class,
    confusion_matrix,
    frequency_weighted_iou,
    iou_per_class,
    mean_class_accuracy,
    mean_iou,
    pixel_accuracy,
    topk_correct,
)

VOID = 255
SCORES = (accuracy, pixel_accuracy, mean_class_accuracy, mean_iou, frequency_weighted_iou)


def labels(seed: int, classes: int, present: int, void: float) -> tuple[Tensor, Tensor]:
    """Predictions and masks, right half of the time, of the first `present` classes and some void."""
    generator = torch.Generator().manual_seed(seed)
    shape = (3, 17, 19)
    target = torch.randint(0, min(present, classes), shape, generator=generator)
    guess = torch.randint(0, min(present + 1, classes), shape, generator=generator)
    prediction = torch.where(torch.rand(shape, generator=generator) < 0.5, target, guess)
    return prediction, target.masked_fill(torch.rand(shape, generator=generator) < void, VOID)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 21), st.integers(1, 21), st.sampled_from([0.0, 0.3, 0.95]))
def test_scores_are_those_of_torchmetrics(seed: int, classes: int, present: int, void: float) -> None:
    prediction, target = labels(seed, classes, present, void)
    matrix = confusion_matrix(prediction, target, classes)
    assert torch.equal(matrix, MulticlassConfusionMatrix(classes, ignore_index=VOID)(prediction, target))

    def jaccard(average: Literal["macro", "none", "weighted"]) -> Tensor:
        score: Tensor = MulticlassJaccardIndex(classes, average=average, ignore_index=VOID)(prediction, target)
        return score.double()

    micro = MulticlassAccuracy(classes, average="micro", ignore_index=VOID)(prediction, target)
    torch.testing.assert_close(accuracy(matrix), micro.double(), atol=1e-6, rtol=0)
    assert torch.equal(pixel_accuracy(matrix), accuracy(matrix))
    recalls = MulticlassAccuracy(classes, average="none", ignore_index=VOID)(prediction, target).double()
    torch.testing.assert_close(accuracy_per_class(matrix).nan_to_num(0), recalls, atol=1e-6, rtol=0)
    there = [bool((target == label).any()) for label in range(classes)]  # torchmetrics' mean has classes only predicted
    torch.testing.assert_close(mean_class_accuracy(matrix), recalls[there].mean(), atol=1e-6, rtol=0)
    # torchmetrics 1.9 gives an absent class 0 in the list, and leaves it out of the mean, as is done here.
    torch.testing.assert_close(iou_per_class(matrix).nan_to_num(0), jaccard("none"), atol=1e-6, rtol=0)
    torch.testing.assert_close(mean_iou(matrix), jaccard("macro"), atol=1e-6, rtol=0)
    torch.testing.assert_close(frequency_weighted_iou(matrix), jaccard("weighted"), atol=1e-6, rtol=0)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_topk_is_that_of_torchmetrics(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    logits = torch.randn(200, 7, generator=generator)
    target = torch.randint(0, 7, (200,), generator=generator)
    expected = MulticlassAccuracy(7, average="micro", top_k=k)(logits, target)
    assert topk_correct(logits, target, k) / 200 == pytest.approx(expected.item())


def test_topk_counts_by_hand() -> None:
    logits = torch.tensor([[0.1, 0.9, 0.5], [0.8, 0.1, 0.3]])
    target = torch.tensor([2, 1])
    assert [topk_correct(logits, target, k).item() for k in (1, 2, 3, 5)] == [0, 1, 2, 2]
    assert topk_correct(logits, target, 1).dtype == torch.int64


def test_the_matrix_has_truth_in_rows() -> None:
    matrix = confusion_matrix(torch.tensor([1, 1, 0, 2]), torch.tensor([0, 0, 0, VOID]), 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert matrix.dtype == torch.int64


def test_bytes_count_as_integers_do() -> None:
    prediction, target = labels(0, 21, 21, 0.2)
    expected = confusion_matrix(prediction, target, 21)
    assert torch.equal(confusion_matrix(prediction, target.to(torch.uint8), 21), expected)


def test_the_sum_over_batches_is_the_matrix_of_all() -> None:
    prediction, target = labels(1, 11, 9, 0.2)
    whole = confusion_matrix(prediction, target, 11)
    total = torch.zeros_like(whole)
    for guess, truth in zip(prediction, target, strict=True):
        total += confusion_matrix(guess, truth, 11)
    assert torch.equal(total, whole)


def test_absent_classes_by_hand() -> None:
    """Class 2 is only predicted, class 3 only true, class 4 neither."""
    matrix = torch.zeros(5, 5, dtype=torch.int64)
    matrix[0, 0], matrix[0, 1], matrix[1, 1] = 6, 2, 4
    matrix[1, 2], matrix[3, 0] = 1, 3
    iou = iou_per_class(matrix)
    assert iou[:4].tolist() == pytest.approx([6 / 11, 4 / 7, 0, 0])
    assert iou[4].isnan()
    assert accuracy(matrix).item() == pytest.approx(10 / 16)
    assert accuracy_per_class(matrix)[[0, 1, 3]].tolist() == pytest.approx([6 / 8, 4 / 5, 0])
    assert accuracy_per_class(matrix)[[2, 4]].isnan().all()
    assert mean_class_accuracy(matrix).item() == pytest.approx((6 / 8 + 4 / 5) / 3)
    assert mean_iou(matrix).item() == pytest.approx((6 / 11 + 4 / 7) / 4)
    assert frequency_weighted_iou(matrix).item() == pytest.approx((8 * 6 / 11 + 5 * 4 / 7) / 16)


def test_void_everywhere_has_no_score() -> None:
    matrix = confusion_matrix(torch.zeros(2, 4, 4, dtype=torch.int64), torch.full((2, 4, 4), VOID), 3)
    assert matrix.tolist() == [[0] * 3] * 3
    assert all(math.isnan(score(matrix).item()) for score in SCORES)
    assert iou_per_class(matrix).isnan().all()


def test_no_pixels_have_no_score() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    matrix = confusion_matrix(nothing, nothing, 4)
    assert matrix.shape == (4, 4)
    assert all(math.isnan(score(matrix).item()) for score in SCORES)


def test_all_right_is_one() -> None:
    matrix = confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 1]), 4)
    assert all(score(matrix).item() == 1 for score in SCORES)


def test_a_count_beyond_float32_is_exact() -> None:
    matrix = torch.tensor([[2**24 + 1, 0], [0, 0]])
    assert iou_per_class(matrix)[0] == 1
    assert accuracy(matrix) == 1


@pytest.mark.parametrize("value", [-100, -1, 3, 4, 254, 2**40])
@pytest.mark.parametrize("guess", [0, 2])
def test_a_target_out_of_range_is_named(value: int, guess: int) -> None:
    target = torch.tensor([0, VOID, value])
    with pytest.raises(ValueError, match=rf"target {value}: a target is a class from 0 to 2, or 255 for void"):
        confusion_matrix(torch.full((3,), guess), target, 3)


def test_without_void_every_class_counts() -> None:
    target = torch.tensor([255, 999])
    with pytest.raises(ValueError, match="ignore 255 is one of the 1000 classes"):
        confusion_matrix(target, target, 1000)
    assert confusion_matrix(target, target, 1000, ignore=None)[255, 255] == 1
    with pytest.raises(ValueError, match=r"target 255: a target is a class from 0 to 2$"):
        confusion_matrix(torch.zeros(2, dtype=torch.int64), torch.tensor([1, 255]), 3, ignore=None)
