"""Figure 2: the table, the marks and the insets of a network, against the plan and against the paper."""

import math
import random
from itertools import combinations
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunetlab import SUNetSpec, analyze, preset, rules
from sunetlab.analysis.fov import fov
from sunetlab.analysis.plan import plan
from sunetlab.draw.network import draw_network
from tests.drawn import CONVS, ODD, Drawing, by_name, shapes, texts
from tests.specs import random_size, random_specs


def table(drawing: Drawing) -> dict[str, dict[str, str]]:
    """The cells of each column, by part and row."""
    found = {}
    for part, column in drawing.marked("part").items():
        cells = {row: texts(drawing, cell) for row, cell in drawing.marked("row", column).items()}
        assert all(len(cell) == 1 for cell in cells.values())
        found[part] = {row: cell[0] for row, cell in cells.items()}
    return found


def number(text: str) -> float:
    """`1,234` or `1.23 G`."""
    value, _, unit = text.replace(",", "").partition(" ")
    return float(value) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}[unit]


@settings(max_examples=60)
@given(random_specs(), st.integers(0, 2**32))
def test_a_networks_table_is_the_plans(spec: SUNetSpec, seed: int) -> None:
    report = analyze(spec, random_size(random.Random(seed), spec))
    cells = table(Drawing(draw_network(spec, report.size)))
    blocks = [f"block {index + 1}" for index in range(len(spec.stacks))]
    assert list(cells) == ["image", "stem", *blocks, "head"]
    assert sum(number(cells[part]["parameters"]) for part in ["stem", *blocks, "head"]) == report.params
    for part in ["stem", *blocks, "head"]:
        rows_ = [row for row in report.rows if row.layer.part == part]
        assert number(cells[part]["parameters"]) == sum(row.params for row in rows_)
        assert number(cells[part]["MACs"]) == pytest.approx(sum(row.macs for row in rows_), rel=0.006)
    stride = rules.STEMS[spec.stem].stride ** 2
    for index, (part, pool, seen) in enumerate(
        zip(blocks, rules.pools(spec.dilations), fov(report.plan).blocks, strict=True)
    ):
        stride *= 2 if pool else 1
        last = by_name(report.layers, f"blocks.{index}.unets.{spec.stacks[index] - 1}.expand.conv")
        least, most = seen.image.least, seen.image.most
        assert cells[part] | {"parameters": "", "MACs": ""} == {
            "output stride": str(stride),
            "dilation": str(spec.dilations[index]),
            "level": str(index + 2),
            "map size": "{}×{}".format(*last.out_size),
            "maps": f"{spec.widths[index]:,}",
            "field, px": f"{seen.image.usual:,}",
            "least–most": f"{least:,}–{most:,}" if least < most else f"{least:,}",
            "parameters": "",
            "MACs": "",
        }


@settings(max_examples=60)
@given(random_specs(), st.integers(0, 2**32))
def test_every_module_and_pool_is_a_mark_as_high_as_its_map_is_large(spec: SUNetSpec, seed: int) -> None:
    size = random_size(random.Random(seed), spec)
    layers, drawing = plan(spec, size).layers, Drawing(draw_network(spec, size))
    marks = {name: mark for name, mark in drawing.marked("mark").items() if name.startswith("blocks.")}
    modules = [f"blocks.{block}.unets.{index}" for block, many in enumerate(spec.stacks) for index in range(many)]
    pools = [f"blocks.{block}.pool" for block, pool in enumerate(rules.pools(spec.dilations)) if pool]
    assert sorted(marks) == sorted(modules + pools)
    expanding = {each.name.removesuffix(".skip") for each in layers if each.name.endswith(".skip")}
    for one, other in combinations(modules, 2):
        areas = [math.prod(by_name(layers, f"{name}.reduce").out_size) for name in (one, other)]
        heights = [height(marks[name]) for name in (one, other)]
        assert (areas[0] > areas[1]) == (heights[0] > heights[1] + 0.01)
    on_skips = [each for each in drawing.root.iter() if each.get("class") == "point" and each.get("width") == "8"]
    assert len(on_skips) == len(expanding) + 2  # the stem's shortcut, and the legend


def height(mark: Element) -> float:
    place = shapes(mark)[0]
    return place.bottom - place.top


def insets(drawing: Drawing) -> dict[str, list[int]]:
    """Numbers over the bars, by module."""
    found: dict[str, list[int]] = {}
    for name, bar in drawing.marked("dilation-of").items():
        (text,) = texts(drawing, bar)
        found.setdefault(".".join(name.split(".")[:4]), []).append(int(text))
    return found


@settings(max_examples=60)
@given(random_specs())
def test_insets_show_every_dilation_there_is(spec: SUNetSpec) -> None:
    found = insets(Drawing(draw_network(spec, (256, 256))))
    alike: dict[tuple[int, int], str] = {}
    for block in range(len(spec.stacks)):
        if spec.dilations[block] > 1:
            alike.setdefault((spec.depth[block], spec.dilations[block]), f"blocks.{block}.unets.0")
    assert list(found) == list(alike.values())
    layers = plan(spec, (256, 256)).layers
    for name, numbers in found.items():
        convs = [each for each in layers if each.name.startswith(f"{name}.") and each.kind in CONVS and not each.skip]
        assert numbers == [each.dilation for each in convs]


def test_figure_2_of_the_paper() -> None:
    """SUNet-7-128 at output stride 8, for 512×512: output stride, dilation and level of Figure 2, its inset."""
    spec = preset("sunet-7-128-os8").replace(degrid=True)
    drawing = Drawing(draw_network(spec, (512, 512)))
    cells = table(drawing)
    assert {
        part: tuple(cells[part][row] for row in ("output stride", "dilation", "level")) for part in cells if cells[part]
    } == {
        "stem": ("4", "1", "1"),
        "block 1": ("4", "1", "2"),
        "block 2": ("8", "1", "3"),
        "block 3": ("8", "2", "4"),
        "block 4": ("8", "4", "5"),
        "head": ("8", "2, 1", "6"),
    }
    assert [cells[f"block {block}"]["map size"] for block in (1, 2, 3, 4)] == ["128×128", "64×64", "64×64", "64×64"]
    assert [cells[f"block {block}"]["maps"] for block in (1, 2, 3, 4)] == ["512", "1,280", "2,048", "2,304"]
    assert insets(drawing) == {
        "blocks.2.unets.0": [1, 2, 4, 4, 8, 8, 4, 4, 2, 1],
        "blocks.3.unets.0": [1, 4, 8, 8, 4, 1],  # "twice that of the corresponding layers in block 3"
    }
    marks = list(drawing.marked("mark"))
    assert [mark for mark in marks if not mark.startswith("blocks.") or "pool" in mark] == [
        "image",
        "7×7 convolution",
        "residual block",
        "blocks.1.pool",
        "3×3 convolution, dilation 2",
        "3×3 convolution, dilation 1",
        "1×1 classifier",
        "bilinear resize to 512×512",
    ]
    assert sum("unets" in mark for mark in marks) == 17


def test_dilations_too_long_to_stand_over_their_bars_are_said_in_units() -> None:
    drawing = Drawing(draw_network(ODD["largest dilation"]))
    (numbers,) = insets(drawing).values()
    there = [2**level for level in range(9) for _ in (0, 1)][1:-1]
    assert numbers == [1, *there, *reversed(there), 1]
    assert any("in units of r = 1,048,576" in text.words for text in drawing.texts)


def test_many_modules_and_many_blocks_are_drawn_as_few() -> None:
    spec = SUNetSpec.make(n=4, stacks=(30, 1) * 60, dilations=(1, 1, *range(2, 120)), depth=1)
    svg = draw_network(spec)
    assert len(svg) < 150_000
    drawing = Drawing(svg)
    cells = table(drawing)
    blocks = [*(f"block {index}" for index in range(1, 17)), "blocks 17–113", *(f"block {i}" for i in range(114, 121))]
    assert list(cells) == ["image", "stem", *blocks, "head"]
    assert cells["blocks 17–113"]["dilation"] == "16–112"
    assert sum(number(column["parameters"]) for column in cells.values() if column) == analyze(spec).params
    drawn = [mark for mark in drawing.marked("mark") if mark.startswith("blocks.0.unets.")]
    assert drawn == [f"blocks.0.unets.{index}" for index in (0, 1, 29)]
    assert "30 × U-Net+" in texts(drawing, drawing.marked("part")["block 1"])
    assert "27 more u-nets" in svg
