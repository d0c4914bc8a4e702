"""`sunetlab verify`: all zero for networks as planned; every kind of fault found and named."""

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from sunetlab import InputError, SUNetSpec, analyze, preset
from sunetlab.analysis.fov import UNSEEN, Seen, seen
from sunetlab.analysis.plan import Plan, Size
from sunetlab.analysis.report import Report
from sunetlab.analysis.tools import TOOLS, figure
from sunetlab.model import room
from sunetlab.model import verify as verifying
from sunetlab.model.blocks import Stem
from sunetlab.model.gradient import support
from sunetlab.model.sunet import SUNet
from sunetlab.model.verify import NOT_INSTALLED, Check, verify
from tests.conftest import Said
from tests.specs import random_size, random_spec

WORDS: dict[str, Any] = {"depth": 1, "n": 4, "stacks": (1, 1), "widths": (8, 8), "stem_width": 4, "num_classes": 3}
FLAGS = "--depth 1 --n 4 --stacks 1,1 --widths 8,8 --stem-width 4 --classes 3 --input 33x35"
SPEC, SIZE = SUNetSpec.make(**WORDS), (33, 35)


def differing(checks: tuple[Check, ...]) -> dict[tuple[str, str], int]:
    return {(check.about, check.name): check.difference for check in checks if check.difference}


# ---------------------------------------------------------------------------------------------------- as they should be


@pytest.fixture
def no_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools take their time, and print what was foreseen for random networks in `test_tools`."""
    monkeypatch.setattr(verifying, "TOOLS", ())


def test_a_preset() -> None:
    spec, size = preset("sunet-64-os8"), (64, 65)
    checks = verify(spec, size)
    assert differing(checks) == {}
    found = {(check.about, check.name): (check.expected, check.found) for check in checks}
    report = analyze(spec, size)
    modules = [layer for layer in report.layers if layer.kind not in ("add", "concat", "global_pool", "bilinear")]
    for about in ("layers", "maps"):
        assert [check.name for check in checks if check.about == about] == [layer.name for layer in modules]
    assert found["layers", "stem.conv"] == ("conv 3→64 7x7 stride 2x2 dilation 1x1 padding 3x3",) * 2
    assert found["maps", "stem.conv"] == ("1x3x64x65 → 1x64x32x33",) * 2
    assert found["parameters", "in all"] == (5_906_773, 5_906_773)
    assert [name for about, name in found if about == "tools"] == list(TOOLS)
    for tool in TOOLS:
        assert found["tools", tool] == (figure(report, tool),) * 2
    boxes = {name.split(" at ")[0] for about, name in found if about == "field"}
    assert boxes == {"blocks.0.unets.0", "network", "resized"}
    assert found["operations", "concat, how many"] == (10, 10)


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int) -> None:
    rng = random.Random(seed)
    spec = random_spec(rng)
    told: list[tuple[str, int, int]] = []
    checks = verify(spec, random_size(rng, spec), batch=1 + seed % 2, watch=lambda *step: told.append(step), seed=seed)
    assert differing(checks) == {}, spec.summary
    assert [done for _, done, _ in told] == list(range(told[0][2]))


@pytest.mark.usefixtures("no_tools")
def test_positions_follow_the_seed() -> None:
    def names(seed: int) -> list[str]:
        return [check.name for check in verify(SPEC, SIZE, seed=seed) if check.about == "field"]

    assert names(1) == names(1) != names(2)


def test_an_input_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="too small for block 2"):
        verify(SPEC, (4, 4))


# ------------------------------------------------------------------------------------------------------------ sabotage


def sabotage(monkeypatch: pytest.MonkeyPatch, how: Callable[[Any], None]) -> None:
    """Have `verify` build a network to which something is done."""

    def build(spec: SUNetSpec) -> SUNet:
        model = SUNet(spec)
        how(model)
        return model

    monkeypatch.setattr(verifying, "SUNet", build)


def stride_of_a_shortcut(model: Any) -> None:
    model.stem.residual.shortcut.stride = (1, 1)


def stride_of_the_first(model: Any) -> None:
    model.stem.conv.stride = (1, 2)


def dilation(model: Any) -> None:
    conv = model.blocks[0].unets[0].down[0].conv.conv
    conv.dilation, conv.padding = (2, 2), (2, 2)


def bias(model: Any) -> None:
    model.blocks[1].unets[0].expand.conv.bias = None


def one_more(model: Any) -> None:
    model.norm.dropout = nn.Dropout()


def one_less(model: Any) -> None:
    del model.norm.relu


def another(model: Any) -> None:
    model.norm.relu = nn.SiLU()


class Shifted(Stem):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 1  # type: ignore[no-any-return, no-untyped-call]


def an_addition(model: Any) -> None:
    model.stem.__class__ = Shifted


def renamed(model: Any) -> None:
    model.stem.residual.first, model.stem.residual.conv1 = model.stem.residual.conv1, nn.Identity()


FORWARD, EVERY_TOOL = ("maps", "a forward pass"), {("tools", tool) for tool in TOOLS}
BIASED = {("tools", tool) for tool in ("ptflops", "ptflops-pytorch", "torchinfo")}
ORDER = ("operations", "in order, with their maps")
COUNTED = {("parameters", "in all"), ("parameters", "without classifier"), ("operations", "bias, elements")}


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        (stride_of_a_shortcut, {("layers", "stem.residual.shortcut"), FORWARD} | EVERY_TOOL),
        (dilation, {("layers", "blocks.0.unets.0.down.0.conv.conv")}),
        (bias, {("layers", "blocks.1.unets.0.expand.conv"), ORDER} | COUNTED | BIASED),
        (one_more, {("layers", "norm.dropout")}),
        (
            one_less,
            {("layers", "norm.relu"), ("maps", "norm.relu"), ("operations", "relu, how many")}
            | {("operations", "relu, elements"), ("tools", "ptflops-pytorch"), ORDER},
        ),
        (an_addition, {("operations", "add, how many"), ("operations", "add, elements"), ORDER}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_sabotage_is_found_and_named(
    monkeypatch: pytest.MonkeyPatch, how: Callable[[Any], None], rows: set[tuple[str, str]]
) -> None:
    sabotage(monkeypatch, how)
    assert set(differing(verify(SPEC, SIZE))) == rows


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize(
    ("how", "expected", "found"),
    [
        (stride_of_the_first, "conv 3→2 7x7 stride 2x2", "conv 3→2 7x7 stride 1x2"),
        (another, "relu", "SiLU"),
        (bias, "padding 0x0", "padding 0x0, no bias"),
        (one_more, "nothing", "Dropout"),
        (one_less, "relu", "nothing"),
        (renamed, "conv 2→4 3x3 stride 2x2 dilation 1x1 padding 1x1", "nothing"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_a_row_says(
    monkeypatch: pytest.MonkeyPatch, how: Callable[[Any], None], expected: str, found: str
) -> None:
    sabotage(monkeypatch, how)
    first = next(check for check in verify(SPEC, SIZE) if check.difference)
    assert first.about == "layers"
    assert expected in str(first.expected)
    assert found in str(first.found)
    assert first.difference == 1


@pytest.mark.usefixtures("no_tools")
def test_maps_of_another_size_are_found_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch, stride_of_the_first)
    found = {check.name: check for check in verify(SPEC, SIZE) if check.about == "maps" and check.difference}
    assert (found["stem.conv"].expected, found["stem.conv"].found) == ("1x3x33x35 → 1x2x17x18", "1x3x33x35 → 1x2x33x18")
    assert "blocks.1.unets.0.expand.conv" in found
    assert "classifier" not in found  # the mean over a map of any size


@pytest.mark.usefixtures("no_tools")
@pytest.mark.parametrize("changes", [{"stride": 1}, {"padding": 0}, {"name": "stem.first"}], ids=str)
def test_a_wrong_row_of_the_plan_is_found(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> None:
    def wrong(spec: SUNetSpec, size: Size, batch: int = 1) -> Report:
        report = analyze(spec, size, batch)
        rows = (report.rows[0]._replace(layer=report.rows[0].layer._replace(**changes)), *report.rows[1:])
        laid_out = report.plan._replace(layers=tuple(row.layer for row in rows))
        return Report(laid_out, batch, rows, report.params, report.params_classifier, report.macs)

    monkeypatch.setattr(verifying, "analyze", wrong)
    assert ("layers", changes.get("name", "stem.conv")) in differing(verify(SPEC, SIZE))


def test_a_wrong_formula_of_a_tool_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    thop = TOOLS["thop"]
    monkeypatch.setitem(TOOLS, "thop", thop._replace(terms=thop.terms[:-1]))  # without its pools
    pooled = 8 * 4 * 4
    assert differing(verify(SPEC, SIZE)) == {("tools", "thop"): pooled}


@pytest.mark.usefixtures("no_tools")
def test_a_wrong_field_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(plan: Plan, at: tuple[int, int], of: str) -> Seen:
        found = seen(plan, at, of)
        levels = found.levels.copy()
        levels[0, 0] = UNSEEN
        return found._replace(levels=levels)

    monkeypatch.setattr(verifying, "seen", wrong)
    found = differing(verify(SPEC, SIZE))
    assert {about for about, _ in found} == {"field"}
    assert set(found.values()) == {1}


@pytest.mark.usefixtures("no_tools")
def test_a_field_in_the_wrong_place_is_found_though_its_pixels_are_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "support", lambda *args: np.roll(support(*args), 1, axis=1))
    checks = [check for check in verify(SPEC, (97, 97)) if check.difference]
    assert checks
    assert all(check.about == "field" and check.expected == check.found for check in checks)


def test_a_missing_tool_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "installed", lambda tool: tool not in ("thop", "torchinfo"))
    found = {check.name: check.found for check in verify(SPEC, SIZE) if check.about == "tools"}
    assert list(found) == list(TOOLS)
    assert found["thop"] == found["torchinfo"] == NOT_INSTALLED


def test_fvcore_is_given_one_image_of_a_batch() -> None:
    names = [check.name for check in verify(SPEC, SIZE, batch=3) if check.about == "tools"]
    assert names == ["fvcore, one image", *list(TOOLS)[1:]]


# ---------------------------------------------------------------------------------------------------- the command line


def test_the_command_compares_everything(said: Said) -> None:
    status, out, err = said(f"verify {FLAGS} --batch 2")
    assert status == 0, err
    for word in ("layers", "maps", "operations", "parameters", "tools", "field", "thop", "bias, elements"):
        assert word in out
    assert "what differs" not in out


def test_the_command_fails_where_something_differs(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch, dilation)
    status, out, err = said(f"verify {FLAGS}")
    assert status == 1
    assert "what differs" in out
    assert "blocks.0.unets.0.down.0.conv.conv  conv 4→4 3x3 stride 1x1 dilation 1x1" in out
    wanted = "comparisons differ: layers: blocks.0.unets.0.down.0.conv.conv"
    assert err.splitlines()[-1].startswith("sunetlab: 1 of ")
    assert err.splitlines()[-1].endswith(wanted)


def test_the_command_as_json(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = said(f"verify {FLAGS} --json")
    table = json.loads(out)
    assert (status, table["differ"], table["input"], table["batch"]) == (0, 0, [33, 35], 1)
    assert table["compared"] == len(table["checks"])
    sabotage(monkeypatch, bias)
    status, out, err = said(f"verify {FLAGS} --json")
    assert (status, json.loads(out)["differ"]) == (1, 8)
    wanted = "layers: blocks.1.unets.0.expand.conv, operations: in order, with their maps, "
    assert wanted in err
    assert err.endswith("and 5 more\n")


def test_an_input_that_does_not_fit_in_memory_is_refused_in_one_line(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda: 3 * 2**30)
    assert said("verify sunet-7-128-os8 --input 4096") == (
        2,
        "",
        "sunetlab: --input: 4096x4096: takes about 17.6 GiB of memory to run, and 3.0 GiB are free; "
        "give a smaller input\n",
    )
    monkeypatch.setattr(room, "free_bytes", lambda: 2**20)
    status, out, err = said("report fov sunet-64 --input 300 --measured")
    assert (status, out) == (2, "")
    assert "--input: 300x300: takes about 0.0 GiB of memory to run" in err
    monkeypatch.setattr(room, "free_bytes", lambda: None)  # a machine that does not say
    room.refuse_what_does_not_fit(analyze(SPEC, SIZE), 2**60)


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"/proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   5 kB\n"}, 5 * 1024),
        ({"/proc/meminfo": "MemAvailable: 5 kB", "memory.max": "4000", "memory.current": "3000"}, 1000),
        ({"memory.max": "4000", "memory.current": "3000", "memory.stat": "anon 1\ninactive_file 500\n"}, 1500),
        ({"memory.max": "4000", "memory.current": "5000"}, 0),
        ({"memory.max": "max", "memory.current": "3000", "/proc/meminfo": "MemAvailable: 5 kB"}, 5 * 1024),
        ({"memory/memory.limit_in_bytes": "70", "memory/memory.usage_in_bytes": "30\n"}, 40),
    ],
)
def test_free_memory(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], free: int | None) -> None:
    found = {(name if name.startswith("/") else f"/sys/fs/cgroup/{name}"): text for name, text in files.items()}
    monkeypatch.setattr(room, "_text", lambda path: found.get(str(path), ""))
    assert room.free_bytes() == free


def test_the_command_refuses_an_input_too_small_before_torch_is_loaded(said: Said) -> None:
    status, out, err = said(f"verify {FLAGS.replace('33x35', '4')}")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "too small for block 2" in err
