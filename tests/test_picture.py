"""The picture of a field: every pixel of a panel has the colour of what it stands for."""

import numpy as np
import pytest

from sunetlab import SUNetSpec
from sunetlab.analysis.fov import UNSEEN, Paths, Seen, paths, seen
from sunetlab.analysis.plan import plan
from sunetlab.draw.field import BLIND, LEVELS, SIDE, heat_panel, levels_panel, picture, weights_panel, window

FOUND = Seen((1, 1), "image", (-1, 2), np.array([[0, UNSEEN], [2, 1]], np.uint8), True)


def test_levels_have_their_colours_and_a_key() -> None:
    panel = levels_panel(FOUND, (4, 5), (-2, 0), "title", "line")
    assert panel.pixels.shape == (4, 5, 3)
    colours = {(y, x): tuple(panel.pixels[y, x].tolist()) for y in range(4) for x in range(5)}
    assert (colours[1, 2], colours[2, 2], colours[2, 3]) == (LEVELS[0], LEVELS[2], LEVELS[1])
    assert all(colour == BLIND for at, colour in colours.items() if at not in {(1, 2), (2, 2), (2, 3)})
    assert [words for _, words in panel.key] == ["identity", "through level 1", "through level 2", "not seen"]


def test_weights_are_lighter_the_larger() -> None:
    weights = np.array([[0.0, 1e-7, 1e-4, 1e-2, 1.0]])
    panel = heat_panel(weights, "", "")
    light = panel.pixels[0].astype(int).sum(1)
    assert tuple(panel.pixels[0, 0].tolist()) == BLIND
    assert (np.diff(light[1:]) > 0).all()
    assert tuple(panel.pixels[0, 4].tolist()) == panel.key[0][0]


def test_a_window_holds_what_is_seen() -> None:
    assert window([FOUND], (30, 40)) == ((30, 40), (0, 0))
    (height, width), first = window([FOUND], None)
    assert first[0] < -1
    assert first[1] < 2
    assert first[0] + height > 1
    assert first[1] + width > 4


@pytest.mark.parametrize("size", [(16, 16), (40, 700), (700, 40)])
def test_a_picture_of_any_size(size: tuple[int, int]) -> None:
    laid_out = plan(SUNetSpec.make(n=1, stacks=(1,), task="segmentation"), size)
    at = (1, 1)
    found, ways = seen(laid_out, at), paths(laid_out, at)
    assert isinstance(ways, Paths)
    canvas, first = window([found, ways], size)
    panels = [weights_panel(ways, canvas, first, "a", "b"), levels_panel(found, canvas, first, "c", "d")]
    image = picture([panel._replace(mark=(1.5, 1.5)) for panel in panels], "heading")
    assert image.height > SIDE * min(1, size[0] / max(size))
    corner = np.asarray(image)[-1, -1]
    assert corner.tolist() == [255, 255, 255]
