"""Fields of view: published figures, and the same figures from exact sets, position by position."""

import csv
import json
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from sunetlab import PRESETS, InputError, SUNetSpec, analyze, preset
from sunetlab.analysis.fov import UNSEEN, Field, Seen, Sight, fov, hulls, module_fields, seen
from sunetlab.analysis.plan import plan
from sunetlab.rules import STEMS
from tests.conftest import Golden, Said
from tests.specs import random_size, random_spec

SEEDS = st.integers(0, 2**32)
MOST = 400  # pixels; sets without borders are slow beyond


def own_field(**words: object) -> Field:
    """Of a single module, on its own grid."""
    return fov(plan(SUNetSpec.make(stacks=(1,), n=1, **words))).modules[0].own


# ------------------------------------------------------------------------------------------------- published figures


def test_fields_of_figure_1() -> None:
    fields = module_fields(2, 1, "multigrid")
    down = ["reduce", "down.0.sample.conv", "down.0.conv.conv", "down.1.sample.conv", "down.1.conv.conv"]
    assert [fields[name].usual for name in down] == [1, 3, 7, 11, 19]
    assert list(fields)[:5] == down
    assert list(fields)[-1] == "expand.conv"


def test_a_module_sees_27_27_31_27() -> None:
    field = own_field(depth=2)
    spans = [(first - at, last - at) for at, (first, last) in enumerate(field.spans)]
    assert spans == [(-13, 13), (-14, 12), (-15, 15), (-12, 14)]
    assert field[:6] == (27, 27, 31, 4, -1.0, 1.0)


def test_a_module_of_one_level_sees_11_and_9() -> None:
    field = own_field(depth=1)
    assert [last - first + 1 for first, last in field.spans] == [11, 9]
    assert field[:4] == (11, 9, 11, 2)


@pytest.mark.parametrize(("depth", "dilation", "width"), [(2, 2, 73), (1, 4, 49)])
def test_dilated_modules(depth: int, dilation: int, width: int) -> None:
    field = own_field(depth=depth, dilations=(dilation,))
    assert field == Field(width, width, width, 1, 0.0, 0.0, True, ((-(width // 2), width // 2),))


def test_by_hand_of_a_stem() -> None:
    """7×7 stride 2, then 3×3 stride 2 and 3×3: 7, 7 + 2·2 = 11, 11 + 2·4 = 19 pixels, centred on 4·o."""
    convs = {sight.name: sight for sight in fov(plan(preset("sunet-64"))).convs}
    names = ["stem.conv", "stem.residual.conv1", "stem.residual.conv2"]
    assert [convs[name].image.usual for name in names] == [7, 11, 19]
    assert [convs[name].jump for name in names] == [2, 4, 4]
    assert convs["stem.residual.conv2"].image.spans == ((-9, 9),)
    assert convs["stem.residual.conv2"].image.offset_most == -1.5  # the cell of position 0 is pixels 0 to 3
    assert convs["stem.residual.shortcut"].image.usual == 7


# ------------------------------------------------------------------------------------------------ intervals = sets


def sights(spec: SUNetSpec, size: tuple[int, int]) -> list[Sight]:
    found = analyze(spec, size).fov
    resized = [found.resized] if found.resized else []
    return [found.network, *resized, *found.blocks, *found.modules, *found.convs]


def columns(found: Seen) -> tuple[int, int]:
    """First and last column seen, of the image or grid; (0, -1) for nothing."""
    width = found.levels.shape[1]
    return (found.first[1], found.first[1] + width - 1) if width else (0, -1)


@pytest.mark.parametrize("share", [0, 1, *(pytest.param(share, marks=pytest.mark.slow) for share in (2, 3))])
def test_without_borders(share: int) -> None:
    @given(SEEDS)
    @settings(max_examples=250)
    def check(seed: int) -> None:
        rng = random.Random(4 * seed + share)
        spec = random_spec(rng)
        size = random_size(rng, spec)
        laid_out = plan(spec, size)
        sight = rng.choice(sights(spec, size))
        assume(sight.image.most <= MOST)
        for field, grid in ((sight.image, "image"), (sight.own, "own")):
            for at, span in enumerate(field.spans[: min(8, _side(spec, size, sight))]):
                assert columns(seen(laid_out, (0, at), sight.name, grid, clipped=False)) == span
            if field.spans:
                widths = [last - first + 1 for first, last in field.spans]
                assert max(widths) == field.most
                assert len(field.spans) == field.period

    check()


def _side(spec: SUNetSpec, size: tuple[int, int], sight: Sight) -> int:
    """Positions along x of a box's map."""
    layers = {layer.name: layer for layer in analyze(spec, size).layers}
    if sight.kind in ("network", "resized"):
        return analyze(spec, size).feature_size[1] if sight.kind == "network" else size[1]
    if sight.name in layers:
        return layers[sight.name].out_size[1]
    block = int(sight.part.split()[1]) - 1
    return layers[f"blocks.{block}.unets.0.reduce"].out_size[1]


@given(SEEDS)
@settings(max_examples=80)
def test_within_borders(seed: int) -> None:
    check_within_borders(random.Random(seed))


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(10))
def test_within_borders_of_a_thousand(chunk: int) -> None:
    for seed in range(100):
        check_within_borders(random.Random(100 * chunk + seed))


def check_within_borders(rng: random.Random) -> None:
    """Every position of a map, one by one, in images small and large, of any shape."""
    spec = random_spec(rng)
    least = spec.output_stride // STEMS[spec.stem].stride ** 2  # pixels that the pools need at the stem's end
    least = (least - 1) * STEMS[spec.stem].stride ** 2 + 1
    small = (rng.randint(least, least + 30), rng.randint(least, least + 30))
    for size in (small if rng.random() < 0.6 else random_size(rng, spec), (least, least + 7)):
        laid_out = plan(spec, size)
        found = fov(laid_out)
        boxes = [(found.network, analyze(spec, size).feature_size)]
        boxes += [(conv, _size(laid_out.layers, conv.name)) for conv in found.convs]
        few = [box for box in boxes if box[1][0] * box[1][1] <= 150]
        if few:
            break
    sight, (height, width) = rng.choice(few)
    all_seen = [seen(laid_out, (y, x), sight.name) for y in range(height) for x in range(width)]
    for axis in (0, 1):
        widths = Counter(each.levels.shape[axis] for each in all_seen)
        field = sight.clipped[axis]
        assert (field.least, field.most) == (min(widths), max(widths))
        assert field.usual == max(widths, key=lambda value: (widths[value], value))
        offsets = [
            each.first[axis] + (each.levels.shape[axis] - 1) / 2 - each.at[axis] * sight.jump - (sight.jump - 1) / 2
            for each in all_seen
            if each.levels.size
        ] or [0.0]
        assert (field.offset_least, field.offset_most) == (min(offsets), max(offsets))


def _size(layers: tuple, name: str) -> tuple[int, int]:  # type: ignore[type-arg]
    return next(layer.out_size for layer in layers if layer.name == name)  # type: ignore[no-any-return]


@given(SEEDS)
@settings(max_examples=100)
def test_levels_of_paths(seed: int) -> None:
    """What is seen through no more than a level, from the walk that leaves the deeper ones out and from the set."""
    rng = random.Random(seed)
    spec = random_spec(rng)
    laid_out = plan(spec, random_size(rng, spec))
    through = fov(laid_out).through
    assume(through[-1].most <= MOST)
    found = seen(laid_out, (0, 0), clipped=False)
    assert len(through) == max(spec.depth) + 1
    for level, field in enumerate(through):
        columns_seen = np.nonzero((found.levels <= level).any(0))[0] + found.first[1]
        assert field.spans[0] == (columns_seen[0], columns_seen[-1])
    assert found.levels[found.mask].max() <= max(spec.depth) < UNSEEN


# ------------------------------------------------------------------------------------------------------------ the rest


def test_what_is_resized_is_exact_without_borders_for_multiples_only() -> None:
    spec = preset("sunet-64-os8")
    for size, exact in (((64, 64), True), ((64, 65), False)):
        resized = analyze(spec, size).fov.resized
        assert resized is not None
        assert resized.image.exact is exact
        assert all(field.exact for field in resized.clipped)
    assert analyze(preset("sunet-64")).fov.resized is None


def test_a_resize_to_the_same_size_changes_nothing() -> None:
    found = analyze(SUNetSpec.make(n=1, stacks=(1,), stem="small", task="segmentation"), (33, 47)).fov
    assert found.resized is not None
    assert found.resized.image == found.network.image
    assert found.resized.clipped == found.network.clipped


def test_more_than_a_period_of_an_endless_map() -> None:
    """Two positions, 4 pixels apart, that see pixels -1 to 2 and 3 to 9, and the two after them."""
    spans = hulls._unrolled(np.array([[-1, 3], [-2, -9]]), 4, [4])
    assert (spans[0].tolist(), (-spans[1]).tolist()) == ([-1, 3, 7, 11], [2, 9, 10, 17])


def test_positions_that_see_nothing() -> None:
    """An even dilation under a stride: a transposed convolution reaches every other position of a side only."""
    found = fov(plan(SUNetSpec.make(n=1, stacks=(1,), dilations=(2,), downsampling="strided", stem="small"), (16, 16)))
    up = next(sight for sight in found.convs if sight.name.endswith("up.1.sample.conv"))
    assert up.own.least == 0
    assert up.own.most > 0
    assert found.network.image.least > 0  # identity and encoder reach every position


def test_a_position_that_is_dead_along_one_side_sees_nothing_along_the_other() -> None:
    spec = SUNetSpec.make(n=1, depth=(2,), stacks=(1,), dilations=(4,), downsampling="strided")
    laid_out = plan(spec, (1, 40))
    up = next(sight for sight in fov(laid_out).convs if sight.name.endswith("up.1.sample.conv"))
    widths = [seen(laid_out, (0, x), up.name).levels.shape for x in range(5)]
    assert {height for height, _ in widths} == {0, 1}
    assert [(field.least, field.most) for field in up.clipped] == [
        (min(sides), max(sides)) for sides in zip(*widths, strict=True)
    ]


@pytest.mark.parametrize(
    ("size", "verdicts"),
    [
        ((224, 224), {(4, 1): "whole image seen before it"}),
        ((512, 512), {}),
        (
            (64, 64),
            {
                (1, 2): "",
                (2, 1): "whole image seen before it",
                (4, 1): "its kernel spans more than its map; whole",
            },
        ),
    ],
)
def test_levels_that_can_bring_nothing(size: tuple[int, int], verdicts: dict[tuple[int, int], str]) -> None:
    levels = {(level.block, level.level): level for level in analyze(preset("sunet-7-128"), size).fov.levels}
    assert len(levels) == 7
    for where, words in verdicts.items():
        assert words in levels[where].verdict
        assert bool(levels[where].verdict) == bool(words)


def test_a_map_smaller_than_its_kernel() -> None:
    spec = SUNetSpec.make(n=1, depth=(4,), stacks=(1,))
    level = analyze(spec, (32, 32)).fov.levels[3]
    assert (level.size, level.reach) == ((1, 1), 3)
    assert level.verdict == "its kernel spans more than its map; whole image seen before it"


def test_levels_of_a_long_image() -> None:
    """Whether a level is of use is asked of both sides: here rows are seen whole, columns are not."""
    spec = SUNetSpec.make(n=1, depth=(2,), stacks=(1,), stem="small")
    laid_out = plan(spec, (6, 200))
    second = fov(laid_out).levels[1]
    assert (second.size, second.reach, second.verdict) == ((2, 50), 3, "")
    entry = "blocks.0.unets.0.down.0.conv.conv"
    shapes = [seen(laid_out, (y, x), entry).levels.shape for y in range(3) for x in range(100)]
    assert second.entry == (min(rows for rows, _ in shapes), min(columns for _, columns in shapes))
    assert second.entry[0] == 6


def test_bounds_where_an_image_is_too_large_for_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SUNetSpec.make(n=1, stacks=(1,), depth=(1,), dilations=(5,), downsampling="strided", stem="small")
    exact = fov(plan(spec, (60, 4))).network.clipped
    assert [field[:3] for field in exact] == [(7, 4, 57), (4, 4, 4)]
    monkeypatch.setattr("sunetlab.analysis.fov.sights.MOST_POSITIONS", 100)
    bounds = fov(plan(spec, (60, 4))).network.clipped
    assert [field.exact for field in (*exact, *bounds)] == [True, True, False, False]
    assert all(bound.most >= field.most for bound, field in zip(bounds, exact, strict=True))


def test_too_far_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SUNetSpec.make(n=1, depth=8, stacks=(1,), dilations=(2**20,))
    assert analyze(spec).fov.network.image.usual > 2**29
    monkeypatch.setattr(hulls, "FARTHEST", 2**30)
    with pytest.raises(InputError, match="dilations: 1048576: a field of more than 2"):
        _ = analyze(spec).fov


# ----------------------------------------------------------------------------------------------- goldens, command line


def test_presets_see_what_they_saw(golden: Golden) -> None:
    table = {}
    for name in PRESETS:
        found = analyze(preset(name), (512, 512)).fov
        boxes = [found.network, *([found.resized] if found.resized else []), *found.blocks]
        table[name] = {box.name: [*box.image[:6], *box.own[:6], *(field[:3] for field in box.clipped)] for box in boxes}
        table[name]["through"] = [field[:6] for field in found.through]
    golden("fov", table)


def test_report_fov(said: Said) -> None:
    status, out, err = said("report fov sunet-7-128-os8 --input 512")
    assert (status, err) == (0, "")
    for text in ("all exact", "identity alone", "whole image seen before it"):
        assert text in out
    rows = [line.split() for line in out.splitlines()]
    assert ["block", "1", "4", "219", "219", "235", "4", "-5.5…+2.5", "51–55", "219x219"] in rows
    assert ["head", "8", "6,011", "6,011", "6,043", "4", "-11.5…+4.5", "512x512"] in rows
    assert "all exact but the resized one" in said("report fov sunet-64-os8 --input 225")[1]


def test_report_fov_of_a_module_as_figure_1_has_it(said: Said) -> None:
    rows = json.loads(said("report fov sunet-64 --block 1 --json")[1])["rows"]
    alone = {row["name"]: row["own"]["usual"] for row in rows}
    convs = [f"blocks.0.unets.1.{conv}.conv" for conv in ("down.0.conv", "down.1.sample", "down.1.conv")]
    assert [alone[conv] for conv in convs] == [7, 11, 19]
    assert alone["blocks.0.unets.1"] == 27


def test_report_fov_as_csv_has_a_row_for_every_convolution(said: Said) -> None:
    rows = list(csv.DictReader(said("report fov sunet-64-os8 --by layer --input 97x230 --csv")[1].splitlines()))
    report = analyze(preset("sunet-64-os8"), (97, 230))
    convs = [layer.name for layer in report.layers if layer.kind.startswith("conv")]
    last, expected = rows[-1], report.fov.convs[-1]
    assert (
        [int(last[f"clipped_{side}_most"]) for side in "yx"] == [field.most for field in expected.clipped] == [97, 230]
    )
    assert [int(last["usual"]), int(last["own_usual"])] == [expected.image.usual, expected.own.usual]
    assert [row["name"] for row in rows] == ["network", "resized", *convs]
    assert all(set(row) == set(rows[0]) and None not in row.values() for row in rows)


def test_a_position_with_its_picture(said: Said) -> None:
    status, out, err = said("report fov sunet-64-os8 --input 64 --block 4 --at 3,4 --measured --image field.png")
    assert (status, err.splitlines()[-1]) == (0, "saved field.png")
    assert "position 3,4 of block 4" in out
    assert "differs from the set of the image in 0 pixels" in out
    with Image.open("field.png") as image:
        assert image.format == "PNG"
        assert image.width > image.height > 400
    found = json.loads(said("report fov sunet-64-os8 --input 99 --block 4 --no-clip --json --at 6,6")[1])["position"]
    assert found["sets"][1]["size"] == [49, 49]
    assert found["sets"][1]["density"] == pytest.approx(0.0704, abs=1e-4)


@pytest.mark.parametrize("of", ["blocks.1.unets.0.down.0.sample.conv", "blocks.2.unets.1", "stem.residual.add"])
def test_a_position_of_any_box_and_its_pixels(said: Said, of: str) -> None:
    line = f"report fov sunet-64-os8 --input 96x64 --at 2,1 --of {of} --measured --json"
    position = json.loads(said(f"{line} --pixels")[1])["position"]
    laid_out = plan(preset("sunet-64-os8"), (96, 64))
    expected = [seen(laid_out, (2, 1), of, grid) for grid in ("image", "own")]
    assert (position["of"], position["gradient_differs_in"]) == (of, 0)
    assert [each["runs"] for each in position["sets"]] == [list(map(list, each.runs())) for each in expected]
    assert "runs" not in json.loads(said(line)[1])["position"]["sets"][0]


def test_a_position_that_sees_nothing_has_a_picture(said: Said) -> None:
    flags = "--n 1 --depth 1 --stacks 1 --dilations 2 --downsampling strided --stem small --input 5"
    place = "--at 1,1 --of blocks.0.unets.0.up.0.sample.conv --image field.png"
    status, out, err = said(f"report fov {flags} {place}")
    assert (status, err) == (0, "saved field.png\n")
    assert [line.split() for line in out.splitlines() if line.startswith("paths ")] == [["paths", "none", "none"]]
    assert said(f"report fov {flags} {place} --no-clip")[0] == 0


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ("--at 7", "--at: '7': must be a position Y,X"),
        ("--at 7,7", "--at: 7,7: no position of network, whose map is 7x7"),
        ("--block 5", "--block: 5: the network has 4 blocks"),
        ("--image a.jpg", "--image: 'a.jpg': must be the name of a file that ends in .png"),
        ("--image=", "--image: '': must be the name of a file"),
        ("--image nowhere/a.png", "--image: nowhere/a.png: cannot be written: No such file or directory: nowhere"),
        ("--at=", "--at: '': must be a position Y,X"),
        ("--at ١,١", "--at: '١,١': must be a position Y,X"),
        ("--at 1,1 --of block", "--of: 'block': no such box in this network"),
        ("--at 200,1 --of stem.conv", "--at: 200,1: no position of stem.conv, whose map is 112x112"),
        ("--of stem.conv", "--of: 'stem.conv': goes with --at, --image or --measured"),
        ("--at 1,1 --pixels", "--pixels: goes with --json and one of"),
        ("--json --pixels", "--pixels: goes with --json and one of"),
        ("--json --csv", "--csv: cannot be given with --json"),
        ("--no-clip", "--no-clip: goes with --at, --image or --measured"),
        ("--no-clip --measured", "--no-clip: cannot be given with --measured"),
        ("--images 3", "--images: 3: goes with --measured"),
        ("--at 1,1 --csv", "--csv: what a position sees is no table"),
        ("--block 0", "Invalid value for '--block'"),
    ],
)
def test_wrong_input(said: Said, flags: str, line: str) -> None:
    status, out, err = said(f"report fov sunet-64 {flags}")
    assert (status, out) == (2, "")
    assert err.startswith(f"sunetlab: {line}")
    assert len(err.splitlines()) == 1
