"""Whole-array formulas against the analysis of single designs: every quantity, exactly."""

import random

import numpy as np
import pytest

from sunetlab import InputError, SUNetSpec, analyze
from sunetlab.analysis.memory import Setting
from sunetlab.space.arrays.designs import Designs, Frame
from sunetlab.space.arrays.fields import Sights
from sunetlab.space.arrays.quantities import BLOCK_COLUMNS, COLUMNS, column, known, look, values
from sunetlab.space.arrays.view import Lens, Subject, Training, View
from sunetlab.space.screen import figures
from sunetlab.space.space import Space, refused_at_all
from tests.spaces import random_factors
from tests.specs import random_size, random_spec


def random_training(rng: random.Random) -> Training:
    setting = Setting(
        precision=rng.choice(("fp32", "bf16")),
        optimizer=rng.choice(("sgd", "adamw")),
        momentum=rng.random() < 0.5,
        label_smoothing=rng.random() < 0.5,
        channels_last=rng.random() < 0.5,
        weight_decay=rng.random() < 0.5,
        variant=rng.choice((None, "foreach", "fused")),
    )
    return Training(rng.randint(1, 4), setting)


def compare(spec: SUNetSpec, size: tuple[int, int], training: Training, found: dict[str, int | str]) -> None:
    subject = Subject(analyze(spec, size, training.batch), training.setting)
    assert found == values(subject, found), spec.summary


def random_designs(rng: random.Random, most: int) -> int:
    """Some designs of a random space, every quantity of theirs; how many there were."""
    network, factors, size = random_factors(rng)
    try:
        space = Space(network, factors, size)
    except InputError:
        return 0
    possible = []
    for _, piece, begin in space.pieces():
        refused, _ = refused_at_all(space.parts[int(np.searchsorted(space.ends, begin, "right"))], piece)
        picked = np.arange(piece.size) if refused is None else np.flatnonzero(~refused)
        possible += (piece.numbers(picked) + begin).tolist()
    numbers = np.array(rng.sample(possible, min(most, len(possible))), np.int64)
    training, names = random_training(rng), list(known(len(space.parts[0].frame.dilations) + 1))
    for number, found in zip(numbers.tolist(), figures(space, numbers, names, training), strict=True):
        compare(space.spec(number), size, training, found)
    return len(numbers)


@pytest.mark.parametrize("seed", range(8))
def test_quantities_of_random_spaces(seed: int) -> None:
    rng, compared = random.Random(seed), 0
    while compared < 100:
        compared += random_designs(rng, 12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_quantities_of_many_random_spaces(seed: int) -> None:
    """10,000 designs in all."""
    rng, compared = random.Random(seed), 0
    while compared < 500:
        compared += random_designs(rng, 12)


@pytest.mark.parametrize("seed", range(4))
def test_quantities_of_random_designs(seed: int) -> None:
    """Designs that no small space has: any widths, dilations and depths."""
    rng = random.Random(seed)
    for _ in range(60):
        spec = random_spec(rng)
        size, training = random_size(rng, spec), random_training(rng)
        designs = Designs.of([spec])
        each = [[number] for number in spec.depth], [[number] for number in spec.stacks]
        view = View(designs, Lens.of(designs.frame, size, *each, training))
        found = {}
        for name, quantity in known(len(spec.stacks)).items():
            value = int(np.broadcast_to(look(view, name), (1,))[0])
            found[name] = quantity.words[value] if quantity.words else value
        compare(spec, size, training, found)


def test_every_name_that_a_filter_knows_is_a_quantity() -> None:
    names = known(2)
    assert set(names) == {*COLUMNS, *(f"block{j}_{name}" for j in (1, 2) for name in BLOCK_COLUMNS)}
    for name in names:
        assert column(name).quantity == names[name]
    with pytest.raises(KeyError):
        column("block1_params")


def test_fields_of_stacks_far_longer_than_any_pattern() -> None:
    """Patterns come round again; the table's hundredth module stands where a walk over a hundred ends."""
    frame = Frame("paper", (1, 2), "multigrid", "identity", False, "segmentation")
    sights = Sights(frame, [2, 3], [100, 40])
    seen = sights.network([np.array([2, 2]), np.array([3, 3])], [np.array([1, 100]), np.array([40, 40])])
    for index, first in enumerate((1, 100)):
        spec = SUNetSpec.make(
            n=1, depth=(2, 3), stacks=(first, 40), widths=(2, 2), dilations=(1, 2), task="segmentation", stem_width=2
        )
        field = analyze(spec, (256, 256)).fov.network.image
        assert (seen.usual[index], seen.least[index], seen.most[index]) == (field.usual, field.least, field.most)
