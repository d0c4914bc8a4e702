"""Lack of memory: how it shows, and how many images then go through a network at once."""

import gc

import torch

from sunetlab.train.recipe import Recipe


class LackOfMemoryError(MemoryError):
    """One of several processes has too little memory, and all know it."""


def micro_batches(recipe: Recipe, images: int) -> tuple[int, ...]:
    """How many images of a batch go through the network at once: first the recipe's number, then where memory lacks.

    >>> micro_batches(Recipe(batch_size=20, accumulate=2, min_micro_batch=2), images=1000)
    (10, 5, 3, 2)

    Args:
        recipe: its `min_micro_batch` is the last of them.
        images: of the training split, which a batch cannot have more of.
    """
    sizes = [-(-min(recipe.batch_size, images) // recipe.accumulate)]
    while recipe.min_micro_batch is not None and sizes[-1] > recipe.min_micro_batch:
        sizes.append(max(recipe.min_micro_batch, -(-sizes[-1] // 2)))
    return tuple(sizes)


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python, a GPU or torch's allocator on the CPU, which raises no kind of its own, had too little."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def free_memory() -> None:
    """Give back what nothing refers to any more, on a GPU what torch keeps of it as well."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
