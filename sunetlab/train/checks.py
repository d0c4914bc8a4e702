"""What a training is refused for before it begins, each in one line."""

from torch import Tensor

from sunetlab.analysis.cost import area
from sunetlab.analysis.report import Report, analyze
from sunetlab.errors import InputError
from sunetlab.train.data.config import VOID
from sunetlab.train.data.source import DataSource, Split
from sunetlab.train.data.split import MemorySplit
from sunetlab.train.memory import micro_batches
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import Run
from sunetlab.train.team import Team


class NotTrainableError(InputError):
    """A network that cannot be trained by its recipe; another could be."""


def of_crops(run: Run) -> Report | None:
    """The network on what the recipe cuts out of images for training; None where it cuts nothing.

    Raises:
        NotTrainableError: that is too small for it.
    """
    crop = run.recipe.augment.crop
    try:
        return None if crop is None else analyze(run.spec, crop)
    except InputError as error:
        raise NotTrainableError(f"augment.crop: {str(error).removeprefix('input: ')}") from None


def check_images(run: Run, data: DataSource) -> Report:
    """The network on a data source's images, which are large enough for it, and enough at a time.

    Raises:
        InputError: they are not.
        NotTrainableError: what the recipe cuts out of them is not, or they are too few.
    """
    report = analyze(run.spec, data.size)
    check_batch(of_crops(run) or report, run.recipe, len(data.split("train")))
    return report


def check_batch(report: Report, recipe: Recipe, images: int) -> None:
    """Refuse what BN cannot train on: a single value of a map.

    Raises:
        NotTrainableError: a map of one pixel meets a part of one image, or may come to when memory lacks.
    """
    smallest = min((row.layer for row in report.rows if row.layer.kind == "bn"), key=lambda layer: area(layer.out_size))
    batch = min(recipe.batch_size, images)
    for micro_batch in micro_batches(recipe, images) if area(smallest.out_size) == 1 else ():
        if 1 in (batch % micro_batch, micro_batch):
            is_first = micro_batch == micro_batches(recipe, images)[0]
            word = "batch_size" if is_first else "min_micro_batch"
            rule = f"{smallest.part} has maps of one pixel, and BN needs more than one value of each"
            raise NotTrainableError(
                f"{word}: {getattr(recipe, word)}: leaves a single image to a part of a batch: {rule}"
            )


def check_labels(split: Split) -> None:
    """Refuse training masks of void alone, as far as they are in memory: the loss of each would be 0.

    Raises:
        InputError: nothing can be learned.
    """
    if isinstance(split, MemorySplit) and split.task == "segmentation" and bool((split.targets == VOID).all()):
        raise InputError("train: the training split has no labelled pixel: nothing can be learned")


def check_view(x: Tensor, recipe: Recipe, size: tuple[int, int]) -> None:
    """Refuse training images that are of another size than all others, because the recipe does not cut them.

    Raises:
        InputError: the canvas that they come on is not what the network is judged on.
    """
    if recipe.augment.crop is None and tuple(x.shape[-2:]) != tuple(size):
        canvas = f"the training images come on a canvas of {x.shape[-2]}×{x.shape[-1]} px"
        raise InputError(f"augment.crop: not said: {canvas}; a recipe must cut {size[0]}×{size[1]} out of it")


def check_team(recipe: Recipe, images: int, team: Team) -> None:
    """Refuse what several processes cannot do together.

    Raises:
        InputError: fewer images in a batch than processes, or torch.compile, which BN's sums over processes take apart.
    """
    batch = min(recipe.batch_size, images)
    if batch < team.world:
        raise InputError(f"batch_size: {batch}: fewer images than the {team.world} processes that train together")
    if recipe.compile is True and team.world > 1:
        raise InputError('recipe: compile: true: not where several processes train together; take false, or "auto"')
