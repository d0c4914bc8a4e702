"""The filter language against Python's own operators, and where it points when it refuses."""

import operator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sunetlab import InputError
from sunetlab.space.where import parse_where

OPERATORS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt, "=": operator.eq,
             "==": operator.eq, "!=": operator.ne}  # fmt: skip
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
space = st.sampled_from(["", " ", "  "])
bounds = st.tuples(
    st.sampled_from(["params", "macs"]),
    st.sampled_from(sorted(OPERATORS)),
    st.decimals(0, 1000, places=3).map(lambda d: format(d.normalize(), "f")),
    st.sampled_from(sorted(UNITS)),
)


@given(st.lists(bounds, min_size=1, max_size=4), space, st.integers(0, 10**13), st.integers(0, 10**13))
def test_it_means_what_pythons_operators_mean(
    given_bounds: list[tuple[str, str, str, str]], gap: str, params: int, macs: int
) -> None:
    text = ",".join(gap.join(("", *bound, "")) for bound in given_bounds)
    values = {"params": params, "macs": macs}
    wanted = all(OPERATORS[sign](values[name], Decimal(n) * UNITS[unit]) for name, sign, n, unit in given_bounds)
    assert parse_where(text, values).holds(values) == wanted


@pytest.mark.parametrize(("text", "value"), [("params<=0.1M", 100_000), ("params = 2.5k", 2500), ("params>-1", 0)])
def test_numbers_are_exact(text: str, value: int) -> None:
    assert parse_where(text, ["params"]).holds({"params": value})


@pytest.mark.parametrize(
    ("text", "character", "what"),
    [
        ("", 1, "expected a name"),
        ("parms<1", 1, "unknown name 'parms'; known are params"),
        ("params", 7, "expected one of"),
        ("params<", 8, "expected a number"),
        ("params<2X", 9, "unknown unit 'X'"),
        ("params<2M and n>1", 11, "expected a comma"),
        ("params<2M,", 11, "expected a name"),
        ("params<1e6", 9, "unknown unit 'e'"),
        ("params<__import__('os')", 8, "expected a number"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, character: int, what: str) -> None:
    with pytest.raises(InputError) as error:
        parse_where(text, ["params"])
    assert f"at character {character}: {what}" in str(error.value)


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused_in_one_line(text: str) -> None:
    refused = ""
    try:
        parse_where(text, ["params"])
    except InputError as error:
        refused = str(error)
    assert not refused or ("at character" in refused and len(refused.splitlines()) == 1)
