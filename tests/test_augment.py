"""Views of a batch: exact where pixels move whole, right where they are resampled, drawn as the docstrings say."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from sunetlab.train.augment import _affine, _bilinear, _nearest, _sources, augment, prepare
from sunetlab.train.augmentation import Augment
from sunetlab.train.colour import DEVIATION, MEAN, jitter
from sunetlab.train.data import VOID


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(batch: int, height: int, width: int, classes: int = 11) -> tuple[Tensor, Tensor]:
    """Images and masks in which no two neighbourhoods are alike."""
    generator = seeded(height * width)
    images = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)
    masks = torch.randint(0, classes, (batch, height, width), dtype=torch.uint8, generator=generator)
    return images, masks


def draws(batch: int = 1, **values: float) -> Tensor:
    """Chosen draws in place of random ones; 0.5 is the middle of every range, and no mirror."""
    names = ("flip", "scale", "rotate", "shift_x", "shift_y", "crop_x", "crop_y")
    return torch.tensor([[values.get(name, 0.5) for name in names]] * batch, dtype=torch.float64)


def shifted(values: Tensor, down: int, right: int, outside: float) -> Tensor:
    """Slicing: (..., H, W) moved by whole pixels."""
    height, width = values.shape[-2:]
    reach = max(abs(down), abs(right))
    padded = F.pad(values.float(), (reach,) * 4, value=outside)
    top, left = reach - down, reach - right
    return padded[..., top : top + height, left : left + width].to(values.dtype)


# --- Nothing is lost where nothing must be -------------------------------------------------------------------------


def test_prepare_is_the_textbook_normalisation() -> None:
    images, masks = noise(3, 8, 9)
    pixels, targets = prepare(images, masks)
    expected = reference.normalize(images.float() / 255, list(MEAN), list(DEVIATION))
    torch.testing.assert_close(pixels, expected)
    assert pixels.dtype == torch.float32
    assert targets.dtype == torch.int64
    assert torch.equal(targets, masks.long())


def test_nothing_asked_is_prepare() -> None:
    images, masks = noise(5, 7, 10)
    for config in (Augment(flip=False), Augment(flip=False, crop=(7, 10))):
        pixels, targets = augment(images, masks, config, seeded())
        assert torch.equal(pixels, prepare(images, masks)[0])
        assert torch.equal(targets, masks.long())


def test_the_input_is_left_as_it_was() -> None:
    images, masks = noise(4, 8, 8)
    before = images.clone(), masks.clone()
    augment(images, masks, Augment(scale=(0.5, 2), rotate=10, shift=0.2, color=0.5), seeded())
    assert torch.equal(images, before[0])
    assert torch.equal(masks, before[1])


@pytest.mark.parametrize("size", [(32, 32), (9, 14), (13, 6)])
def test_a_mirror_is_torch_flip_to_the_bit(size: tuple[int, int]) -> None:
    images, masks = noise(64, *size)
    whole, labels = prepare(images, masks)
    pixels, targets = augment(images, masks, Augment(), seeded())
    mirrored = torch.tensor([torch.equal(a, b.flip(-1)) for a, b in zip(pixels, whole, strict=True)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(pixels, whole, strict=True)])
    assert torch.equal(mirrored, ~kept)
    assert 16 < mirrored.sum() < 48
    assert torch.equal(targets, torch.where(mirrored[:, None, None], labels.flip(-1), labels))


@pytest.mark.parametrize("size", [(16, 16), (8, 24)])
def test_a_shift_is_slicing_to_the_bit(size: tuple[int, int]) -> None:
    images, masks = noise(500, *size)
    whole, labels = prepare(images, masks)
    pixels, targets = augment(images, masks, Augment(shift=0.125), seeded())
    reach_y, reach_x = size[0] // 8, size[1] // 8
    found = torch.zeros(500, dtype=torch.int64)
    for flip in (False, True):
        for down in range(-reach_y, reach_y + 1):
            for right in range(-reach_x, reach_x + 1):
                image = shifted(whole.flip(-1) if flip else whole, down, right, 0.0)
                mask = shifted(labels.flip(-1) if flip else labels, down, right, VOID)
                same = (image == pixels).flatten(1).all(1)
                assert torch.equal((mask == targets).flatten(1).all(1), same)
                assert same.any(), "every shift and mirror occurs among 500"
                found += same
    assert (found == 1).all()


@pytest.mark.parametrize(("size", "window"), [((12, 15), (8, 8)), ((8, 7), (11, 12)), ((6, 12), (9, 9))])
def test_a_crop_is_slicing_to_the_bit(size: tuple[int, int], window: tuple[int, int]) -> None:
    """A window in the image, an image in the window, and one of each."""
    images, masks = noise(300, *size)
    grow = [max(w - s, 0) for s, w in zip(size, window, strict=True)]  # room for an image inside the window
    room = [abs(s - w) for s, w in zip(size, window, strict=True)]
    padding = (grow[1], grow[1], grow[0], grow[0])
    whole = F.pad(prepare(images, masks)[0], padding)
    labels = F.pad(masks.long(), padding, value=VOID)
    pixels, targets = augment(images, masks, Augment(flip=False, crop=window), seeded())
    found = torch.zeros(300, dtype=torch.int64)
    for top in range(room[0] + 1):
        for left in range(room[1] + 1):
            place = (..., slice(top, top + window[0]), slice(left, left + window[1]))
            same = (whole[place] == pixels).flatten(1).all(1)
            assert torch.equal((labels[place] == targets).flatten(1).all(1), same)
            assert same.any(), "every place occurs among 300"
            found += same
    assert (found == 1).all()


# --- Resampling against other implementations ----------------------------------------------------------------------


def sizes(height: int, width: int, count: int = 1) -> Tensor:
    """(count, 2): images of one size."""
    return torch.tensor([[height, width]]).expand(count, 2)


def waves(size: int) -> Tensor:
    """(1, 3, size, size): smooth, without symmetry."""
    y, x = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    return torch.stack([torch.sin(5 * x + 3 * y), torch.cos(4 * y - 2 * x), x * x - y])[None]


@pytest.mark.parametrize("degrees", [-40.0, -7.0, 10.0, 90.0])
def test_rotation_is_that_of_torchvision(degrees: float) -> None:
    pixels = waves(41)
    config = Augment(rotate=180)
    place = _sources(_affine(draws(rotate=0.5 + degrees / 360), sizes(41, 41), (41, 41), config).float(), (41, 41))
    expected = reference.rotate(pixels, degrees, InterpolationMode.BILINEAR)
    inside = reference.rotate(F.pad(torch.ones(1, 1, 37, 37), (2,) * 4), degrees, InterpolationMode.NEAREST) > 0
    difference = (_bilinear(pixels, *place) - expected).abs().amax(1, keepdim=True)
    assert difference[inside].max() < 1e-4
    labels = torch.arange(41 * 41).view(1, 1, 41, 41)
    nearest = reference.rotate(labels, degrees, InterpolationMode.NEAREST)
    # Two pixels may be equally near; that is the case for few.
    assert (_nearest(labels, *place, 0, sizes(41, 41)) == nearest)[inside].float().mean() > 0.99


def test_a_positive_angle_turns_counter_clockwise() -> None:
    label = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
    label[..., 4, 8] = 1  # at three o'clock
    place = _sources(_affine(draws(rotate=0.75), sizes(9, 9), (9, 9), Augment(rotate=180)).float(), (9, 9))
    turned = _nearest(label, *place, VOID, sizes(9, 9))
    assert turned[0, 0].nonzero().tolist() == [[0, 4]]  # at twelve


@pytest.mark.parametrize("degrees", [-10.0, 4.0, 10.0])
@pytest.mark.parametrize("zoom", [0.5, 0.8, 1.7])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_point_goes_where_the_formula_says(degrees: float, zoom: float, mirrored: bool) -> None:
    """An image whose channels are its own coordinates says where every output pixel came from."""
    size, window = (60, 80), (24, 31)
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    config = Augment(scale=(zoom, zoom), rotate=10)
    chosen = draws(flip=0.0 if mirrored else 0.9, rotate=0.5 + degrees / 20, crop_x=0.5, crop_y=0.5)
    got = _bilinear(
        torch.stack([x, y])[None], *_sources(_affine(chosen, sizes(*size), window, config).float(), window)
    )[0]

    # Two pixels that are surely seen, each carried forward: mirror, rotate, zoom, about the centre.
    for right, down in ((3.0, 2.0), (-4.0, 1.0)):
        turn = math.radians(degrees)
        u = -right if mirrored else right
        px = zoom * (u * math.cos(turn) + down * math.sin(turn)) + (window[1] - 1) / 2
        py = zoom * (-u * math.sin(turn) + down * math.cos(turn)) + (window[0] - 1) / 2
        at = torch.tensor([[[[2 * (px + 0.5) / window[1] - 1, 2 * (py + 0.5) / window[0] - 1]]]])
        seen = F.grid_sample(got[None], at, align_corners=False)[0, :, 0, 0]
        torch.testing.assert_close(seen, torch.tensor([right + 39.5, down + 29.5]), atol=1e-3, rtol=0)


def test_scale_two_is_interpolate() -> None:
    images, masks = noise(2, 10, 13)
    pixels, targets = augment(images, masks, Augment(flip=False, scale=(2, 2), crop=(20, 26)), seeded())
    expected = F.interpolate(prepare(images, masks)[0], scale_factor=2, mode="bilinear")
    # interpolate repeats the edge, this fades it to the mean: the outermost half pixel differs.
    torch.testing.assert_close(pixels[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pixels[..., 0, 1:-1], 0.75 * expected[..., 0, 1:-1], atol=1e-5, rtol=1e-5)
    assert torch.equal(targets, masks.long().repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_scale_one_half_is_the_mean_of_four() -> None:
    images, masks = noise(2, 12, 16)
    pixels, _ = augment(images, masks, Augment(flip=False, scale=(0.5, 0.5), crop=(6, 8)), seeded())
    torch.testing.assert_close(pixels, F.avg_pool2d(prepare(images, masks)[0], 2), atol=1e-5, rtol=1e-5)


# --- Image and mask together ----------------------------------------------------------------------------------------


def patches(batch: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Flat regions in colours that tell their label; the mask is void within one pixel of a border.

    Whatever pixel is nearest, its eight neighbours then have its colour, so interpolation must return that colour.
    """
    generator = seeded()
    coarse = torch.randint(0, 5, (batch, 1, 4, 5), generator=generator)
    labels = F.interpolate(coarse.float(), (height, width), mode="nearest")
    palette = torch.randint(0, 256, (5, 3), dtype=torch.uint8, generator=generator)
    images = palette[labels[:, 0].long()].permute(0, 3, 1, 2).contiguous()
    ring = F.pad(labels, (1,) * 4, value=-1.0)
    pure = F.max_pool2d(ring, 3, 1) == -F.max_pool2d(-ring, 3, 1)
    masks = torch.where(pure, labels, VOID)[:, 0].to(torch.uint8)
    return images, masks, palette


@pytest.mark.parametrize(
    "config",
    [
        Augment(),
        Augment(shift=0.25),
        Augment(rotate=10),
        Augment(rotate=180, crop=50),
        Augment(scale=(0.5, 2)),
        Augment(scale=(0.5, 2), rotate=10, shift=0.1, crop=(33, 70)),
        Augment(area=(0.1, 1), aspect=(0.5, 2), crop=(40, 40)),
        Augment(area=(0.2, 1), rotate=20, crop=(33, 70)),
    ],
)
@pytest.mark.parametrize("on_canvas", [False, True])
def test_a_mask_still_tells_the_colour(config: Augment, on_canvas: bool) -> None:
    images, masks, palette = patches(16, 60, 80)
    shapes = None
    if on_canvas:  # of several sizes, the rest black and void
        images, masks = F.pad(images, (0, 20, 0, 10)), F.pad(masks, (0, 20, 0, 10), value=VOID)
        shapes = torch.stack((torch.randint(40, 61, (16,)), torch.randint(50, 81, (16,))), 1)
        for image, mask, (height, width) in zip(images, masks, shapes.tolist(), strict=True):
            image[:, height:], image[:, :, width:], mask[height:], mask[:, width:] = 0, 0, VOID, VOID
            mask[height - 1], mask[:, width - 1] = VOID, VOID  # the edge fades
    pixels, targets = augment(images, masks, config, seeded(1), shapes)
    colours = prepare(palette[:, :, None, None], torch.zeros(5))[0][:, :, 0, 0]
    known = targets != VOID
    assert known.float().mean() > (0.1 if on_canvas else 0.3)
    seen = pixels.permute(0, 2, 3, 1)[known]
    torch.testing.assert_close(seen, colours[targets[known]], atol=1e-4, rtol=0)


@pytest.mark.parametrize("config", [Augment(shift=0.4), Augment(scale=(0.3, 0.6), rotate=30), Augment(crop=(90, 90))])
def test_outside_is_the_mean_and_void(config: Augment) -> None:
    images = torch.full((8, 3, 60, 80), 255, dtype=torch.uint8)
    pixels, targets = augment(images, torch.ones(8, 60, 80, dtype=torch.uint8), config, seeded())
    outside = targets == VOID
    assert {*targets.flatten().tolist()} == {1, VOID}
    # Beyond the half pixel over which an interpolated edge fades.
    far = -F.max_pool2d(-outside.float(), 5, 1, 2) > 0
    assert far.any()
    assert (pixels.permute(0, 2, 3, 1)[far] == 0).all()
    if not config.resamples:
        assert torch.equal((pixels == 0).all(1), outside)


# --- Colour ---------------------------------------------------------------------------------------------------------


def test_colour_is_that_of_torchvision() -> None:
    pixels = noise(4, 9, 9)[0].float() / 255
    factors = torch.tensor([[0.5, 1.3, 0.7], [1.4, 0.6, 1.5], [1.0, 1.0, 1.0], [0.0, 2.0, 0.0]])
    for sample, (brightness, contrast, saturation), got in zip(
        pixels, factors.tolist(), jitter(pixels, factors, torch.full((4,), 81.0)), strict=True
    ):
        expected = reference.adjust_brightness(sample, brightness)
        expected = reference.adjust_contrast(expected, contrast)
        expected = reference.adjust_saturation(expected, saturation)
        torch.testing.assert_close(got, expected, atol=1e-3, rtol=0)  # torchvision rounds the weights of grey


def test_colour_leaves_the_places_alone() -> None:
    images, masks = noise(8, 20, 20)
    plain = augment(images, masks, Augment(shift=0.2), seeded(3))
    bright = augment(images, masks, Augment(shift=0.2, color=0.4), seeded(3))
    assert torch.equal(plain[1], bright[1])
    assert not torch.equal(plain[0], bright[0])


# --- Draws ----------------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_views() -> None:
    images, masks = noise(8, 20, 20)
    config = Augment(scale=(0.5, 2), rotate=10, shift=0.1, color=0.2)
    first, again, other = (augment(images, masks, config, seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_every_sample_has_its_own_view() -> None:
    image = noise(1, 20, 20)[0].expand(16, -1, -1, -1)
    pixels, _ = augment(image, torch.zeros(16, dtype=torch.int64), Augment(scale=(0.5, 2), rotate=10), seeded())
    assert len({tuple(sample.flatten().tolist()) for sample in pixels}) == 16


@pytest.mark.parametrize("config", [Augment(flip=False), Augment(scale=(0.5, 2), rotate=5), Augment(color=0.5)])
def test_the_generator_advances_alike(config: Augment) -> None:
    images, masks = noise(3, 6, 6)
    generator, expected = seeded(), seeded()
    augment(images, masks, config, generator)
    augment(images, masks, Augment(), expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def maps(config: Augment, size: tuple[int, int], window: tuple[int, int], count: int = 20_000) -> Tensor:
    """(count, 2, 3): random maps."""
    return _affine(torch.rand(count, 7, generator=seeded(), dtype=torch.float64), sizes(*size, count), window, config)


def test_zoom_is_log_uniform_and_rotation_uniform() -> None:
    affine = maps(Augment(scale=(0.5, 2), rotate=10), (50, 60), (50, 60))
    octaves = -torch.linalg.det(affine[:, :, :2]).abs().log2() / 2  # uniform on (-1, 1)
    degrees = torch.rad2deg(torch.atan(affine[:, 1, 0] / affine[:, 1, 1]))  # uniform on (-10, 10)
    for uniform in (octaves, degrees / 10):
        assert uniform.abs().max() <= 1 + 1e-9
        assert uniform.abs().max() > 0.999
        assert abs(uniform.mean()) < 0.02
        assert abs(uniform.square().mean() - 1 / 3) < 0.01
    assert abs((affine[:, 0, 0] < 0).double().mean() - 0.5) < 0.02
    assert abs(torch.corrcoef(torch.stack([octaves, degrees]))[0, 1]) < 0.03


def test_shifts_are_uniform_over_whole_pixels() -> None:
    affine = maps(Augment(flip=False, shift=0.125), (32, 32), (32, 32))
    for axis in (0, 1):
        values, counts = torch.unique(affine[:, axis, 2] - 15.5, return_counts=True)
        assert values.tolist() == list(range(-4, 5))
        assert (counts.double() / 20_000 - 1 / 9).abs().max() < 0.01


@pytest.mark.parametrize("zoom", [1.0, 0.5, 1.5])
def test_windows_are_uniform_over_their_places(zoom: float) -> None:
    """Along y the zoomed image is always the larger; along x it is so only at zoom 1.5."""
    size, window = (60, 20), (12, 28)
    affine = maps(Augment(flip=False, scale=(zoom, zoom)), size, window)
    for axis, side, length in ((0, size[1], window[1]), (1, size[0], window[0])):
        # The window's low edge in the zoomed image.
        corner = zoom * (affine[:, axis, 2] + 0.5) - length / 2
        low, high = sorted((0.0, zoom * side - length))
        assert corner.min() >= low - 1e-9
        assert corner.max() <= high + 1e-9
        assert abs((corner.mean() - low) / (high - low) - 0.5) < 0.01
        assert corner.max() - corner.min() > 0.995 * (high - low)
        if zoom == 1:
            counts = torch.unique(corner, return_counts=True)[1]
            assert len(counts) == high - low + 1
            assert (counts * len(counts) / 20_000 - 1).abs().max() < 0.15


# --- Every configuration --------------------------------------------------------------------------------------------

zooms = st.floats(0.3, 3.0)
configs = st.builds(
    Augment,
    flip=st.booleans(),
    scale=st.just((1.0, 1.0)) | st.tuples(zooms, zooms).map(lambda pair: tuple(sorted(pair))),
    rotate=st.just(0.0) | st.floats(0, 180),
    shift=st.just(0.0) | st.floats(0, 0.9),
    crop=st.none() | st.integers(1, 24) | st.tuples(st.integers(1, 24), st.integers(1, 24)),
    color=st.just(0.0) | st.floats(0, 1),
)


@settings(max_examples=150, deadline=None)
@given(config=configs, batch=st.integers(1, 4), size=st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_shapes_types_and_labels(config: Augment, batch: int, size: tuple[int, int]) -> None:
    images, masks = noise(batch, *size)
    pixels, targets = augment(images, masks, config, seeded())
    assert pixels.shape == (batch, 3, *(config.crop or size))
    assert targets.shape == (batch, *(config.crop or size))
    assert pixels.dtype == torch.float32
    assert targets.dtype == torch.int64
    assert {*targets.flatten().tolist()} <= {*masks.flatten().tolist(), VOID}
    black, white = (prepare(torch.full((1, 3, 1, 1), v, dtype=torch.uint8), masks)[0] for v in (0, 255))
    assert ((pixels >= black - 1e-4) & (pixels <= white + 1e-4)).all()

    labels = torch.arange(batch)
    alone, same = augment(images, labels, config, seeded())
    assert torch.equal(alone, pixels)
    assert torch.equal(same, labels)


@given(config=configs)
@settings(max_examples=30, deadline=None)
def test_a_config_reads_what_it_writes(config: Augment) -> None:
    assert Augment.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("scale", (2, 0.5), "the least comes first"),
        ("scale", (0, 1), "greater than 0"),
        ("scale", (1, math.inf), "finite"),
        ("rotate", -1, "greater than or equal to 0"),
        ("rotate", math.nan, "finite"),
        ("shift", 1, "less than 1"),
        ("crop", 0, "greater than or equal to 1"),
        ("crop", (32, 0), "greater than or equal to 1"),
        ("color", 1.5, "less than or equal to 1"),
        ("mirror", True, "Extra inputs"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(key: str, value: object, rule: str) -> None:
    with pytest.raises(ValidationError, match=rf"(?s){key}.*{rule}"):
        Augment.model_validate({key: value})


# --- Images of several sizes on one canvas ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        Augment(),
        Augment(flip=True, shift=0.3, crop=(20, 24)),
        Augment(scale=(0.5, 2), rotate=10, crop=(20, 24), color=0.4, lighting=0.1),
        Augment(area=(0.1, 1), crop=(16, 16), color=0.4),
    ],
)
def test_a_canvas_shows_what_its_image_alone_would(config: Augment) -> None:
    """Whatever lies beyond an image on its canvas, views are those of the image by itself."""
    small = (13, 18)
    config = config.model_copy(update={"crop": config.crop or (24, 30)})
    images, masks = noise(3, *small)
    canvas, void = torch.zeros(3, 3, 24, 30, dtype=torch.uint8), torch.full((3, 24, 30), VOID, dtype=torch.uint8)
    canvas[:, :, :13, :18], void[:, :13, :18] = images, masks
    alone = augment(images, masks, config, seeded(4))
    placed = augment(canvas, void, config, seeded(4), sizes(*small, 3))
    torch.testing.assert_close(placed[0], alone[0], atol=2e-5, rtol=1e-5)
    assert torch.equal(placed[1], alone[1])
    pixels, targets = prepare(canvas, void, sizes(*small, 3))
    assert torch.equal(pixels[:, :, :13, :18], prepare(images, masks)[0])
    assert not pixels[:, :, 13:].any()
    assert not pixels[:, :, :, 18:].any()
    assert torch.equal(targets, void.long())


# --- A part of the image, by area and aspect ------------------------------------------------------------------------


def test_area_and_aspect_are_uniform_as_said() -> None:
    height, width, window = 400, 500, (224, 224)
    affine = maps(Augment(area=(0.08, 0.4), flip=False), (height, width), window)
    shown = affine[:, [0, 1], [0, 1]] * 224  # px of the image along x and y: (count, 2)
    parts, aspects = shown.prod(1) / (height * width), shown[:, 0] / shown[:, 1]
    assert stats.kstest(parts, stats.uniform(0.08, 0.32).cdf).pvalue > 1e-3
    assert stats.kstest(aspects.log(), stats.uniform(math.log(3 / 4), math.log(16 / 9)).cdf).pvalue > 1e-3
    left = affine[:, 0] @ torch.tensor([-111.5, 0.0, 1.0], dtype=torch.float64) - 0.5 * affine[:, 0, 0] + 0.5
    assert left.min() > -1e-9
    assert (left + shown[:, 0]).max() < width + 1e-9
    assert stats.kstest(left / (width - shown[:, 0]), stats.uniform(0, 1).cdf).pvalue > 1e-3


def test_a_part_larger_than_the_image_is_cut_at_its_sides() -> None:
    affine = maps(Augment(area=(1, 1), aspect=(2, 2), flip=False), (100, 100), (50, 50), 4)
    shown = affine[:, [0, 1], [0, 1]] * 50
    torch.testing.assert_close(shown, torch.tensor([[100.0, 100 * 0.5**0.5]], dtype=torch.float64).expand(4, 2))


def test_the_part_is_that_of_torchvision() -> None:
    """torchvision's crop-and-resize of the very box that a map shows."""
    pixels = waves(60)
    config = Augment(area=(0.2, 0.5), flip=False)
    affine = maps(config, (60, 60), (40, 40), 1)
    wide, high = (affine[0, [0, 1], [0, 1]] * 40).tolist()
    left, top = (affine[0] @ torch.tensor([-20.0, -20.0, 1.0], dtype=torch.float64) + 0.5).tolist()
    box = torch.zeros(1, 40, 40, 2)  # the box's own grid, by torch's words for it: -1 and 1 are the image's edges
    box[..., 0] = ((torch.arange(40) + 0.5) / 40 * wide + left) / 30 - 1
    box[..., 1] = (((torch.arange(40) + 0.5) / 40 * high + top) / 30 - 1)[:, None]
    expected = F.grid_sample(pixels, box, mode="bilinear", padding_mode="zeros", align_corners=False)
    got = _bilinear(pixels, *_sources(affine.float(), (40, 40)))
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_lighting_adds_colours_of_the_components_covariance() -> None:
    grey = torch.full((20_000, 3, 1, 1), 128, dtype=torch.uint8)
    config = Augment(flip=False, lighting=0.1)
    lit = augment(grey, torch.zeros(20_000, dtype=torch.int64), config, seeded())[0][:, :, 0, 0]
    plain = prepare(grey[:1], torch.zeros(1))[0][:, :, 0, 0]
    added = (lit - plain) * torch.tensor(DEVIATION)
    vectors = torch.tensor([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    values = torch.tensor([0.2175, 0.0188, 0.0045])
    expected = 0.1**2 * vectors @ torch.diag(values**2) @ vectors.T
    torch.testing.assert_close(added.T.cov(), expected, atol=1e-5, rtol=0.05)
