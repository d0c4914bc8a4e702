"""Factors and bounds → the set of designs: what all networks share, what varies, what they may cost."""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sunetlab.analysis.plan import Size
from sunetlab.analysis.report import Report, analyze
from sunetlab.errors import InputError
from sunetlab.files import shown
from sunetlab.space.where import Where, parse_where
from sunetlab.spec import SUNetSpec, Words

Levels = dict[str, int | float | str | bool]

QUANTITIES = ("params", "macs", "layers", "n", "output_stride")


class Design(NamedTuple):
    """One network of a space, and the level of each factor that it stands for."""

    levels: Levels
    spec: SUNetSpec


class Space(NamedTuple):
    """The designs of a space, in the order of its factors, and how many were refused, by reason."""

    designs: tuple[Design, ...]
    refused: Counter[str]


def quantities(report: Report) -> dict[str, float]:
    """What a filter may bound: parameters, MACs of one image, layers as Table 1 counts them, and the words."""
    return {
        "params": report.params,
        "macs": report.macs // report.batch,
        "layers": report.depth,
        "n": report.spec.n,
        "output_stride": report.spec.output_stride,
    }


def make_space(
    network: Mapping[str, Any], factors: Mapping[str, Sequence[Any]], size: Size | None, where: str | None
) -> Space:
    """Every combination of the factors' levels that is possible and keeps the bounds.

    Args:
        network: the words that all designs share.
        factors: for each word that varies, its levels.
        size: (height, width) of the input for which costs are counted; None is the design size.
        where: a filter, such as "params<=2M".

    Raises:
        InputError: a factor that is no word of a network, that is shared as well or has no levels; a space that
            is empty, with the reasons.
    """
    bound = parse_where(where, QUANTITIES) if where else None
    for name, levels in factors.items():
        if name in network:
            raise InputError(f"factors: {name}: stands in [network] as well; it is one or the other")
        if name not in Words.model_fields:
            raise InputError(f"factors: {name}: no word of a network; known are {', '.join(Words.model_fields)}")
        if not isinstance(levels, list | tuple) or not levels:
            raise InputError(f"factors: {name}: {shown(levels)}: must be a list of at least one level")
        if any(isinstance(level, dict) for level in levels):
            raise InputError(f"factors: {name}: {shown(levels)}: a level cannot be a table")
        if len({level_name(level) for level in levels}) < len(levels):
            raise InputError(f"factors: {name}: {shown(levels)}: a level stands twice")
    designs: list[Design] = []
    refused: Counter[str] = Counter()
    seen: set[SUNetSpec] = set()
    barren = {(name, level_name(level)): "" for name, levels in factors.items() for level in levels}
    for words in _combinations(factors):
        design = _design({**network, **words}, words, size, bound)
        if not isinstance(design, str) or design.startswith("where "):
            for name, level in words.items():
                barren.pop((name, level_name(level)), None)
        elif words:
            barren |= dict.fromkeys(barren.keys() & {(n, level_name(v)) for n, v in words.items()}, design)
        if isinstance(design, str):
            refused[design] += 1
        elif design.spec in seen:  # depth 3 and 4 are one network where both are trimmed to 3
            refused["making the same network as an earlier combination"] += 1
        else:
            seen.add(design.spec)
            designs.append(design)
    if designs and barren:  # more likely a slip than a wish
        (name, level), reason = next(iter(barren.items()))
        raise InputError(f"factors: {name}: {shown(level)}: no combination with it is a network: {reason}")
    if not designs:
        reason, count = refused.most_common(1)[0]
        raise InputError(f"factors: no design is left of {refused.total()}: {count} refused by {reason}")
    return Space(tuple(designs), refused)


def draw(designs: Sequence[Design], count: int, seed: int) -> tuple[Design, ...]:
    """`count` designs drawn uniformly without replacement, in the order of the space; all where there are fewer."""
    chosen = random.Random(seed).sample(range(len(designs)), min(count, len(designs)))
    return tuple(designs[index] for index in sorted(chosen))


def level_name(level: Any) -> int | float | str | bool:
    """A level as one plain value: a list of numbers as "2,4,4,1"."""
    return shown(level) if isinstance(level, list | tuple) else level


def _combinations(factors: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for levels in itertools.product(*factors.values()):
        yield dict(zip(factors, levels, strict=True))


def _design(words: dict[str, Any], varied: dict[str, Any], size: Size | None, bound: Where | None) -> Design | str:
    """The design that `words` make, or why there is none."""
    try:
        spec = SUNetSpec.make(**words)
        report = analyze(spec, size)
    except InputError as error:
        return str(error)
    if bound is not None and not bound.holds(quantities(report)):
        return f"where {bound.text}"
    return Design({name: level_name(level) for name, level in varied.items()}, spec)
