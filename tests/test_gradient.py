"""Measured fields: the effective field as its definition has it, on networks whose answer is known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sunetlab import InputError, SUNetSpec, build
from sunetlab.analysis.fov import paths, seen
from sunetlab.analysis.plan import plan
from sunetlab.model.gradient import INSIDE, effective_field, slender, support
from tests.conftest import Said
from tests.specs import random_spec

WORDS = {"n": 4, "stacks": (1, 1), "depth": 1, "stem": "small", "stem_width": 4, "num_classes": 3}


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_effective_field_by_its_definition(task: str) -> None:
    torch.manual_seed(0)
    model = build(SUNetSpec.make(task=task, **WORDS)).eval()
    images = torch.rand(3, 3, 24, 20)
    at = (5, 4)
    total = torch.zeros(24, 20)
    for image in images:
        x = image[None].clone().requires_grad_()
        here = model.forward_features(x)[..., at[0], at[1]]  # (1, C)
        weight, bias = list(model.classifier.parameters())
        (gradient,) = torch.autograd.grad((here @ weight.flatten(1).T).add(bias).max(), x)
        total += gradient[0].abs().sum(0)
    found = effective_field(model, (image[None] for image in images), at)
    np.testing.assert_allclose(found.weights, (total / total.sum()).numpy(), rtol=1e-4, atol=1e-9)
    inside = int((total > INSIDE * total.max()).sum())
    assert effective_field(model, [images[:1]]).at == (6, 5)
    assert (found.at, found.images, found.side) == (at, 3, math.sqrt(inside))
    assert found.radius == pytest.approx(math.sqrt(inside / math.pi))
    assert found.weights[~seen(plan(model.spec, (24, 20)), at).on((24, 20))].sum() == 0


def test_equal_kernels_give_the_path_counts() -> None:
    """With every weight equal the effective field is the share of paths (Luo et al. 2016, §3)."""
    spec = SUNetSpec.make(**{**WORDS, "n": 1, "widths": (1, 1), "stem_width": 2, "task": "segmentation"})
    model = build(spec).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.constant_(module.weight, 1.0)
            torch.nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    with torch.no_grad():  # two maps of the same, and three channels, count once
        for name in ("stem.conv", "stem.residual.conv2", "blocks.0.unets.0.reduce", "blocks.0.unets.0.skip"):
            weight = model.get_submodule(name).get_parameter("weight")
            weight.mul_(1 / weight.shape[1])
    found = effective_field(model, [torch.ones(1, 3, 20, 20, dtype=torch.float64)], (5, 5))
    expected = paths(plan(spec, (20, 20)), (5, 5))
    height, width = expected.weights.shape
    (top, left) = expected.first
    np.testing.assert_allclose(found.weights[top : top + height, left : left + width], expected.weights, rtol=1e-4)
    assert found.spread == pytest.approx(expected.spread, rel=1e-4)


def test_no_image_and_no_position() -> None:
    model = build(SUNetSpec.make(**WORDS))
    with pytest.raises(InputError, match="images: none were given"):
        effective_field(model, [])
    with pytest.raises(InputError, match="at: 99,0: the head's map is 8x8"):
        effective_field(model, [torch.ones(1, 3, 16, 16)], (99, 0))
    with pytest.raises(InputError, match="'block 9': no such box"):
        support(model.spec, (16, 16), (0, 0), "block 9")


@pytest.mark.parametrize("seed", range(20))
def test_slender_networks_keep_the_geometry(seed: int) -> None:
    import random

    spec = random_spec(random.Random(seed))
    thin = slender(spec)
    for word in ("depth", "stacks", "dilations", "downsampling", "connectivity", "degrid", "stem", "task"):
        assert getattr(thin, word) == getattr(spec, word)
    assert (thin.n, thin.in_channels) == (1, 1)


def test_effective_field_of_a_run(said: Said) -> None:
    flags = "--depth 1 --n 4 --stacks 1,1 --widths rule --stem-width 4"
    data = "--data scenes --size 32 --train-images 16 --val-images 16"
    assert said(f"train {flags} {data} --recipe quick --epochs 1 --out run --json")[0] == 0
    status, out, err = said("report fov run --measured --images 4 --image field.png --json")
    assert status == 0
    position = json.loads(out)["position"]
    assert position["gradient_differs_in"] == 0
    assert position["effective"]["images"] == 4
    assert 0 < position["effective"]["radius"] < 32
    assert position["sets"][0]["size"][0] <= 32  # at the size of the run's images
    assert err.splitlines()[-1] == "saved field.png"
    assert sum(position["sets"][0]["levels"]) == position["sets"][0]["seen"]
    for flags, line in (("--depth 2", "--measured: run holds another network"), ("--input 16", "--input: 16x16: the")):
        status, out, err = said(f"report fov run --measured {flags}")
        assert (status, out) == (2, "")
        assert line in err
    Path("run/result.json").write_text('{"size": ["a", "b"]}')
    assert said("report fov run")[2].startswith("sunetlab: run/result.json: is damaged: size: 'a','b'")
