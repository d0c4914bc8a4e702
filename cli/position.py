"""What one position of a network sees: computed, measured, printed, drawn."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sunetlab import InputError, Report, SUNetSpec
from sunetlab.analysis.fov import UNSEEN, Paths, Seen, holes, paths, seen
from sunetlab.analysis.fov.boxes import Boxes

from .network import trained_at
from .output import note, percent, print_table, say, say_lines, sides

if TYPE_CHECKING:
    from sunetlab.model.gradient import EffectiveField

_TERMS = """radius and side: of the disc and of the square with as many pixels as have a gradient above 4.55 % of the
largest (Luo et al. 2016). spread: standard deviation, along y and along x, of the gradient's shares."""


@dataclass(frozen=True)
class Position:
    """One position of a box, and everything that is known of what it sees.

    Attributes:
        report: the network.
        of: the box.
        jump: pixels of the image from one position of its map to the next.
        sets: the pixels seen, of the image and (for a block) of its own grid.
        ways: path counts on the same grids.
        differing: pixels in which the gradient's support differs from the set; None where it was not measured.
        effective: of a trained run; None without one.
    """

    report: Report
    of: str
    jump: int
    sets: tuple[Seen, ...]
    ways: tuple[Paths, ...]
    differing: int | None
    effective: "EffectiveField | None"

    def print(self) -> None:
        """One table, a column for each grid; below it what was measured."""
        y, x = self.sets[0].at
        say()
        say(f"position {y},{x} of {self.of}, {'clipped to the image' if self.sets[0].clipped else 'without borders'}")
        say()
        columns = [self._column(*pair) for pair in zip(self.sets, self.ways, strict=True)]
        rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
        print_table(["seen", *(_grid(found) for found in self.sets)], rows)
        if self.differing is not None:
            say()
            say(f"the gradient's support differs from the set of the image in {self.differing:,} pixels")
        if self.effective is not None:
            found = self.effective
            say(
                f"effective field of the trained network over {found.images} images: radius {found.radius:.1f} px, "
                f"side {found.side:.1f} px, spread {found.spread[0]:.1f} x {found.spread[1]:.1f} px"
            )
            say_lines(_TERMS)

    def _column(self, found: Seen, ways: Paths) -> dict[str, object]:
        left = holes(found)
        counts = self._by_level(found)
        deeper = {f"  only through level {level}": f"{count:,}" for level, count in enumerate(counts) if level}
        return {
            "rows x columns": sides(np.shape(found.levels)),
            "pixels": f"{left.seen:,}",
            "  by identity alone": f"{counts[0]:,}",
            **deeper,
            "share of the rectangle": percent(left.density),
            "unseen within it": f"{left.holes:,}",
            "largest gap of a row or column": f"{left.largest_gap:,}",
            "connected pieces": f"{left.pieces:,}",
            "common step of rows x columns": sides(left.step),
            "paths": f"10^{ways.log10:.1f}" if left.seen else "none",
            "spread of paths (deviation)": f"{ways.spread[0]:.1f} x {ways.spread[1]:.1f}",
        }

    def _by_level(self, found: Seen) -> list[int]:
        """Pixels by the level that a path to them must reach at least."""
        counts = np.bincount(found.levels.ravel(), minlength=UNSEEN + 1)
        return [int(count) for count in counts[: max(self.report.spec.depth) + 1]]

    def record(self, pixels: bool) -> dict[str, Any]:
        """For JSON: figures, and the sets themselves where `pixels` are wanted."""
        found: dict[str, Any] = {"of": self.of, "at": list(self.sets[0].at), "clipped": self.sets[0].clipped}
        found["sets"] = [
            {"levels": self._by_level(each)}
            | {"grid": each.grid, "first": list(each.first), "size": list(np.shape(each.levels)), "exact": True}
            | holes(each)._asdict()
            | {"paths_log10": ways.log10, "spread": list(ways.spread)}
            | ({"runs": each.runs()} if pixels else {})
            for each, ways in zip(self.sets, self.ways, strict=True)
        ]
        found["gradient_differs_in"] = self.differing
        if self.effective is not None:
            effective = self.effective
            found["effective"] = {
                "images": effective.images,
                "side": effective.side,
                "radius": effective.radius,
                "spread": list(effective.spread),
            }
        return found

    def draw(self, path: Path) -> None:
        """Write the picture: for every grid the path weights and the levels, and the effective field if any."""
        from sunetlab.draw.field import heat_panel, levels_panel, picture, weights_panel, window
        from sunetlab.files import whole_file

        panels = []
        for found, ways in zip(self.sets, self.ways, strict=True):
            clipped = self.report.size if found.grid == "image" and found.clipped else None
            canvas, first = window([found, ways], clipped)
            jump = self.jump if found.grid == "image" else 1
            centre = [at * jump + (jump - 1) / 2 - low for at, low in zip(found.at, first, strict=True)]
            mark = (centre[0], centre[1])
            left, where = holes(found), _grid(found)
            spread = f"spread {ways.spread[0]:.1f} x {ways.spread[1]:.1f} px, 10^{ways.log10:.1f} paths"
            spread = spread if left.seen else "no paths"
            hull = f"{sides(np.shape(found.levels))}, {percent(left.density)} of it"
            seen_of = f"{hull} seen, largest gap {left.largest_gap} px"
            panels.append(weights_panel(ways, canvas, first, f"path weights on {where}", spread)._replace(mark=mark))
            panels.append(levels_panel(found, canvas, first, f"what is seen of {where}", seen_of)._replace(mark=mark))
        if self.effective is not None:
            line = f"radius {self.effective.radius:.1f} px, {self.effective.images} images"
            panels.append(heat_panel(self.effective.weights, "effective field, trained", line))
        y, x = self.sets[0].at
        heading = f"SUNet {self.report.spec.id}, {self.of}, position {y},{x}, input {sides(self.report.size)}"
        with whole_file(path) as file:
            picture(panels, heading).save(file, "PNG")


def look(report: Report, folder: Path | None, of: str, at: str | None, clip: bool, images: int) -> Position:
    """Everything about a position; with `images` measured on the built network, and on a run's validation split."""
    boxes = Boxes(report.plan)
    try:
        end = boxes.find(of)[1]
    except InputError as error:
        raise InputError(f"--of: {error}") from None
    size = boxes.size(end)
    place = _parse(at, size, of)
    grids = ("image",) if of == "network" else ("image", "own")
    sets = tuple(seen(report.plan, place, of, grid, clip) for grid in grids)
    ways = tuple(paths(report.plan, place, of, grid, clip) for grid in grids)
    differing = _differing(report, sets[0], of) if images else None
    effective = None
    if folder and images and _is_as_trained(report, folder, of):
        effective = _effective(folder, images, place)
    return Position(report, of, boxes.jump(end), sets, ways, differing, effective)


def _grid(found: Seen | Paths) -> str:
    return "the image" if found.grid == "image" else "its own grid"


def _is_as_trained(report: Report, folder: Path, of: str) -> bool:
    """Whether the position is one of the run's own network and images.

    Raises:
        InputError: flags have changed the network or the size, and the run knows nothing of that.
    """
    if SUNetSpec.load(folder / "spec.toml") != report.spec:
        raise InputError(f"--measured: {folder} holds another network than the flags make of it; leave them out")
    trained = trained_at(folder)
    if trained is not None and sides(report.size) != trained:
        raise InputError(f"--input: {sides(report.size)}: the images of {folder} are {trained}")
    if of != "network":
        note("the effective field is that of the head: leave out --block and --of to have it")
    return of == "network"


def _parse(at: str | None, size: tuple[int, int], of: str) -> tuple[int, int]:
    if at is None:
        return size[0] // 2, size[1] // 2
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*", at)
    if match is None:
        raise InputError(f"--at: {at!r}: must be a position Y,X, such as 8,8, counted from 0,0")
    place = int(match[1]), int(match[2])
    if place[0] >= size[0] or place[1] >= size[1]:
        raise InputError(f"--at: {place[0]},{place[1]}: no position of {of}, whose map is {sides(size)}")
    return place


def _differing(report: Report, found: Seen, of: str) -> int:
    """Pixels of the image in which the gradient's support and the set differ."""
    from sunetlab.model.gradient import support
    from sunetlab.model.room import bytes_of_a_gradient, refuse_what_does_not_fit

    refuse_what_does_not_fit(report, bytes_of_a_gradient(report))
    note("building the network, for its gradient …")
    return int((found.on(report.size) != support(report.spec, report.size, found.at, of)).sum())


def _effective(folder: Path, images: int, at: tuple[int, int]) -> "EffectiveField":
    """The trained run's, over the first images of its validation split."""
    import torch

    from sunetlab.model.gradient import effective_field
    from sunetlab.train.augment import prepare
    from sunetlab.train.data import open_data
    from sunetlab.train.run import load_model

    from .progress import Screen

    model, run = load_model(folder)
    with Screen() as screen, screen.counting(f"reading {run.data.source}", "images") as progress:
        split = open_data(run.data, progress).split("val", progress)
    count = min(images, len(split))
    with Screen() as screen, screen.counting("gradients", "images") as progress:

        def each() -> Any:
            for number in range(count):
                yield prepare(*next(iter(split.batches(torch.tensor([number]), 1))))[0]
                progress(number + 1, count)

        return effective_field(model, each(), at)
