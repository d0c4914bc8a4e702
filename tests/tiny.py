"""The smallest data, networks and studies that train: a fraction of a second each."""

import json
from pathlib import Path
from typing import Any

import torch

from sunetlab import SUNetSpec, analyze
from sunetlab.spec import Task
from sunetlab.train.data import DataConfig, MemorySplit, Progress
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import RESULT, Run, read_result

WORDS: dict[str, Any] = {"depth": 1, "n": 4, "stacks": (1, 1), "widths": "rule", "stem_width": 4}
EPOCH = {"epoch": 2, "lr": 0.1, "train_loss": 1.0, "seconds": 1.0}  # a row of a log

STUDY = """
question = "Which depth for very small scenes?"
seeds = [0, 1]
[network]
n = 4
stacks = [1, 1]
widths = "rule"
stem_width = 4
[factors]
depth = [1, 2]
[[tasks]]
task = "classification"
recipe = { base = "quick", epochs = 2, batch_size = 8, warmup = 0.0 }
data = { source = "scenes", size = 32, train = 16, val = 16 }
"""


SEARCH = """
question = "Which of the smallest networks, found by a search?"
seeds = [0, 1]
where = "params<=4k"
sampler = "tpe"
designs = 4
[network]
widths = "rule"
[factors]
n = [2, 3, 4, 6]
depth = [1, 2]
stem_width = [4, 8]
stacks = [[1, 1], [2, 1]]
[[tasks]]
task = "classification"
recipe = { base = "quick", epochs = 1, batch_size = 8, warmup = 0.0 }
data = { source = "scenes", size = 32, train = 16, val = 16 }
"""


class TinyData:
    """Images whose class is their colour, so that anything that learns at all learns it."""

    def __init__(self, task: Task = "classification", count: int = 24, side: int = 24) -> None:
        self.task: Task = task
        self.classes = ("red", "green", "blue")
        self.size = (side, side)
        generator = torch.Generator().manual_seed(0)
        labels = torch.randint(3, (count,), generator=generator)
        images = torch.randint(0, 60, (count, 3, side, side), generator=generator, dtype=torch.uint8)
        images[torch.arange(count), labels] += 150
        masks = labels.to(torch.uint8)[:, None, None].expand(count, side, side).clone()
        masks[:, 0] = 255
        self.images, self.targets = images, labels if task == "classification" else masks

    def split(self, name: str, progress: Progress | None = None) -> MemorySplit:
        """The same images for every split."""
        del name, progress
        return MemorySplit(self.task, self.images, self.targets)

    def record(self) -> dict[str, Any]:
        """Nothing to record."""
        return {"source": "tiny"}


def tiny_run(task: Task = "classification", seed: int = 0, words: dict[str, Any] | None = None, **recipe: Any) -> Run:
    """A run on `TinyData`."""
    spec = SUNetSpec.make(**{**WORDS, "task": task, "num_classes": 3, **(words or {})})
    settings = {"epochs": 3, "batch_size": 8, "warmup": 0.0, "lr": 0.05, **recipe}
    return Run(spec=spec, recipe=Recipe(**settings), data=DataConfig(source="scenes", task=task), seed=seed)


def stand_in(run: Run, data: Any, folder: Path, *_: Any) -> dict[str, Any]:
    """What `train` gives, without training: a value that follows from depth, n and the seed. No run is made twice."""
    finished = read_result(folder)
    if finished is not None:
        return finished
    value = 0.5 + 0.1 * run.spec.depth[0] - 0.05 * abs(run.spec.n - 3) + 0.01 * run.seed
    report = analyze(run.spec, data.size)
    found = {"value": value, "objective": "accuracy", "params": report.params, "macs": report.macs}
    shown = {"machine": {}, "size": list(data.size), "train_images": 16, "val_images": 16}
    result = {**found, **shown, "seconds": 1.0, "best": EPOCH, "last": EPOCH}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / RESULT).open("x") as file:
        json.dump(result, file)
    return result


def write_study(folder: Path, text: str = STUDY, name: str = "tiny") -> Path:
    """A study's file."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path
