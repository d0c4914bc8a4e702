"""Fields of view of many designs at once: a network as a machine that walks from pattern to pattern.

What the positions of a map see repeats after a few of them: a pattern, which is two offsets and what remains of the
spans without them. A module, a pool or a head turns a pattern into another one and moves the offsets, whatever they
are, by the same amounts. There are few patterns (tens for the networks of a space), so the walk of `analysis.fov` is
made once for each of them and each kind of box, and what stands in tables after that is looked up for whole arrays.
Widths, maps and connectivity change nothing in what a network sees.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np

from sunetlab.analysis.fov.boxes import Boxes
from sunetlab.analysis.fov.field import fields
from sunetlab.analysis.fov.hulls import FARTHEST, Grid, Op, Spans, walk
from sunetlab.analysis.plan import plan
from sunetlab.errors import InputError
from sunetlab.space.arrays.designs import Frame, Ints
from sunetlab.spec import SUNetSpec


class Sees(NamedTuple):
    """Widths of fields along one side, in pixels, one per design: `Field.usual`, `.least` and `.most`."""

    usual: Ints
    least: Ints
    most: Ints


class Pattern(NamedTuple):
    """What the positions of a map see, but for where that begins and ends; hashable.

    Attributes:
        shape: of the spans (2, …, positions).
        bytes: theirs, each half moved so that its least is 0.
        jump: pixels from one position to the next.
    """

    shape: tuple[int, ...]
    bytes: bytes
    jump: int

    @property
    def spans(self) -> Spans:
        """The spans, an array of their own."""
        return np.frombuffer(self.bytes, np.int64).reshape(self.shape).copy()


class Step(NamedTuple):
    """Where a box leads: a pattern, and what it adds to the first pixel and to minus the last one."""

    pattern: Pattern
    first: int
    last: int


class _Table:
    """What one block makes of the patterns that enter it, filled as designs ask for it.

    Attributes:
        entries, ends: patterns that came, at its entry and at its end, each with its number.
        end: (entries, depth, modules) → number of the pattern at the end, or _UNKNOWN.
        first, last: the same → moves of the offsets.
        figures: (usual, least, most; ends) of the patterns at the end where both offsets are 0.
        onward: (number at the next box's entry, moves of the offsets on the way there; ends).
    """

    def __init__(self, block: int, depth: int, stacks: int) -> None:
        self.block = block
        self.entries: dict[Pattern, int] = {}
        self.ends: dict[Pattern, int] = {}
        self.end: Ints = np.full((0, depth + 1, stacks + 1), _UNKNOWN, np.int64)
        self.first, self.last = (np.zeros_like(self.end) for _ in range(2))
        self.figures: Ints = np.zeros((3, 0), np.int64)
        self.onward: Ints = np.zeros((3, 0), np.int64)

    def enter(self, pattern: Pattern) -> int:
        """The number of a pattern at the entry."""
        number = self.entries.setdefault(pattern, len(self.entries))
        if number == len(self.end):
            row = np.full((1, *self.end.shape[1:]), _UNKNOWN, np.int64)
            self.end = np.concatenate((self.end, row))
            self.first, self.last = (np.concatenate((moves, np.zeros_like(row))) for moves in (self.first, self.last))
        return number

    def leave(self, pattern: Pattern, onward: Callable[[Pattern], tuple[int, int, int]]) -> int:
        """The number of a pattern at the end; `onward` says where a new one leads."""
        number = self.ends.setdefault(pattern, len(self.ends))
        if number == self.figures.shape[1]:
            self.figures = np.concatenate((self.figures, np.array(_figures([pattern]))), 1)
            self.onward = np.concatenate((self.onward, np.array([onward(pattern)]).T), 1)
        return number


_UNKNOWN = -1


class Sights:
    """What designs of one frame see, in tables that are filled as they are asked for.

    Args:
        frame: of the designs.
        depths: for each block the largest depth that it may have.
        stacks: for each block the largest number of modules that it may have.
    """

    def __init__(self, frame: Frame, depths: Sequence[int], stacks: Sequence[int]) -> None:
        self.frame = frame
        start = _stem(frame.stem, sees_dead(frame.downsampling, frame.dilations))
        self.start = (start.first, start.last)
        self.tables = [_Table(block, *most) for block, most in enumerate(zip(depths, stacks, strict=True))]
        self.tables[0].enter(start.pattern)
        self.heads: dict[Pattern, int] = {}
        self.head_figures: Ints = np.zeros((3, 0), np.int64)

    def blocks(self, depth: Sequence[Ints], stacks: Sequence[Ints]) -> list[Sees]:
        """What each block sees of the image at its end; arguments as in `Designs`."""
        return self._walk(depth, stacks)[0]

    def network(self, depth: Sequence[Ints], stacks: Sequence[Ints]) -> Sees:
        """What the networks see at the head's grid.

        Raises:
            InputError: a field does not fit 64 bits.
        """
        return self._walk(depth, stacks)[1]

    def _walk(self, depth: Sequence[Ints], stacks: Sequence[Ints]) -> tuple[list[Sees], Sees]:
        entry: Ints = np.zeros((), np.int64)
        spread: Ints = np.array(-self.start[0] - self.start[1])  # so much wider than its pattern is a field
        found = []
        for table, d, s in zip(self.tables, depth, stacks, strict=True):
            end = table.end[entry, d, s]
            if end.min() == _UNKNOWN:
                self._fill(table, entry, d, s)
                end = table.end[entry, d, s]
            spread = spread - table.first[entry, d, s] - table.last[entry, d, s]
            found.append(Sees(*(figure[end] + spread for figure in table.figures)))
            onward, first, last = table.onward
            entry, spread = onward[end], spread - first[end] - last[end]
        return found, Sees(*(figure[entry] + spread for figure in self.head_figures))

    def _fill(self, table: _Table, entry: Ints, depth: Ints, stacks: Ints) -> None:
        """Walk for every entry, depth and number of modules that came and is not known."""
        came = np.zeros(table.end.shape, np.bool_)
        came[entry, depth, stacks] = True
        wanted = np.argwhere(came & (table.end == _UNKNOWN))  # in order
        patterns = list(table.entries)
        dilation, downsampling = self.frame.dilations[table.block], self.frame.downsampling
        for (number, d), rows in groupby(wanted.tolist(), lambda row: (row[0], row[1])):
            at, modules = Step(patterns[number], 0, 0), 0
            for _, _, s in rows:  # ascending, so that each goes on where the one before has come
                for _ in range(s - modules):
                    step = _module(d, dilation, downsampling, at.pattern)
                    at = Step(step.pattern, at.first + step.first, at.last + step.last)
                modules = s
                table.end[number, d, s] = table.leave(at.pattern, lambda pattern: self._onward(table.block, pattern))
                table.first[number, d, s] = _small(at.first, dilation)
                table.last[number, d, s] = _small(at.last, dilation)

    def _onward(self, block: int, pattern: Pattern) -> tuple[int, int, int]:
        """Where a pattern at a block's end leads: through the pool before the next block, if any, or the head."""
        if block + 1 < len(self.tables):
            step = _pool(pattern) if self.frame.pools[block + 1] else Step(pattern, 0, 0)
            return self.tables[block + 1].enter(step.pattern), step.first, step.last
        step = _head(self.frame.degrid, pattern)
        number = self.heads.setdefault(step.pattern, len(self.heads))
        if number == self.head_figures.shape[1]:
            self.head_figures = np.concatenate((self.head_figures, np.array(_figures([step.pattern]))), 1)
        return number, step.first, step.last


def blocks_alone(frame: Frame, depth: Sequence[Ints], stacks: Sequence[Ints]) -> list[Sees]:
    """What each block sees of the grid where its first module begins, in pixels of that grid."""
    found = []
    for dilation, d, s in zip(frame.dilations, depth, stacks, strict=True):
        table = _alone(dilation, frame.downsampling, int(d.max()), int(s.max()))
        found.append(Sees(*(figure[d, s] for figure in table)))
    return found


@lru_cache(maxsize=1024)
def _alone(dilation: int, downsampling: str, depth: int, stacks: int) -> Sees:
    """Tables (depth, modules) up to those given."""
    found = np.zeros((3, depth + 1, stacks + 1), np.int64)
    flat = sees_dead(downsampling, (dilation,))
    for d in range(1, depth + 1):
        at = Step(_pattern(np.zeros((2, 1, 1) if flat else (2, 1), np.int64), 1)[0], 0, 0)
        for modules in range(1, stacks + 1):
            step = _module(d, dilation, downsampling, at.pattern)
            at = Step(step.pattern, at.first + step.first, at.last + step.last)
            spread = _small(-at.first - at.last, dilation)
            found[:, d, modules] = [int(figure[0]) + spread for figure in _figures([at.pattern])]
    return Sees(*found)


def sees_dead(downsampling: str, dilations: Sequence[int]) -> bool:
    """Whether some positions inside a module see nothing: a transposed convolution of even dilation under a stride."""
    return downsampling == "strided" and any(dilation % 2 == 0 for dilation in dilations)


# Boxes: pattern → pattern.


def _stem(stem: str, flat: bool) -> Step:
    ops = _boxes_of(1, 1, "multigrid", stem)["stem"]
    start = np.zeros((2, 1, 1) if flat else (2, 1), np.int64)
    return _through(ops, start, 1, ops[-1].jump)


@lru_cache(maxsize=65536)
def _module(depth: int, dilation: int, downsampling: str, pattern: Pattern) -> Step:
    ops, spans = _boxes_of(depth, dilation, downsampling, "paper")["module"], pattern.spans
    return _through(ops, spans, pattern.jump, pattern.jump)


@lru_cache(maxsize=65536)
def _pool(pattern: Pattern) -> Step:
    return _through(_boxes_of(1, 1, "multigrid", "paper")["pool"], pattern.spans, pattern.jump, 2 * pattern.jump)


@lru_cache(maxsize=65536)
def _head(degrid: bool, pattern: Pattern) -> Step:
    if not degrid:
        return Step(pattern, 0, 0)
    return _through(_boxes_of(1, 1, "multigrid", "paper")["head"], pattern.spans, pattern.jump, pattern.jump)


@lru_cache(maxsize=256)
def _boxes_of(depth: int, dilation: int, downsampling: str, stem: str) -> Mapping[str, tuple[Op, ...]]:
    """The ops of the boxes of a network whose second block has one module, their jumps as multiples of the entry's.

    Each box's first op takes from -1.
    """
    words = {"downsampling": downsampling, "stem": stem, "stem_width": 2, "n": 1, "widths": (2, 2), "stacks": (1, 1)}
    pooled = SUNetSpec(depth=(1, 1), dilations=(1, 1), degrid=True, task="segmentation", **words)
    only = SUNetSpec(depth=(1, depth), dilations=(dilation, dilation), **words)
    boxes, own = Boxes(plan(pooled, (512, 512))), Boxes(plan(only, (4096, 4096)))
    first, second = pooled.blocks
    begin, end = own.begin(only.blocks[1], 0), own.end(only.blocks[1], 0)
    return {
        "stem": boxes.between(-1, boxes.begin(first, 0)),
        "pool": _from(boxes, boxes.end(first, 0), boxes.begin(second, 0)),
        "head": _from(boxes, boxes.end(second, 0), boxes.head),
        "module": _from(own, begin, end),
    }


def _from(boxes: Boxes, begin: int, end: int) -> tuple[Op, ...]:
    unit = boxes.jump(begin)
    return tuple(
        op._replace(sources=tuple(source - begin - 1 for source in op.sources), jump=op.jump // unit)
        for op in boxes.between(begin, end)
    )


def _through(ops: Sequence[Op], start: Spans, step: int, jump: int) -> Step:
    """A walk through a box whose entry's positions are `step` pixels apart, and its end's `jump` pixels."""
    scaled = [op._replace(jump=op.jump * step) for op in ops]
    found = walk(scaled, Grid(flat=start.ndim == 3), (1, 1), start=start, step=step)[-1]
    if found is None:
        raise AssertionError("a path leads through every box")
    pattern, first, last = _pattern(found, jump)
    return Step(pattern, first, last)


def _pattern(spans: Spans, jump: int) -> Step:
    first, last = int(spans[0].min()), int(spans[1].min())
    moved = np.stack((spans[0] - first, spans[1] - last))
    return Step(Pattern(moved.shape, moved.tobytes(), jump), first, last)


def _figures(patterns: Sequence[Pattern]) -> Sees:
    """Widths of patterns' fields where both offsets are 0; one figure per pattern."""
    found = fields([pattern.spans for pattern in patterns], [pattern.jump for pattern in patterns])
    rows = [(field.usual, field.least, field.most) for field in found]
    return Sees(*np.array(rows, np.int64).reshape(-1, 3).T)


def _small(offset: int, dilation: int) -> int:
    if abs(offset) > FARTHEST:
        raise InputError(f"dilations: {dilation}: a field of more than 2^58 pixels cannot be computed")
    return offset
