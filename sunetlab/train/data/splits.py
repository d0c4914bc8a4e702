"""Images and their targets by name, and splits and subsets of them by a seed.

An item's place is decided by a hash of the seed and its name, never by its place in a listing: the same files give
the same split on every machine.
"""

import hashlib
import os
from collections import defaultdict
from dataclasses import dataclass

from sunetlab.errors import InputError
from sunetlab.train.data.config import DataConfig
from sunetlab.train.data.image_files import shown

WHOLE = ""  # the only split of data that have none of their own
TEST_FRACTION = 0.1  # of data without splits


@dataclass(frozen=True, slots=True)
class Item:
    """One image.

    Attributes:
        image: Its path below the root.
        target: The number of its class, or its mask's path below the root.
    """

    image: str
    target: int | str


Splits = dict[str, list[Item]]


def make_splits(found: Splits, config: DataConfig) -> Splits:
    """The splits of a run, in the order train, val, test: the data's own, those made by the seed, then the limits.

    Raises:
        InputError: There are too few images to make a split.
    """
    splits = dict(found)
    if WHOLE in splits:
        splits["train"], splits["test"] = _parted(splits.pop(WHOLE), TEST_FRACTION, config, "test")
        share = config.val_fraction / (1 - TEST_FRACTION)  # val_fraction of the whole, of what is left
        splits["train"], splits["val"] = _parted(splits["train"], min(share, 0.99), config, "val")
    elif "val" not in splits and "train" in splits:
        splits["train"], splits["val"] = _parted(splits["train"], config.val_fraction, config, "val")
    return {name: _limited(splits[name], name, config) for name in ("train", "val", "test") if name in splits}


def _parted(items: list[Item], fraction: float, config: DataConfig, name: str) -> tuple[list[Item], list[Item]]:
    """The rest and the part `fraction` of items; of every class alike, where the targets are classes."""
    groups: dict[int | str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.target if isinstance(item.target, int) else ""].append(item)
    taken: set[str] = set()
    for group in groups.values():
        if len(group) < 2:
            raise InputError(
                f"{shown(config.path / group[0].image)}: alone in its class or folder; a {name} split cannot be made"
            )
        count = min(max(1, round(fraction * len(group))), len(group) - 1)
        taken.update(item.image for item in _shuffled(group, config.seed, f"split {name}")[:count])
    return [item for item in items if item.image not in taken], [item for item in items if item.image in taken]


def _limited(items: list[Item], name: str, config: DataConfig) -> list[Item]:
    """At most as many items as the configuration asks for, in their order."""
    limit = config.limits[name]
    if limit is None or limit >= len(items):
        return items
    kept = {item.image for item in _shuffled(items, config.seed, f"subset {name}")[:limit]}
    return [item for item in items if item.image in kept]


def _shuffled(items: list[Item], seed: int, use: str) -> list[Item]:
    def place(item: Item) -> bytes:
        return hashlib.sha256(f"{seed}/{use}/".encode() + os.fsencode(item.image)).digest()

    return sorted(items, key=place)
