"""A network on a split → its figures: the same for validation during training and for a test afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from sunetlab.model.sunet import SUNet
from sunetlab.spec import Task
from sunetlab.train import metrics
from sunetlab.train.augment import prepare
from sunetlab.train.boundary import BoundaryCounts, boundary_counts
from sunetlab.train.data import VOID, Batch, Progress
from sunetlab.train.data.source import Split
from sunetlab.train.predict import Predictor, evaluating, refuse_too_small
from sunetlab.train.team import ALONE, Team

NO_CLASS = -100  # torch's own mark of a target that does not count; no image has it


@dataclass(frozen=True)
class Evaluation:
    """Figures of a network on a split.

    Attributes:
        figures: by name, each in [0, 1] but for the loss, which is in nats per image or labelled pixel.
        confusion: (classes, classes) counts, rows truth, columns prediction.
        boundary: pixels → what was counted within so many pixels of a boundary.
    """

    figures: dict[str, float]
    confusion: Tensor
    boundary: Mapping[int, BoundaryCounts] = field(default_factory=dict)


@dataclass(frozen=True)
class Near:
    """Which scores near boundaries are wanted.

    Attributes:
        distances: in pixels; scores for each.
        void_is_boundary: whether void marks the outlines of objects, as in VOC (see `train.boundary`).
    """

    distances: Sequence[int] = ()
    void_is_boundary: bool = False


class Tally:
    """What all figures are made of, summed over images on the device and read once.

    Args:
        task: of the network.
        classes: how many there are.
        device: where the sums are kept.
        near: scores near boundaries, for segmentation.
    """

    def __init__(self, task: Task, classes: int, device: torch.device, near: Near | None = None) -> None:
        self.task, self.classes, self.near = task, classes, near or Near()
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64, device=device)
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)  # loss, what it counts, hits in the top 5
        self.boundary = {k: BoundaryCounts.zero(classes, device) for k in self.near.distances}

    def add(self, logits: Tensor, targets: Tensor, sizes: Tensor | None = None) -> None:
        """Count a batch.

        Args:
            logits: (B, classes) or (B, classes, H, W); logarithms of probabilities are such, too.
            targets: int64, (B,) or (B, H, W).
            sizes: (B, 2) height and width of each image on its canvas, or None where all fill it.
        """
        prediction = logits.argmax(1)
        self.sums[0] += loss_sum(logits, targets)
        self.sums[1] += counted(targets)
        if self.task == "classification" and self.classes > 5:
            self.sums[2] += metrics.topk_correct(logits, targets, 5)
        ignore = VOID if targets.ndim == 3 else None
        self.confusion += metrics.confusion_matrix(prediction, targets, self.classes, ignore=ignore)
        for guess, truth in images_of(Batch(prediction, targets, sizes)) if self.boundary else ():
            for k, counts in self.boundary.items():
                more = boundary_counts(guess, truth, self.classes, k, self.near.void_is_boundary)
                self.boundary[k] = counts.plus(more)

    def join(self, team: Team) -> None:
        """Add what the others have counted, each of other images."""
        self.confusion, self.sums = team.sum(self.confusion), team.sum(self.sums)
        self.boundary = {k: BoundaryCounts(*map(team.sum, counts)) for k, counts in self.boundary.items()}

    def result(self) -> Evaluation:
        """The figures of all that was counted."""
        confusion = self.confusion.cpu()
        loss, count, top5 = self.sums.tolist()
        figures = {"loss": loss / max(count, 1)}
        if self.task == "classification":
            figures["accuracy"] = float(metrics.accuracy(confusion))
            if self.classes > 5:
                figures["top5"] = top5 / max(count, 1)
        else:
            figures["miou"] = float(metrics.mean_iou(confusion))
            figures["pixel_accuracy"] = float(metrics.pixel_accuracy(confusion))
            figures["class_accuracy"] = float(metrics.mean_class_accuracy(confusion))
            figures["fw_iou"] = float(metrics.frequency_weighted_iou(confusion))
        boundary = {k: BoundaryCounts(*(each.cpu() for each in counts)) for k, counts in self.boundary.items()}
        return Evaluation(figures, confusion, boundary)


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
    near: Near | None = None,
    team: Team = ALONE,
) -> Evaluation:
    """Figures of `model`, in evaluation mode, on every image of `split`, as they are, without augmentation.

    Of a team every process looks at its share of the images, none twice, and all have the figures of the whole.

    Images of several sizes are looked at on their canvas, which is quick, and blurs their right and lower edges a
    little; `evaluate_images` looks at each by itself.

    `progress` is called with (done, total) images after every batch. `near` asks for scores near boundaries.

    Raises:
        InputError: the images are too small for the network.
    """
    tally, done = Tally(split.task, model.spec.num_classes, device, near), 0
    with evaluating(model):
        for batch in split.batches(team.share(torch.arange(len(split))), batch_size):
            refuse_too_small(model.spec, (batch.images.shape[-2], batch.images.shape[-1]))
            x, y = prepare(*batch.to(device))
            if channels_last:
                x = x.to(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = model(x)
            tally.add(logits, y, batch.sizes)
            done += len(batch.images)
            if progress is not None:
                progress(done, len(split))
    tally.join(team)
    return tally.result()


@torch.inference_mode()
def evaluate_images(
    predictor: Predictor,
    split: Split,
    batch_size: int,
    progress: Progress | None = None,
    near: Near | None = None,
) -> Evaluation:
    """The same figures where every image is looked at as `predictor` does: at several scales, mirrored, in tiles.

    The loss is that of the averaged probabilities. Images are read `batch_size` at a time and looked at one by one.
    """
    spec, done = predictor.model.spec, 0
    tally = Tally(split.task, spec.num_classes, predictor.device, near)
    for batch in split.batches(torch.arange(len(split)), batch_size):
        for image, target in images_of(batch):
            probabilities = predictor(image)
            least = torch.finfo(probabilities.dtype).tiny  # no logarithm of 0
            tally.add(probabilities.clamp_min(least).log()[None], target.to(predictor.device).long()[None])
            done += 1
            if progress is not None:
                progress(done, len(split))
    return tally.result()


def is_of_several_sizes(split: Split) -> bool:
    """Whether images lie on a canvas larger than themselves, which a network would see if they were looked at so."""
    return next(iter(split.batches(torch.arange(1), 1))).sizes is not None


def images_of(batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
    """Each image of a batch without the canvas beyond it, (…, H, W), with its target, () or (H, W)."""
    whole = [batch.images.shape[-2:]] * len(batch.images)
    sizes = whole if batch.sizes is None else batch.sizes.tolist()
    for image, target, (height, width) in zip(batch.images, batch.targets, sizes, strict=True):
        yield image[..., :height, :width], target[:height, :width] if target.ndim else target


def per_class(confusion: Tensor, task: Task) -> list[float]:
    """A figure per class: its IoU, or the part of its images that are recognised; nan for a class that is absent."""
    scores = metrics.iou_per_class if task == "segmentation" else metrics.accuracy_per_class
    return [float(value) for value in scores(confusion)]
