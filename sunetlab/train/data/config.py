"""What a run's data are: the `[data]` table of a TOML file, validated."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

VOID = 255
Task = Literal["classification", "segmentation"]

SOURCE_FORMS = {
    "scenes": "scenes",
    "shapes": "shapes",
    "folder": "folder:PATH",
    "cifar10": "cifar10:PATH",
    "cifar100": "cifar100:PATH",
    "imagenet": "imagenet:PATH",
    "voc": "voc:PATH",
    "cityscapes": "cityscapes:PATH",
    "coco": "coco:PATH",
}
"""How each known source is written; `source.SOURCES` has a constructor for each name."""

SOURCE_TASKS: dict[str, Task] = {
    "cifar10": "classification",
    "cifar100": "classification",
    "imagenet": "classification",
    "voc": "segmentation",
    "cityscapes": "segmentation",
    "coco": "segmentation",
}
"""The task of each source that has one only."""

MADE_CLASSES = {"classification": 10, "segmentation": 11}
"""The number of classes of made images: their shapes, and for segmentation the background."""

SOURCE_CLASSES = {"cifar10": 10, "cifar100": 100, "imagenet": 1000, "voc": 21, "cityscapes": 19, "coco": 21}
"""The number of classes of each source that says so before it is opened."""

SOURCE_SIZES = {
    "scenes": (64, 64),
    "shapes": (64, 64),
    "cifar10": (32, 32),
    "cifar100": (32, 32),
    "imagenet": (224, 224),
    "voc": (512, 512),
    "cityscapes": (1024, 2048),
    "coco": (640, 640),
}
"""(height, width) in px that each source's images have where no size is asked for."""

TRAIN_SPLITS = {"voc": ("train_aug", "train", "trainval_aug", "trainval")}
"""The published lists that a source can train on, its default first."""

OF_SOURCE: dict[str, None] = {"train_split": None}
"""Fields that mean nothing for another source, as they are when none is said."""

Side = Annotated[int, Field(strict=True, ge=8, le=8192)]  # strict: else `true` would be 1
Count = Annotated[int, Field(strict=True, ge=1)]


class DataConfig(BaseModel):
    """The data of a run: where they come from, how large the images are, how many there are.

    Attributes:
        source: `scenes`, `shapes` (easier scenes), `folder:PATH`, or a set in the form that it is published in:
            `cifar10:PATH`, `cifar100:PATH`, `imagenet:PATH`, `voc:PATH`, `cityscapes:PATH`, `coco:PATH`.
        task: What is asked of an image: one label, or a label per pixel.
        size: (height, width) in px that every image is brought to; one integer means a square. None: the
            source's own (scenes 64×64; a folder whose images all have one size; what is usual for a published set).
            voc, coco: of the canvas; images keep their own size but where they are larger.
        train: scenes: number of images (None: 2000); others: at most so many, drawn by the seed (None: all).
        val: The same for the validation split (scenes, None: 500).
        test: The same for the test split (scenes, None: 500).
        train_split: voc: the published list that `train` is: `train_aug` (None: this one), `train`, `trainval_aug` or
            `trainval`; the last two hold the images of `val`, too.
        val_fraction: The part of the training images that becomes `val` where there is no such split.
        partial: A published set may have fewer images than it was published with: what is missing is left out.
        seed: scenes: the seed of the images; others: the seed of splits and subsets.
        workers: Processes that decode images; 0: this process.
        memory_gib: A split whose decoded images and targets fit is kept in memory, else read anew each epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    task: Task
    size: tuple[Side, Side] | None = None
    train: Count | None = None
    val: Count | None = None
    test: Count | None = None
    train_split: str | None = None
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    partial: bool = Field(default=False, strict=True)
    seed: int = Field(default=0, strict=True, ge=0, lt=2**63)
    workers: int = Field(default=2, strict=True, ge=0, le=256)
    memory_gib: float = Field(default=4.0, strict=True, ge=0, allow_inf_nan=False)

    @field_validator("size", mode="before")
    @classmethod
    def _square(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) else value

    @field_validator("source")
    @classmethod
    def _known(cls, value: str) -> str:
        name, colon, path = value.partition(":")
        if name not in SOURCE_FORMS:
            raise ValueError(f"{value!r} is not a known source; known: {', '.join(SOURCE_FORMS.values())}")
        wants_path = ":" in SOURCE_FORMS[name]
        if (wants_path and not path) or (not wants_path and colon) or "\0" in path:
            raise ValueError(f"{value!r} must be written {SOURCE_FORMS[name]}")
        try:
            Path(path).expanduser()
        except RuntimeError:  # ~name, and no such user; or ~, and the user has no home
            raise ValueError(f"{value!r}: there is no home folder {Path(path).parts[0]}") from None
        return value

    @field_validator("task")
    @classmethod
    def _its_task(cls, value: Task, info: ValidationInfo) -> Task:
        name = str(info.data.get("source")).partition(":")[0]
        if SOURCE_TASKS.get(name, value) != value:
            raise ValueError(f"{value}: {name} is for {SOURCE_TASKS[name]}")
        return value

    @field_validator("train_split")
    @classmethod
    def _its_list(cls, value: str | None, info: ValidationInfo) -> str | None:
        name = str(info.data.get("source")).partition(":")[0]
        known = TRAIN_SPLITS.get(name, ())
        if value is not None and value not in known and "source" in info.data:
            rule = f"known are {', '.join(known)}" if known else f"{name} has one only; leave it out"
            raise ValueError(f"{value!r}: {rule}")
        return value

    @property
    def name(self) -> str:
        """The source's name, without its path."""
        return self.source.partition(":")[0]

    @property
    def path(self) -> Path:
        """The source's path as given, `~` expanded."""
        return Path(self.source.partition(":")[2]).expanduser()

    @property
    def known_size(self) -> tuple[int, int] | None:
        """(height, width) of the images; None where only the opened source tells."""
        return self.size or SOURCE_SIZES.get(self.name)

    @property
    def known_classes(self) -> int | None:
        """How many classes there are; None where only the opened source tells."""
        return MADE_CLASSES[self.task] if self.name in ("scenes", "shapes") else SOURCE_CLASSES.get(self.name)

    @property
    def keeps_sizes(self) -> bool:
        """Whether `size` is that of a canvas, on which images keep their own."""
        return self.name in ("voc", "coco")

    @property
    def trains_on_val(self) -> bool:
        """Whether the images of `val` are among those of `train`."""
        return self.train_split is not None and self.train_split.startswith("trainval")

    @property
    def limits(self) -> dict[str, int | None]:
        """The number of images asked for, by split."""
        return {"train": self.train, "val": self.val, "test": self.test}
