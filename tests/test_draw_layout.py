"""How figures are laid out: nothing out of its box, nothing over anything else, letters that can be read."""

import random
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunetlab import PRESETS, SUNetSpec, preset
from sunetlab.draw.letters import rows, shorten, text_width, wrap
from sunetlab.draw.module import draw_module
from sunetlab.draw.network import draw_network
from sunetlab.draw.words import runs, short
from tests.drawn import ADVANCES, ODD, drawn_modules, well_laid_out
from tests.specs import random_size, random_specs


@settings(max_examples=40)
@given(drawn_modules())
def test_layout_of_modules(case: tuple[SUNetSpec, int, tuple[int, int]]) -> None:
    well_laid_out(draw_module(*case))


@settings(max_examples=40)
@given(random_specs(), st.integers(0, 2**32))
def test_layout_of_networks(spec: SUNetSpec, seed: int) -> None:
    well_laid_out(draw_network(spec, random_size(random.Random(seed), spec)))


@pytest.mark.parametrize("name", ODD)
def test_layout_of_odd_ones(name: str) -> None:
    spec = ODD[name]
    well_laid_out(draw_network(spec, (99_999, 20_001)))
    for block, size in ((1, None), (len(spec.stacks), (99_999, 20_001))):
        well_laid_out(draw_module(spec, block, size))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_legible_where_they_are_shown_900_px_wide(name: str) -> None:
    spec = preset(name)
    for svg in (draw_network(spec), *(draw_module(spec, block + 1) for block in range(len(spec.stacks)))):
        drawing = well_laid_out(svg)
        shown = min(1.0, 900 / drawing.page.right)
        assert min(size * shown for size, _ in drawing.faces.values()) >= 10


def test_letters_never_take_more_room_than_they_are_given() -> None:
    for bold, advances in ADVANCES.items():
        for letter, width in advances.items():
            assert width <= text_width(letter, 1, bold) <= 1.25 * width + 0.25, (letter, bold)


@given(st.text(), st.floats(20, 300), st.booleans())
def test_words_are_cut_and_wrapped_to_their_room(words: str, room: float, bold: bool) -> None:
    cut = shorten(words, 12, room, bold)
    assert text_width(cut, 12, bold) <= room
    assert cut == words or words.startswith(cut[:-1])
    lines = wrap(words, 12, room, bold)
    assert all(text_width(line, 12, bold) <= room for line in lines)
    if "…" not in "".join(lines):
        assert " ".join(lines) == " ".join(words.split())


@given(st.lists(st.floats(1, 90), min_size=1, max_size=12), st.floats(100, 400))
def test_rows_are_as_few_as_can_be_and_none_is_too_wide(widths: list[float], room: float) -> None:
    found = rows(widths, 5, room)
    assert [index for row in found for index in row] == list(range(len(widths)))
    wide = [sum(widths[i] for i in row) + 5 * (len(row) - 1) for row in found]
    assert max(wide) <= room + 1e-6
    splits = [  # every way to break the list in one row fewer leaves a row that is too wide
        [0, *breaks, len(widths)] for breaks in combinations(range(1, len(widths)), max(0, len(found) - 2))
    ]
    if len(found) > 1:
        for split in splits:
            assert any(sum(widths[a:b]) + 5 * (b - a - 1) > room for a, b in pairwise(split))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (7_359_119_360, "7.36 G"),
        (10**16, "10.0 P"),
    ],
)
def test_numbers_in_short(value: int, said: str) -> None:
    assert short(value) == said


def test_runs_of_numbers() -> None:
    assert runs([3]) == "3"
    assert runs([1, 2, 3, 5, 8, 9]) == "1–3, 5, 8–9"
