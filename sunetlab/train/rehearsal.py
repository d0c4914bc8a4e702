"""A copy of a training on which steps are tried: nothing of it comes back."""

import copy
from typing import TYPE_CHECKING

import torch

from sunetlab.train.augment import augment
from sunetlab.train.compiling import compile_network
from sunetlab.train.data.first import FirstImages
from sunetlab.train.device import wait_for
from sunetlab.train.evaluate import evaluate
from sunetlab.train.optimizer import make_optimizer, set_lr

if TYPE_CHECKING:  # which rehearses
    from sunetlab.train.loop import Trainer


class TrainerRehearsal:
    """A trainer's network and a new optimiser, copied, on its first batch again and again; see `compiling.Rehearsal`.

    The learning rate is 0, so that no loss runs away.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer = copy.copy(trainer)
        self.trainer.model = copy.deepcopy(trainer.model)
        self.trainer.optimizer = make_optimizer(self.trainer.model, trainer.recipe)
        set_lr(self.trainer.optimizer, 0.0)
        first = torch.arange(trainer.batch_size)
        images, targets, sizes = next(iter(trainer.train_split.batches(first, trainer.batch_size))).to(trainer.device)
        generator = torch.Generator().manual_seed(0)
        self.x, self.y = augment(images, targets, trainer.recipe.augment, generator, sizes)
        self.trainer.set_training()

    def step(self) -> None:
        """A step of the optimiser."""
        self.trainer.optimize(self.x, self.y)
        wait_for(self.trainer.device)

    def look(self) -> None:
        """A whole batch of the validation split and, where there is one, one of the size of its last."""
        mine = self.trainer
        count = mine.batch_size + len(mine.val_split) % mine.batch_size
        few = FirstImages(mine.val_split, count)
        evaluate(mine.model, few, mine.device, mine.batch_size, mine.bf16, mine.channels_last)
        mine.set_training()  # frozen BN again, too
        wait_for(mine.device)

    def compile(self) -> None:
        """From now on its network goes through torch.compile."""
        compile_network(self.trainer.model)
