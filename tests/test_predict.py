"""How one image is looked at: scales, mirrors and tiles against direct computations, and evaluation that uses them."""

import itertools
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as tv

from sunetlab import InputError, SUNetSpec
from sunetlab.model.activations import levels_of, strongest_maps
from sunetlab.model.sunet import SUNet
from sunetlab.spec import Task
from sunetlab.train.boundary import BoundaryCounts
from sunetlab.train.colour import normalize, unit
from sunetlab.train.data import VOID, MemorySplit
from sunetlab.train.evaluate import Near, evaluate, evaluate_images
from sunetlab.train.loop import initial_model
from sunetlab.train.predict import ONCE, Inference, Predictor, model_at
from sunetlab.train.tiles import padded, starts
from tests.tiny import TinyData, tiny_run

CPU = torch.device("cpu")
TASKS: tuple[Task, ...] = ("classification", "segmentation")


def network(task: Task = "segmentation", **words: object) -> SUNet:
    """A small network whose BN is not at its initial state, so that evaluation and training mode differ."""
    torch.manual_seed(0)
    spec = SUNetSpec.make(
        **{"depth": 1, "n": 4, "stacks": (1, 1), "widths": "rule", "stem_width": 8, "task": task, "num_classes": 3}
        | words
    )
    model = SUNet(spec)
    with torch.no_grad():
        model(torch.rand(4, 3, 48, 48))
        for parameter in model.classifier.parameters():
            parameter.normal_()
    return model.eval()


def picture(height: int, width: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(height).integers(0, 256, (3, height, width), dtype=np.uint8))


@torch.no_grad()
def softmax_of(model: SUNet, pixels: Tensor) -> Tensor:
    found: Tensor = model(pixels[None])
    return found.softmax(1)[0]


class Pointwise(nn.Module):
    """A network that sees one pixel at a time: tiles and mirror images cannot change what it says."""

    spec = SUNetSpec.make(depth=1, n=2, stacks=(1,), stem="small", task="segmentation", num_classes=3)

    def forward(self, x: Tensor) -> Tensor:
        return 3 * x


def test_once_is_the_network_itself() -> None:
    model, image = network(), picture(41, 53)
    expected = softmax_of(model, normalize(unit(image)))
    assert torch.equal(Predictor(model, CPU)(image), expected)
    assert torch.equal(Predictor(model, CPU)(normalize(unit(image))), expected)
    whole = Inference(tile=(41, 53))
    assert torch.equal(Predictor(model, CPU, whole)(image), expected)


def test_scales_and_mirrors_are_averaged() -> None:
    model, image = network(), picture(40, 56)
    pixels, total = normalize(unit(image)), torch.zeros(3, 40, 56)
    for scale in (0.5, 0.75, 1.0, 1.25):
        scaled = tv.resize(pixels, [round(40 * scale), round(56 * scale)], antialias=True)
        for found in (softmax_of(model, scaled), softmax_of(model, scaled.flip(2)).flip(2)):
            total += tv.resize(found, [40, 56], antialias=True)
    predictor = Predictor(model, CPU, Inference(scales=(0.5, 0.75, 1.0, 1.25), flip=True))
    found = predictor(image)
    torch.testing.assert_close(found, total / 8, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.sum(0), torch.ones(40, 56))
    torch.testing.assert_close(predictor(image.flip(2)).flip(2), found, atol=1e-5, rtol=0)


def test_tiles_are_added_and_divided_by_how_many_there_are() -> None:
    model, image = network(), picture(40, 60)
    pixels = normalize(unit(image))
    total, count = torch.zeros(3, 40, 60), torch.zeros(40, 60)
    # ⌈24 · 2/3⌉ = 16, ⌈32 · 2/3⌉ = 22; the last one would begin at 44 and is moved back to 28
    for top, left in itertools.product((0, 16), (0, 22, 28)):
        total[:, top : top + 24, left : left + 32] += softmax_of(model, pixels[:, top : top + 24, left : left + 32])
        count[top : top + 24, left : left + 32] += 1
    for at_once in (1, 3, 8):
        found = Predictor(model, CPU, Inference(tile=(24, 32)), at_once=at_once)(image)
        torch.testing.assert_close(found, total / count, atol=1e-5, rtol=0)


def test_an_image_smaller_than_a_tile_stands_in_the_middle_of_the_mean_colour() -> None:
    model, image = network(), picture(25, 50)
    canvas = torch.zeros(3, 32, 50)
    canvas[:, 3:28] = normalize(unit(image))  # 7 rows more: 3 above, 4 below
    canvas = torch.cat((torch.zeros(3, 32, 3), canvas, torch.zeros(3, 32, 3)), 2)  # 6 columns more
    expected = softmax_of(model, canvas)[:, 3:28, 3:53]
    torch.testing.assert_close(Predictor(model, CPU, Inference(tile=(32, 56)))(image), expected)


@settings(max_examples=40)
@given(
    st.tuples(*[st.integers(3, 30)] * 4),
    st.sampled_from([0.3, 0.5, 2 / 3, 1.0]),
    st.booleans(),
    st.integers(1, 9),
)
def test_tiles_change_nothing_for_a_network_of_one_pixel(
    sides: tuple[int, ...], step: float, flip: bool, at_once: int
) -> None:
    height, width, *tile = sides
    image, model = picture(height, width), cast(SUNet, Pointwise())
    way = Inference(tile=(tile[0], tile[1]), step=step, flip=flip)
    found = Predictor(model, CPU, way, at_once=at_once)(image)
    torch.testing.assert_close(found, softmax_of(model, normalize(unit(image))))


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([1 / 3, 0.5, 2 / 3, 1.0]))
def test_tiles_cover_an_axis_and_stay_on_it(side: int, tile: int, step: float) -> None:
    side = max(side, tile)
    found = starts(side, tile, step)
    assert found == sorted(set(found))
    assert {at for start in found for at in range(start, start + tile)} == set(range(side))
    apart = [after - before for before, after in itertools.pairwise(found)]
    assert all(each == -(-tile * round(6 * step) // 6) for each in apart[:-1])


def test_a_canvas_has_the_image_in_its_middle() -> None:
    canvas, (rows, columns) = padded(torch.ones(3, 4, 9), (7, 6))
    assert tuple(canvas.shape) == (3, 7, 9)
    assert (rows, columns) == (slice(1, 5), slice(0, 9))
    assert canvas.sum() == canvas[:, rows, columns].sum() == 3 * 4 * 9


def test_an_answer_of_another_size_is_resized_once() -> None:
    model, image = network(), picture(40, 48)
    expected = F.interpolate(softmax_of(model, normalize(unit(image)))[None], (71, 90), mode="bilinear")[0]
    torch.testing.assert_close(Predictor(model, CPU)(image, (71, 90)), expected, atol=1e-6, rtol=0)


def test_classes_of_an_image_are_averaged_over_scales_and_mirrors() -> None:
    model, image = network("classification"), picture(40, 48)
    pixels = normalize(unit(image))
    views = [tv.resize(pixels, size, antialias=True) for size in ([40, 48], [60, 72])]
    expected = torch.stack([softmax_of(model, view) for each in views for view in (each, each.flip(2))]).mean(0)
    found = Predictor(model, CPU, Inference(scales=(1.0, 1.5), flip=True))(image)
    torch.testing.assert_close(found, expected)


def test_the_networks_mode_is_evaluation_and_then_what_it_was() -> None:
    model, image = network(), picture(40, 40)
    expected = Predictor(model, CPU)(image)
    model.train()
    assert torch.equal(Predictor(model, CPU)(image), expected)
    assert model.training


@pytest.mark.parametrize("scales", [(0.1,), (1.0, 0.1)])
def test_an_image_that_becomes_too_small_is_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="4x4: too small for block 2"):
        Predictor(network(), CPU, Inference(scales=scales))(picture(40, 40))


@pytest.mark.parametrize("wrong", [{"scales": ()}, {"scales": (0.0,)}, {"scales": (1.0, 1.0)}, {"step": 0.0}])
def test_ways_to_look_that_are_none(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Inference.model_validate(wrong)


def test_a_network_runs_at_another_output_stride_with_the_same_weights() -> None:
    model = network(stacks=(1, 1, 1))
    for words in ({"output_stride": 4}, {"output_stride": 8, "downsampling": "strided"}):
        spec = model.spec.replace(**words)
        expected = SUNet(spec)
        before = torch.get_rng_state()
        other = model_at(model, spec)
        assert torch.equal(torch.get_rng_state(), before)
        expected.load_state_dict(model.state_dict())
        x = torch.ones(1, 3, 48, 40).cumsum(3)
        assert torch.equal(other(x), expected.eval()(x))
        assert not torch.allclose(other(x), model(x))
        assert other.spec == spec


def test_weights_of_another_network_are_refused_by_the_tensor() -> None:
    model = network()
    with pytest.raises(InputError, match=r"tensor .* is \(4,\) in the weights, \(5,\) in the network"):
        model_at(model, model.spec.replace(n=5))
    with pytest.raises(InputError, match=r"tensor blocks\.0\.unets\.0\.down\.1\..* is none in the weights"):
        model_at(model, model.spec.replace(depth=2))


@pytest.mark.parametrize("task", TASKS)
def test_images_looked_at_one_by_one_have_the_figures_of_batches(task: Task) -> None:
    data, model = TinyData(task), initial_model(tiny_run(task))
    near = Near((1, 2)) if task == "segmentation" else None
    batched = evaluate(model, data.split("val"), CPU, batch_size=7, near=near)
    seen: list[tuple[int, int]] = []
    single = evaluate_images(Predictor(model, CPU), data.split("val"), 7, lambda *at: seen.append(at), near)
    assert single.figures == pytest.approx(batched.figures, rel=1e-5)
    assert torch.equal(single.confusion, batched.confusion)
    assert seen == [(done, 24) for done in range(1, 25)]
    assert single.boundary.keys() == batched.boundary.keys()
    for k in single.boundary:
        assert all(map(torch.equal, single.boundary[k], batched.boundary[k]))
    assert model.training


def test_images_on_a_canvas_are_looked_at_without_it() -> None:
    """As many images alone, each a split of its own, as on one canvas."""
    data, model = TinyData("segmentation", count=4, side=32), initial_model(tiny_run("segmentation")).eval()
    sizes = torch.tensor([[32, 32], [24, 32], [32, 20], [17, 23]])
    for image, target, (height, width) in zip(data.images, data.targets, sizes.tolist(), strict=True):
        image[:, height:], target[height:] = 0, VOID
        image[:, :, width:], target[:, width:] = 0, VOID
    canvas = MemorySplit("segmentation", data.images, data.targets, sizes)
    predictor, near = Predictor(model, CPU, Inference(flip=True)), Near((2,))
    found = evaluate_images(predictor, canvas, 4, near=near)
    confusion, counts = torch.zeros(3, 3, dtype=torch.int64), BoundaryCounts.zero(3)
    for image, target, (height, width) in zip(data.images, data.targets, sizes.tolist(), strict=True):
        alone = MemorySplit("segmentation", image[None, :, :height, :width], target[None, :height, :width])
        single = evaluate_images(predictor, alone, 1, near=near)
        confusion += single.confusion
        counts = counts.plus(single.boundary[2])
    assert torch.equal(found.confusion, confusion)
    assert all(map(torch.equal, found.boundary[2], counts))
    # in batches the network sees the canvas too, but bands still end at the image's edge, not at the canvas's
    batched = evaluate(model, canvas, CPU, batch_size=4, near=near)
    assert torch.equal(batched.boundary[2].bands[1], found.boundary[2].bands[1])


def test_the_loss_of_several_views_is_that_of_the_averaged_probabilities() -> None:
    data, model = TinyData("segmentation"), initial_model(tiny_run("segmentation")).eval()
    predictor = Predictor(model, CPU, Inference(scales=(1.0, 1.5), flip=True))
    found = evaluate_images(predictor, data.split("val"), 5)
    probabilities = torch.stack([predictor(image) for image in data.images])
    valid = data.targets != VOID
    taken = probabilities.gather(1, data.targets.long().clamp(max=2)[:, None])[:, 0]
    assert found.figures["loss"] == pytest.approx(-float(taken[valid].log().mean()), rel=1e-5)
    hits = (probabilities.argmax(1) == data.targets)[valid]
    assert found.figures["pixel_accuracy"] == pytest.approx(float(hits.double().mean()))


def test_bf16_and_channels_last_are_near() -> None:
    model, image = network(), picture(40, 40)
    expected = Predictor(model, CPU)(image)
    found = Predictor(model, CPU, ONCE, bf16=True, channels_last=True)(image)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)
    assert not torch.equal(found, expected)


def test_the_strongest_map_of_each_level_is_that_of_the_greatest_magnitude() -> None:
    model = network(stacks=(1, 1, 1), num_classes=5)
    x = normalize(unit(picture(40, 56)[None]))
    found = strongest_maps(model, x)
    layers = ["stem.conv", "blocks.0", "blocks.1", "blocks.2", "classifier"]
    assert [each.layer for each in found] == levels_of(model) == layers
    assert [each.level for each in found] == [1, 2, 3, 4, 5]
    with torch.no_grad():
        maps = [model.stem.conv(x), model.stem(x)]
        for block in model.blocks:
            maps.append(block(maps[-1]))
        logits = model.classifier(model.forward_features(x))
    for each, level in zip(found, [maps[0], *maps[2:], logits], strict=True):
        sums = [float(channel.abs().sum()) for channel in level[0]]
        assert each.channel == sums.index(max(sums))
        assert torch.equal(each.values, level[0, each.channel])
        assert each.channels == level.shape[1]
    assert levels_of(network("classification")) == ["stem.conv", "blocks.0", "blocks.1"]
