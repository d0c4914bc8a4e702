"""From one position back to everything that it looks at, in two dimensions: one walk backwards over the ops.

What a position asks of a map is kept as a patch: a rectangle of values. A kernel spreads each value over its taps,
along y and then along x; where taps meet, values are combined. What they are, and how they combine, is the caller's:
the level that a path has reached (the least counts), or the number of paths (they add up).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab.analysis.fov.hulls import Geometry, Op, bordered_taps
from sunetlab.errors import InputError

MOST_PIXELS = 1 << 27  # of one patch: a side of 11,000 pixels
_STEP = 500  # doublings after which numbers are scaled down

Values = NDArray[Any]


class Patch(NamedTuple):
    """A rectangle of values on a map.

    Attributes:
        top, left: position of values[0, 0] on the map.
        values: (height, width), each times 2^scale.
        scale: so that numbers of paths, which soon pass 10^300, fit.
    """

    top: int
    left: int
    values: Values
    scale: int = 0


class Kind(NamedTuple):
    """What values are.

    Attributes:
        dtype: of numpy.
        nothing: the value of a position that is not looked at.
        one: the value of the position where the walk starts.
        combine: two values of one position → one; a ufunc.
        enter: values on a map → what they become where a path goes through an op.
    """

    dtype: Any
    nothing: int
    one: int
    combine: np.ufunc
    enter: Callable[[Values, Op], Values]


def look_back(ops: Sequence[Op], base: int, at: tuple[int, int], kind: Kind, clipped: bool) -> Patch:
    """What position `at` of the last op asks of the map where the walk ends.

    Args:
        ops: consecutive ops; whatever they take from before is where the walk ends.
        base: the index of the first of them in its skeleton.
        at: (y, x) on the last op's map.
        kind: what values are.
        clipped: respect the borders of every map.

    Raises:
        InputError: a patch too large to keep.
    """
    asked: list[Patch | None] = [None] * len(ops)
    first = Patch(*at, np.full((1, 1), kind.one, kind.dtype))
    if not ops:
        return first
    found: Patch | None = None
    asked[-1] = first
    for index in range(len(ops) - 1, -1, -1):
        patch, asked[index] = asked[index], None
        if patch is None:
            continue
        op = ops[index]
        spread = _scaled(_spread(op, patch._replace(values=kind.enter(patch.values, op)), kind, clipped))
        if not spread.values.size:
            continue
        for source in op.sources:
            if source >= base:
                asked[source - base] = _combined(asked[source - base], spread, kind)
            else:
                found = _combined(found, spread, kind)
    return found or Patch(0, 0, np.full((0, 0), kind.nothing, kind.dtype))


def _spread(op: Op, patch: Patch, kind: Kind, clipped: bool) -> Patch:
    if len(op.sources) == 2:
        return patch
    height, width = op.layer.in_size
    move = _resized if op.geometry.kind == "bilinear" else _moved
    left, values = move(op.geometry, patch.left, patch.values, kind, width if clipped else 0, op.layer.out_size[1])
    top, turned = move(op.geometry, patch.top, values.T, kind, height if clipped else 0, op.layer.out_size[0])
    return Patch(top, left, turned.T, patch.scale)


def _scaled(patch: Patch) -> Patch:
    if patch.values.dtype.kind != "f" or patch.values.max(initial=0) < 2.0**_STEP:
        return patch
    return patch._replace(values=np.ldexp(patch.values, -_STEP), scale=patch.scale + _STEP)


def _moved(geometry: Geometry, first: int, values: Values, kind: Kind, side: int, _: int) -> tuple[int, Values]:
    """Spread values (…, positions from `first` on) over a kernel's taps along the last axis, within `side` if any."""
    runs = _transposed_runs if geometry.kind == "conv_transpose" else _runs
    count = values.shape[-1]
    places = [_within(run, side) if side else run for run in runs(geometry, first, count)]
    places = [place for place in places if place.many > 0]
    low = min((place.to for place in places), default=0)
    high = max((place.to + (place.many - 1) * place.every for place in places), default=-1)
    spread = _empty((*values.shape[:-1], high - low + 1), kind)
    for place in places:
        to = slice(place.to - low, place.to - low + (place.many - 1) * place.every + 1, place.every)
        of = slice(place.of, place.of + (place.many - 1) * place.step + 1, place.step)
        kind.combine(spread[..., to], values[..., of], out=spread[..., to])
    return low, spread


class _Run(NamedTuple):
    """One tap: every `step`-th value from `of` on goes to every `every`-th position from `to` on, `many` in all."""

    of: int
    step: int
    to: int
    every: int
    many: int


def _within(run: _Run, side: int) -> _Run:
    """What of a tap falls on a map of `side` positions."""
    skip = max(0, -(run.to // run.every))
    many = min(run.many, (side - 1 - run.to) // run.every + 1) - skip
    return _Run(run.of + skip * run.step, run.step, run.to + skip * run.every, run.every, many)


def _runs(geometry: Geometry, first: int, count: int) -> list[_Run]:
    """Of a convolution or pool: output o looks at s·o + d·t − p."""
    _, kernel, stride, dilation, padding = geometry
    return [_Run(0, 1, stride * first + dilation * tap - padding, stride, count) for tap in range(kernel)]


def _transposed_runs(geometry: Geometry, first: int, count: int) -> list[_Run]:
    """Of a transposed convolution: output o looks at (o + p − d·t) / s where that is whole."""
    _, kernel, stride, dilation, padding = geometry
    runs = []
    for tap in range(kernel):
        skip = -(first + padding - dilation * tap) % stride
        to = (first + skip + padding - dilation * tap) // stride
        runs.append(_Run(skip, stride, to, 1, max(0, -(-(count - skip) // stride))))
    return runs


def _resized(geometry: Geometry, first: int, values: Values, kind: Kind, side: int, out: int) -> tuple[int, Values]:
    """The one or two taps of each position (without borders: as of an image that is a multiple of the stride)."""
    if side:
        at = bordered_taps(geometry, side, out).at[:, first : first + values.shape[-1]]
    else:
        positions = np.arange(first, first + values.shape[-1])
        before, rest = np.divmod(2 * positions + 1 - geometry.stride, 2 * geometry.stride)
        at = np.stack((before, before + (rest > 0)))
    low = int(at.min())
    spread = _empty((*values.shape[:-1], int(at.max()) - low + 1), kind)
    for position, (one, other) in enumerate(at.T.tolist()):
        for tap in {one, other}:
            to = spread[..., tap - low]
            kind.combine(to, values[..., position], out=to)
    return low, spread


def _combined(before: Patch | None, more: Patch, kind: Kind) -> Patch:
    if before is None:
        return more
    scale = max(before.scale, more.scale)
    top, left = min(before.top, more.top), min(before.left, more.left)
    bottom = max(patch.top + patch.values.shape[0] for patch in (before, more))
    right = max(patch.left + patch.values.shape[1] for patch in (before, more))
    joint = Patch(top, left, _empty((bottom - top, right - left), kind), scale)
    for patch in (before, more):
        height, width = patch.values.shape
        to = joint.values[patch.top - top : patch.top - top + height, patch.left - left : patch.left - left + width]
        kind.combine(to, patch.values if patch.scale == scale else np.ldexp(patch.values, patch.scale - scale), out=to)
    return joint


def _empty(shape: tuple[int, ...], kind: Kind) -> Values:
    pixels = int(np.prod([max(side, 0) for side in shape], dtype=object))
    if pixels > MOST_PIXELS:
        sides, rule = "x".join(map(str, shape)), f"at most {MOST_PIXELS:,} pixels; clip it to an image"
        raise InputError(f"a field of {sides} pixels is too large to keep: {rule}")
    return np.full(shape, kind.nothing, kind.dtype)
