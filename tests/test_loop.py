"""One training run: it learns, resumes to the same bits, says when it fails, and leaves whole files."""

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sunetlab import InputError
from sunetlab.spec import Task
from sunetlab.train.data import MemorySplit, Progress
from sunetlab.train.device import lies_channels_last
from sunetlab.train.evaluate import counted, evaluate, loss_sum, per_class
from sunetlab.train.hold import TakenOverError
from sunetlab.train.loop import NotFiniteError, Trainer, initial_model, train
from sunetlab.train.optimizer import make_optimizer, set_lr
from sunetlab.train.run import Run, load_model, read_log
from sunetlab.train.transfer import Initial
from sunetlab.train.watch import Silent
from tests.tiny import TinyData, tiny_run

TASKS: tuple[Task, ...] = ("classification", "segmentation")
CPU = torch.device("cpu")


class Killed(BaseException):
    """What a kill is to a process that can still be looked at."""


class KilledAfter(Silent):
    def __init__(self, epoch: int) -> None:
        self.last = epoch

    def epoch(self, row: dict[str, Any]) -> None:
        if row["epoch"] == self.last:
            raise Killed


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder / "last.pt", weights_only=True)["model"]
    return state


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("task", TASKS)
def test_it_learns(task: Task, tmp_path: Path) -> None:
    result = train(tiny_run(task, epochs=25, lr=0.1), TinyData(task), tmp_path / "run", "cpu")
    rows = read_log(tmp_path / "run")
    assert [row["epoch"] for row in rows] == list(range(1, 26))
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    assert result["value"] == max(row[f"val_{result['objective']}"] for row in rows) > 0.9


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("killed", [1, 2])
def test_a_run_that_was_killed_ends_with_the_same_bits(task: Task, optimizer: str, killed: int, tmp_path: Path) -> None:
    augment = {"flip": True, "scale": (0.7, 1.4), "rotate": 10.0, "shift": 0.1, "color": 0.2}
    run, data = tiny_run(task, epochs=3, optimizer=optimizer, warmup=1.0, augment=augment), TinyData(task)
    whole = train(run, data, tmp_path / "whole", "cpu")
    with pytest.raises(Killed):
        train(run, data, tmp_path / "killed", "cpu", KilledAfter(killed))
    torch.manual_seed(12345)  # whatever else the process draws must not matter
    resumed = train(run, data, tmp_path / "killed", "cpu")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert same(*(load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "killed")))
    timings = {"seconds", "images_per_second"}
    kept = [{k: v for k, v in row.items() if k not in timings} for row in read_log(tmp_path / "whole")]
    assert kept == [{k: v for k, v in row.items() if k not in timings} for row in read_log(tmp_path / "killed")]
    assert whole["value"] == resumed["value"]


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train(tiny_run(seed=seed), TinyData(), tmp_path / name, "cpu")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = train(tiny_run(), TinyData(), tmp_path / "run", "cpu")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()}
    assert train(tiny_run(), TinyData(), tmp_path / "run", "cpu") == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").iterdir()} == before


def test_another_run_does_not_take_over_a_folder(tmp_path: Path) -> None:
    train(tiny_run(), TinyData(), tmp_path / "run", "cpu")
    with pytest.raises(InputError, match=r"recipe\.lr: 0\.05 there, 0\.07 here"):
        train(tiny_run(lr=0.07), TinyData(), tmp_path / "run", "cpu")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        train(tiny_run(), TinyData(), tmp_path / "full", "cpu")


@pytest.mark.parametrize("task", TASKS)
def test_a_loss_that_is_not_finite_says_when(task: Task, tmp_path: Path) -> None:
    with pytest.raises(NotFiniteError, match=r"epoch 1, step [23] of 3 \(learning rate 1e\+30\)"):
        train(tiny_run(task, lr=1e30, schedule="constant"), TinyData(task), tmp_path / "run", "cpu")
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize("task", TASKS)
def test_accumulated_gradients_are_those_of_the_whole_batch(task: Task, tmp_path: Path) -> None:
    """In evaluation mode, where BN does not see the batch, the parts must add up."""
    data, steps = TinyData(task), []
    for accumulate in (1, 3):
        trainer = Trainer(tiny_run(task, accumulate=accumulate), data, tmp_path, CPU, Silent())
        trainer.model.eval()
        x, y = torch.randn(8, 3, 24, 24, generator=torch.Generator().manual_seed(1)), data.targets[:8].long()
        loss = trainer.optimize(x, y)
        steps.append((loss, [p.grad for p in trainer.model.parameters() if p.grad is not None]))
    torch.testing.assert_close(steps[0][0], steps[1][0])
    torch.testing.assert_close(steps[0][1], steps[1][1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_precision_and_memory_layout_only_blur_the_result(precision: str, channels_last: bool, tmp_path: Path) -> None:
    """By the first epoch's loss: three steps, before rounding has grown."""
    changes: dict[str, Any] = {"precision": precision, "channels_last": channels_last}
    for name, more in (("a", changes), ("b", {"precision": "fp32", "channels_last": False})):
        train(
            tiny_run(words={"stem_width": 32}, **{"epochs": 1, "lr": 0.01, **more}), TinyData(), tmp_path / name, "cpu"
        )
    losses = [read_log(tmp_path / name)[0]["train_loss"] for name in "ab"]
    assert losses[0] == pytest.approx(losses[1], rel=0.03 if precision == "bf16" else 1e-5)
    assert precision == "fp32" or losses[0] != losses[1]


@pytest.mark.parametrize(
    ("stem", "stem_width", "taken"), [("paper", 30, False), ("paper", 32, True), ("small", 8, True)]
)
def test_a_layout_that_a_library_fails_on_is_not_taken(stem: str, stem_width: int, taken: bool, tmp_path: Path) -> None:
    run = tiny_run(words={"stem": stem, "stem_width": stem_width}, channels_last=True)
    trainer = Trainer(run, TinyData(), tmp_path, CPU, Silent())
    assert trainer.model.stem.residual.conv2.weight.is_contiguous(memory_format=torch.channels_last) == taken
    assert lies_channels_last(run.recipe, run.spec, torch.device("cuda"))
    assert not lies_channels_last(run.recipe.model_copy(update={"channels_last": False}), run.spec, CPU)


def test_gradients_are_clipped_to_the_norm_asked_for(tmp_path: Path) -> None:
    trainer = Trainer(tiny_run(grad_clip=1e-3), TinyData(), tmp_path, CPU, Silent())
    trainer.optimize(torch.randn(8, 3, 24, 24), torch.zeros(8, dtype=torch.int64))
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in trainer.model.parameters() if p.grad is not None))
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_only_weights_decay_unless_asked() -> None:
    model = initial_model(tiny_run())
    for decay_all, share in ((False, False), (True, True)):
        optimizer = make_optimizer(model, tiny_run(decay_all=decay_all, weight_decay=0.5).recipe)
        decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
        everything = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert everything == {id(p) for p in model.parameters()}
        assert all((id(p) in decayed) == (p.ndim > 1 or share) for p in model.parameters())


def test_network_and_data_must_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="classification into 3 classes"):
        train(tiny_run(words={"num_classes": 4}), TinyData(), tmp_path / "run", "cpu")
    with pytest.raises(InputError, match="in_channels: 1"):
        train(tiny_run(words={"in_channels": 1}), TinyData(), tmp_path / "run", "cpu")
    with pytest.raises(InputError, match="too small for block 2"):
        train(tiny_run(), TinyData(side=4), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


def test_changed_data_are_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu", KilledAfter(1))
    (tmp_path / "run" / "data.json").write_text('{"source": "other"}')
    with pytest.raises(InputError, match="the data have changed"):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu")


def test_what_a_killed_run_lacks_is_made_good_or_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny_run(), TinyData(), folder, "cpu")
    (folder / "result.json").unlink()
    (folder / "log.jsonl").unlink()
    train(tiny_run(), TinyData(), folder, "cpu")
    assert len(read_log(folder)) == 3
    (folder / "result.json").unlink()
    (folder / "weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors: is gone"):
        train(tiny_run(), TinyData(), folder, "cpu")
    for name in ("result.json", "log.jsonl"):
        (folder / name).write_text("{}" if name == "result.json" else "{")
        with pytest.raises(InputError, match=f"{name}: is damaged"):
            train(tiny_run(), TinyData(), folder, "cpu") if name == "result.json" else read_log(folder)
    for line in ("{}", "[1]", "7", "[" * 100_000):
        (folder / "log.jsonl").write_text(line)
        with pytest.raises(InputError, match=r"log\.jsonl: is damaged"):
            read_log(folder)


class VoidIn(TinyData):
    """Masks of one split are void."""

    def __init__(self, split: str) -> None:
        super().__init__("segmentation")
        self.void = split

    def split(self, name: str, progress: Progress | None = None) -> MemorySplit:
        found = super().split(name, progress)
        if name == self.void:
            found.targets = torch.full_like(found.targets, 255)
        return found


def test_a_validation_split_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="val: the validation split has no labelled pixel"):
        train(tiny_run("segmentation"), VoidIn("val"), tmp_path / "run", "cpu")


def test_a_training_split_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train: the training split has no labelled pixel"):
        train(tiny_run("segmentation"), VoidIn("train"), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


def test_what_a_kill_in_the_middle_of_a_file_leaves_is_removed(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu", KilledAfter(1))
    old, young, other = (tmp_path / "run" / name for name in (f".{'a' * 32}.part", f".{'b' * 32}.part", ".mine.part"))
    for path in (old, young, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (0, 0))
    train(tiny_run(), TinyData(), tmp_path / "run", "cpu")
    assert [path.exists() for path in (old, young, other)] == [False, True, True]


def test_a_single_value_is_not_enough_for_bn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"batch_size: 8: .* maps of one pixel"):
        train(tiny_run(accumulate=8, words={"stacks": (1, 1, 1)}), TinyData(side=16), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), torch.OutOfMemoryError("CUDA")])
def test_a_checkpoint_that_may_be_whole_is_not_to_be_deleted(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise error

    with pytest.raises(Killed):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu", KilledAfter(1))
    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(type(error)):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu")


def test_crops_that_are_too_small_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"augment\.crop: 4x4: too small for block 2"):
        train(tiny_run(augment={"crop": (4, 4)}), TinyData(), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu", KilledAfter(1))
    (tmp_path / "run" / "last.pt").write_bytes(b"half a file")
    with pytest.raises(InputError, match=r"last\.pt: cannot be gone on from"):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu")


@pytest.mark.parametrize(
    "spoil",
    [
        str,
        lambda rows: [*rows, {}],
        lambda rows: rows * 2,
        lambda rows: [{**row, "epoch": n} for n in range(1, 9) for row in rows],
        lambda rows: [{**rows[0], "val_accuracy": math.nan}],
        lambda rows: [{**rows[0], "seconds": "9"}],
    ],
)
def test_a_checkpoint_of_other_epochs_is_named(spoil: Callable[[list[dict[str, Any]]], Any], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu", KilledAfter(1))
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    torch.save(state | {"rows": spoil(state["rows"])}, tmp_path / "run" / "last.pt")
    with pytest.raises(InputError, match=r"last\.pt: cannot be gone on from"):
        train(tiny_run(), TinyData(), tmp_path / "run", "cpu")


@pytest.mark.parametrize("task", TASKS)
def test_a_run_reads_back_as_the_network_that_was_best(task: Task, tmp_path: Path) -> None:
    result = train(tiny_run(task, epochs=4), TinyData(task), tmp_path / "run", "cpu")
    model, run = load_model(tmp_path / "run")
    assert run == Run.load(tmp_path / "run") == tiny_run(task, epochs=4)
    found = evaluate(model, TinyData(task).split("val"), CPU, batch_size=5)
    assert found.figures[result["objective"]] == pytest.approx(result["value"], abs=1e-6)
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result


@pytest.mark.parametrize("task", TASKS)
def test_evaluation_equals_the_direct_computation(task: Task) -> None:
    data, model = TinyData(task), initial_model(tiny_run(task))
    found = evaluate(model, data.split("val"), CPU, batch_size=7)
    mean, deviation = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        logits = model.eval()((data.images / 255 - mean) / deviation)
    targets = data.targets.long()
    valid = targets != 255
    hits = (logits.argmax(1) == targets)[valid]
    assert found.figures["loss"] == pytest.approx(float(F.cross_entropy(logits, targets, ignore_index=255)), rel=1e-5)
    name = "accuracy" if task == "classification" else "pixel_accuracy"
    assert found.figures[name] == pytest.approx(float(hits.float().mean()))
    assert int(found.confusion.sum()) == int(valid.sum())
    assert len(per_class(found.confusion, task)) == 3


def test_label_255_is_void_in_a_mask_and_a_class_of_an_image() -> None:
    assert int(counted(torch.tensor([255, 3]))) == 2
    assert int(counted(torch.full((1, 2, 2), 255))) == 0
    assert float(loss_sum(torch.zeros(1, 256), torch.tensor([255]))) == pytest.approx(math.log(256))
    assert float(loss_sum(torch.zeros(1, 256, 2, 2), torch.full((1, 2, 2), 255))) == 0.0


def test_iterations_end_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """24 images in batches of 8 are 3 steps an epoch; a run that was killed ends as one that was not."""
    run = tiny_run(epochs=1, iterations=7)
    result = train(run, TinyData(), tmp_path / "whole", "cpu")
    assert result["last"]["epoch"] == 3
    with pytest.raises(Killed):
        train(run, TinyData(), tmp_path / "killed", "cpu", KilledAfter(2))
    train(run, TinyData(), tmp_path / "killed", "cpu")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    state = torch.load(tmp_path / "whole" / "last.pt", weights_only=True)["optimizer"]
    assert state["param_groups"][0]["lr"] == pytest.approx(run.recipe.lr_at(6, 3))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_which_weights_are_kept(keep: str, tmp_path: Path) -> None:
    """Validation every second epoch, and after the last; the rows between say nothing of it."""
    run = tiny_run(epochs=5, validate_every=2, keep=keep, lr=0.1)
    result = train(run, TinyData(), tmp_path / "run", "cpu")
    rows = read_log(tmp_path / "run")
    assert [row["epoch"] for row in rows if "val_accuracy" in row] == [2, 4, 5]
    looked = [row for row in rows if "val_accuracy" in row]
    expected = looked[-1] if keep == "last" else max(looked, key=lambda row: row["val_accuracy"])
    assert result["best"] == expected
    if keep == "last":
        assert same(load_file(tmp_path / "run" / "weights.safetensors"), weights(tmp_path / "run"))


def test_the_head_learns_faster_and_its_biases_faster_still() -> None:
    run = tiny_run("segmentation", words={"degrid": True}, head_lr=10.0, head_bias_lr=20.0, decay_all=True)
    model = initial_model(run)
    optimizer = make_optimizer(model, run.recipe)
    set_lr(optimizer, 0.5)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, module in model.named_modules():
        scale = 10.0 if name.startswith(("degrid", "classifier")) else 1.0
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            assert module.bias is not None
            of_bias = 20.0 if scale == 10.0 and not isinstance(module, nn.BatchNorm2d) else scale
            assert (rates[id(module.weight)], rates[id(module.bias)]) == (0.5 * scale, 0.5 * of_bias)


def test_frozen_bn_keeps_what_it_started_from(tmp_path: Path) -> None:
    run = tiny_run("segmentation", epochs=1, freeze_bn=True, lr=0.1)
    before = initial_model(run).state_dict()
    train(run, TinyData("segmentation"), tmp_path / "run", "cpu")
    for name, tensor in weights(tmp_path / "run").items():
        assert torch.equal(tensor, before[name]) == (".bn." in name), name


def test_a_classification_networks_weights_go_into_its_dilated_form(tmp_path: Path) -> None:
    words = {"stacks": (1, 1, 1), "depth": 1}
    train(tiny_run(epochs=1, words=words), TinyData(side=32), tmp_path / "a", "cpu")
    taken = Initial.read(tmp_path / "a")
    run = tiny_run("segmentation", words=words | {"output_stride": 8, "degrid": True})
    run = run.model_copy(update={"init": taken.init})
    model = initial_model(run, taken)
    learned, fresh = load_file(tmp_path / "a" / "weights.safetensors"), initial_model(run).state_dict()
    for name, tensor in model.state_dict().items():
        expected = fresh if name.startswith(("classifier", "degrid")) else learned
        assert torch.equal(tensor, expected[name]), name
    told = str(taken.taken_by(model))
    assert f"from {tmp_path / 'a'}" in told
    assert "new: classifier, degrid" in told
    result = train(run, TinyData("segmentation", side=32), tmp_path / "b", "cpu", initial=taken)
    assert Run.load(tmp_path / "b").init == taken.init
    assert train(run, TinyData("segmentation", side=32), tmp_path / "b", "cpu", initial=taken) == result
    again = Initial.read(tmp_path / "b").taken_by(initial_model(run))  # the same form: nothing is new
    assert again.new == ()


@pytest.mark.parametrize(
    ("words", "rule"), [({"n": 5}, "has shape"), ({"stacks": (1, 2)}, "is missing"), ({"depth": 2}, "is missing")]
)
def test_weights_of_another_network_are_refused(words: dict[str, Any], rule: str, tmp_path: Path) -> None:
    train(tiny_run(epochs=1), TinyData(), tmp_path / "a", "cpu")
    with pytest.raises(InputError, match=rule):
        Initial.read(tmp_path / "a").taken_by(initial_model(tiny_run("segmentation", words=words)))
    with pytest.raises(InputError, match="no such file"):
        Initial.read(tmp_path / "nothing")
    tensors = load_file(tmp_path / "a" / "weights.safetensors")
    tensors["norm.bn.weight"][0] = math.nan
    save_file(tensors, tmp_path / "a" / "weights.safetensors")
    for read in (Initial.read, load_model):
        with pytest.raises(InputError, match=r"norm\.bn\.weight holds values that are not finite"):
            read(tmp_path / "a")


@pytest.mark.parametrize(
    ("name", "spoil", "rule"),
    [
        ("norm.bn.running_var", lambda tensor: -tensor, "negative values: a variance must not be negative"),
        ("norm.bn.weight", lambda tensor: tensor.double() * 1e300, "values that are not finite"),  # as float32
        ("norm.bn.weight", Tensor.int, "torch.int32, and no floating-point numbers"),
        ("norm.bn.weight", lambda tensor: tensor.to(torch.float8_e4m3fn), "torch.float8_e4m3fn, and no"),
        ("norm.bn.num_batches_tracked", Tensor.float, "torch.float32; it counts"),
    ],
)
def test_weights_that_no_network_can_have_are_refused(
    name: str, spoil: Callable[[Tensor], Tensor], rule: str, tmp_path: Path
) -> None:
    """The network would run, and what it says would mean nothing."""
    tensors = initial_model(tiny_run()).state_dict()
    save_file(tensors | {name: spoil(tensors[name])}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=f"tensor {name} holds {rule}"):
        Initial.read(tmp_path)


def test_a_classifier_of_other_classes_is_new(tmp_path: Path) -> None:
    """As many classes, but others: rows of the classifier mean something else."""
    train(tiny_run(epochs=1), TinyData(), tmp_path / "a", "cpu")
    (tmp_path / "a" / "data.json").write_text(json.dumps({"classes": ["red", "green", "blue"]}))
    taken, model = Initial.read(tmp_path / "a"), initial_model(tiny_run())
    assert taken.taken_by(model, ("red", "green", "blue")).new == ()
    assert taken.taken_by(model, ("red", "blue", "green")).new == ("classifier.weight", "classifier.bias")
    (tmp_path / "a" / "data.json").unlink()  # who knows
    assert Initial.read(tmp_path / "a").taken_by(model, ("sky", "road", "car")).new == ()


@pytest.mark.parametrize("most", [2, 3])
def test_a_training_that_was_overtaken_changes_nothing(most: int, tmp_path: Path) -> None:
    """It slept after its first epoch; another took it for dead and has done some or all of what it began."""
    run, data, folder, finished = tiny_run(), TinyData(), tmp_path / "run", dict[str, bytes]()

    class Other(Silent):
        def epoch(self, row: dict[str, Any]) -> None:
            if row["epoch"] == most < 3:
                raise KeyboardInterrupt

    class Sleeper(Silent):
        def epoch(self, row: dict[str, Any]) -> None:
            if row["epoch"] == 1:
                with suppress(KeyboardInterrupt):
                    train(run, data, folder, "cpu", Other())
                finished.update({path.name: path.read_bytes() for path in folder.iterdir()})
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == finished

    with pytest.raises(TakenOverError, match="another training"):
        train(run, data, folder, "cpu", Sleeper())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == finished
