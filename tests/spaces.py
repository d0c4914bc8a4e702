"""Spaces drawn at random, small enough to count by hand, and all their designs the slow way."""

import itertools
import random
from math import prod
from typing import Any

from sunetlab import InputError, SUNetSpec, rules
from sunetlab.space.factors import Product, Scaled, count_levels, parse_factors

MOST = 1500  # combinations of a random space


def random_factors(rng: random.Random) -> tuple[dict[str, Any], dict[str, Any], tuple[int, int]]:
    """(network, factors, input size) of a space."""
    while True:
        network, factors, size = _drawn(rng)
        if prod(map(count_levels, parse_factors(factors).values())) <= MOST:
            return network, factors, size


def _drawn(rng: random.Random) -> tuple[dict[str, Any], dict[str, Any], tuple[int, int]]:
    blocks = rng.choice((1, 2, 2, 3, 3, 4))
    stem = rng.choice(tuple(rules.STEMS))
    said: dict[str, Any] = {
        "stem": stem,
        "n": [rng.randint(1, 9)] if rng.random() < 0.3 else "2..8:3",
        "stacks": rng.choice(
            ("x".join(rng.choice(("1", "2", "1..2", "1|3")) for _ in range(blocks)), [[1] * blocks, [2] * blocks])
        ),
        "depth": rng.choice(([1, 2], [1, 2, 3, 4], "x".join(rng.choice(("1", "1..2", "1..4")) for _ in range(blocks)))),
        "degrid": rng.choice(([False], [False, True])),
        "downsampling": rng.choice((["multigrid"], ["multigrid", "strided"], ["strided"])),
        "connectivity": rng.choice((["identity"], ["identity"], ["identity", "dense"])),
        "widths": rng.choice(
            (["rule"], ["auto", "rule"], ["rule*0.5..1.5:0.5"], ["rule*0.01..0.4:0.03"], _widths(rng, blocks))
        ),
        "stem_width": rng.choice(([2], [4, 8], "2..10:4")),
        "task": [rng.choice(("classification", "segmentation"))],
        "num_classes": [rng.randint(1, 5)],
        "in_channels": [rng.randint(1, 3)],
    }
    if rng.random() < 0.7:
        first = rules.STEMS[stem].stride ** 2
        said["output_stride"] = sorted({first * 2 ** rng.randrange(blocks) for _ in range(2)})
    elif rng.random() < 0.7:
        said["dilations"] = ["x".join(rng.choice(("1", "1|2", "2")) for _ in range(blocks))]
    size = (rng.randint(32, 90), rng.randint(32, 90))
    network = {word: said.pop(word)[0] for word in list(said) if isinstance(said[word], list) and _is_one(said[word])}
    return network, {word: levels for word, levels in said.items() if isinstance(levels, list | str)}, size


def _is_one(levels: list[Any]) -> bool:
    """Whether all designs can share it."""
    return len(levels) == 1 and not any(sign in str(levels[0]) for sign in ("..", "|"))


def _widths(rng: random.Random, blocks: int) -> list[str]:
    entries = [rng.choice(("4|9", "12", "2..3n", "4n")) for _ in range(blocks)]
    return ["rule", "x".join(entries)] if rng.random() < 0.5 else ["x".join(entries)]


def by_hand(network: dict[str, Any], factors: dict[str, Any]) -> set[SUNetSpec]:
    """All networks of a space, each made by itself from words; those that differ in nothing that runs are one."""
    words = parse_factors({**{word: [value] for word, value in network.items()}, **factors})
    axes = {word: list(itertools.chain.from_iterable(map(_singles, levels))) for word, levels in words.items()}
    found: dict[SUNetSpec, SUNetSpec] = {}
    for combination in itertools.product(*axes.values()):
        spec = _made(dict(zip(axes, combination, strict=True)))
        if spec is not None:
            alike = spec if max(spec.dilations) > 1 else spec.model_copy(update={"downsampling": "multigrid"})
            found.setdefault(alike, spec)
    return set(found.values())


def _singles(level: Any) -> list[Any]:
    if isinstance(level, Scaled):
        return [("times", number, level.under) for number in level.numbers]
    if not isinstance(level, Product):
        return [level]
    single = all(len(entry.numbers) == 1 for entry in level.entries)
    options = [[(number, entry.times_n, single) for number in entry.numbers] for entry in level.entries]
    open_ = [len(entry.numbers) > 1 for entry in level.entries]
    return [("each", row, open_) for row in itertools.product(*options)]


def _made(words: dict[str, Any]) -> SUNetSpec | None:
    stacks = [number for number, _, _ in words["stacks"][1]]
    n = words["n"]
    said = {**words, "stacks": stacks}
    if isinstance(words["depth"], tuple):
        said["depth"] = [number for number, _, _ in words["depth"][1]]
        limit = rules.trimmed_depths(8, len(stacks), words["stem"])
        for depth, most, open_ in zip(said["depth"], limit, words["depth"][2], strict=True):
            if open_ and depth > most:
                return None
    if isinstance(words.get("dilations"), tuple):
        said["dilations"] = [number for number, _, _ in words["dilations"][1]]
    widths = words["widths"]
    if isinstance(widths, tuple) and widths[0] == "each":
        said["widths"] = [number * n if times else number for number, times, _ in widths[1]]
    elif isinstance(widths, tuple):
        _, over, under = widths
        said["widths"] = [max(1, (2 * over * w + under) // (2 * under)) for w in rules.widths_by_rule(n, stacks)]
    try:
        return SUNetSpec.make(**said)
    except InputError:
        return None
