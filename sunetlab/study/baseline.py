"""Which arms are compared with which: the baseline's levels, and what else varies, make the pairs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sunetlab.errors import InputError
from sunetlab.space.factors import level_name


def families(
    baseline: Mapping[str, Any], words: Iterable[str], arms: Sequence[Mapping[str, Any]]
) -> dict[int, list[int]]:
    """For each arm that is a baseline, those that are compared with it.

    Where one arm has the baseline's levels, all others are compared with it. Where several have, each is the baseline
    of those that are like it in all other words: depth 1, 2, 3 times two output strides, and depth 2 the baseline, are
    two families.

    Args:
        baseline: word → level.
        words: in which arms differ.
        arms: word → level of each.

    Raises:
        InputError: no arm is the baseline; an arm is in no family, or a baseline alone in its.
    """
    wanted = {word: level_name(level) for word, level in baseline.items()}
    said = ", ".join(f"{word} {level}" for word, level in wanted.items())
    bases = [i for i, arm in enumerate(arms) if all(arm[word] == level for word, level in wanted.items())]
    others = [i for i in range(len(arms)) if i not in bases]
    if not bases:
        raise InputError(f"baseline: {said}: no arm has it")
    if not others:
        raise InputError(f"baseline: {said}: all arms have it; there is nothing to compare it with")
    if len(bases) == 1:
        return {bases[0]: others}
    rest = [word for word in words if word not in wanted]
    found: dict[int, list[int]] = {base: [] for base in bases}
    strata = {_levels(arms[base], rest): base for base in bases}
    for other in others:
        if _levels(arms[other], rest) not in strata:
            one = ", ".join(f"{word} {arms[other][word]}" for word in rest)
            raise InputError(
                f"baseline: {said}: no arm with {one} has it, though others do; name one arm, or give it one"
            )
        found[strata[_levels(arms[other], rest)]].append(other)
    return found


def _levels(arm: Mapping[str, Any], words: Iterable[str]) -> tuple[Any, ...]:
    return tuple(arm[word] for word in words)
