"""A network on a split → its figures: the same for validation during training and for a test afterwards."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sunetlab.model.sunet import SUNet
from sunetlab.spec import Task
from sunetlab.train import metrics
from sunetlab.train.augment import prepare
from sunetlab.train.data import VOID, Progress
from sunetlab.train.data.source import Split

OBJECTIVE: dict[Task, str] = {"classification": "accuracy", "segmentation": "miou"}  # what "best" means, in [0, 1]
NO_CLASS = -100  # torch's own mark of a target that does not count; no image has it


@dataclass(frozen=True)
class Evaluation:
    """Figures of a network on a split.

    Attributes:
        figures: by name, each in [0, 1] but for the loss, which is in nats per image or labelled pixel.
        confusion: (classes, classes) counts, rows truth, columns prediction.
    """

    figures: dict[str, float]
    confusion: Tensor


def loss_sum(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy summed over images, or over the pixels that are not void.

    Args:
        logits: (B, classes) or (B, classes, H, W).
        targets: int64, (B,) or (B, H, W); in a mask 255 is void, as a class of an image it is a class.
        label_smoothing: weight of the uniform distribution in the target.
    """
    ignore = VOID if targets.ndim == 3 else NO_CLASS
    return F.cross_entropy(
        logits.float(), targets, ignore_index=ignore, reduction="sum", label_smoothing=label_smoothing
    )


def counted(targets: Tensor) -> Tensor:
    """How many targets the loss sums over: images, or pixels that are not void."""
    return (targets != (VOID if targets.ndim == 3 else NO_CLASS)).sum()


@torch.inference_mode()
def evaluate(
    model: SUNet,
    split: Split,
    device: torch.device,
    batch_size: int,
    bf16: bool = False,
    channels_last: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Figures of `model`, in evaluation mode, on every image of `split`, as they are, without augmentation.

    `progress` is called with (done, total) images after every batch.
    """
    was_training = model.training
    model.eval()
    classes = model.spec.num_classes
    confusion = torch.zeros(classes, classes, dtype=torch.int64, device=device)
    sums = torch.zeros(3, dtype=torch.float64, device=device)  # of the loss, of what it counts, of hits in the top 5
    done = 0
    for batch in split.batches(torch.arange(len(split)), batch_size):
        x, y = prepare(*batch.to(device))
        if channels_last:
            x = x.to(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = model(x)
        sums[0] += loss_sum(logits, y)
        sums[1] += counted(y)
        if split.task == "classification" and classes > 5:
            sums[2] += metrics.topk_correct(logits, y, 5)
        confusion += metrics.confusion_matrix(logits.argmax(1), y, classes, ignore=VOID if y.ndim == 3 else None)
        done += len(batch.images)
        if progress is not None:
            progress(done, len(split))
    model.train(was_training)
    confusion = confusion.cpu()
    loss, count, top5 = sums.tolist()
    figures = {"loss": loss / max(count, 1)}
    if split.task == "classification":
        figures["accuracy"] = float(metrics.pixel_accuracy(confusion))
        if classes > 5:
            figures["top5"] = top5 / max(count, 1)
    else:
        figures["miou"] = float(metrics.mean_iou(confusion))
        figures["pixel_accuracy"] = float(metrics.pixel_accuracy(confusion))
    return Evaluation(figures, confusion)


def per_class(confusion: Tensor, task: Task) -> list[float]:
    """A figure per class: its IoU, or the part of its images that are recognised; nan for a class that is absent."""
    if task == "segmentation":
        return [float(value) for value in metrics.iou_per_class(confusion)]
    counts = confusion.to(torch.float64)
    return [float(value) for value in counts.diagonal() / counts.sum(1)]
