"""How long a run would take: a few of its steps and of its validation batches, timed, nothing written."""

import itertools
import time
from pathlib import Path
from typing import NamedTuple

import torch

from sunetlab.train.augment import augment
from sunetlab.train.checks import check_images
from sunetlab.train.compiling import compile_errors
from sunetlab.train.data import DataSource
from sunetlab.train.data.first import FirstImages
from sunetlab.train.device import wait_for
from sunetlab.train.evaluate import evaluate
from sunetlab.train.loop import Trainer
from sunetlab.train.run import Run
from sunetlab.train.watch import Silent

WARM_UP, STEPS, BATCHES = 2, 4, 2  # steps before the clock runs, and while it does; batches of validation


class Timing(NamedTuple):
    """What a run takes on a device.

    Attributes:
        step: seconds of a step of the optimiser, with reading and augmenting its images.
        validation: seconds of a pass over the validation images.
        seconds: of the whole run.
    """

    step: float
    validation: float
    seconds: float


def timed(run: Run, data: DataSource, device: torch.device) -> Timing:
    """Time a few steps and validation batches of a run, and say what all of it would take.

    Where the recipe leaves compiling open (`compile = "auto"`), that is the time without it, and the most it takes.

    Raises:
        InputError: the images are too small, or too few at a time.
    """
    check_images(run, data)
    trainer = Trainer(run, data, Path(), device, Silent())
    few = FirstImages(trainer.val_split, BATCHES * trainer.images_looked_at)
    with compile_errors(run.recipe.compile is True):
        step = _seconds_of_a_step(trainer)
        began = time.perf_counter()
        evaluate(trainer.model, few, device, trainer.images_looked_at, trainer.bf16, trainer.channels_last)
    validation = (time.perf_counter() - began) / len(few) * len(trainer.val_split)
    looks = -(-trainer.epochs // run.recipe.validate_every)
    return Timing(step, validation, trainer.total * step + looks * validation)


def pace(run: Run, data: DataSource, device: torch.device, seconds: float) -> float:
    """Images a second of a run's first steps, made for so long and thrown away; steps to warm up come before.

    Args:
        run: what would be trained.
        data: its open data source.
        device: where.
        seconds: how long to measure.
    """
    check_images(run, data)
    trainer = Trainer(run, data, Path(), device, Silent())
    generator, images = torch.Generator().manual_seed(0), 0
    trainer.model.train()
    began = time.perf_counter()
    for step in itertools.count():
        if step == WARM_UP:
            wait_for(device)
            began, images = time.perf_counter(), 0
        order = torch.arange(trainer.batch_size) + step * trainer.batch_size
        for batch in trainer.train_split.batches(order % len(trainer.train_split), trainer.batch_size):
            pixels, targets, sizes = batch.to(device)
            trainer.optimize(*augment(pixels, targets, trainer.recipe.augment, generator, sizes))
            images += len(pixels)
        wait_for(device)
        if step > WARM_UP and time.perf_counter() - began > seconds:
            break
    return images / (time.perf_counter() - began)


def _seconds_of_a_step(trainer: Trainer) -> float:
    generator, began = torch.Generator().manual_seed(0), 0.0
    images = torch.arange((WARM_UP + STEPS) * trainer.batch_size) % len(trainer.train_split)
    trainer.model.train()
    for done, batch in enumerate(trainer.train_split.batches(images, trainer.batch_size)):
        if done == WARM_UP:
            wait_for(trainer.device)
            began = time.perf_counter()
        pixels, targets, sizes = batch.to(trainer.device)
        trainer.optimize(*augment(pixels, targets, trainer.recipe.augment, generator, sizes))
    wait_for(trainer.device)
    return (time.perf_counter() - began) / STEPS
