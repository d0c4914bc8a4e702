"""What `sunetlab predict` leaves of an answer: label images, pictures, and a row of what is told."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sunetlab import InputError, SUNetSpec
from sunetlab.files import make_folder, shown

if TYPE_CHECKING:  # these import torch
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from sunetlab.model.activations import Activation

    U8 = NDArray[np.uint8]

TOP = 5  # classes told of an image
_MOST_LABELS = 255  # of a label image, beside void
_OVERLAYS, _ACTIVATIONS = "overlay", "activations"  # folders inside that of the label images


class Look(NamedTuple):
    """One image as it was looked at, and what was found."""

    file: Path
    image: "U8"  # (3, h, w), as the network took it
    own: tuple[int, int]  # height and width of the file's
    found: "Tensor"  # (classes, height, width) or (classes,)
    maps: "list[Activation]"  # the strongest of each level, where they are wanted


@dataclass(frozen=True)
class Answers:
    """What becomes of an answer: files, and a row of what is told.

    Attributes:
        task: of the network.
        names: of its classes.
        out: the folder for files; None where there are none.
        form: of the label images.
        pictures: which pictures are wanted beside them, by their folders.
    """

    task: str
    names: Sequence[str]
    out: Path | None
    form: str
    pictures: tuple[str, ...]

    @classmethod
    def of(
        cls, run: Path, spec: SUNetSpec, out: Path | None, form: str | None, overlay: bool, activations: bool
    ) -> "Answers":
        """What the flags ask for.

        Raises:
            InputError: they do not go with each other, or with the network.
        """
        from sunetlab.folders import DATA
        from sunetlab.train.pictures.label_files import refuse_other_classes
        from sunetlab.train.run import class_names

        names = class_names(run, spec.num_classes)
        segmentation = spec.task == "segmentation"
        for flag, wanted in (("--format", form), ("--overlay", overlay)):
            if wanted and not segmentation:
                raise InputError(f"{flag}: goes with a network for segmentation; this one is for {spec.task}")
        if out is None and (segmentation or activations):
            raise InputError("--out: is needed: the folder for the images that are made")
        if out is not None and not (segmentation or activations):
            raise InputError(f"--out: {shown(str(out))}: a network for {spec.task} makes no images; leave it out")
        if segmentation and len(names) > _MOST_LABELS:
            raise InputError(f"{run}: {len(names)} classes: a label image holds at most {_MOST_LABELS}")
        try:
            refuse_other_classes(form or "palette", names, named=(run / DATA).exists())
        except InputError as error:
            raise InputError(f"--format: {error}") from None
        kinds = ((_OVERLAYS, overlay), (_ACTIVATIONS, activations))
        pictures = tuple(folder for folder, asked in kinds if asked)
        return cls(spec.task, names, out, form or "palette", pictures)

    def paths(self, file: Path) -> dict[str, Path]:
        """The files that an image's answer goes to, by what they are."""
        if self.out is None:
            return {}
        name = f"{file.stem}.png"
        labels = {"labels": self.out / name} if self.task == "segmentation" else {}
        return labels | {folder: self.out / folder / name for folder in self.pictures}

    def refuse_clashes(self, files: Sequence[Path]) -> None:
        """Refuse to write two answers to one file, or one over an image.

        Raises:
            InputError: naming both.
        """
        images = {os.path.realpath(file): file for file in files}
        taken: dict[Path, Path] = {}
        for file in files:
            for path in self.paths(file).values():
                if path in taken:
                    raise InputError(
                        f"IMAGES: {shown(str(taken[path]))} and {shown(str(file))} would both become {path}"
                    )
                if os.path.realpath(path) in images:
                    raise InputError(f"--out: {shown(str(self.out))}: {path} would be written over an image")
                taken[path] = file

    def _make_folders(self) -> None:
        """Make the folders that files go to.

        Raises:
            InputError: one cannot be made.
        """
        if self.out is not None:
            for folder in (self.out, *(self.out / name for name in self.pictures)):
                try:
                    make_folder(folder)
                except InputError as error:
                    raise InputError(f"--out: {error}") from None

    @property
    def with_activations(self) -> bool:
        """Whether the strongest maps are wanted."""
        return _ACTIVATIONS in self.pictures

    def write(self, look: Look) -> dict[str, Any]:
        """Write an answer's files, and make their folders where they are not there; what is told of it."""
        self._make_folders()
        paths = self.paths(look.file)
        row: dict[str, Any] = {"image": str(look.file), **{what: str(path) for what, path in paths.items()}}
        labels = None
        if self.task == "classification":
            best = look.found.topk(min(TOP, len(self.names)))
            pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            row["classes"] = [{"class": self.names[label], "probability": value} for label, value in pairs]
        else:
            labels = look.found.argmax(0).numpy().astype("uint8")
            row["parts"] = self._parts(labels)
        self._save(look, labels, paths)
        return row

    def _parts(self, labels: "U8") -> dict[str, float]:
        """Each class that occurs, and its part of the pixels."""
        import numpy as np

        counts = np.bincount(labels.ravel(), minlength=len(self.names)).tolist()
        return {name: count / labels.size for name, count in zip(self.names, counts, strict=True) if count}

    def _save(self, look: Look, labels: "U8 | None", paths: dict[str, Path]) -> None:
        from sunetlab.train.data.image_files import read_image
        from sunetlab.train.pictures.activations import activation_picture
        from sunetlab.train.pictures.label_files import FORMATS, save_png
        from sunetlab.train.pictures.overlay import overlay
        from sunetlab.train.pictures.palette import colours_of

        colours = colours_of(self.names)
        if labels is not None:
            save_png(FORMATS[self.form](labels), paths["labels"])
        if _OVERLAYS in paths and labels is not None:
            image = read_image(look.file, look.own, crop=False).transpose(1, 2, 0)
            save_png(overlay(image, labels, self.names, colours), paths[_OVERLAYS])
        if _ACTIVATIONS in paths:
            picture = activation_picture(look.image.transpose(1, 2, 0), look.maps, labels, colours)
            save_png(picture, paths[_ACTIVATIONS])
