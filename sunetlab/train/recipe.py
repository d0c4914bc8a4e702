"""What a training run is, but for the network and the data: frozen, validated, written out in full."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sunetlab.draw.words import plural
from sunetlab.errors import InputError
from sunetlab.files import read_table, validate
from sunetlab.train.augmentation import Augment
from sunetlab.train.recipes import RECIPES

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=1)]


class Recipe(BaseModel):
    """Optimiser, schedule, augmentation, length and precision of one training run.

    Attributes:
        optimizer: "sgd" (momentum without dampening) or "adamw".
        lr: the highest learning rate, reached after the warm-up.
        momentum: of SGD; of AdamW, its first beta.
        nesterov: SGD's momentum is Nesterov's.
        weight_decay: on the weights of convolutions and linear layers; on everything with `decay_all`.
        decay_all: decay norms and biases as well, as the paper's plain SGD does.
        epochs: passes over the training split.
        iterations: steps of the optimiser, which then count instead of `epochs`; the last epoch ends with them.
        warmup: epochs of linear rise from 0 to `lr`; may be a fraction.
        schedule: "cosine" falls from `lr` to `final_lr` · `lr`; "step" is multiplied by `step_factor` every
            `step_epochs`; "constant" stays.
        step_epochs: epochs between two falls of "step".
        step_factor: what each of them multiplies by.
        batch_size: images per step of the optimiser.
        accumulate: parts in which a batch goes through the network; gradients are those of the whole batch, BN's
            statistics those of a part.
        min_micro_batch: where memory lacks, the parts are halved, down to so many images, and the epoch begins again
            (`train.memory`); None: lack of memory is a failure.
        label_smoothing: weight of the uniform distribution in the target.
        grad_clip: largest norm of the gradient; None leaves it alone.
        head_lr: the head (de-gridding filters and classifier) learns so many times faster than the body.
        head_bias_lr: the biases of its convolutions, so many times faster.
        bn_momentum: weight of the newest batch in BN's running statistics.
        freeze_bn: BN keeps the statistics, weights and biases that it starts from.
        precision: "fp32", "bf16" (autocast), or "auto": bf16 on a GPU.
        channels_last: memory layout of images and weights, the faster one on GPUs and CPUs alike; where a CPU's library
            is known to fail on it, it is not taken (`device.lies_channels_last`).
        compile: through torch.compile: false, true, or "auto", where the training is so long that it pays, which is
            measured (`compiling.choose`). Compiled sums are rounded in another order.
        validate_every: epochs between two looks at the validation split; the last epoch always has one.
        keep: whose weights are kept: of the "best" epoch by the validation split, or of the "last".
        augment: what is done to the training images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: Positive = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: NotNegative = 5e-4
    decay_all: bool = False
    epochs: Whole = 30
    iterations: Whole | None = None
    warmup: NotNegative = 1.0
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    step_epochs: Whole = 30
    step_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    final_lr: Annotated[float, Field(ge=0, le=1)] = 0.0
    batch_size: Whole = 128
    accumulate: Whole = 1
    min_micro_batch: Whole | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    grad_clip: Positive | None = None
    head_lr: Positive = 1.0
    head_bias_lr: Positive = 1.0
    bn_momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    freeze_bn: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True
    compile: bool | Literal["auto"] = False
    validate_every: Whole = 1
    keep: Literal["best", "last"] = "best"
    augment: Augment = Augment()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate: {self.accumulate}: a batch of {self.batch_size} has no so many parts")
        if self.min_micro_batch is not None and self.min_micro_batch > self.batch_size:
            raise ValueError(f"min_micro_batch: {self.min_micro_batch}: more images than a batch of {self.batch_size}")
        if self.iterations is None and self.warmup > self.epochs:
            raise ValueError(f"warmup: {self.warmup:g}: longer than the {self.epochs} epochs of the run")
        return self

    @classmethod
    def load(cls, name: str) -> Self:
        """A recipe by name, or from a `.toml` or `.json` file.

        Raises:
            InputError: neither; the line lists the names.
        """
        if name in RECIPES:
            return validate(cls, RECIPES[name])
        if not Path(name).suffix:
            raise InputError(f"recipe: {name!r}: no such recipe; known are {', '.join(RECIPES)}, or a .toml file")
        return cls.resolve(read_table(Path(name)), name)

    @classmethod
    def resolve(cls, table: Mapping[str, Any], where: str = "recipe") -> Self:
        """A recipe from a table whose `base`, if it has one, names the recipe that it changes.

        A warm-up that is not in the table is cut to the epochs that are.

        Raises:
            InputError: naming `where`, the key, the value and the rule.
        """
        changes = dict(table)
        base = changes.pop("base", None)
        if base is not None and (not isinstance(base, str) or base not in RECIPES):
            raise InputError(f"{where}: base: {base!r}: no such recipe; known are {', '.join(RECIPES)}")
        started = RECIPES.get(base or "", {})
        words = with_length(started, changes)
        if isinstance(changes.get("augment"), Mapping):
            words["augment"] = {**started.get("augment", {}), **changes["augment"]}
        return validate(cls, words, where)

    @property
    def length(self) -> str:
        """How long it trains, in words."""
        return plural(self.epochs, "epoch") if self.iterations is None else plural(self.iterations, "iteration")

    def steps(self, steps_per_epoch: int) -> int:
        """Steps of the optimiser in all."""
        return self.epochs * steps_per_epoch if self.iterations is None else self.iterations

    def passes(self, steps_per_epoch: int) -> int:
        """Epochs in all, the last of which may end before its last step."""
        return math.ceil(self.steps(steps_per_epoch) / steps_per_epoch)

    def lr_at(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step, counted from 0 over the whole run."""
        total = self.steps(steps_per_epoch)
        warmup = min(round(self.warmup * steps_per_epoch), total)
        if step < warmup:
            return self.lr * (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return self.lr
        if self.schedule == "step":
            return float(self.lr * self.step_factor ** (step // steps_per_epoch // self.step_epochs))
        progress = (step - warmup) / max(1, total - warmup)
        return self.lr * (self.final_lr + (1 - self.final_lr) * 0.5 * (1 + math.cos(math.pi * progress)))


def with_length(words: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's words with changes, where a new length takes the place of the old one.

    Epochs count instead of iterations that nobody asked for, and a warm-up that nobody asked for is no longer than the
    epochs.
    """
    changed = {**words, **changes}
    if "epochs" in changes and "iterations" not in changes:
        changed.pop("iterations", None)
    if "warmup" in changes:
        return changed
    epochs, warmup = (changed.get(name, Recipe.model_fields[name].default) for name in ("epochs", "warmup"))
    return changed | {"warmup": min(warmup, epochs)} if isinstance(epochs, int) and epochs > 0 else changed
