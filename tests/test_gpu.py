"""What needs a CUDA device: run with `pytest -m gpu`."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sunetlab import SUNetSpec, build
from sunetlab.spec import Task
from sunetlab.train import compiling
from sunetlab.train.augment import augment
from sunetlab.train.augmentation import Augment
from sunetlab.train.data import resident
from sunetlab.train.loop import Trainer, train
from sunetlab.train.run import read_log
from sunetlab.train.watch import Silent
from tests.tiny import TinyData, tiny_run

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_training_on_the_gpu_follows_the_cpu(task: Task, tmp_path: Path) -> None:
    for device in ("cuda", "cpu"):
        train(tiny_run(task, precision="fp32", epochs=2, lr=0.01), TinyData(task), tmp_path / device, device)
    losses = [read_log(tmp_path / device)[-1]["train_loss"] for device in ("cuda", "cpu")]
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)


@pytest.mark.parametrize("compiled", [False, True])
def test_bf16_channels_last_learns(compiled: bool, tmp_path: Path) -> None:
    result = train(tiny_run(epochs=25, lr=0.1, compile=compiled), TinyData(), tmp_path / "run", "cuda")
    assert result["value"] > 0.9
    assert result["machine"]["device"].startswith("cuda")


def test_a_run_killed_on_the_gpu_goes_on_on_the_cpu(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Killer(Silent):
        def epoch(self, row: dict[str, Any]) -> None:
            assert row["epoch"] == 1
            raise Killed

    with pytest.raises(Killed):
        train(tiny_run(), TinyData(), tmp_path / "run", "cuda", Killer())
    train(tiny_run(), TinyData(), tmp_path / "run", "cpu")
    assert len(read_log(tmp_path / "run")) == 3


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_forward_equals_the_cpu(output_stride: int) -> None:
    spec = SUNetSpec.make(n=8, output_stride=output_stride, task="segmentation", num_classes=5)
    model, x = build(spec).eval().double(), torch.randn(1, 3, 97, 131, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(model.cuda()(x.cuda()).cpu(), model.cpu()(x))


def test_augmentation_draws_the_same_on_every_device() -> None:
    images = torch.randint(0, 256, (8, 3, 33, 47), dtype=torch.uint8)
    masks = torch.randint(0, 5, (8, 33, 47), dtype=torch.uint8)
    config = Augment(scale=(0.5, 2.0), rotate=10.0, shift=0.1, color=0.3)
    found = [
        augment(images.to(device), masks.to(device), config, torch.Generator().manual_seed(0))
        for device in ("cpu", "cuda")
    ]
    torch.testing.assert_close(found[0][0], found[1][0].cpu(), rtol=1e-3, atol=1e-3)
    assert (found[0][1] == found[1][1].cpu()).float().mean() > 0.999


AUGMENT = {"flip": True, "scale": (0.7, 1.4), "rotate": 10.0, "shift": 0.1, "color": 0.2, "lighting": 0.1}


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_where_images_lie_changes_no_bit(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, batches = tiny_run(task, epochs=1, augment=AUGMENT), []
    for name, free in (("moved", resident.free_bytes), ("sent", lambda _: 0)):
        monkeypatch.setattr(resident, "free_bytes", free)
        trainer = Trainer(run, TinyData(task), tmp_path / name, torch.device("cuda"), Silent())
        generator, order = torch.Generator().manual_seed(3), torch.randperm(24, generator=torch.Generator())
        batches.append(
            [
                augment(*batch.to(trainer.device)[:2], run.recipe.augment, generator)
                for batch in trainer.train_split.batches(order, 8)
            ]
        )
    for moved, sent in zip(*batches, strict=True):
        assert moved[0].is_cuda
        assert torch.equal(moved[0], sent[0])
        assert torch.equal(moved[1], sent[1])


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("is_moved", [True, False])
def test_a_step_waits_for_nothing(
    is_moved: bool, optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_moved:
        monkeypatch.setattr(resident, "free_bytes", lambda _: 0)
    run = tiny_run("segmentation", optimizer=optimizer, augment=AUGMENT, grad_clip=1.0, accumulate=2)
    trainer = Trainer(run, TinyData("segmentation"), tmp_path, torch.device("cuda"), Silent())
    generator = torch.Generator().manual_seed(0)

    def epoch() -> None:
        for images, targets, sizes in (
            batch.to(trainer.device) for batch in trainer.train_split.batches(torch.arange(24), 8)
        ):
            trainer.optimize(*augment(images, targets, run.recipe.augment, generator, sizes))

    trainer.set_training()
    epoch()  # whatever is made once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        epoch()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_auto_compiles_where_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "FEWEST", 0)
    monkeypatch.setattr(compiling, "SHORTEST", 0.0)
    found = train(tiny_run(compile="auto"), TinyData(), tmp_path / "short", "cuda")["compile"]
    assert not found["compiled"]  # nine steps
    assert found["why"] == "it does not pay"
    monkeypatch.setattr(compiling, "pays", lambda *_: True)
    result = train(tiny_run(epochs=25, lr=0.1, compile="auto"), TinyData(), tmp_path / "long", "cuda")
    assert result["compile"]["compiled"]
    assert result["value"] > 0.9
