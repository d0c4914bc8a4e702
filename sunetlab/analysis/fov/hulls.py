"""From which to which pixel every position of every layer sees, along one side: one walk forwards over the plan.

A layer's position sees what the positions under its kernel see, so the first pixel seen is the least of their first
ones and the last the greatest of their last ones: exact, with no assumption about strides, phases or gaps, as long as
every tap is followed by itself. Without borders a map repeats: position o + P sees what o sees, P positions further
on; P is a power of two and small, so a whole endless map is P positions. With borders every position is kept, and a
tap that falls outside of its map is not followed.

One side can be looked at alone where no position is dead. A dilated transposed convolution under a stride gives
nothing at some positions, and a path that dies along y is not there for x either; then the walk is over both sides.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab.analysis.plan import Layer, Plan, Size
from sunetlab.errors import InputError

Spans = NDArray[np.int64]  # (2, …, positions): the first pixel seen and minus the last, so that both are least

NOTHING = 1 << 62  # in place of both, where a position sees nothing
DEAD = 1 << 61  # what is beyond this is NOTHING, moved by a few pixels
FARTHEST = 1 << 58  # pixels; beyond it the sums above could overflow
MOVING = ("conv", "conv_transpose", "avg_pool")  # kinds that look at other positions than their own
JOINING = ("add", "concat")


class Geometry(NamedTuple):
    """What of a layer says where it looks."""

    kind: str
    kernel: int
    stride: int
    dilation: int
    padding: int


class Op(NamedTuple):
    """A layer that moves the field or joins two; all others pass it on.

    Attributes:
        layer: the layer of the plan.
        sources: the ops whose fields it takes, -1 for where the walk starts.
        jump: pixels of the image from one of its positions to the next.
        geometry: where it looks.
    """

    layer: Layer
    sources: tuple[int, ...]
    jump: int
    geometry: Geometry


class Skeleton(NamedTuple):
    """What of a plan matters to the field of view.

    Attributes:
        size: (height, width) of the image.
        ops: in topological order.
        op_of: for each layer of the plan the op whose field it has, -1 for the image's.
    """

    size: Size
    ops: tuple[Op, ...]
    op_of: tuple[int, ...]


def skeleton(plan: Plan) -> Skeleton:
    """Leave out of a plan what looks at no other position than its own, and what comes after a global pool.

    Raises:
        InputError: dilations so large that the field does not fit 64 bits.
    """
    ops: list[Op] = []
    op_of: list[int] = []
    farthest = 0
    for layer in plan.layers:
        kind, source = layer.kind, layer.inputs[0]
        before = op_of[source] if source >= 0 else -1
        if kind == "global_pool":
            break
        if kind in JOINING:
            ops.append(Op(layer, (before, op_of[layer.inputs[1]]), ops[before].jump, _geometry(layer)))
        elif kind in MOVING and (layer.kernel > 1 or layer.stride > 1):
            jump = ops[before].jump if before >= 0 else 1
            jump = jump // layer.stride if kind == "conv_transpose" else jump * layer.stride
            ops.append(Op(layer, (before,), jump, _geometry(layer)))
            farthest += layer.dilation * layer.kernel * jump
        elif kind == "bilinear":
            ops.append(Op(layer, (before,), 1, _geometry(layer._replace(stride=plan.spec.output_stride))))
        else:
            op_of.append(before)
            continue
        op_of.append(len(ops) - 1)
    if farthest > FARTHEST:
        raise InputError(f"dilations: {max(plan.spec.dilations)}: a field of more than 2^58 pixels cannot be computed")
    return Skeleton(plan.size, tuple(ops), tuple(op_of))


def _geometry(layer: Layer) -> Geometry:
    return Geometry(layer.kind, layer.kernel, layer.stride, layer.dilation, layer.padding)


class Grid(NamedTuple):
    """How positions are kept.

    Attributes:
        axis: the side along which pixels are seen: 0 for y, 1 for x.
        bordered: every position of the plan's maps; else one period of an endless map.
        flat: positions along both sides, (other side, this side); else along this side alone.
        loose: along this side alone even where positions are dead along the other: upper bounds.
    """

    axis: int = 1
    bordered: bool = False
    flat: bool = False
    loose: bool = False


class DeadError(Exception):
    """A position sees nothing: one side alone does not tell the truth."""


def walk(
    ops: Sequence[Op],
    grid: Grid,
    size: Size,
    base: int = 0,
    jump: int = 1,
    deepest: int | None = None,
    start: Spans | None = None,
    step: int = 1,
) -> list[Spans | None]:
    """The spans of every op, in pixels of the grid where the walk starts.

    Args:
        ops: consecutive ops of a skeleton; whatever they take from before is the start.
        grid: how positions are kept.
        size: (height, width) of the map at the start.
        base: the index of the first of `ops` in its skeleton.
        jump: pixels of the image from one position of the start to the next.
        deepest: leave out what goes deeper than this level of any module; None goes everywhere.
        start: what the positions of the start see, where they do not see just themselves: to go on with a walk.
        step: pixels, of those that `start` is in, from one of its positions to the next.

    Raises:
        DeadError: a position sees nothing, and only one side is looked at.
    """
    found: list[Spans | None] = []
    start = _start(grid, size) if start is None else start
    for op in ops:
        spans = None
        if deepest is None or op.layer.level <= deepest:
            taken = [found[index - base] if index >= base else start for index in op.sources]
            steps = [ops[index - base].jump // jump if index >= base else step for index in op.sources]
            if len(taken) == 2:
                spans = _join(taken[0], taken[1], steps[0], grid)
            elif taken[0] is not None:
                spans = _move(op, taken[0], steps[0], grid)
        found.append(spans)
    return found


def _start(grid: Grid, size: Size) -> Spans:
    """Every position sees itself."""
    line = np.arange(size[grid.axis] if grid.bordered else 1, dtype=np.int64)
    spans = np.stack((line, -line))
    if not grid.flat:
        return spans
    other = size[1 - grid.axis] if grid.bordered else 1
    return np.repeat(spans[:, None], other, 1)


def _move(op: Op, spans: Spans, step: int, grid: Grid) -> Spans:
    sides = op.layer.out_size
    seen = _along(op.geometry, spans, step, -1, sides[grid.axis], grid)
    if grid.flat:
        return _along(op.geometry, seen, 0, -2, sides[1 - grid.axis], grid)
    return seen


def _along(geometry: Geometry, spans: Spans, step: int, side: int, n_out: int, grid: Grid) -> Spans:
    """Move along one axis of the array; `step` pixels from one position to the next there, 0 on the other side."""
    axis = spans.ndim + side
    n_in = spans.shape[axis]
    taps = bordered_taps(geometry, n_in, n_out) if grid.bordered else _endless_taps(geometry, n_in, step)
    if taps.dead:
        if not (grid.flat or grid.loose):
            raise DeadError
        nothing = np.full((*spans.shape[:axis], 1, *spans.shape[axis + 1 :]), NOTHING)
        spans = np.concatenate((spans, nothing), axis)
    seen = spans.take(taps.at, axis)  # (2, …, taps, positions, …)
    if taps.shift is not None:
        seen += taps.shift if seen.ndim == 3 else taps.shift[:, None]
    return np.minimum.reduce(seen, axis)  # type: ignore[no-any-return]


def _join(first: Spans | None, second: Spans | None, step: int, grid: Grid) -> Spans | None:
    if first is None or second is None:
        return second if first is None else first
    if grid.bordered or first.shape == second.shape:
        return np.minimum(first, second)
    widest = [max(sides) for sides in zip(first.shape, second.shape, strict=True)][1:]
    return np.minimum(_unrolled(first, step, widest), _unrolled(second, step, widest))


def _unrolled(spans: Spans, step: int, sides: list[int]) -> Spans:
    """As many positions of an endless map as asked for: more than one period."""
    for axis, n_out in enumerate(sides, 1):
        turns, at = np.divmod(np.arange(n_out), spans.shape[axis])
        shift = turns * (spans.shape[axis] * step)
        spans = spans.take(at, axis)
        if axis == spans.ndim - 1:
            spans[0] += shift
            spans[1] -= shift
    return spans


class Taps(NamedTuple):
    """Where an op's positions look: (taps, positions).

    Attributes:
        at: positions of the map that it takes. A tap that falls nowhere looks where another one of its position does,
            which changes nothing; where none falls anywhere, one past the end.
        shift: (2, taps, positions), what to add to spans for the periods between, on an endless map.
        dead: whether a position has no tap that falls anywhere.
    """

    at: NDArray[np.int64]
    shift: NDArray[np.int64] | None
    dead: bool


@lru_cache(maxsize=4096)
def bordered_taps(geometry: Geometry, n_in: int, n_out: int) -> Taps:
    """Taps of every position of a map of `n_out` positions on one of `n_in`."""
    if geometry.kind == "bilinear":
        return _bilinear_taps(n_in, n_out)
    at, valid = _positions(geometry, n_out)
    at, dead = _only_valid(at, valid & (at >= 0) & (at < n_in))
    return Taps(np.where(dead, n_in, at), None, bool(dead.any()))


@lru_cache(maxsize=4096)
def _endless_taps(geometry: Geometry, period: int, step: int) -> Taps:
    """Taps of one period of an endless map on one of `period` positions that are `step` pixels apart."""
    down = geometry.kind in ("conv", "avg_pool")
    at, valid = _positions(geometry, max(1, period // geometry.stride) if down else period * geometry.stride)
    at, dead = _only_valid(at, valid)
    turns, at = np.divmod(at, period)
    shift = turns * (period * step)
    moved = np.stack((shift, -shift)) if shift.any() else None
    return Taps(np.where(dead, period, at), moved, bool(dead.any()))


def _only_valid(at: NDArray[np.int64], valid: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each invalid tap replaced by the first valid one of its position, and which positions have none."""
    return np.where(valid, at, np.take_along_axis(at, valid.argmax(0)[None], 0)), np.logical_not(valid.any(0))


def _positions(geometry: Geometry, n_out: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The position under each tap, and whether there is one (of a convolution s·o + d·t − p)."""
    kind, kernel, stride, dilation, padding = geometry
    at, tap = np.arange(n_out, dtype=np.int64), dilation * np.arange(kernel, dtype=np.int64)[:, None]
    if kind == "conv_transpose":
        index = at + padding - tap
        return index // stride, index % stride == 0
    if kind == "bilinear":
        before, rest = np.divmod(2 * at + 1 - stride, 2 * stride)
        index = np.stack((before, before + (rest > 0)))
    else:
        index = stride * at + tap - padding
    return index, np.ones(index.shape, bool)


def _bilinear_taps(n_in: int, n_out: int) -> Taps:
    """One tap where a position falls on one, two between (align_corners=False; the first and last are held)."""
    at = 2 * np.arange(n_out, dtype=np.int64) + 1
    before, rest = np.divmod(at * n_in - n_out, 2 * n_out)
    first = np.clip(before, 0, n_in - 1)
    second = np.where((rest > 0) & (before >= 0), np.minimum(before + 1, n_in - 1), first)
    return Taps(np.stack((first, second)), None, False)
