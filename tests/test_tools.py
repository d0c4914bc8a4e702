"""What the counting tools print, foreseen from a spec alone, against the tools themselves."""

import builtins
import csv
import io
import json
import random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import PRESETS, InputError, SunetlabError, SUNetSpec, analyze, build, preset
from sunetlab.analysis.cost import apart
from sunetlab.analysis.tools import TOOLS, figure, reconcile
from sunetlab.model.counters import COUNTERS, count, installed, without_weights
from sunetlab.model.sunet import SUNet
from tests.conftest import Golden, Said
from tests.specs import random_size, random_spec, random_specs

CHUNKS, PER_CHUNK = 8, 2  # a tool takes its time: a thousand by `pytest -m slow`
ONE_IMAGE = ("ptflops", "ptflops-pytorch")
SMALL: dict[str, Any] = {"n": 4, "stem_width": 8, "stacks": (1, 1), "num_classes": 5}


def on_meta(spec: SUNetSpec) -> SUNet:
    with torch.device("meta"):
        return build(spec)


def every_tool_prints_what_was_foreseen(spec: SUNetSpec, size: tuple[int, int], batch: int = 1) -> None:
    model, report = on_meta(spec), analyze(spec, size, batch)
    for tool in filter(installed, TOOLS):
        assert (tool, count(tool, model, size, batch)) == (tool, figure(report, tool)), (spec.summary, size, batch)


# ------------------------------------------------------------------------------------------------ the tools themselves


def test_every_tool_can_be_run_and_is_installed_for_the_tests() -> None:
    assert list(COUNTERS) == list(TOOLS)
    assert all(map(installed, TOOLS))


def random_networks(seed: int, many: int) -> None:
    rng = random.Random(seed)
    for _ in range(many):
        spec = random_spec(rng)
        every_tool_prints_what_was_foreseen(spec, random_size(rng, spec), batch=rng.choice((1, 1, 2, 3)))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_networks(chunk: int) -> None:
    random_networks(chunk, PER_CHUNK)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(100))
def test_a_thousand_random_networks(chunk: int) -> None:
    random_networks(1000 + chunk, 10)


@pytest.mark.parametrize("name", ["sunet-64", "sunet-128-os16"])
def test_presets_on_a_small_image(name: str) -> None:
    every_tool_prints_what_was_foreseen(preset(name), (64, 65))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(224, 224), (512, 512)], ids=str)
@pytest.mark.parametrize("name", PRESETS)
def test_presets_at_full_size(name: str, size: tuple[int, int]) -> None:
    every_tool_prints_what_was_foreseen(preset(name), size)


@pytest.mark.parametrize(
    "words",
    [{}, {"task": "segmentation", "degrid": True}, {"connectivity": "dense", "widths": (13, 29), "output_stride": 4}],
    ids=str,
)
def test_every_image_of_a_batch_but_where_a_tool_makes_its_own(words: dict[str, Any]) -> None:
    spec, size = SUNetSpec.make(**SMALL, **words), (33, 47)
    every_tool_prints_what_was_foreseen(spec, size, batch=3)
    one, three = analyze(spec, size), analyze(spec, size, batch=3)
    for tool in TOOLS:
        assert figure(three, tool) == figure(one, tool) * (1 if tool in ONE_IMAGE else 3)


def test_a_tool_leaves_nothing_behind_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    model = build(SUNetSpec.make(**SMALL)).train()

    def state() -> list[tuple[object, ...]]:
        return [(name, sorted(vars(module)), len(module._forward_hooks), len(module._forward_pre_hooks),
                 list(module._buffers), module.training) for name, module in model.named_modules()]  # fmt: skip

    before, weights = state(), {name: value.clone() for name, value in model.state_dict().items()}
    relu, add = torch.nn.functional.relu, torch.Tensor.add
    for tool in TOOLS:
        count(tool, model, (33, 33))
        assert (tool, state()) == (tool, before)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert torch.nn.functional.relu is relu
    assert torch.Tensor.add is add
    assert capfd.readouterr() == ("", "")


def test_a_copy_without_weights_takes_no_memory_and_keeps_its_changes() -> None:
    model = build(SUNetSpec.make(**SMALL))
    model.stem.conv.bias = None
    model.norm.bn.weight.requires_grad = False
    copied = without_weights(model)
    assert {tensor.device.type for tensor in (*copied.parameters(), *copied.buffers())} == {"meta"}
    assert [(n, p.shape, p.requires_grad) for n, p in copied.named_parameters()] == [
        (n, p.shape, p.requires_grad) for n, p in model.named_parameters()
    ]
    assert copied.stem.conv.bias is None


def test_what_differs_from_the_plan_is_not_foreseen() -> None:
    """The comparison above can fail: without one bias, the tools that count biases print less."""
    spec, size = SUNetSpec.make(**SMALL, task="segmentation"), (40, 40)
    report = analyze(spec, size)
    model = build(spec)
    model.stem.conv.bias = None
    differences = {tool: figure(report, tool) - count(tool, model, size) for tool in TOOLS}
    lost = 4 * 20 * 20  # elements that the stem's first convolution gives
    assert differences == {
        "fvcore": 0,
        "ptflops": lost,
        "ptflops-pytorch": lost,
        "torch": 0,
        "torchinfo": lost,
        "thop": 0,
    }


def test_a_tool_that_is_missing_or_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(SUNetSpec.make(**SMALL))
    with pytest.raises(SunetlabError, match="ptflops, aten backend: RuntimeError: "):
        count("ptflops", model, (1, 1))
    real = builtins.__import__

    def refuse(name: str, *args: Any) -> Any:
        if name.startswith("fvcore"):
            raise ImportError("broken")
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SunetlabError, match="fvcore: cannot be imported: broken"):
        count("fvcore", model, (33, 33))


# ---------------------------------------------------------------------------------------------------- from a plan alone


@given(random_specs(), st.integers(0, 2**32), st.integers(1, 4), st.sampled_from(sorted(TOOLS)))
def test_terms_sum_to_the_figure_and_begin_with_the_macs(spec: SUNetSpec, seed: int, batch: int, tool: str) -> None:
    report = analyze(spec, random_size(random.Random(seed), spec), batch)
    macs, *terms = reconcile(report, tool)
    assert (macs.what, macs.amount) == ("MACs", report.macs)
    assert figure(report, tool) == report.macs + sum(term.times * term.number for term in terms)


def test_an_unknown_tool() -> None:
    with pytest.raises(InputError, match="'fvcor': no such tool; known are fvcore, ptflops, "):
        figure(analyze(preset("sunet-64")), "fvcor")


def test_fvcore_by_hand() -> None:
    """FACTS §3, in other words than the table's: MACs + 2 per BN element + 4 per element of the resize."""
    report = analyze(preset("sunet-64-os32"), (512, 512))
    assert report.macs == 13_220_446_208
    resized = 21 * 512 * 512
    assert figure(report, "fvcore") == 13_220_446_208 + 2 * apart(report.rows)["bn"] + 4 * resized


@pytest.mark.parametrize("name", PRESETS)
def test_transposed_convolutions_at_the_outputs_size_cost_a_quarter_to_a_third(name: str) -> None:
    """FACTS §3: "23–35 % too much at output stride 32"."""
    report = analyze(preset(name), (224, 224))
    more = figure(report, "torchinfo") / report.macs - 1
    if report.spec.output_stride == 32:
        assert 0.23 < more < 0.35


def test_figures_of_the_presets(golden: Golden) -> None:
    """Kept so that a change shows; proved by `test_presets_at_full_size`."""
    figures = {}
    for name in PRESETS:
        for size in (preset(name).design_size, (512, 512)):
            report = analyze(preset(name), size)
            figures[f"{name} {size[0]}x{size[1]}"] = {tool: figure(report, tool) for tool in TOOLS}
    golden("tools", figures)


# ---------------------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize("tool", TOOLS)
def test_as_a_tool_prints_it_and_nothing_else(said: Said, tool: str) -> None:
    report = analyze(preset("sunet-64-os8"), (97, 131), 2)
    line = f"report macs sunet-64-os8 --input 97x131 --batch 2 --as {tool}"
    note = f"{tool} makes its input itself: its figure is that of one image, whatever the batch\n"
    assert said(line) == (0, f"{figure(report, tool)}\n", note if tool in ONE_IMAGE else "")
    assert said(line.replace("--batch 2", ""))[2] == ""
    record = json.loads(said(f"{line} --json")[1])["tools"]
    assert list(record) == [tool]
    assert record[tool]["one_image"] == (tool in ONE_IMAGE)
    assert record[tool]["prints"] == sum(term["amount"] for term in record[tool]["terms"]) == figure(report, tool)


def test_the_reconciliation_as_a_table_and_as_csv(said: Said) -> None:
    line = "report macs sunet-64 --reconcile --batch 2"
    report = analyze(preset("sunet-64"), batch=2)
    sums = dict.fromkeys(TOOLS, 0)
    totals = {}
    for row in csv.DictReader(io.StringIO(said(f"{line} --csv")[1])):
        if row["term"] == "what it prints":
            totals[row["tool"]] = int(row["amount"])
            continue
        assert int(row["times"]) * int(row["number"]) == int(row["amount"])
        sums[row["tool"]] += int(row["amount"])
    assert totals == sums == {tool: figure(report, tool) for tool in TOOLS}
    table = said(line)[1]
    for tool in TOOLS:
        assert f"{figure(report, tool):,}" in table
    assert "thop" not in said(f"{line} --as fvcore")[1]


def test_a_slip_in_a_tools_name(said: Said) -> None:
    status, out, err = said("report macs sunet-64 --as fvcor")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "--as: 'fvcor': no such tool; known are fvcore, ptflops" in err
