"""Images that stay on the GPU: which are moved, and that nothing but their place changes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sunetlab.spec import Task
from sunetlab.train.augment import augment
from sunetlab.train.augmentation import Augment
from sunetlab.train.data import Batch, FileSplit, MemorySplit
from sunetlab.train.data import resident as module
from sunetlab.train.data.resident import resident
from sunetlab.train.data.sent import sent
from sunetlab.train.loop import Trainer
from sunetlab.train.watch import Silent
from tests.tiny import TinyData, tiny_run

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")  # a device without memory stands in for a GPU


def split(count: int, side: int = 10, sizes: bool = False) -> MemorySplit:
    """3 · side² bytes of image and 8 of a label, for each."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, side, side).contiguous()
    return MemorySplit("classification", images, torch.arange(count), torch.full((count, 2), side) if sizes else None)


def test_on_a_cpu_nothing_is_moved() -> None:
    splits = [split(3), split(4)]
    assert [*map(id, resident(splits, CPU))] == [*map(id, splits)]
    assert module.free_bytes(CPU) == 0


@pytest.mark.parametrize(
    ("free", "moved"),
    [
        (0, (False, False)),
        (4 * 3080 - 1, (False, True)),
        (4 * 3080, (True, False)),
        (4 * (3080 + 616) - 1, (True, False)),
        (4 * (3080 + 616), (True, True)),
    ],
)
def test_what_fits_into_a_quarter_is_moved(free: int, moved: Sequence[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    splits = [split(10), split(2)]
    assert [each.bytes for each in splits] == [10 * (300 + 8), 2 * (300 + 8)]
    monkeypatch.setattr(module, "free_bytes", lambda _: free)
    for found, whether in zip(resident(splits, ELSEWHERE), moved, strict=True):
        assert isinstance(found, MemorySplit)
        assert (found.images.device.type, found.targets.device.type) == (
            ("meta", "meta") if whether else ("cpu", "cpu")
        )


def test_what_is_decoded_anew_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader:
        task = "classification"

        def __len__(self) -> int:
            return 1

        def read(self, rows: Sequence[int]) -> Batch:
            raise AssertionError(rows)

    monkeypatch.setattr(module, "free_bytes", lambda _: 2**40)
    files = FileSplit(Reader(), 0)  # type: ignore[arg-type]
    assert resident([files], ELSEWHERE) == [files]


def test_batches_are_cut_where_the_images_are() -> None:
    moved = split(10, sizes=True).to(ELSEWHERE)
    found = list(moved.batches(torch.tensor([7, 1, 9, 0, 2]), 2))
    assert [batch.images.shape for batch in found] == [(2, 3, 10, 10), (2, 3, 10, 10), (1, 3, 10, 10)]
    for batch in found:
        assert (batch.images.device.type, batch.targets.device.type) == ("meta", "meta")
        assert batch.sizes is not None
        assert batch.sizes.device == CPU
        assert batch.to(ELSEWHERE).images is batch.images  # nothing is sent twice
    at_home = list(split(10).batches(torch.tensor([7, 1, 9, 0, 2]), 2))
    assert [batch.targets.tolist() for batch in at_home] == [[7, 1], [9, 0], [2]]
    assert [batch.images[:, 0, 0, 0].tolist() for batch in at_home] == [[7, 1], [9, 0], [2]]


def test_a_tensor_that_is_there_is_not_copied() -> None:
    x = torch.rand(3)
    assert sent(x, CPU) is x
    assert sent(x, ELSEWHERE).device.type == "meta"


AUGMENT = Augment(flip=True, scale=(0.7, 1.4), rotate=10.0, shift=0.1, color=0.2, lighting=0.1, crop=(20, 20))


@pytest.mark.parametrize("of_several_sizes", [False, True])
def test_no_view_needs_to_be_read_back(of_several_sizes: bool) -> None:
    """A device without memory: whatever looked at a value there, or mixed devices, would fail."""
    images = torch.zeros(4, 3, 24, 28, dtype=torch.uint8, device=ELSEWHERE)
    masks = torch.zeros(4, 24, 28, dtype=torch.uint8, device=ELSEWHERE)
    sizes = torch.tensor([[24, 28], [20, 17], [9, 28], [24, 5]]) if of_several_sizes else None
    for config in (AUGMENT, Augment(flip=False), Augment(shift=0.125), Augment(area=(0.1, 1.0), crop=(16, 16))):
        x, y = augment(images, masks, config, torch.Generator().manual_seed(0), sizes)
        assert (x.device.type, y.device.type) == ("meta", "meta")
        assert x.shape == (4, 3, *(config.crop or (24, 28)))
        assert x.shape[-2:] == y.shape[-2:]


class Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the values that Python asks of a tensor: on a GPU each would wait for the device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_step_reads_nothing_back(task: Task, tmp_path: Path) -> None:
    run = tiny_run(task, augment=AUGMENT.model_dump(), grad_clip=1.0, accumulate=2)
    data = TinyData(task)
    trainer = Trainer(run, data, tmp_path, CPU, Silent())
    trainer.set_training()
    x, y = augment(data.images[:8], data.targets[:8], AUGMENT, torch.Generator().manual_seed(0))
    with Reads() as reads:
        loss = trainer.optimize(x, y)
        assert reads.count == 0
        assert float(loss) > 0
        assert reads.count == 1
