"""Where VOC 2012 and the extra masks of SBD lie, and which images each list names.

torchvision's `VOCSegmentation` and `SBDataset` list the same files, but look at one place only, say of what is missing
no more than that something is, and know SBD's own lists, not the union that is trained on.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sunetlab.errors import InputError
from sunetlab.train.data.image_files import shown
from sunetlab.train.data.listing import data_folder, files_in, names_listed
from sunetlab.train.data.splits import Item

_VOC_ARCHIVE = "VOC 2012's VOCtrainval_11-May-2012.tar has it"
_PLACES = ("benchmark_RELEASE/dataset", "benchmark_RELEASE", "sbd", "SBD", "")
_SBD_ARCHIVE = "SBD's benchmark.tgz has it"


@dataclass(frozen=True)
class VocLayout:
    """Folders relative to `root`, the folder that VOCdevkit is in.

    Attributes:
        root: An absolute path.
        voc: VOC 2012's own folder.
    """

    root: Path
    voc: str

    def names(self, split: str) -> list[str]:
        """The images of `train` or `val`, as VOC 2012 lists them.

        Raises:
            InputError: The list is missing.
        """
        return names_listed(self.root / self.voc / f"ImageSets/Segmentation/{split}.txt", _VOC_ARCHIVE)

    def items(self, names: list[str]) -> list[Item]:
        """Images with VOC's own masks."""
        return [self._item(name, f"{self.voc}/SegmentationClass/{name}.png") for name in names]

    def extra(self, without: set[str]) -> list[Item]:
        """Images with SBD's masks, but for those named `without`.

        SBD's published form is preferred; else its masks as images, in `SegmentationClassAug`, which is widespread.

        Raises:
            InputError: Neither is there, or SBD is incomplete.
        """
        sbd = self._sbd()
        if sbd is not None:
            where = self.root / sbd
            names = {name for split in ("train", "val") for name in names_listed(where / f"{split}.txt", _SBD_ARCHIVE)}
            masks = {name: f"{sbd}/cls/{name}.mat" for name in names}
        else:
            folder = f"{self.voc}/SegmentationClassAug"
            files = files_in(self.root / folder, "") if (self.root / folder).is_dir() else []
            masks = {name[:-4]: f"{folder}/{name}" for name in files if name.endswith(".png")}
        if not masks:
            raise InputError(
                f"{shown(self.root / _PLACES[0])}: missing; train_aug takes SBD's masks, and benchmark.tgz, unpacked in"
                f" {shown(self.root)}, has them (data.train_split = 'train' does without)"
            )
        return [self._item(name, masks[name]) for name in sorted(masks.keys() - without)]

    def _item(self, name: str, mask: str) -> Item:
        return Item(f"{self.voc}/JPEGImages/{name}.jpg", mask)

    def _sbd(self) -> str | None:
        """The first place beside VOC that looks like SBD."""
        bases = ("", self.voc.rpartition("/")[0], self.voc)
        for base in dict.fromkeys(bases):
            for place in _PLACES:
                folder = "/".join(filter(None, (base, place))) or "."
                markers = ("cls", "img") if place else ("cls",)  # an img/ beside VOC may be anything
                if any((self.root / folder / marker).is_dir() for marker in markers):
                    return folder
        return None


def archive_of(path: str) -> str:
    """Where a file of a list is from."""
    return _SBD_ARCHIVE if path.endswith(".mat") else _VOC_ARCHIVE


def find_voc(path: Path) -> VocLayout:
    """VOC 2012 at `path`: the folder that holds VOCdevkit, VOCdevkit, or VOC2012 itself.

    Raises:
        InputError: None of them.
    """
    data_folder(path)
    path = Path(os.path.abspath(path))  # noqa: PTH100  # links stay: `path.parent` must be the folder that was named
    for inside in ("VOCdevkit/VOC2012", "VOC2012", ""):
        if (path / inside / "ImageSets").is_dir() or (path / inside / "JPEGImages").is_dir():
            voc = path / inside
            root = voc.parent.parent if voc.parent.name == "VOCdevkit" else voc.parent
            return VocLayout(root, voc.relative_to(root).as_posix())
    raise InputError(
        f"{shown(path / 'VOCdevkit/VOC2012')}: missing; VOCtrainval_11-May-2012.tar, unpacked in {shown(path)}, has it"
    )
