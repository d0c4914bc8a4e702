"""The filter language against Python's own operators, and where it points when it refuses."""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import InputError
from sunetlab.space.where import Quantity, parse_where

QUANTITIES = {
    "params": Quantity(),
    "memory": Quantity("bytes"),
    "field": Quantity("px"),
    "downsampling": Quantity("words", ("multigrid", "strided")),
    "degrid": Quantity("words", ("false", "true")),
}
SIGNS = {"<=": "<=", "<": "<", ">=": ">=", ">": ">", "==": "==", "=": "==", "!=": "!="}  # and as Python writes them
THOUSANDS = {"": "1", "k": "10**3", "M": "10**6", "G": "10**9", "T": "10**12"}
UNITS = {
    "count": {**THOUSANDS, "K": "10**3"},
    "bytes": {**THOUSANDS, "B": "1", "kB": "1000", "MB": "1000**2", "GB": "1000**3", "TB": "1000**4",
              "KiB": "1024", "MiB": "1024**2", "GiB": "1024**3", "TiB": "1024**4"},
    "px": {"": "1", "px": "1", "k": "10**3", "M": "10**6"},
}  # fmt: skip
LEAST, MOST = -(2**63), 2**63 - 1

gaps = st.sampled_from(["", "", " ", " \t", "\n"])
signs = st.sampled_from(sorted(SIGNS))
digits = st.lists(st.text("0123456789", min_size=1, max_size=3), min_size=1, max_size=4).map("_".join)


class Meant(NamedTuple):
    """A comparison: as a filter writes it, and as an expression of Python's in x."""

    name: str
    text: str
    python: str
    bounds: tuple[str, ...] = ()  # expressions too

    @property
    def holds(self) -> Callable[[Any], bool]:
        found: Callable[[Any], bool] = eval(f"lambda x: {self.python}", {"F": Fraction})
        return found

    @property
    def near(self) -> list[int]:
        """Whole numbers around the bounds, and those at the ends of int64."""
        whole = [math.floor(eval(bound, {"F": Fraction})) for bound in self.bounds]
        return [number + step for number in (*whole, LEAST, MOST) for step in (-2, -1, 0, 1, 2)]


@st.composite
def numerals(draw: st.DrawFn) -> tuple[str, str]:
    """A number without its unit, and what it is in Python."""
    minus = draw(st.sampled_from(["", "", "-"]))
    extremes = st.integers(MOST - 1, MOST + 2).map(str) | st.integers(0, 99).map(str)
    whole, part = draw(digits | extremes), draw(st.just("") | digits)
    whole = draw(st.sampled_from([whole, ""])) if part else whole
    power = draw(st.none() | st.integers(-3, 3) | st.integers(-25, 25))
    exponent = "" if power is None else draw(st.sampled_from("eE")) + draw(st.sampled_from(_written(power)))
    value = f"F({minus}{int((whole + part).replace('_', ''))}, 10**{len(part.replace('_', ''))})"
    return f"{minus}{whole}{'.' * bool(part)}{part}{exponent}", f"{value}*F(10)**{power or 0}"


def _written(power: int) -> list[str]:
    return [str(power), f"{power:+}", f"{power:+03}"]


@st.composite
def comparisons(draw: st.DrawFn) -> Meant:
    name = draw(st.sampled_from(sorted(QUANTITIES)))
    unit, words = QUANTITIES[name]
    if words:
        sign, word = draw(st.sampled_from(["==", "=", "!="])), draw(st.sampled_from(words))
        return Meant(name, _spaced(draw, name, sign, word), f"x {SIGNS[sign]} {word!r}")
    text, python, bounds = [name], "x", []
    for side in draw(st.sampled_from([("right",), ("left", "right")])):
        sign, (number, value), scale = draw(signs), draw(numerals()), draw(st.sampled_from(sorted(UNITS[unit])))
        bounds.append(f"({value} * {UNITS[unit][scale]})")
        text = [number, scale, sign, *text] if side == "left" else [*text, sign, number, scale]
        terms = (bounds[-1], SIGNS[sign], python) if side == "left" else (python, SIGNS[sign], bounds[-1])
        python = " ".join(terms)
    return Meant(name, _spaced(draw, *text), python, tuple(bounds))


def _spaced(draw: st.DrawFn, *tokens: str) -> str:
    return draw(gaps) + "".join(token + draw(gaps) for token in tokens)


filters = st.lists(comparisons(), min_size=1, max_size=4)


def joined(meant: list[Meant]) -> str:
    return ",".join(each.text for each in meant)


@given(comparisons())
def test_a_comparison_means_what_pythons_operators_mean(meant: Meant) -> None:
    found = parse_where(meant.text, QUANTITIES).comparisons
    values = QUANTITIES[meant.name].words or meant.near
    for value in values:
        assert all(each.holds(value) for each in found) == meant.holds(value), value
    assert len(found) == max(1, len(meant.bounds))
    assert {(each.name, each.text) for each in found} == {(meant.name, meant.text.strip())}


@pytest.mark.parametrize(("name", "unit", "scale"), [
    (name, unit, eval(scale))
    for name, quantity in QUANTITIES.items()
    for unit, scale in UNITS.get(quantity.unit, {}).items()
])  # fmt: skip
def test_a_unit_is_what_it_says(name: str, unit: str, scale: int) -> None:
    assert parse_where(f"3{unit} == {name} == 3 {unit}", QUANTITIES).holds({name: 3 * scale})


@pytest.mark.parametrize("left", SIGNS)
@pytest.mark.parametrize("right", SIGNS)
def test_a_chain_of_any_two_signs_means_what_it_means_in_python(left: str, right: str) -> None:
    where = parse_where(f"2{left}params{right}4", QUANTITIES)
    holds = Meant("params", "", f"2 {SIGNS[left]} x {SIGNS[right]} 4").holds
    assert [where.holds({"params": value}) for value in range(7)] == [holds(value) for value in range(7)]


@given(comparisons(), st.lists(st.integers(LEAST, MOST), max_size=4))
def test_a_mask_is_the_comparison_of_every_element(meant: Meant, more: list[int]) -> None:
    words = QUANTITIES[meant.name].words
    values = list(range(len(words))) or [value for value in (*meant.near, *more) if LEAST <= value <= MOST]
    for each in parse_where(meant.text, QUANTITIES).comparisons:
        mask = each.mask(np.array([values], np.int64))
        assert mask.dtype == np.bool_
        assert mask.shape == (1, len(values))
        assert mask[0].tolist() == [each.holds(words[value] if words else value) for value in values]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("middle", [LEAST, 0, MOST])
def test_a_mask_is_exact_around_nought_and_at_the_ends_of_int64(sign: str, middle: int) -> None:
    values = [*range(LEAST, LEAST + 4), *range(-4, 5), *range(MOST - 3, MOST + 1)]
    for halves in range(2 * middle - 7, 2 * middle + 8):
        bound = f"{'-' * (halves < 0)}{abs(halves) // 2}.{abs(halves) % 2 * 5}"
        mask = parse_where(f"params{sign}{bound}", QUANTITIES).comparisons[0].mask(np.array(values, np.int64))
        holds = Meant("params", "", f"x {SIGNS[sign]} F({halves}, 2)").holds
        assert mask.tolist() == [holds(value) for value in values], bound


@given(filters, st.data())
def test_a_comma_means_and(meant: list[Meant], data: st.DataObject) -> None:
    near: dict[str, list[Any]] = {name: list(words) for name, (_, words) in QUANTITIES.items()}
    for each in meant:
        near[each.name] += [] if QUANTITIES[each.name].words else each.near
    values = {each.name: data.draw(st.sampled_from(near[each.name])) for each in meant}
    where = parse_where(joined(meant), QUANTITIES)
    assert where.holds(values) == all(each.holds(values[each.name]) for each in meant)
    assert where.names == tuple(values)
    assert where.text == joined(meant)


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [
        ("params<=0.1M", 100_000, True),
        ("params = 2.5k", 2500, True),
        ("params>-1", 0, True),
        ("params==0.1", 0.1, True),  # as it prints, not the binary number 0.1000000000000000055…
        ("params<=9007199254740992", 2**53 + 1, False),  # which no float can tell apart
        ("params==0.30000000000000004", 0.1 + 0.2, True),
        ("params<1e999", math.inf, False),
        ("params!=1", math.nan, True),
        ("params>=1", math.nan, False),
    ],
)
def test_numbers_are_exact(text: str, value: float, kept: bool) -> None:
    assert parse_where(text, QUANTITIES).holds({"params": value}) == kept


def refusal(text: str) -> tuple[int, str]:
    """The character that a refusal points at, and what it says of it."""
    with pytest.raises(InputError) as error:
        parse_where(text, QUANTITIES)
    line = str(error.value)
    assert line.isprintable()
    found = re.fullmatch(r"where: .*: at character (\d+): (.*)", line)  # the last such words: the text may hold some
    assert found
    return int(found[1]), found[2]


@pytest.mark.parametrize(
    ("text", "character", "what"),
    [
        ("", 1, "found the end, expected a number or a name; known are params, memory, field, downsampling, degrid"),
        ("  ", 3, "found the end, expected a number or a name"),
        ("parms<1", 1, "unknown name 'parms'; did you mean params? known are params, memory, field, downsampling, de"),
        ("DeGrid=true", 1, "unknown name 'DeGrid'; did you mean degrid? known"),
        ("§", 1, "unknown name '§'; known are params"),
        ("-params<1", 1, "unknown name '-params'; did you mean params?"),
        ("__import__('os')", 1, "unknown name \"__import__('os')\"; known are"),
        ("params", 7, "found the end, expected one of <= < >= > == = !="),
        ("params 5", 8, "found '5', expected one of <= <"),
        ("params=<5", 7, "found '=<', expected one of <= <"),
        ("params <> 5", 8, "found '<>', expected one of <= <"),
        ("params≤5", 7, "found '≤', expected one of <= <"),
        ("params<", 8, "found the end, expected a number: params is a count"),
        ("params<M", 8, "found 'M', expected a number: params is a count"),
        ("params<memory", 8, "found 'memory', expected a number: params is a count"),
        ("params<inf", 8, "found 'inf', expected a number"),
        ("params< - 1", 9, "found '-', expected a number"),
        ("params<(1)", 8, "found '(1)', expected a number"),
        ("params<٣", 8, "found '٣', expected a number"),
        ("params<__import__('os')", 8, "found \"__import__('os')\", expected a number"),
        ("params<2X", 9, "found 'X', expected a comma, the end or a unit: params is a count (k K M G T)"),
        ("params<=4GiB", 10, "found 'GiB', expected a comma, the end or a unit: params is a count (k K M G T)"),
        ("memory<4 px", 10, "found 'px', expected a comma, the end or a unit: memory is in bytes (B kB MB GB TB KiB"),
        ("field<4G", 8, "found 'G', expected a comma, the end or a unit: field is in px (px k M)"),
        ("1GiB<=params<3", 2, "found 'GiB', expected a unit: params is a count (k K M G T)"),
        ("1 m<=params", 3, "found 'm', expected one of <= < >= > == = !=, or a unit: k K M G T B kB"),
        ("params<1_", 9, "found '_', expected a comma, the end or a unit"),
        ("params<1__0", 9, "found '__0', expected"),
        ("params<1.", 9, "found '.', expected"),
        ("params<1.2.3", 11, "found '.3', expected"),
        ("params<1e", 9, "found 'e', expected"),
        ("params<1e5.5", 11, "found '.5', expected"),
        ("params<0x10", 9, "found 'x10', expected"),
        ("params<10%", 10, "found '%', expected"),
        ("params<1e999999999", 8, "found '1e999999999', expected a number of at most 100 characters, its exponent at"),
        ("1e-999999999G<params", 1, "found '1e-999999999G', expected a number of at most"),
        ("params<" + "9" * 101, 8, f"found '{'9' * 40}'…, expected a number of at most 100 characters"),
        ("params<2M and degrid=true", 11, "found 'and', expected a comma or the end"),
        ("params<2 and degrid=true", 10, "found 'and', expected a comma, the end or a unit"),
        ("params<2M;field<3", 9, "found 'M;field', expected a comma, the end or a unit"),
        ("1<params<3<4", 11, "found '<', expected a comma or the end"),
        ("params<2M,", 11, "found the end, expected a number or a name"),
        ("params<2M,,field<3", 11, "found ',', expected a number or a name"),
        (",params<2M", 1, "found ',', expected a number or a name"),
        ("<2M", 1, "found '<', expected a number or a name"),
        ("5", 2, "found the end, expected one of <="),
        ("field<3, 5M", 12, "found the end, expected one of <="),
        ("5,field<3", 2, "found ',', expected one of <="),
        ("5 params<6", 3, "found 'params', expected one of <="),
        ("5 M params<6", 5, "found 'params', expected one of <="),
        ("5<", 3, "found the end, expected a name; known are"),
        ("5<6", 3, "unknown name '6'; known are"),
        ("degrid", 7, "found the end, expected one of == = !=: degrid is one of false, true"),
        ("degrid<true", 7, "found '<', expected one of == = !=: degrid is one of false, true"),
        ("degrid=", 8, "found the end, expected a word: degrid is one of false, true"),
        ("degrid=True", 8, "found 'True', expected a word: degrid is one of false, true"),
        ("degrid==1", 9, "found '1', expected a word: degrid is one of false, true"),
        ("degrid=true true", 13, "found 'true', expected a comma or the end"),
        ("1<degrid==true", 1, "found '1', expected no number: degrid is one of false, true"),
        ("true==degrid", 1, "unknown name 'true'"),
        ("params<\x1b[31m", 8, r"found '\x1b[31m', expected a number"),
        ("params\x00<1", 1, r"unknown name 'params\x00'; did you mean params?"),
        ("params<\ud800", 8, r"found '\ud800', expected a number"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, character: int, what: str) -> None:
    at, said = refusal(text)
    assert at == character
    assert said.startswith(what)


def test_of_many_names_a_dozen_is_listed() -> None:
    names = {f"q{i}": Quantity() for i in range(13)}
    with pytest.raises(InputError, match=r"known are q0, q1, .*, q11, …$"):
        parse_where("x", names)
    with pytest.raises(InputError, match=r"known are q0, q1, .*, q11$"):
        parse_where("x", dict(list(names.items())[:12]))


def test_of_a_long_text_what_stands_around_the_mistake_is_shown() -> None:
    with pytest.raises(InputError) as error:
        parse_where("params<1," * 100 + "field<x" + ",params<1" * 100, QUANTITIES)
    line = str(error.value)
    assert line.startswith("where: …'")
    assert "'…: at character 907: found 'x', expected a number" in line
    assert "params<1,field<x,params<1," in line
    assert len(line) < 250


@pytest.mark.parametrize("text", ["9" * 10**6, "params<1e" + "9" * 10**6, "x" * 10**6, "params<1" * 10**5, "<" * 10**6])
def test_an_endless_text_is_refused_at_once(text: str) -> None:
    at, what = refusal(text)
    assert at <= 11
    assert len(what) < 200


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid filter after some slips of the hand."""
    text = joined(draw(filters))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        slip = draw(st.sampled_from(["delete", "insert", "swap"]))
        if slip == "delete":
            text = text[:at] + text[at + 1 :]
        elif slip == "insert":
            text = text[:at] + draw(st.sampled_from("<>=!,._-+e1kMGiBpx ") | st.characters()) + text[at:]
        else:
            text = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
    return text


@given(st.text() | st.text(st.characters()) | st.text("<>=!,._- 10ekMparsdegitu") | mutated())
def test_any_text_is_understood_or_refused_in_one_line(text: str) -> None:
    try:
        where = parse_where(text, QUANTITIES)
    except InputError:
        assert 1 <= refusal(text)[0] <= len(text) + 1
    else:
        assert where.comparisons
        assert {each.name for each in where.comparisons} <= QUANTITIES.keys()


@given(filters, st.data())
def test_a_mistake_is_found_no_later_than_where_it_is(meant: list[Meant], data: st.DataObject) -> None:
    text = joined(meant)
    at = data.draw(st.sampled_from([at for at, letter in enumerate(text) if not letter.isspace()]))
    assert refusal(f"{text[:at]}§{text[at + 1 :]}")[0] <= at + 1
