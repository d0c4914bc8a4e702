"""The costs: every figure of FACTS §2, and what the counting convention says of single layers."""

import csv
import io
import json
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import PRESETS, SUNetSpec, analyze, preset
from sunetlab.analysis.cost import WEIGHTED, WITHOUT_MACS, Box, LayerCost, apart, area, cost, grouped
from sunetlab.analysis.plan import Layer
from sunetlab.cli.output import print_csv
from tests.conftest import Golden, Said
from tests.specs import random_size, random_specs


@pytest.mark.parametrize(
    ("name", "params", "without_classifier", "depth"),
    [
        ("sunet-64", 6_910_248, 5_885_248, 110),
        ("sunet-128", 24_704_360, 22_655_360, 110),
        ("sunet-7-128", 39_113_832, 36_808_832, 170),
    ],
)
def test_parameters_and_layers(name: str, params: int, without_classifier: int, depth: int) -> None:
    report = analyze(preset(name))
    assert report.params == params
    assert report.params - report.params_classifier == without_classifier
    assert report.depth == depth


@pytest.mark.parametrize(("size", "convolutions"), [((14, 14), 46), ((7, 7), 44)])
def test_3x3_convolutions_of_sunet_7_128_on_small_maps(size: tuple[int, int], convolutions: int) -> None:
    layers = analyze(preset("sunet-7-128"), (224, 224)).layers
    assert sum(layer.kernel == 3 and layer.out_size == size for layer in layers) == convolutions


def test_macs_of_sunet_64_for_segmentation() -> None:
    report = analyze(preset("sunet-64-os32"), (512, 512))
    assert report.macs == 13_220_446_208
    assert report.feature_size == (16, 16)


def test_a_narrower_block_3_gives_the_papers_parameters() -> None:
    report = analyze(preset("sunet-7-128").replace(widths=(512, 1280, 1792, 2304)))
    assert report.params == 37_731_944
    assert report.params - report.params_classifier == 35_426_944


def layer(kind: str, **changes: Any) -> Layer:
    given_ = {"in_channels": 3, "out_channels": 5, "in_size": (4, 6), "out_size": (8, 12), **changes}
    return Layer("layer", kind, "head", (0,), **given_)


@pytest.mark.parametrize(
    ("row", "params", "macs", "elements"),
    [
        (layer("conv", kernel=3), 3 * 5 * 9 + 5, 3 * 5 * 9 * 96, 5 * 96),
        (layer("conv_transpose", kernel=3), 3 * 5 * 9 + 5, 3 * 5 * 9 * 24, 5 * 96),  # input positions
        (layer("linear", out_size=(1, 1)), 3 * 5 + 5, 3 * 5, 5),
        (layer("bn"), 10, 0, 5 * 96),
        (layer("relu"), 0, 0, 5 * 96),
        (layer("avg_pool", kernel=2), 0, 0, 5 * 96),
        (layer("global_pool", out_size=(1, 1)), 0, 0, 5),
        (layer("add"), 0, 0, 5 * 96),
        (layer("concat"), 0, 0, 5 * 96),
        (layer("bilinear"), 0, 0, 5 * 96),
    ],
    ids=lambda value: value.kind if isinstance(value, Layer) else None,
)
def test_the_convention(row: Layer, params: int, macs: int, elements: int) -> None:
    assert cost(row) == (row, params, macs, elements)
    assert cost(row, batch=7) == (row, params, 7 * macs, 7 * elements)


@given(random_specs(), st.integers(0, 2**32), st.integers(2, 9))
def test_totals_are_sums_and_the_batch_multiplies_them(spec: SUNetSpec, seed: int, batch: int) -> None:
    size = random_size(random.Random(seed), spec)
    one, many = analyze(spec, size), analyze(spec, size, batch)
    assert one.params == many.params == sum(row.params for row in one.rows)
    assert many.macs == batch * one.macs == batch * sum(row.macs for row in one.rows)
    assert one.layers == many.layers
    assert apart(many.rows) == {kind: batch * elements for kind, elements in apart(one.rows).items()}


@given(random_specs())
def test_parameters_do_not_depend_on_the_input(spec: SUNetSpec) -> None:
    side = 4 * spec.output_stride
    assert analyze(spec, (side, side + 1)).params == analyze(spec, (side + 2, side)).params


@pytest.mark.parametrize("name", PRESETS)
def test_a_report_says_at_what_it_was_made(name: str) -> None:
    spec = preset(name)
    report = analyze(spec)
    assert (report.spec, report.size, report.batch) == (spec, (224, 224), 1)
    assert report.feature_size == (224 // spec.output_stride,) * 2
    assert report.params_classifier == spec.widths[-1] * spec.num_classes + spec.num_classes
    assert {row.layer.kind for row in report.rows if row.macs} <= set(WEIGHTED)
    assert area(report.feature_size) == (224 // spec.output_stride) ** 2


# ------------------------------------------------------------------------------------ by layer, by module and by block


@given(random_specs(), st.integers(0, 2**32), st.sampled_from(["layer", "module", "block"]))
def test_boxes_hold_every_layer_once_and_in_order(spec: SUNetSpec, seed: int, by: Box) -> None:
    report = analyze(spec, random_size(random.Random(seed), spec), batch=2)
    boxes = grouped(report.rows, by)
    assert [row for rows in boxes.values() for row in rows] == list(report.rows)
    assert sum(sum(apart(rows).values()) for rows in boxes.values()) == sum(row.elements for row in report.rows)
    found = apart(report.rows)
    assert list(found) == ["bias", *WITHOUT_MACS]
    for kind in WITHOUT_MACS:
        assert found[kind] == sum(row.elements for row in report.rows if row.layer.kind == kind)
    assert found["bias"] == sum(row.elements for row in report.rows if row.layer.kind in WEIGHTED)


def test_boxes_of_a_small_network() -> None:
    report = analyze(SUNetSpec.make(n=4, stacks=(2, 1)))
    blocks = ["stem", "block 1", "block 2", "head"]
    modules = ["stem", "blocks.0.unets.0", "blocks.0.unets.1", "blocks.1.pool", "blocks.1.unets.0", "head"]
    assert list(grouped(report.rows, "block")) == blocks
    assert list(grouped(report.rows, "module")) == modules
    assert list(grouped(report.rows, "layer")) == [layer.name for layer in report.layers]


def test_costs_of_the_presets(golden: Golden) -> None:
    """Kept so that a change shows; that the network has these costs is proved in `test_planned`."""
    costs = {}
    for name in PRESETS:
        for size in (preset(name).design_size, (512, 512)):
            report = analyze(preset(name), size)
            costs[f"{name} {size[0]}x{size[1]}"] = {
                "params": report.params,
                "params_without_classifier": report.params - report.params_classifier,
                "macs": report.macs,
                "macs_by_block": {name: sums(rows)[1] for name, rows in grouped(report.rows, "block").items()},
                "elements": apart(report.rows),
            }
    golden("costs", costs)


def sums(rows: Sequence[LayerCost]) -> tuple[int, int]:
    return sum(row.params for row in rows), sum(row.macs for row in rows)


# ---------------------------------------------------------------------------------------------------- the command line


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("by", ["layer", "module", "block"])
def test_reports_by_layer_module_and_block(said: Said, by: Box) -> None:
    report = analyze(preset("sunet-64-os8"), (97, 131), 2)
    boxes = {name: (*sums(rows), apart(rows)) for name, rows in grouped(report.rows, by).items()}
    line = f"report macs sunet-64-os8 --input 97x131 --batch 2 --by {by}"
    for row, (name, (_, macs, elements)) in zip(table(said(f"{line} --csv")[1]), boxes.items(), strict=True):
        assert row == {by: name, "macs": str(macs)} | {kind: str(count) for kind, count in elements.items()}
    records = json.loads(said(f"{line} --json")[1])
    assert records["rows"] == [{"name": name, "macs": macs} | counts for name, (_, macs, counts) in boxes.items()]
    assert records["elements"] == apart(report.rows)
    lines = said(line)[1].splitlines()
    for name, (_, macs, _) in boxes.items():
        assert any(each.startswith(f"{name} ") and f" {macs:,} " in each for each in lines) == (macs > 0)
    lines = said(f"{line} --apart")[1].splitlines()
    kinds = [kind for kind, count in apart(report.rows).items() if count]
    for name, (_, macs, elements) in {**boxes, "total": (0, report.macs, apart(report.rows))}.items():
        cells = next(each for each in lines if each.startswith(f"{name} ")).split()
        assert cells == [*name.split(), f"{macs:,}", f"{100 * macs / report.macs:.1f}", "%"] + [
            f"{elements[kind]:,}" for kind in kinds
        ]
    line = f"report params sunet-64-os8 --by {by}"
    rows = table(said(f"{line} --csv")[1])
    assert [(row[by], int(row["params"])) for row in rows] == [(name, params) for name, (params, _, _) in boxes.items()]
    for row in rows:
        assert int(row["params"]) == sum(int(row[kind]) for kind in ("conv", "conv_transpose", "linear", "bn"))
    assert [(row["name"], row["params"]) for row in json.loads(said(f"{line} --json")[1])["rows"]] == [
        (row[by], int(row["params"])) for row in rows
    ]
    assert f"{report.params:,}  100.0 %" in said(line)[1]


def test_layers_as_csv(said: Said) -> None:
    report = analyze(preset("sunet-64"), (64, 65))
    rows = table(said("report layers sunet-64 --input 64x65 --csv")[1])
    assert [row["name"] for row in rows] == [layer.name for layer in report.layers]
    for row, wanted in zip(rows, report.rows, strict=True):
        assert (int(row["out_height"]), int(row["out_width"])) == wanted.layer.out_size
        assert (int(row["params"]), int(row["macs"]), int(row["elements"])) == wanted[1:]
        assert row["skip"] == ("yes" if wanted.layer.skip else "no")


def test_csv_holds_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(["name", "value"], [["a,b", 1_234_567], ["c", 0.25], ["d", None], ["e", math.nan], ["f", True]])
    assert capsys.readouterr().out == 'name,value\n"a,b",1234567\nc,0.25\nd,\ne,\nf,yes\n'


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ("--as fvcore --by layer", "--by: layer: goes with the MACs, not with --as or --reconcile"),
        ("--reconcile --by block", "--by: block: goes with"),
        ("--as thop --apart", "--apart: goes with the table of MACs"),
        ("--csv --apart", "--apart: goes with the table of MACs"),
    ],
)
def test_flags_without_effect_are_refused(said: Said, flags: str, line: str) -> None:
    status, out, err = said(f"report macs sunet-64 {flags}")
    assert (status, out) == (2, "")
    assert err.startswith(f"sunetlab: {line}")


def test_tools_of_one_image_are_named_where_there_are_several(said: Said) -> None:
    assert "ptflops and ptflops-pytorch: of one image" in said("report macs sunet-64 --batch 2")[1]
    assert "whatever the batch" not in said("report macs sunet-64")[1]


@pytest.mark.parametrize("command", ["params", "macs", "layers", "macs --reconcile", "macs --as thop"])
def test_one_form_at_a_time(said: Said, command: str) -> None:
    status, out, err = said(f"report {command} sunet-64 --csv --json")
    assert (status, out) == (2, "")
    assert err == "sunetlab: --csv: cannot be given with --json: one form of output at a time\n"
