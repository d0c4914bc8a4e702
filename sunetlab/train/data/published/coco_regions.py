"""COCO's annotations of an image as one run-length code per class, and the mask that they make.

Polygons become run-length codes when the file is read (pycocotools, in C): a few hundred bytes per image are kept, and
areas follow without a mask being drawn.
"""

import importlib
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sunetlab.errors import InputError
from sunetlab.train.data.config import VOID
from sunetlab.train.data.frames import Size
from sunetlab.train.data.image_files import U8


def mask_tools() -> ModuleType:
    """`pycocotools.mask`.

    Raises:
        InputError: It is not installed.
    """
    try:
        mask: ModuleType = importlib.import_module("pycocotools.mask")
    except ImportError:
        raise InputError("coco: needs pycocotools; pip install 'sunetlab[coco]'") from None
    return mask


@dataclass(frozen=True, slots=True)
class Regions:
    """The annotated regions of an image, as run-length codes in pycocotools' compressed form.

    Attributes:
        size: (height, width) in px.
        classes: Label and region of every class that the image has instances of.
        crowd: The region of the crowds, whatever their class; None where there are none.
    """

    size: Size
    classes: tuple[tuple[int, bytes], ...]
    crowd: bytes | None

    def labelled_px(self) -> int:
        """Pixels that lie in an instance of any of the classes."""
        if not self.classes:
            return 0
        tools = mask_tools()
        return int(tools.area(tools.merge([self._code(code) for _, code in self.classes])))

    def draw(self) -> U8:
        """The mask, (H, W): background is 0; void where instances of different classes overlap, and where a crowd is.

        A crowd is void, not its class: its outline also holds what is between the people. An instance before a crowd
        keeps its label.
        """
        mask = np.zeros(self.size, dtype=np.uint8)
        for label, code in self.classes:
            region = _decoded(self._code(code))
            mask[region] = np.where(mask[region] == 0, label, VOID)
        if self.crowd is not None:
            mask[_decoded(self._code(self.crowd)) & (mask == 0)] = VOID
        return mask

    def _code(self, counts: bytes) -> dict[str, Any]:
        return {"size": list(self.size), "counts": counts}


def _decoded(code: dict[str, Any]) -> NDArray[np.bool_]:
    """(H, W). Raises ValueError where the runs do not fill the image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools 2.0.11 with NumPy 2: of its array's signature
        inside: NDArray[np.bool_] = mask_tools().decode(code).astype(np.bool_)
    return inside


def make_regions(size: Size, annotations: Iterable[tuple[int, Mapping[str, Any]]]) -> Regions:
    """From annotations, each with its label, to regions.

    Raises:
        ValueError: What an annotation says is not a region of an image of this size.
    """
    tools = mask_tools()
    codes: dict[int, list[Any]] = defaultdict(list)
    for label, annotation in annotations:
        codes[VOID if annotation.get("iscrowd") else label] += _codes(annotation.get("segmentation"), size)
    merged = {label: bytes(tools.merge(parts)["counts"]) for label, parts in codes.items() if parts}
    crowd = merged.pop(VOID, None)
    return Regions(size, tuple(sorted(merged.items())), crowd)


def _codes(segmentation: object, size: Size) -> list[Any]:
    """The run-length codes of one annotation: of a code, written out or compressed, or of polygons."""
    tools = mask_tools()
    if isinstance(segmentation, Mapping):
        counts = segmentation.get("counts")
        if segmentation.get("size") != list(size):
            raise ValueError(f"a run-length code of another size than its image's, {size[0]}×{size[1]} px")
        if isinstance(counts, str):
            code = {"size": list(size), "counts": counts.encode()}
            _decoded(code)  # which raises ValueError where the runs do not fill the image
            return [code]
        if isinstance(counts, list) and all(type(run) is int and run >= 0 for run in counts):
            if sum(counts) == size[0] * size[1]:
                return [tools.frPyObjects({"size": list(size), "counts": counts}, *size)]
            raise ValueError(f"a run-length code of {sum(counts)} pixels, not {size[0]}×{size[1]}")
    if isinstance(segmentation, list) and all(_is_polygon(polygon, size) for polygon in segmentation):
        # A polygon of fewer than three corners has no area; pycocotools would take four numbers for a box.
        polygons = [polygon for polygon in segmentation if len(polygon) >= 6]
        return list(tools.frPyObjects(polygons, *size)) if polygons else []
    raise ValueError("a segmentation that is neither polygons nor a run-length code")


def _is_polygon(polygon: object, size: Size) -> bool:
    """Pairs of numbers, none so far from the image that its outline would take all memory."""
    if not isinstance(polygon, list) or len(polygon) % 2:
        return False
    most = 4 * max(size)
    return all(type(at) in (int, float) and abs(at) <= most for at in polygon)  # which no nan is, nor an infinity
