"""Scenes need context: of two networks that differ in their field alone, the one that sees 11 pixels is worse."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sunetlab.train.augment import augment, prepare
from sunetlab.train.augmentation import Augment
from sunetlab.train.data import DataConfig, open_data
from sunetlab.train.metrics import confusion_matrix, mean_iou

TRAIN, EPOCHS, BATCH, WIDTH = 3000, 12, 32, 48


def network(dilations: tuple[int, int], classes: int) -> nn.Sequential:
    """3×3 stride 2, two dilated 3×3, two 1×1: sees 3 + 4·(sum of the dilations) pixels, for the same cost."""

    def unit(channels: int, out: int, kernel: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
        conv = nn.Conv2d(channels, out, kernel, stride, dilation * (kernel // 2), dilation)
        return [conv, nn.BatchNorm2d(out), nn.ReLU()]

    first, second = dilations
    return nn.Sequential(
        *unit(3, WIDTH, 3, stride=2),
        *unit(WIDTH, WIDTH, 3, dilation=first),
        *unit(WIDTH, WIDTH, 3, dilation=second),
        *unit(WIDTH, 2 * WIDTH, 1),
        nn.Conv2d(2 * WIDTH, classes, 1),
    )


def trained_miou(dilations: tuple[int, int]) -> float:
    config = DataConfig(source="scenes", task="segmentation", size=(48, 48), train=TRAIN, val=500)
    data = open_data(config)
    train, val, classes = data.split("train"), data.split("val"), len(data.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = network(dilations, classes)

    def logits(x: Tensor) -> Tensor:
        return F.interpolate(model(x), size=x.shape[-2:], mode="bilinear")

    optimizer = torch.optim.AdamW(model.parameters(), 0.004, weight_decay=0.01)
    steps = TRAIN // BATCH * EPOCHS
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.004, total_steps=steps + 1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        order = torch.randperm(TRAIN, generator=generator)[: TRAIN // BATCH * BATCH]
        for images, masks, _ in train.batches(order, BATCH):
            x, y = augment(images, masks, Augment(flip=True), generator)
            optimizer.zero_grad()
            F.cross_entropy(logits(x), y, ignore_index=255).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    model.eval()
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    with torch.no_grad():
        for images, masks, _ in val.batches(torch.arange(len(val)), 50):
            x, y = prepare(images, masks)
            confusion += confusion_matrix(logits(x).argmax(1), y, classes)
    return float(mean_iou(confusion))


@pytest.mark.slow
def test_a_field_of_eleven_pixels_is_not_enough() -> None:
    near, far = trained_miou((1, 1)), trained_miou((3, 9))  # 11 pixels, and 51: more than the image
    print(f"mIoU: 11 pixels {near:.3f}, 51 pixels {far:.3f}")  # noqa: T201
    assert far > near + 0.05
