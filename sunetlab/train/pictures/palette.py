"""Colours of classes: VOC's by its bit formula, those that a data set is known by, and distinct ones for all others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sunetlab.train.pictures.cityscapes import CITYSCAPES

Colours = NDArray[np.uint8]  # (classes, 3), RGB

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)

_CAMVID = {  # the classes of Badrinarayanan et al. (2017, SegNet), with the names that are in use
    ("sky",): (128, 128, 128),
    ("building",): (128, 0, 0),
    ("pole", "column_pole", "column pole"): (192, 192, 128),
    ("road",): (128, 64, 128),
    ("pavement", "sidewalk"): (60, 40, 222),
    ("tree",): (128, 128, 0),
    ("sign", "signsymbol", "sign symbol"): (192, 128, 128),
    ("fence",): (64, 64, 128),
    ("car",): (64, 0, 128),
    ("pedestrian",): (64, 64, 0),
    ("bicyclist",): (0, 128, 192),
}
_DARK = 60  # the colour of a background: the greatest distance from all that is coloured


def voc_palette() -> Colours:
    """VOC's 256 colours: bit 3i + c of the label is bit 7 - i of channel c."""
    labels = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        i, channel = divmod(bit, 3)
        colours[:, channel] |= ((labels >> bit & 1) << (7 - i)).astype(np.uint8)
    return colours


def colours_of(names: Sequence[str]) -> Colours:
    """A colour for each class: that of VOC, Cityscapes or CamVid where these are its classes, else a distinct one."""
    lower = [name.lower() for name in names]
    if lower == list(VOC_CLASSES):
        return voc_palette()[: len(names)]
    known = {name: each.colour for name, each in CITYSCAPES.items()}
    camvid = {name: colour for names, colour in _CAMVID.items() for name in names}
    for colours, count in ((known, len(CITYSCAPES)), (camvid, len(_CAMVID))):
        if len(lower) == len(set(lower)) == count and all(name in colours for name in lower):
            return np.array([colours[name] for name in lower], np.uint8)
    background = int(lower[:1] == ["background"])
    ground = np.full((background, 3), _DARK, np.uint8)
    return np.concatenate((ground, distinct(len(names) - background)))


def distinct(count: int) -> Colours:
    """So many colours, each as far as can be from those before it; a longer list begins like a shorter one.

    Distances are those of Oklab (Ottosson 2020), in which equal steps look alike; colours near black and white are
    left out. Past the number of candidates they begin again.
    """
    steps = np.linspace(0, 255, 12).round()
    candidates = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lab = _oklab(candidates / 255)
    usable = (lab[:, 0] > 0.4) & (lab[:, 0] < 0.9) & (np.hypot(lab[:, 1], lab[:, 2]) > 0.06)
    candidates, lab = candidates[usable], lab[usable]
    chosen = [int(np.hypot(lab[:, 1], lab[:, 2]).argmax())]
    away = np.full(len(lab), np.inf)
    while len(chosen) < min(count, len(lab)):
        away = np.minimum(away, np.square(lab - lab[chosen[-1]]).sum(1))
        chosen.append(int(away.argmax()))
    rows = np.resize(chosen, count) if count else np.zeros(0, int)
    return np.asarray(candidates[rows], np.uint8)


def _oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours as sRGB in [0, 1], (n, 3), to Oklab: lightness, green to red, blue to yellow."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(linear @ _TO_CONES.T)
    return np.asarray(cones @ _TO_LAB.T)


_TO_CONES = np.array(
    [
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    ]
)
_TO_LAB = np.array(
    [
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    ]
)
