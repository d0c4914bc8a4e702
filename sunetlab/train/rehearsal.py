"""Steps of a training that are only tried: nothing of them comes back."""

import copy
from typing import TYPE_CHECKING

import torch

from sunetlab.train.compiling import compile_network
from sunetlab.train.data.first import FirstImages
from sunetlab.train.device import wait_for
from sunetlab.train.evaluate import evaluate, loss_sum
from sunetlab.train.memory import free_memory, is_out_of_memory
from sunetlab.train.optimizer import make_optimizer, set_lr

if TYPE_CHECKING:  # which rehearses
    from sunetlab.train.loop import Trainer


class TrainerRehearsal:
    """A trainer's network and a new optimiser, copied, on its first batch again and again; see `compiling.Rehearsal`.

    The learning rate is 0, so that no loss runs away.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer = copy.copy(trainer)
        self.trainer.model = self.trainer.network = copy.deepcopy(trainer.model)
        self.trainer.optimizer = make_optimizer(self.trainer.model, trainer.recipe)
        set_lr(self.trainer.optimizer, 0.0)
        self.x, self.y = trainer.first_batch()
        self.trainer.set_training()

    def step(self) -> None:
        """A step of the optimiser."""
        self.trainer.optimize(self.x, self.y)
        wait_for(self.trainer.device)

    def look(self) -> None:
        """A whole batch of the validation split and, where there is one, one of the size of its last."""
        mine = self.trainer
        at_once = mine.images_looked_at
        count = at_once + len(mine.val_split) % at_once
        few = FirstImages(mine.val_split, count)
        evaluate(mine.model, few, mine.device, at_once, mine.bf16, mine.channels_last)
        mine.set_training()  # frozen BN again, too
        wait_for(mine.device)

    def compile(self) -> None:
        """From now on its network goes through torch.compile."""
        compile_network(self.trainer.model)


def lacks_memory(trainer: "Trainer") -> bool:
    """Whether a process cannot take its share of a batch's first part, forwards and backwards.

    It does so by itself: BN takes the statistics that it has, and keeps what it would for training. What the optimiser
    has yet to make room for, and gradients of earlier parts, are held meanwhile.
    """
    parameters = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    moments = 2 if trainer.recipe.optimizer == "adamw" else int(trainer.recipe.momentum > 0)
    copies = (0 if trainer.optimizer.state else moments) + int(len(trainer.parts) > 1)
    trainer.model.eval()
    try:
        held = [torch.empty_like(parameter) for parameter in parameters for _ in range(copies)]
        x, y = (each[: trainer.parts[0]] for each in trainer.first_batch())
        with torch.autocast(trainer.device.type, torch.bfloat16, enabled=trainer.bf16):
            logits = trainer.model(x)
        torch.autograd.grad(loss_sum(logits, y, trainer.recipe.label_smoothing), parameters)
        wait_for(trainer.device)
        del held
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        lacks = True
    else:
        lacks = False
    free_memory()
    return lacks
