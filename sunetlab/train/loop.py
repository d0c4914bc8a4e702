"""Train one network: one loop for both tasks, resumable after any epoch to the very same weights.

Nothing random outlives an epoch: the order of the images and their augmentation are drawn from the run's seed and
the epoch's number, so a checkpoint needs the network, the optimiser and a counter, and nothing else.
"""

import errno
import io
import json
import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sunetlab.analysis.cost import area
from sunetlab.analysis.report import Report, analyze
from sunetlab.errors import InputError, SunetlabError
from sunetlab.files import remove_leftovers, whole_file, write_table, write_text
from sunetlab.model.checkpoint import load_plain
from sunetlab.model.folder import DATA, WEIGHTS
from sunetlab.model.sunet import SUNet
from sunetlab.model.weights import save_weights
from sunetlab.train.augment import augment
from sunetlab.train.compiling import Choice, choose, compile_errors, compile_network, confirm
from sunetlab.train.data.resident import resident
from sunetlab.train.data.source import DataSource, Split
from sunetlab.train.data.split import VOID, MemorySplit
from sunetlab.train.device import lies_channels_last, machine, pick_device
from sunetlab.train.evaluate import OBJECTIVE, counted, evaluate, loss_sum
from sunetlab.train.optimizer import make_optimizer, set_lr
from sunetlab.train.recipe import Recipe
from sunetlab.train.rehearsal import TrainerRehearsal
from sunetlab.train.run import LAST, LOG, RESULT, Run, claim_record, read_result
from sunetlab.train.transfer import Initial
from sunetlab.train.watch import Silent, Watch

CHECK_EVERY = 50  # steps between looks at a GPU's losses: each look waits for the device


class NotFiniteError(SunetlabError):
    """The loss became infinite or not a number."""


def train(
    run: Run,
    data: DataSource,
    folder: Path,
    device: str = "auto",
    watch: Watch | None = None,
    initial: Initial | None = None,
) -> dict[str, Any]:
    """Train to the end, from where `folder` stands, and return what result.json holds.

    Args:
        run: network, recipe, data and seed.
        data: the open data source of `run.data`.
        folder: the run's own; made where missing, gone on with where it holds this run.
        device: "auto", "cpu", "cuda", "cuda:1", …
        watch: is told of every step and epoch.
        initial: the weights to start from, those of `run.init`.

    Raises:
        InputError: network and data, or network and initial weights, do not fit; or the folder holds another run.
        NotFiniteError: the loss is not finite; the message says when.
    """
    spec = run.spec
    if (spec.task, spec.num_classes) != (data.task, len(data.classes)):
        needed = f"the data are for {data.task} into {len(data.classes)}"
        raise InputError(f"num_classes: {spec.num_classes}: the network is for {spec.task}; {needed} classes")
    if spec.in_channels != 3:
        raise InputError(f"in_channels: {spec.in_channels}: data sources give 3 channels (RGB)")
    target = pick_device(device)
    report = analyze(spec, data.size)  # refuses images that are too small, before a folder is made
    _check_batch(_of_crops(run) or report, run.recipe, len(data.split("train")))
    _check_labels(data.split("train"))
    run.claim(folder)
    finished = read_result(folder)
    if finished is not None:
        return finished
    claim_record(folder / DATA, data.record())
    trainer = Trainer(run, data, folder, target, watch or Silent(), initial)
    result = trainer.run_to_end() | {"params": report.params, "macs": report.macs, "size": list(data.size)}
    write_table(folder / RESULT, result)
    return result


def _of_crops(run: Run) -> Report | None:
    """The network on what the recipe cuts out of images for training; None where it cuts nothing.

    Raises:
        InputError: that is too small for it.
    """
    crop = run.recipe.augment.crop
    try:
        return None if crop is None else analyze(run.spec, crop)
    except InputError as error:
        raise InputError(f"augment.crop: {str(error).removeprefix('input: ')}") from None


def _check_batch(report: Report, recipe: Recipe, images: int) -> None:
    """Refuse what BN cannot train on: a single value of a map.

    Raises:
        InputError: a map of one pixel meets a part of one image.
    """
    smallest = min((row.layer for row in report.rows if row.layer.kind == "bn"), key=lambda layer: area(layer.out_size))
    parts = torch.arange(min(recipe.batch_size, images)).chunk(recipe.accumulate)
    if area(smallest.out_size) == 1 and min(map(len, parts)) == 1:
        rule = f"{smallest.part} has maps of one pixel, and BN needs more than one value of each"
        raise InputError(f"batch_size: {recipe.batch_size}: leaves a single image to a part of a batch: {rule}")


def _check_labels(split: Split) -> None:
    """Refuse training masks of void alone, as far as they are in memory: the loss of each would be 0.

    Raises:
        InputError: nothing can be learned.
    """
    if isinstance(split, MemorySplit) and split.task == "segmentation" and bool((split.targets == VOID).all()):
        raise InputError("train: the training split has no labelled pixel: nothing can be learned")


def _check_view(x: Tensor, recipe: Recipe, size: tuple[int, int]) -> None:
    """Refuse training images that are of another size than all others, because the recipe does not cut them.

    Raises:
        InputError: the canvas that they come on is not what the network is judged on.
    """
    if recipe.augment.crop is None and tuple(x.shape[-2:]) != tuple(size):
        canvas = f"the training images come on a canvas of {x.shape[-2]}×{x.shape[-1]} px"
        raise InputError(f"augment.crop: not said: {canvas}; a recipe must cut {size[0]}×{size[1]} out of it")


class Trainer:
    """The state of a run between two steps: network, optimiser, finished epochs."""

    def __init__(
        self,
        run: Run,
        data: DataSource,
        folder: Path,
        device: torch.device,
        watch: Watch,
        initial: Initial | None = None,
    ) -> None:
        self.run, self.recipe, self.folder, self.device, self.watch = run, run.recipe, folder, device, watch
        self.train_split, self.val_split = resident([data.split("train"), data.split("val")], device)
        self.size = data.size
        self.bf16 = self.recipe.precision == "bf16" or (self.recipe.precision == "auto" and device.type == "cuda")
        self.model = initial_model(run, initial, data.classes).to(device)
        self.channels_last = lies_channels_last(run.recipe, run.spec, device)
        if self.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        if self.recipe.compile is True:
            compile_network(self.model)
        self.choice: Choice | None = None  # of compile = "auto"
        self.optimizer = make_optimizer(self.model, self.recipe)
        self.rows: list[dict[str, Any]] = []
        self.batch_size = min(self.recipe.batch_size, len(self.train_split))
        self.steps = len(self.train_split) // self.batch_size  # the remainder of an epoch is left out, as usual
        self.total = self.recipe.steps(self.steps)
        self.epochs = self.recipe.passes(self.steps)

    def run_to_end(self) -> dict[str, Any]:
        """Train from where the folder stands to the last epoch; what result.json holds, but for costs."""
        self.resume()
        if self.recipe.compile == "auto" and len(self.rows) < self.epochs:
            self.choose_compiling()
        self.watch.begin(self.epochs, len(self.rows), self.steps * self.batch_size)
        for row in self.rows:
            self.watch.epoch(row)
        with compile_errors(self.recipe.compile is True):
            for epoch in range(len(self.rows), self.epochs):
                self.epoch(epoch)
        objective = OBJECTIVE[self.run.spec.task]
        looked = [row for row in self.rows if f"val_{objective}" in row]
        best = looked[-1] if self.recipe.keep == "last" else max(looked, key=lambda row: float(row[f"val_{objective}"]))
        return {
            "task": self.run.spec.task,
            "objective": objective,
            "value": best[f"val_{objective}"],
            "best": best,
            "last": self.rows[-1],
            "seconds": round(sum(row["seconds"] for row in self.rows), 3),
            "train_images": len(self.train_split),
            "val_images": len(self.val_split),
            "machine": machine(self.device),
            **({"compile": self.choice.record()} if self.choice else {}),
        }

    def choose_compiling(self) -> None:
        """Compile the network where that pays, or where it was compiled before an interruption."""
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):  # what the process draws afterwards must not depend on it
            if self.choice is None:
                self.choice = choose(lambda: TrainerRehearsal(self), self.total - len(self.rows) * self.steps)
            else:
                self.choice = confirm(self.choice, lambda: TrainerRehearsal(self))
        if self.choice.compiled:
            compile_network(self.model, again=True)

    def epoch(self, epoch: int) -> None:
        """One pass of training and, where it is due, one of validation; then everything is on the disk."""
        began = time.perf_counter()
        images = self.steps_of(epoch) * self.batch_size
        row = {
            "epoch": epoch + 1,
            "lr": self.recipe.lr_at(epoch * self.steps, self.steps),
            "train_loss": self.pass_over(self.train_split, epoch),
        }
        trained = time.perf_counter()
        looks = (epoch + 1) % self.recipe.validate_every == 0 or epoch + 1 == self.epochs
        if looks:
            row |= {f"val_{name}": value for name, value in self.validate(epoch).items()}
        row |= {
            "images_per_second": round(images / (trained - began), 1),
            "seconds": round(time.perf_counter() - began, 3),
        }
        objective = f"val_{OBJECTIVE[self.run.spec.task]}"
        before = [earlier[objective] for earlier in self.rows if objective in earlier]
        is_best = looks and (self.recipe.keep == "last" or all(row[objective] > value for value in before))
        self.rows.append(row)
        self.save(is_best)
        self.watch.epoch(row)

    def steps_of(self, epoch: int) -> int:
        """Steps of an epoch: all of it, but for the last of a run whose length is said in iterations."""
        return min(self.steps, self.total - epoch * self.steps)

    def validate(self, epoch: int) -> dict[str, float]:
        """The figures of the validation split."""
        figures = evaluate(
            self.model, self.val_split, self.device, self.batch_size, self.bf16, self.channels_last
        ).figures
        if not math.isfinite(figures["loss"]):
            raise NotFiniteError(f"validation loss is {figures['loss']} after epoch {epoch + 1}; try a lower lr")
        if any(map(math.isnan, figures.values())):
            raise InputError("val: the validation split has no labelled pixel: nothing can be judged")
        return figures

    def pass_over(self, split: Split, epoch: int) -> float:
        """One pass of training; the mean of its batches' losses."""
        generator = torch.Generator().manual_seed(_mixed(self.run.seed, epoch))
        steps = self.steps_of(epoch)
        order = torch.randperm(len(split), generator=generator)[: steps * self.batch_size]
        losses = torch.zeros(steps, device=self.device)
        self.set_training()
        for step, batch in enumerate(split.batches(order, self.batch_size)):
            set_lr(self.optimizer, self.recipe.lr_at(epoch * self.steps + step, self.steps))
            images, targets, sizes = batch.to(self.device)
            x, y = augment(images, targets, self.recipe.augment, generator, sizes)
            if step == 0:
                _check_view(x, self.recipe, self.size)
            losses[step] = self.optimize(x, y)
            if self.device.type == "cpu" or step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
                self.check(losses[: step + 1], epoch)
            self.watch.step(len(images))
        return float(losses.mean())

    def set_training(self) -> None:
        """Put the network in training mode, but for BN that is frozen."""
        self.model.train()
        if self.recipe.freeze_bn:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def optimize(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of the optimiser on a batch, in `accumulate` parts; the batch's mean loss."""
        if self.channels_last:
            x = x.to(memory_format=torch.channels_last)
        self.optimizer.zero_grad(set_to_none=True)
        count, total = counted(y).clamp(min=1), torch.zeros((), device=self.device)
        for part, target in zip(x.chunk(self.recipe.accumulate), y.chunk(self.recipe.accumulate), strict=True):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                logits = self.model(part)
            loss = loss_sum(logits, target, self.recipe.label_smoothing) / count
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        if self.recipe.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.grad_clip)
        self.optimizer.step()
        return total

    def check(self, losses: Tensor, epoch: int) -> None:
        """Raise NotFiniteError for the first loss that is not finite."""
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            step = int(bad[0])
            when = f"epoch {epoch + 1}, step {step + 1} of {self.steps_of(epoch)}"
            rate = self.recipe.lr_at(epoch * self.steps + step, self.steps)
            raise NotFiniteError(f"loss is {float(losses[step])} at {when} (learning rate {rate:.3g}); try a lower lr")

    def save(self, is_best: bool) -> None:
        """The epoch's state on the disk: first the weights if they are the best, then what resuming starts from."""
        if is_best:
            save_weights(self.model, self.folder / WEIGHTS)
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "rows": self.rows}
        if self.choice is not None:
            state["compile"] = self.choice.record()
        buffer = io.BytesIO()  # torch.save tells of a full disk in words of its own
        torch.save(state, buffer)
        with whole_file(self.folder / LAST) as file:
            file.write(buffer.getbuffer())
        self.write_log()

    def write_log(self) -> None:
        """Write the rows of all finished epochs."""
        write_text(self.folder / LOG, "".join(json.dumps(row) + "\n" for row in self.rows))

    def resume(self) -> None:
        """Go on from the last finished epoch, if the folder has one."""
        remove_leftovers(self.folder)
        path = self.folder / LAST
        if not path.exists():
            return
        try:
            with path.open("rb") as file, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what a damaged file holds, whose one line comes below
                state = load_plain(file, self.device)
                self.model.load_state_dict(state["model"])
                self.optimizer.load_state_dict(state["optimizer"])
            self.rows = _checked_rows(state["rows"], self.epochs)
            self.choice = Choice(**state["compile"]) if "compile" in state else None
        except (MemoryError, torch.OutOfMemoryError):
            raise  # the file may be whole: nobody should delete it
        except Exception as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:  # which is a place before the file's begin
                raise  # likewise
            raise InputError(
                f"{path}: cannot be gone on from ({type(error).__name__}); delete it to start again"
            ) from None
        if not (self.folder / WEIGHTS).exists():
            raise InputError(f"{self.folder / WEIGHTS}: is gone; delete {LAST} to start again")
        self.write_log()  # killed between the two, it lacks the last epoch


def _checked_rows(rows: Any, most: int) -> list[dict[str, Any]]:
    """The rows of the first epochs of `most`, each of plain numbers.

    Raises:
        ValueError: they are something else.
    """
    found = rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else [{}]
    in_order = len(found) <= most and [row.get("epoch") for row in found] == [*range(1, len(found) + 1)]
    values = [value for row in found for value in (row.get("train_loss"), row.get("seconds"), *row.values())]
    if not in_order or not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise ValueError("rows")
    return found


def initial_model(run: Run, initial: Initial | None = None, classes: Sequence[str] | None = None) -> SUNet:
    """The network as the run's seed and `initial` weights make it; the caller's random state stays as it was.

    Raises:
        InputError: the weights do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        model = SUNet(run.spec)
    if initial is not None:
        initial.fill(model, classes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = run.recipe.bn_momentum
            module.requires_grad_(not run.recipe.freeze_bn)
    return model


def _mixed(seed: int, epoch: int) -> int:
    """A generator's seed from a run's seed and an epoch, different for every pair that occurs."""
    return (seed * 1_000_003 + epoch) % 2**63
