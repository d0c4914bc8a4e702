"""The classes that the Cityscapes benchmark judges, in the order of their train ids (Cordts et al. 2016, labels.py)."""

from typing import NamedTuple


class Label(NamedTuple):
    """One class: the number that the benchmark's files have for it, and its colour in RGB."""

    id: int
    colour: tuple[int, int, int]


CITYSCAPES = {
    "road": Label(7, (128, 64, 128)),
    "sidewalk": Label(8, (244, 35, 232)),
    "building": Label(11, (70, 70, 70)),
    "wall": Label(12, (102, 102, 156)),
    "fence": Label(13, (190, 153, 153)),
    "pole": Label(17, (153, 153, 153)),
    "traffic light": Label(19, (250, 170, 30)),
    "traffic sign": Label(20, (220, 220, 0)),
    "vegetation": Label(21, (107, 142, 35)),
    "terrain": Label(22, (152, 251, 152)),
    "sky": Label(23, (70, 130, 180)),
    "person": Label(24, (220, 20, 60)),
    "rider": Label(25, (255, 0, 0)),
    "car": Label(26, (0, 0, 142)),
    "truck": Label(27, (0, 0, 70)),
    "bus": Label(28, (0, 60, 100)),
    "train": Label(31, (0, 80, 100)),
    "motorcycle": Label(32, (0, 0, 230)),
    "bicycle": Label(33, (119, 11, 32)),
}
