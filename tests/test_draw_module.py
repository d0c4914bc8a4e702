"""Figure 1: what a block's u-nets say and how they are wired, against the plan and against the paper."""

import math
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings

from sunetlab import InputError, SUNetSpec, preset
from sunetlab.analysis.fov import module_fields
from sunetlab.analysis.plan import Layer, plan
from sunetlab.draw.module import draw_module
from tests.drawn import CONVS, Drawing, Room, Wire, by_name, crosses, drawn_modules, shapes, texts

BOXES = CONVS | {"add", "concat"}


def drawn_units(drawing: Drawing, spec: SUNetSpec, block: int) -> Iterator[tuple[Element, range]]:
    """Each ladder and the modules that its heading says it stands for, from 0."""
    headings = [text.words for text in drawing.texts if re.match(r"U-nets? \d", text.words)]
    ladders = drawing.marked("module")
    assert len(headings) == len(ladders)
    for heading, (name, ladder) in zip(headings, ladders.items(), strict=True):
        numbers = re.fullmatch(r"U-nets? (\d+)(?:–(\d+))? of ([\d,]+)(?:, × ([\d,]+))?", heading)
        assert numbers is not None
        first, last, total, times = (int(n.replace(",", "")) if n else None for n in numbers.groups())
        assert first is not None
        found = range(first - 1, last or first)
        assert total == spec.stacks[block - 1]
        assert (times or 1) == len(found)
        assert name == f"blocks.{block - 1}.unets.{found[0]}"
        yield ladder, found


def boxed(layers: tuple[Layer, ...], prefix: str) -> dict[str, Layer]:
    return {each.name: each for each in layers if each.name.startswith(prefix) and each.kind in BOXES}


@settings(max_examples=60)
@given(drawn_modules())
def test_every_convolution_of_every_module_is_drawn_as_the_plan_has_it(
    case: tuple[SUNetSpec, int, tuple[int, int]],
) -> None:
    spec, block, size = case
    layers, drawing = plan(spec, size).layers, Drawing(draw_module(*case))
    fields = module_fields(spec.depth[block - 1], spec.dilations[block - 1], spec.downsampling)
    covered: list[int] = []
    for ladder, modules in drawn_units(drawing, spec, block):
        covered += modules
        boxes = drawing.marked("layer", ladder)
        own = boxed(layers, f"blocks.{block - 1}.unets.{modules[0]}.")
        assert set(boxes) - {"input", "output"} - set(own) <= {f"blocks.{block - 1}.unets.{modules[0]}.norm.relu"}
        for name, layer in own.items():
            if layer.kind in CONVS:
                inside = name.split(".", 4)[4]
                alike = [by_name(layers, f"blocks.{block - 1}.unets.{index}.{inside}") for index in modules]
                as_planned(drawing, boxes[name], alike, fields.get(inside, fields["reduce"]))
        ends = [texts(drawing, boxes[end])[1] for end in ("input", "output")]
        first, *_, last = own.values()
        assert [end.split(", ")[1] for end in ends] == [f"{h}×{w}" for h, w in (first.in_size, last.out_size)]
    assert covered == list(range(spec.stacks[block - 1]))


def as_planned(drawing: Drawing, box: Element, alike: list[Layer], field: Any) -> None:
    """A box against the layers that it stands for, which differ in the maps that they take at most."""
    layer = alike[0]
    for other in alike:
        assert other._replace(name="", inputs=(), in_channels=0) == layer._replace(name="", inputs=(), in_channels=0)
    said = {key: box.attrib[f"data-{key}"] for key in ("kind", "kernel", "stride", "dilation", "channels", "map")}
    assert said == {
        "kind": layer.kind,
        "kernel": str(layer.kernel),
        "stride": str(layer.stride),
        "dilation": str(layer.dilation),
        "channels": f"{layer.in_channels} {layer.out_channels}",
        "map": "{} {}".format(*layer.out_size),
    }
    kernel, maps, size, sees = texts(drawing, box)
    takes = sorted({each.in_channels for each in alike})
    assert maps == "–".join(f"{each:,}" for each in (takes[0], takes[-1])[: len(takes)]) + f" → {layer.out_channels:,}"
    assert size == "{}×{}".format(*layer.out_size)
    widths = (field.least,) if field.least == field.most else (field.least, field.most)
    assert sees.removeprefix("field ").removeprefix("≤ ") == "–".join(f"{width:,}" for width in widths)
    stride = {("conv", 2): " ↓2", ("conv_transpose", 2): " ↑2", ("conv_transpose", 1): " ↑1"}
    dilated = f" dil {layer.dilation}" if layer.dilation > 1 else ""
    assert kernel == f"{layer.kernel}×{layer.kernel}{stride.get((layer.kind, layer.stride), '')}{dilated}"


@settings(max_examples=60)
@given(drawn_modules())
def test_wires_join_what_the_plan_joins_and_end_on_borders(case: tuple[SUNetSpec, int, tuple[int, int]]) -> None:
    spec, block, size = case
    layers, drawing = plan(spec, size).layers, Drawing(draw_module(*case))
    for ladder, modules in drawn_units(drawing, spec, block):
        own = boxed(layers, f"blocks.{block - 1}.unets.{modules[0]}.")
        places = {name: shapes(element)[0] for name, element in drawing.marked("layer", ladder).items()}
        wires = list(drawing.wires_in(ladder))
        assert without_shared_norm(wires) == joined(layers, own)
        for wire in wires:
            assert wire.source is not None
            assert wire.target is not None
            assert wire.tip is not None
            assert begins_well(wire, wires, places[wire.source])
            assert on_border(wire.tip, places[wire.target])
            for name, place in places.items():
                assert name in (wire.source, wire.target) or not crosses(wire, place)
        for (one, a), (other, b) in combinations(places.items(), 2):
            assert not a.overlaps(b), (one, other)


def joined(layers: tuple[Layer, ...], own: dict[str, Layer]) -> list[tuple[str, str]]:
    """Which box of a module takes which: the plan's graph, BN and ReLU left out."""
    edges = []
    for name, layer in own.items():
        for index in layer.inputs:
            while layers[index].kind in {"bn", "relu"}:
                index = layers[index].inputs[0]
            edges.append((layers[index].name if layers[index].name in own else "input", name))
    return sorted([*edges, (list(own)[-1], "output")])


def without_shared_norm(wires: list[Wire]) -> list[tuple[str, str]]:
    edges = [(wire.source or "", wire.target or "") for wire in wires]
    before = {target: source for source, target in edges if target.endswith(".norm.relu")}
    return sorted((before.get(source, source), target) for source, target in edges if target not in before)


def begins_well(wire: Wire, wires: list[Wire], source: Room) -> bool:
    """On the border of its source, or on a line that does."""
    trunks = [other for other in wires if other.source == wire.source and on_border(other.points[0], source)]
    (x, y), *_ = wire.points
    touch = Room(x - 0.2, y - 0.2, x + 0.2, y + 0.2)
    return wire in trunks or any(crosses(trunk, touch) for trunk in trunks)


def on_border(point: tuple[float, float], place: Room) -> bool:
    """In the middle of one of its sides: of a circle's too."""
    x, y = place.middle[:2]
    sides = ((x, place.top), (x, place.bottom), (place.left, y), (place.right, y))
    return any(math.dist(point, side) < 0.02 for side in sides)


def test_figure_1_of_the_paper() -> None:
    """M maps, 64×64: kernels, fields on the way down, sizes and wires of Figure 1."""
    spec = SUNetSpec.make(depth=(2,), n=64, stacks=(2,), widths=(256,), stem="small", stem_width=256)
    drawing = Drawing(draw_module(spec, 1, (64, 64)))
    ((ladder, modules),) = drawn_units(drawing, spec, 1)
    assert len(modules) == 2
    boxes = {name.removeprefix("blocks.0.unets.0."): box for name, box in drawing.marked("layer", ladder).items()}
    said = {name: texts(drawing, box) for name, box in boxes.items() if "data-kernel" in box.attrib}
    assert {name: (box[0], box[1], box[2]) for name, box in said.items()} == {
        "reduce": ("1×1", "256 → 64", "64×64"),
        "down.0.sample.conv": ("3×3 ↓2", "64 → 64", "32×32"),
        "down.0.conv.conv": ("3×3", "64 → 64", "32×32"),
        "down.1.sample.conv": ("3×3 ↓2", "64 → 64", "16×16"),
        "down.1.conv.conv": ("3×3", "64 → 64", "16×16"),
        "up.1.sample.conv": ("3×3 ↑2", "64 → 64", "32×32"),
        "up.1.conv.conv": ("3×3", "64 → 64", "32×32"),
        "up.0.sample.conv": ("3×3 ↑2", "128 → 64", "64×64"),
        "up.0.conv.conv": ("3×3", "64 → 64", "64×64"),
        "expand.conv": ("1×1", "64 → 256", "64×64"),
    }
    down = ("reduce", "down.0.sample.conv", "down.0.conv.conv", "down.1.sample.conv", "down.1.conv.conv")
    assert [said[name][3] for name in down] == [f"field {field}" for field in (1, 3, 7, 11, 19)]
    wires = {(wire.source or "", wire.target or "") for wire in drawing.wires_in(ladder)}
    prefix = "blocks.0.unets.0."
    assert {(a.removeprefix(prefix), b.removeprefix(prefix)) for a, b in wires} == {
        ("input", "reduce"),
        ("input", "add"),
        ("reduce", "down.0.sample.conv"),
        ("down.0.sample.conv", "down.0.conv.conv"),
        ("down.0.conv.conv", "down.1.sample.conv"),
        ("down.0.conv.conv", "up.0.concat"),
        ("down.1.sample.conv", "down.1.conv.conv"),
        ("down.1.conv.conv", "up.1.sample.conv"),
        ("up.1.sample.conv", "up.1.conv.conv"),
        ("up.1.conv.conv", "up.0.concat"),
        ("up.0.concat", "up.0.sample.conv"),
        ("up.0.sample.conv", "up.0.conv.conv"),
        ("up.0.conv.conv", "expand.conv"),
        ("expand.conv", "add"),
        ("add", "output"),
    }
    assert {"E1", "E2", "D1", "D2"} <= set(texts(drawing, ladder))


def test_the_first_module_of_a_block_is_drawn_apart_where_it_expands() -> None:
    drawing = Drawing(draw_module(preset("sunet-7-128"), 3))
    headings = [text.words for text in drawing.texts if text.words.startswith("U-net ") or "U-nets" in text.words]
    assert headings == ["U-net 1 of 7", "U-nets 2–7 of 7, × 6"]
    first, others = drawing.marked("module").values()
    skip = drawing.marked("layer", first)["blocks.2.unets.0.skip"]
    assert texts(drawing, skip)[:2] == ["1×1", "1,280 → 2,048"]
    assert not [name for name in drawing.marked("layer", others) if name.endswith("skip")]


def test_no_such_block() -> None:
    for block in (0, 5, -1):
        with pytest.raises(InputError, match=f"block: {block}: the network has 4 blocks"):
            draw_module(preset("sunet-64"), block)
