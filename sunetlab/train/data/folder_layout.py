"""What a folder holds: its splits, its classes and, by relative name, the files of each split."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sunetlab.errors import InputError
from sunetlab.train.data.config import Task
from sunetlab.train.data.image_files import IMAGE_SUFFIXES, MASK_SUFFIX, shown
from sunetlab.train.data.listing import data_folder
from sunetlab.train.data.splits import WHOLE, Item

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class Layout:
    """A folder's content.

    Attributes:
        splits: The items of `train`, `val` and `test`, as far as there are such sub-folders; else of WHOLE.
        classes: Their names; None for masks without a `classes.txt`.
    """

    splits: dict[str, list[Item]]
    classes: tuple[str, ...] | None


def read_layout(root: Path, task: Task) -> Layout:
    """List a data folder.

    Other folders beside split sub-folders are not looked at, and neither are hidden files and folders.

    Raises:
        InputError: The folder is not there, is not laid out for `task`, or images and masks do not match.
    """
    try:
        return _LAYOUTS[task](data_folder(root), _split_folders(root))
    except OSError as error:
        raise InputError(f"{shown(error.filename or root)}: cannot be listed: {error.strerror}") from None


def _split_folders(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, split in SPLIT_NAMES.items():
        folder = root / name
        if not folder.is_dir():
            continue
        if split in found:
            raise InputError(f"{shown(root)}: both {found[split].name}/ and {name}/ are the {split} split")
        found[split] = folder
    return found or {WHOLE: root}


def _classification(root: Path, folders: dict[str, Path]) -> Layout:
    names: tuple[str, ...] | None = _class_names(root)
    splits: dict[str, list[Item]] = {}
    for split, folder in folders.items():
        if _has_masks(folder):
            raise InputError(f"{shown(folder)}: images/ and masks/, which is segmentation; the task is classification")
        names = _agreed(folder, names)
        splits[split] = [
            Item(_below(file, root), label) for label, name in enumerate(names) for file in _class_images(folder / name)
        ]
    return Layout(splits, names)


def _agreed(folder: Path, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The class folders of `folder`, which must be the ones named already where there are any."""
    found = tuple(sorted((sub.name for sub in _folders(folder)), key=os.fsencode))
    if not found:
        raise InputError(f"{shown(folder)}: no class folders; classification takes a folder of images per class")
    if len(found) == 1 and names is None:
        raise InputError(f"{shown(folder)}: one class folder only ({shown(found[0])}); there must be two or more")
    if names is None:
        return found
    for name in names:
        if name not in found:
            raise InputError(f"{shown(folder)}: no folder for the class {shown(name)!r}; every split has every class")
    for name in found:
        if name not in names:
            raise InputError(f"{shown(folder / name)}: not a class of the other splits, or of classes.txt")
    return names


def _class_images(folder: Path) -> list[Path]:
    files = [file for file in _files(folder) if file.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise InputError(f"{shown(folder)}: an empty class folder; it must hold images ({_suffixes()})")
    return files


def _segmentation(root: Path, folders: dict[str, Path]) -> Layout:
    return Layout({split: _pairs(folder, root) for split, folder in folders.items()}, _class_names(root))


def _pairs(folder: Path, root: Path) -> list[Item]:
    _refuse_unless_masks(folder)
    images = _by_stem(folder / "images", IMAGE_SUFFIXES)
    masks = _by_stem(folder / "masks", frozenset({MASK_SUFFIX}))
    if not images:
        raise InputError(f"{shown(folder / 'images')}: no images ({_suffixes()})")
    for stem, image in images.items():
        if stem not in masks:
            raise InputError(f"{shown(image)}: an image without a mask; masks/{shown(stem)}{MASK_SUFFIX} is missing")
    for stem, mask in masks.items():
        if stem not in images:
            raise InputError(f"{shown(mask)}: a mask without an image; images/ has no file named {shown(stem)!r}")
    return [Item(_below(image, root), _below(masks[stem], root)) for stem, image in images.items()]


def _by_stem(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in _files(folder):
        if file.suffix.lower() not in suffixes:
            continue
        if file.stem in found:
            raise InputError(f"{shown(file)}: has the same stem as {shown(found[file.stem].name)}; stems must differ")
        found[file.stem] = file
    return found


def _refuse_unless_masks(folder: Path) -> None:
    if _has_masks(folder):
        return
    classes = [sub.name for sub in _folders(folder) if any(f.suffix.lower() in IMAGE_SUFFIXES for f in _files(sub))]
    for name, other in (("images", "masks"), ("masks", "images")):
        if name in classes and other not in classes:
            raise InputError(f"{shown(folder)}: {name}/ without {other}/; segmentation takes both")
    if classes:
        raise InputError(f"{shown(folder)}: a folder per class, which is classification; the task is segmentation")
    raise InputError(f"{shown(folder)}: no images/ and masks/, which segmentation takes")


def _has_masks(folder: Path) -> bool:
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


def _class_names(root: Path) -> tuple[str, ...] | None:
    """The lines of `classes.txt`, if there is one."""
    path = root / "classes.txt"
    if not path.is_file():
        return None
    text = os.fsdecode(path.read_bytes())  # as names of files are decoded, so that any folder can be named
    names = tuple(line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip())
    if len(names) < 2 or len(names) > 255:
        raise InputError(f"{shown(path)}: {len(names)} classes; there must be 2 to 255, one to a line")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{shown(path)}: the class {shown(twice)!r} stands there twice")
    return names


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_file()]


def _visible(folder: Path) -> list[Path]:
    """The entries of a folder in the order of their bytes, which no locale changes."""
    return sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda path: os.fsencode(path.name))


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _suffixes() -> str:
    return " ".join(sorted(IMAGE_SUFFIXES))


_LAYOUTS: dict[Task, Callable[[Path, dict[str, Path]], Layout]] = {
    "classification": _classification,
    "segmentation": _segmentation,
}
