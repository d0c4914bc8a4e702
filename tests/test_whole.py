"""Whole numbers at the library's border: numpy's are as good as Python's, all else is refused in one line."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from sunetlab import InputError, SUNetSpec, analyze, preset
from sunetlab.whole import MOST, pair, whole

SPEC = preset("sunet-64")
WORDS: dict[str, Any] = {"depth": (1,), "n": 2, "stacks": (1,), "widths": (2,), "dilations": (1,)}


@pytest.mark.parametrize("batch", [0, -1, True, 1.0, "2", None, MOST + 1, 10**320, np.array([1, 2])])
def test_a_batch_is_a_whole_number(batch: Any) -> None:
    with pytest.raises(InputError, match=r"^batch: .+: must be a whole number from 1 to 2,147,483,647$"):
        analyze(SPEC, batch=batch)


@pytest.mark.parametrize("size", [(), (5,), (5.5, 6), 224, "64", (0, 5), (224, -1), (True, 64), (1, 2, 3), (64, None)])
def test_a_size_is_two_whole_numbers(size: Any) -> None:
    with pytest.raises(InputError, match=r"^size: .+: must be \(height, width\), two whole numbers of pixels"):
        analyze(SPEC, size)


@pytest.mark.parametrize("granule", [0, -1, 1.5, True, None])
def test_a_granule_is_a_whole_number(granule: Any) -> None:
    with pytest.raises(InputError, match=r"^granule: .+: Input should be "):
        analyze(SPEC).memory(granule=granule)


@pytest.mark.parametrize("name", [[], {}, 3, None, "sunet-65", "x" * 300])
def test_a_preset_is_a_name(name: Any) -> None:
    with pytest.raises(InputError, match=r"^network: .{1,80}: no such preset; known are sunet-64"):
        preset(name)


def test_numpys_whole_numbers_are_as_good() -> None:
    words = {"n": np.int64(8), "stacks": [np.int32(1), np.uint8(2)], "depth": np.int8(2), "num_classes": np.int16(3)}
    spec = SUNetSpec.make(**words)
    assert spec == SUNetSpec.make(n=8, stacks=(1, 2), depth=2, num_classes=3)
    assert {type(value) for value in (spec.n, *spec.stacks, *spec.depth, spec.num_classes)} == {int}
    assert spec.replace(n=np.int64(4)).id == spec.replace(n=4).id
    found = analyze(spec, (np.int64(64), 65), np.int32(2))  # type: ignore[arg-type]
    assert (found.size, found.batch, found.macs) == ((64, 65), 2, analyze(spec, (64, 65), 2).macs)


@pytest.mark.parametrize("value", [np.float64(3), np.bool_(True), np.array([1, 2]), 3.0, True, "3"])
def test_nothing_else_is(value: Any) -> None:
    with pytest.raises(InputError, match=r"^n: .*input should be a valid integer"):
        SUNetSpec.make(n=value)


def test_a_flag_is_true_or_false() -> None:
    with pytest.raises(InputError, match="degrid: 'yes': input should be a valid boolean"):
        SUNetSpec.make(degrid="yes")
    with pytest.raises(ValidationError, match="degrid"):
        SUNetSpec(**WORDS, degrid="yes")


def test_bounds_are_part_of_the_range() -> None:
    assert [whole("a", number, 1, 3) for number in (1, 3)] == [1, 3]
    assert pair("a", [0, MOST], "two") == (0, MOST)
