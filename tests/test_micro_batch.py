"""Lack of memory is answered by fewer images at once, and the training is the one that had them from there on."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from sunetlab import InputError
from sunetlab.model.sunet import SUNet
from sunetlab.study.attempt import attempt
from sunetlab.study.designs import training_of
from sunetlab.train.loop import Trainer, train
from sunetlab.train.memory import is_out_of_memory, micro_batches
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import Run, read_log
from sunetlab.train.watch import Silent
from tests.tiny import TinyData, tiny_run

CPU = torch.device("cpu")
TIMES = {"seconds", "images_per_second"}


class Killed(BaseException):
    """What a kill is to a process that can still be looked at."""


class Told(Silent):
    def __init__(self, killed_after: int = 99) -> None:
        self.killed_after = killed_after
        self.shrinks: list[tuple[int, int]] = []
        self.seen: list[int] = []

    def shrunk(self, finished: int, micro_batch: int) -> None:
        self.shrinks.append((finished, micro_batch))

    def epoch(self, row: dict[str, Any]) -> None:
        self.seen.append(row["epoch"])
        if row["epoch"] == self.killed_after:
            raise Killed


class Memory:
    """A GPU that has room for so many images in training, after `calls` of a network with room for any."""

    def __init__(self, patch: pytest.MonkeyPatch, most: int, calls: int = 0) -> None:
        self.most, self.calls, self.forward = most, calls, SUNet.forward
        patch.setattr(SUNet, "forward", lambda model, x: self.take(model, x))

    def take(self, model: SUNet, x: Tensor) -> Tensor:
        """After the network has done its work: what an answer does not leave behind, BN's statistics do."""
        found = self.forward(model, x)
        self.calls -= model.training
        if model.training and self.calls < 0 and len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return found


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder / "last.pt", weights_only=True)["model"]
    return state


def same(a: Path, b: Path) -> bool:
    best, last = (load_file(each / "weights.safetensors") for each in (a, b)), (weights(each) for each in (a, b))
    return all(
        one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        for one, other in (best, last)
    )


def rows(folder: Path, without: set[str] = TIMES) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in without} for row in read_log(folder)]


def test_images_at_once() -> None:
    table = {
        (8, 1, None): (8,),
        (8, 1, 8): (8,),
        (8, 1, 1): (8, 4, 2, 1),
        (9, 2, 2): (5, 3, 2),
        (8, 3, 5): (3,),  # the recipe's own parts are smaller already
        (40, 1, 7): (24, 12, 7),  # no more than the split has
    }
    for (batch, parts, least), expected in table.items():
        recipe = Recipe(batch_size=batch, accumulate=parts, min_micro_batch=least)
        assert micro_batches(recipe, images=24) == expected


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_ends_as_a_run_with_smaller_parts_does(
    optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for three images: of 8 at once, 4 are the next, then 2, which `accumulate = 4` asks for from the start."""
    words: dict[str, Any] = {"epochs": 2, "optimizer": optimizer, "augment": {"scale": (0.7, 1.4), "color": 0.2}}
    data = TinyData("segmentation")
    train(tiny_run("segmentation", accumulate=4, **words), data, tmp_path / "asked", "cpu")
    Memory(monkeypatch, most=3)
    told = Told()
    result = train(tiny_run("segmentation", min_micro_batch=1, **words), data, tmp_path / "lacked", "cpu", told)
    assert same(tmp_path / "asked", tmp_path / "lacked")
    assert rows(tmp_path / "lacked", TIMES | {"micro_batch"}) == rows(tmp_path / "asked")
    assert told.shrinks == [(0, 4), (0, 2)]
    assert [row["micro_batch"] for row in read_log(tmp_path / "lacked")] == [2, 2]
    assert result["micro_batch"] == 2


def test_an_epoch_in_whose_middle_memory_lacks_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 images are 3 steps of 8; the fifth is in the middle of the second epoch, whose fellow goes on in two parts."""
    run = tiny_run(epochs=3, min_micro_batch=4)
    with pytest.raises(Killed):
        train(run, TinyData(), tmp_path / "asked", "cpu", Told(killed_after=1))
    halved = tiny_run(epochs=3, min_micro_batch=4, accumulate=2)
    halved.save(tmp_path / "asked")
    train(halved, TinyData(), tmp_path / "asked", "cpu")
    Memory(monkeypatch, most=4, calls=4)
    told = Told()
    train(run, TinyData(), tmp_path / "lacked", "cpu", told)
    assert same(tmp_path / "asked", tmp_path / "lacked")
    assert told.shrinks == [(1, 4)]
    assert told.seen == [1, 2, 3]
    assert [row.get("micro_batch") for row in read_log(tmp_path / "lacked")] == [None, 4, 4]


def test_a_run_that_is_gone_on_with_keeps_what_it_had_come_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, told = tiny_run(epochs=3, min_micro_batch=2), Told()
    Memory(monkeypatch, most=4)
    with pytest.raises(Killed):
        train(run, TinyData(), tmp_path / "run", "cpu", Told(killed_after=1))
    monkeypatch.undo()
    result = train(run, TinyData(), tmp_path / "run", "cpu", told)  # with room for any
    train(tiny_run(epochs=3, accumulate=2), TinyData(), tmp_path / "asked", "cpu")
    assert same(tmp_path / "run", tmp_path / "asked")
    assert told.shrinks == []
    assert result["micro_batch"] == 4


def test_fewer_than_the_recipe_allows_are_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Memory(monkeypatch, most=3)
    told = Told()
    with pytest.raises(torch.OutOfMemoryError):
        train(tiny_run(min_micro_batch=4), TinyData(), tmp_path / "a", "cpu", told)
    assert told.shrinks == [(0, 4)]
    with pytest.raises(torch.OutOfMemoryError):  # the recipe says nothing of it
        train(tiny_run(), TinyData(), tmp_path / "b", "cpu")
    outcome = attempt(tiny_run(), TinyData(), tmp_path / "c", "cpu", Silent())
    assert outcome is not None
    assert outcome["reason"] == "out of memory"


def test_a_run_with_room_says_nothing_of_it(tmp_path: Path) -> None:
    result = train(tiny_run(epochs=1), TinyData(), tmp_path / "run", "cpu")
    assert "micro_batch" not in (tmp_path / "run" / "run.toml").read_text()
    assert "micro_batch" not in {**read_log(tmp_path / "run")[0], **result}
    assert Run.load(tmp_path / "run").recipe.min_micro_batch is None


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_gradients_are_those_of_the_whole_batchs_loss(parts: int, tmp_path: Path) -> None:
    """In float64, with BN frozen, by torch's own mean over the pixels that are not void; some parts have none."""
    trainer = Trainer(tiny_run("segmentation", accumulate=parts, freeze_bn=True), TinyData(), tmp_path, CPU, Silent())
    trainer.model.double()
    trainer.set_training()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(8, 3, 24, 24, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (8, 24, 24), generator=generator)
    for image, rows_of_void in enumerate((0, 24, 24, 3, 20, 0, 23, 24)):
        y[image, :rows_of_void] = 255
    parameters = [each for each in trainer.model.parameters() if each.requires_grad]
    loss = F.cross_entropy(trainer.model(x).float(), y, ignore_index=255)
    expected = torch.autograd.grad(loss, parameters)
    assert float(trainer.optimize(x, y)) == pytest.approx(float(loss.detach()), rel=1e-6)
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-8)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"min_micro_batch: 9: more images than a batch of 8"):
        Recipe(batch_size=8, min_micro_batch=9)
    words = {"stacks": (1, 1, 1)}
    with pytest.raises(InputError, match=r"min_micro_batch: 1: .* maps of one pixel"):
        train(tiny_run(min_micro_batch=1, words=words), TinyData(side=16), tmp_path / "run", "cpu")
    with pytest.raises(InputError, match=r"min_micro_batch: 7: .* maps of one pixel"):  # 8 are 7 and a single one
        train(tiny_run(min_micro_batch=7, words=words), TinyData(side=16), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_other_parts_is_named(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu", Told(killed_after=1))
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    state["rows"][0]["micro_batch"] = 3
    torch.save(state, tmp_path / "run" / "last.pt")
    with pytest.raises(InputError, match=r"last\.pt: cannot be gone on from"):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu")


def test_memory_is_counted_of_what_goes_through_at_once() -> None:
    """Bounds on memory are kept by the recipe's own parts; what lack of memory comes to needs less."""
    for parts, expected in ((1, 8), (3, 3), (4, 2)):
        assert training_of(Recipe(batch_size=8, accumulate=parts, min_micro_batch=1)).batch == expected


def test_a_lack_of_memory_is_told_from_other_errors() -> None:
    for lack in (
        MemoryError(),
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ):
        assert is_out_of_memory(lack)
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
