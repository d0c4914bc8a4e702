"""Train one network: one loop for both tasks, resumable after any epoch to the very same weights.

Nothing random outlives an epoch: the order of the images and their augmentation are drawn from the run's seed and
the epoch's number, so a checkpoint needs the network, the optimiser and a counter, and nothing else.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sunetlab.errors import InputError, SunetlabError
from sunetlab.files import remove_leftovers, write_table, write_text
from sunetlab.folders import DATA, WEIGHTS
from sunetlab.model.sunet import SUNet
from sunetlab.model.weights import save_weights
from sunetlab.train.augment import draw, view
from sunetlab.train.checks import check_images, check_labels, check_team, check_view
from sunetlab.train.compiling import Choice, choose, compile_errors, compile_network, confirm
from sunetlab.train.data.resident import resident
from sunetlab.train.data.source import DataSource, Split
from sunetlab.train.device import lies_channels_last, machine, pick_device
from sunetlab.train.evaluate import counted, evaluate, loss_sum
from sunetlab.train.hold import Hold
from sunetlab.train.memory import LackOfMemoryError, free_memory, is_out_of_memory, micro_batches
from sunetlab.train.optimizer import make_optimizer, set_lr
from sunetlab.train.rehearsal import TrainerRehearsal, lacks_memory
from sunetlab.train.run import LAST, LOG, OBJECTIVE, RESULT, Run, claim_record, read_result
from sunetlab.train.state import came_to, checked_rows, load_state, save_state
from sunetlab.train.team import ALONE, Team
from sunetlab.train.transfer import Initial
from sunetlab.train.watch import Silent, Watch

CHECK_EVERY = 50  # steps between looks at a GPU's losses: each look waits for the device
Found = TypeVar("Found")


class NotFiniteError(SunetlabError):
    """The loss became infinite or not a number."""


def train(
    run: Run,
    data: DataSource,
    folder: Path,
    device: str = "auto",
    watch: Watch | None = None,
    initial: Initial | None = None,
    team: Team = ALONE,
) -> dict[str, Any]:
    """Train to the end, from where `folder` stands, and return what result.json holds.

    Args:
        run: network, recipe, data and seed.
        data: the open data source of `run.data`.
        folder: the run's own; made where missing, gone on with where it holds this run.
        device: "auto", "cpu", "cuda", "cuda:1", …
        watch: is told of every step and epoch.
        initial: the weights to start from, those of `run.init`.
        team: who trains it together, all with the same arguments; the folder must be one that all see.

    Raises:
        InputError: network and data, or network and initial weights, do not fit; or the folder holds another run.
        NotFiniteError: the loss is not finite; the message says when.
        LackOfMemoryError: one of the team has too little.
        TakenOverError: another training goes on in this folder, or the folder is gone.
        ApartError: another process of the team has ended, or this one lacks memory where the others do not know.
    """
    spec = run.spec
    if (spec.task, spec.num_classes) != (data.task, len(data.classes)):
        needed = f"the data are for {data.task} into {len(data.classes)}"
        raise InputError(f"num_classes: {spec.num_classes}: the network is for {spec.task}; {needed} classes")
    if spec.in_channels != 3:
        raise InputError(f"in_channels: {spec.in_channels}: data sources give 3 channels (RGB)")
    target = pick_device(device)
    report = check_images(run, data)  # before a folder is made
    check_labels(data.split("train"))
    check_team(run.recipe, len(data.split("train")), team)
    finished = json.loads(team.hear(json.dumps(_claimed(run, data, folder) if team.leads else None)))
    if finished is not None:
        return finished  # type: ignore[no-any-return]
    with team.errors():
        trainer = Trainer(run, data, folder, target, watch or Silent(), initial, team)
        result = trainer.run_to_end() | {"params": report.params, "macs": report.macs, "size": list(data.size)}
    if trainer.hold is not None:
        trainer.hold.check()
        write_table(folder / RESULT, result)
        trainer.hold.release()
    return result


def _claimed(run: Run, data: DataSource, folder: Path) -> dict[str, Any] | None:
    """The result of the run that `folder` holds; None where it is to be trained, and the folder is its own now."""
    run.claim(folder)
    finished = read_result(folder)
    if finished is None:
        claim_record(folder / DATA, data.record())
    return finished


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
        team: Team = ALONE,
    ) -> None:
        self.run, self.recipe, self.folder, self.device, self.watch = run, run.recipe, folder, device, watch
        self.team = team
        self.hold: Hold | None = None  # of the folder, where this process writes there
        self.train_split, self.val_split = resident([data.split("train"), data.split("val")], device)
        self.size = data.size
        self.bf16 = self.recipe.precision == "bf16" or (self.recipe.precision == "auto" and device.type == "cuda")
        self.initial_model = partial(initial_model, run, initial, data.classes)
        self.model = self.initial_model().to(device)
        self.channels_last = lies_channels_last(run.recipe, run.spec, device)
        if self.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        if self.recipe.compile is True:
            compile_network(self.model)
        self.network = team.trained(self.model)  # the same weights: what a training step goes through
        self.choice: Choice | None = None  # of compile = "auto"
        self.optimizer = make_optimizer(self.model, self.recipe)
        self.rows: list[dict[str, Any]] = []
        self.batch_size = min(self.recipe.batch_size, len(self.train_split))
        self.steps = len(self.train_split) // self.batch_size  # the remainder of an epoch is left out, as usual
        self.total = self.recipe.steps(self.steps)
        self.epochs = self.recipe.passes(self.steps)
        self.micro_batches = micro_batches(self.recipe, len(self.train_split))
        self.take_at_once(self.micro_batches[0])

    def take_at_once(self, micro_batch: int) -> None:
        """Let so many images go through the network at once, those of all processes together."""
        self.micro_batch = micro_batch
        parts = torch.split(torch.arange(self.batch_size), micro_batch)
        shares = [self.team.share(part, before=int(part[0])) for part in parts]
        self.places = torch.cat(shares)  # in a batch, of the images that are this process's
        self.parts = list(map(len, shares))

    def run_to_end(self) -> dict[str, Any]:
        """Train from where the folder stands to the last epoch; what result.json holds, but for costs."""
        if self.team.leads:
            self.hold = Hold(self.folder)
        self.resume()
        if self.team.world > 1 and len(self.rows) < self.epochs:
            self.agree_on_micro_batch()
        if self.recipe.compile == "auto" and len(self.rows) < self.epochs:
            self.choose_compiling()
        self.watch.begin(self.epochs, len(self.rows), self.steps * self.batch_size)
        for row in self.rows:
            self.watch.epoch(row)
        with compile_errors(self.recipe.compile is True):
            while len(self.rows) < self.epochs:
                self.epoch(len(self.rows))
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
            "machine": machine(self.device) | ({"processes": self.team.world} if self.team.world > 1 else {}),
            **({"compile": self.choice.record()} if self.choice else {}),
            **self.said_of_memory(),
        }

    def choose_compiling(self) -> None:
        """Compile the network where that pays, or where it was compiled before an interruption."""
        steps = self.total - len(self.rows) * self.steps
        if self.team.world > 1:
            self.choice = Choice(False, "several processes: not tried", steps)
            return
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):  # what the process draws afterwards must not depend on it
            try:
                before, rehearse = self.choice, lambda: TrainerRehearsal(self)
                self.choice = choose(rehearse, steps) if before is None else confirm(before, rehearse)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self.choice = Choice(False, "too little memory to try it", steps)
        free_memory()  # a copy of the training was in it
        if self.choice.compiled:
            compile_network(self.model, again=True)

    def epoch(self, epoch: int) -> None:
        """One pass of training and, where it is due, one of validation; then everything is on the disk."""
        row = self.within_memory(partial(self.row_of, epoch))
        objective = f"val_{OBJECTIVE[self.run.spec.task]}"
        before = [earlier[objective] for earlier in self.rows if objective in earlier]
        looked = objective in row
        is_best = looked and (self.recipe.keep == "last" or all(row[objective] > value for value in before))
        self.rows.append(row)
        if self.hold is not None:
            self.save(is_best, self.hold)
        self.watch.epoch(row)

    def row_of(self, epoch: int) -> dict[str, Any]:
        """Train for an epoch; its row of the log."""
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
        return row | self.said_of_memory()

    def said_of_memory(self) -> dict[str, int]:
        """What a row, and the result, say of images at once, where memory lacked."""
        return {} if self.micro_batch == self.micro_batches[0] else {"micro_batch": self.micro_batch}

    @property
    def images_looked_at(self) -> int:
        """How many images go through the network at once in validation: as many as in training."""
        return max(1, self.micro_batch // self.team.world)

    def within_memory(self, work: Callable[[], Found]) -> Found:
        """Do some of an epoch, and where memory lacks do it again from the last epoch's end, with fewer images at once.

        Raises:
            Exception: whatever says that memory lacks, where the recipe allows no fewer.
        """
        while True:
            try:
                return work()
            except Exception as error:
                is_least = self.micro_batch == self.micro_batches[-1]
                if is_least or self.team.world > 1 or not is_out_of_memory(error):  # others are in the middle of a step
                    raise
            self.shrink()  # only here: the error holds on to what lay in memory when it was raised
            self.restore()

    def shrink(self) -> None:
        """From now on fewer images go through the network at once."""
        self.take_at_once(self.micro_batches[self.micro_batches.index(self.micro_batch) + 1])
        if self.recipe.compile is True or (self.choice and self.choice.compiled):
            compile_network(self.model)
        self.watch.shrunk(len(self.rows), self.micro_batch)

    def restore(self) -> None:
        """Go back to the end of the last epoch, or to the beginning; images at once stay as they are."""
        self.optimizer.zero_grad(set_to_none=True)
        free_memory()
        micro_batch = self.micro_batch
        if self.rows:
            self.take_state()
        else:
            self.model.load_state_dict(self.initial_model().state_dict())
            self.optimizer = make_optimizer(self.model, self.recipe)
        self.take_at_once(micro_batch)

    def agree_on_micro_batch(self) -> None:
        """Find how many images at once every process of a team has the memory for.

        One that lacked it in the middle of a step would leave the others waiting for its sums: so it is tried before.

        Raises:
            LackOfMemoryError: the recipe allows no fewer, and one of them lacks memory.
        """
        while int(self.team.sum(torch.tensor(int(lacks_memory(self))))):
            if self.micro_batch == self.micro_batches[-1]:
                raise LackOfMemoryError(f"{self.micro_batch} images at once are too many for one of the processes")
            self.shrink()

    def first_batch(self) -> tuple[Tensor, Tensor]:
        """This process's images of a batch to try something on: the first of the split, augmented."""
        rows = self.places
        images, targets, sizes = next(iter(self.train_split.batches(rows, len(rows)))).to(self.device)
        draws = draw(self.batch_size, self.recipe.augment, torch.Generator().manual_seed(0))[rows]
        x, y = view(images, targets, self.recipe.augment, draws, sizes)
        return x.to(memory_format=torch.channels_last) if self.channels_last else x, y

    def steps_of(self, epoch: int) -> int:
        """Steps of an epoch: all of it, but for the last of a run whose length is said in iterations."""
        return min(self.steps, self.total - epoch * self.steps)

    def validate(self, epoch: int) -> dict[str, float]:
        """The figures of the validation split."""
        figures = evaluate(
            self.model,
            self.val_split,
            self.device,
            self.images_looked_at,
            self.bf16,
            self.channels_last,
            team=self.team,
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
        own = order.view(steps, self.batch_size)[:, self.places].flatten()
        losses = torch.zeros(steps, device=self.device)
        self.set_training()
        for step, batch in enumerate(split.batches(own, len(self.places))):
            set_lr(self.optimizer, self.recipe.lr_at(epoch * self.steps + step, self.steps))
            images, targets, sizes = batch.to(self.device)
            draws = draw(self.batch_size, self.recipe.augment, generator)[self.places]
            x, y = view(images, targets, self.recipe.augment, draws, sizes)
            if step == 0:
                check_view(x, self.recipe, self.size)
            losses[step] = self.optimize(x, y)
            if self.device.type == "cpu" or step % CHECK_EVERY == CHECK_EVERY - 1 or step == steps - 1:
                self.check(losses[: step + 1], epoch)
            self.watch.step(self.batch_size)
        return float(losses.mean())

    def set_training(self) -> None:
        """Put the network in training mode, but for BN that is frozen."""
        self.model.train()
        if self.recipe.freeze_bn:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):  # a team has others than BatchNorm2d
                    module.eval()

    def optimize(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of the optimiser on this process's images of a batch, part by part; the whole batch's mean loss.

        Every part counts with its images, or pixels that are not void, by all of the batch.
        """
        if self.channels_last:
            x = x.to(memory_format=torch.channels_last)
        self.optimizer.zero_grad(set_to_none=True)
        count, total = self.team.sum(counted(y)).clamp(min=1), torch.zeros((), device=self.device)
        parts = list(zip(torch.split(x, self.parts), torch.split(y, self.parts), strict=True))
        for number, (part, target) in enumerate(parts, 1):
            with self.team.adding(self.network, last=number == len(parts)):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                    logits = self.network(part)
                loss = loss_sum(logits, target, self.recipe.label_smoothing) / count
                self.team.backward(loss)
            total += loss.detach()
        if self.recipe.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.grad_clip)
        self.optimizer.step()
        return self.team.sum(total)

    def check(self, losses: Tensor, epoch: int) -> None:
        """Raise NotFiniteError for the first loss that is not finite."""
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            step = int(bad[0])
            when = f"epoch {epoch + 1}, step {step + 1} of {self.steps_of(epoch)}"
            rate = self.recipe.lr_at(epoch * self.steps + step, self.steps)
            raise NotFiniteError(f"loss is {float(losses[step])} at {when} (learning rate {rate:.3g}); try a lower lr")

    def save(self, is_best: bool, hold: Hold) -> None:
        """The epoch's state on the disk: first the weights if they are the best, then what resuming starts from.

        Raises:
            TakenOverError: the folder is another training's.
        """
        hold.check()
        if is_best:
            save_weights(self.model, self.folder / WEIGHTS)
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "rows": self.rows}
        if self.choice is not None:
            state["compile"] = self.choice.record()
        save_state(self.folder, state, hold)
        self.write_log()

    def write_log(self) -> None:
        """Write the rows of all finished epochs."""
        write_text(self.folder / LOG, "".join(json.dumps(row) + "\n" for row in self.rows))

    def resume(self) -> None:
        """Go on from the last finished epoch, if the folder has one."""
        if self.team.leads:
            remove_leftovers(self.folder)
        if not (self.folder / LAST).exists():
            return
        self.take_state()
        if not (self.folder / WEIGHTS).exists():
            raise InputError(f"{self.folder / WEIGHTS}: is gone; delete {LAST} to start again")
        if self.team.leads:
            self.write_log()  # killed between the two, it lacks the last epoch

    def take_state(self) -> None:
        """Take the state after the last finished epoch from the disk."""
        load_state(self.folder, self.device, self.go_on_from)

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take a state over: network, optimiser, epochs, whether it was compiled, images at once."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rows = checked_rows(state["rows"], self.epochs)
        self.choice = Choice(**state["compile"]) if "compile" in state else None
        self.take_at_once(came_to(self.rows, self.micro_batches))


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
