"""The figure of a training: points where their values say, gaps where there are none, and the command that draws it."""

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sunetlab.draw.curves import Line, Panel, draw_curves
from tests.conftest import Said
from tests.tiny import TinyData, tiny_run

SVG = "{http://www.w3.org/2000/svg}"


def dots(svg: str) -> list[tuple[float, float]]:
    return [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in ET.fromstring(svg).iter(f"{SVG}circle")]


def test_points_lie_where_their_values_say() -> None:
    line = Line("a", [1, 2, 4], [10.0, 20.0, 0.0])
    (x0, y0), (x1, y1), (x2, y2) = dots(draw_curves([Panel("y", (line,))], "x", "title"))
    assert (x2 - x0) / (x1 - x0) == pytest.approx(3, abs=0.01)
    assert (y0 - y2) / (y1 - y2) == pytest.approx(0.5, abs=0.01)
    assert y1 < y0 < y2  # up is more


def test_a_value_that_is_none_leaves_a_gap_and_one_beyond_stays_on_the_border() -> None:
    gap = Line("a", [1, 2, 3], [1.0, math.nan, 2.0])
    assert len(dots(draw_curves([Panel("y", (gap,))], "x", "title"))) == 2
    wild = Line("a", [1, 2, 3], [500.0, 1.0, 2.0])
    (_, top), (_, one), (_, two) = dots(draw_curves([Panel("y", (wild,), most=4.0)], "x", "title"))
    assert (one - two) == pytest.approx(200 / (1.05 * 4), abs=0.1)
    assert top == pytest.approx(two - 200 * (4.2 - 2) / 4.2, abs=0.1)
    with pytest.raises(ValueError, match="no points"):
        draw_curves([Panel("y", (Line("a", [1], [math.nan]),))], "x", "title")


def test_report_training(said: Said, tmp_path: Path) -> None:
    from sunetlab.train.loop import train

    train(tiny_run(epochs=3, validate_every=2), TinyData(), tmp_path / "run", "cpu")
    status, out, err = said("report training run --plot curves.svg")
    assert (status, len(out.splitlines())) == (0, 4)
    assert "best" in out
    assert "saved curves.svg" in err
    assert len(dots((tmp_path / "curves.svg").read_text())) == 3 + 2 + 2 + 3  # losses, accuracy, learning rates
    rows = json.loads(said("report training run --json")[1])["epochs"]
    assert ["val_accuracy" in row for row in rows] == [False, True, True]
    assert said("report training run --csv")[1].splitlines()[1].count(",") == 5
    status, out, err = said("report training .")
    assert (status, out, len(err.splitlines())) == (2, "", 1)


def test_report_recipe(said: Said) -> None:
    status, out, _ = said("report recipe voc")
    assert status == 0
    assert "45000" in out
    assert "B.B: 45K iterations" in out
    assert all(f"{name} " in said("report recipe")[1] for name in ("imagenet", "voc", "cityscapes", "camvid"))
    assert json.loads(said("report recipe voc-trainval --json")[1])["words"]["freeze_bn"] is True
    assert said("report recipe vok")[0] == 2
