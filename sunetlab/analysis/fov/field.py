"""Spans of positions → the figures that people ask for: usual, least and most, period, offset of the centre."""

from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunetlab.analysis.fov.hulls import DEAD, Spans

Numbers = NDArray[np.int64]


class Field(NamedTuple):
    """How far the positions of a map see along one side, in pixels of the grid that they look at.

    Attributes:
        usual: the commonest width over positions; of equally common ones the larger.
        least: the smallest width.
        most: the largest width.
        period: positions after which widths and places repeat; 0 where they do not (clipped to an image).
        offset_least: smallest (centre of the field − centre of the cell that the position covers), in pixels.
        offset_most: the largest.
        exact: what these positions see, to the pixel. Not so for what is resized from an image whose side is no
            multiple of the output stride (without borders, figures are those of a multiple), and for clipped fields
            of dilations under a stride in images too large to look at position by position (upper bounds).
        spans: (first, last) pixel that positions 0, 1, … period − 1 see, of row 0 where it depends on the row as well
            (even dilations under a stride); empty where there is no period.
    """

    usual: int
    least: int
    most: int
    period: int
    offset_least: float
    offset_most: float
    exact: bool
    spans: tuple[tuple[int, int], ...]


POINT = Field(1, 1, 1, 1, 0.0, 0.0, True, ((0, 0),))  # of where a walk starts
BLIND = Field(0, 0, 0, 1, 0.0, 0.0, True, ((0, -1),))  # of what no path leads to


def fields(
    several: Sequence[Spans | None], jumps: Sequence[int], endless: bool = False, exact: bool = True
) -> list[Field]:
    """The figures of several maps, each (2, …, positions), whose positions are `jumps` pixels apart.

    Maps of one shape are worked out together, which is what makes hundreds of layers a matter of milliseconds.
    """
    found = [BLIND] * len(several)
    shapes: dict[tuple[int, ...], list[int]] = {}
    for index, spans in enumerate(several):
        if spans is not None:
            shapes.setdefault(spans.shape, []).append(index)
    for shape, indices in shapes.items():
        stack = np.concatenate([spans for spans in map(several.__getitem__, indices) if spans is not None])
        stack = stack.reshape(len(indices), *shape)
        for index, field in zip(
            indices, _alike(stack, np.array([jumps[i] for i in indices]), endless, exact), strict=True
        ):
            found[index] = field
    return found


def _alike(stack: Numbers, jumps: Numbers, endless: bool, exact: bool) -> list[Field]:
    """Figures of maps of one shape: (maps, 2, …, positions)."""
    maps = len(stack)
    firsts, lasts = stack[:, 0], -stack[:, 1]
    jumps = jumps.reshape(maps, *[1] * (firsts.ndim - 1))
    cells = jumps * np.arange(stack.shape[-1])  # the first pixel that a position covers
    sees = firsts < DEAD
    widths = np.where(sees, lasts - firsts + 1, 0).reshape(maps, -1)
    offsets = (firsts + lasts - 2 * cells - jumps + 1) / 2
    somewhere = widths.any(1)
    columns = (
        _usual(widths),
        widths.min(1),
        widths.max(1),
        _periods(firsts - cells, lasts - cells) if endless else np.zeros(maps, np.int64),
        np.where(somewhere, np.where(sees, offsets, np.inf).reshape(maps, -1).min(1), 0.0),
        np.where(somewhere, np.where(sees, offsets, -np.inf).reshape(maps, -1).max(1), 0.0),
    )
    figures = zip(*(column.tolist() for column in columns), strict=True)
    rows = zip(_first_row(firsts), _first_row(lasts), strict=True) if endless else repeat(((), ()))
    return [
        Field(usual, least, most, period, near, far, exact, _spans(*row, period) if period else ())
        for (usual, least, most, period, near, far), row in zip(figures, rows, strict=False)
    ]


def _first_row(spans: Numbers) -> list[list[int]]:
    """Of each map (maps, …, positions) the positions along this side; of two sides, where the other is at 0."""
    rows: list[list[int]] = (spans if spans.ndim == 2 else spans[:, 0]).tolist()
    return rows


def _spans(firsts: Sequence[int], lasts: Sequence[int], period: int) -> tuple[tuple[int, int], ...]:
    spans = tuple(zip(firsts[:period], lasts[:period], strict=True))
    return spans if max(firsts) < DEAD else tuple([span if span[0] < DEAD else (0, -1) for span in spans])


def _usual(widths: Numbers) -> Numbers:
    """The commonest of each row (maps, positions); of equally common ones the largest."""
    ordered = np.sort(widths, 1)
    count = np.arange(widths.shape[1])
    new = np.ones_like(ordered, bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    run = count - np.maximum.accumulate(np.where(new, count, 0), 1)  # of the same, so many stand before
    best = widths.shape[1] - 1 - run[:, ::-1].argmax(1)
    return np.take_along_axis(ordered, best[:, None], 1)[:, 0]


def _periods(*patterns: Numbers) -> Numbers:
    """Positions after which all patterns (maps, …, positions) repeat: a power of two, as all strides are."""
    full = patterns[0].shape[-1]
    periods = np.full(len(patterns[0]), full)
    period = full // 2
    while period:
        same = [(p[..., period:] == p[..., :-period]).reshape(len(p), -1).all(1) for p in patterns]
        periods[np.logical_and.reduce(same)] = period
        period //= 2
    return periods
