"""What a training run is, but for the network and the data: frozen, validated, written out in full."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sunetlab.errors import InputError
from sunetlab.files import read_table, validate
from sunetlab.train.augment import Augment

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=1)]


class Recipe(BaseModel):
    """Optimiser, schedule, augmentation, length and precision of one training run.

    Attributes:
        optimizer: "sgd" (Nesterov momentum, no dampening) or "adamw".
        lr: the highest learning rate, reached after the warm-up.
        momentum: of SGD; of AdamW, its first beta.
        weight_decay: on the weights of convolutions and linear layers; on everything with `decay_all`.
        decay_all: decay norms and biases as well, as the paper's plain SGD does.
        epochs: passes over the training split.
        warmup: epochs of linear rise from 0 to `lr`; may be a fraction.
        schedule: "cosine" falls from `lr` to `final_lr` · `lr`; "constant" stays.
        batch_size: images per step of the optimiser.
        accumulate: parts in which a batch goes through the network; gradients are those of the whole batch.
        label_smoothing: weight of the uniform distribution in the target.
        grad_clip: largest norm of the gradient; None leaves it alone.
        bn_momentum: weight of the newest batch in BN's running statistics.
        precision: "fp32", "bf16" (autocast), or "auto": bf16 on a GPU.
        channels_last: memory layout of images and weights, the faster one on GPUs and CPUs alike.
        compile: through torch.compile.
        augment: what is done to the training images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: Positive = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NotNegative = 5e-4
    decay_all: bool = False
    epochs: Whole = 30
    warmup: NotNegative = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    final_lr: Annotated[float, Field(ge=0, le=1)] = 0.0
    batch_size: Whole = 128
    accumulate: Whole = 1
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    grad_clip: Positive | None = None
    bn_momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: bool = True
    compile: bool = False
    augment: Augment = Augment()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.accumulate > self.batch_size:
            raise ValueError(f"accumulate: {self.accumulate}: a batch of {self.batch_size} has no so many parts")
        if self.warmup > self.epochs:
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
        words = {**RECIPES.get(base or "", {}), **changes}
        if isinstance(changes.get("augment"), Mapping):
            words["augment"] = {**RECIPES.get(base or "", {}).get("augment", {}), **changes["augment"]}
        return validate(cls, words if "warmup" in changes else with_warmup_cut(words), where)

    def lr_at(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step, counted from 0 over the whole run."""
        total, warmup = self.epochs * steps_per_epoch, round(self.warmup * steps_per_epoch)
        if step < warmup:
            return self.lr * (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return self.lr
        progress = (step - warmup) / max(1, total - warmup)
        return self.lr * (self.final_lr + (1 - self.final_lr) * 0.5 * (1 + math.cos(math.pi * progress)))


def with_warmup_cut(words: dict[str, Any]) -> dict[str, Any]:
    """A recipe's words with a warm-up no longer than its epochs: of a recipe cut short that nobody gave a warm-up."""
    epochs, warmup = (words.get(name, Recipe.model_fields[name].default) for name in ("epochs", "warmup"))
    return words | {"warmup": min(warmup, epochs)} if isinstance(epochs, int) and epochs > 0 else words


RECIPES: dict[str, dict[str, Any]] = {
    "quick": {
        "optimizer": "adamw",
        "lr": 0.003,
        "weight_decay": 0.02,
        "epochs": 4,
        "batch_size": 32,
        "augment": {"flip": False},
    },
    "cifar10": {
        "lr": 0.2,
        "epochs": 60,
        "warmup": 3.0,
        "batch_size": 128,
        "label_smoothing": 0.1,
        "augment": {"flip": True, "shift": 0.125},
    },
    "camvid": {
        "lr": 0.05,
        "epochs": 300,
        "warmup": 5.0,
        "batch_size": 8,
        "weight_decay": 1e-4,
        "augment": {"flip": True, "scale": (0.5, 2.0), "rotate": 10.0},
    },
}
