"""Networks drawn at random, small ones of every kind that the generator accepts, and inputs that they can take."""

import random
from typing import Any

from hypothesis import strategies as st

from sunetlab import rules
from sunetlab.spec import SUNetSpec

STACKS_OF_TABLE1 = tuple(rules.TABLE1_MULTIPLES)


def random_words(rng: random.Random) -> dict[str, Any]:
    """Words that `SUNetSpec.make` accepts."""
    blocks = rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 6))  # mostly small: the tools take their time over a layer
    stacks = _several(rng, blocks, (1, 1, 1, 1, 2, 3))
    if _one_in(rng, 30):
        stacks, blocks = rng.choice(STACKS_OF_TABLE1), 4
    words: dict[str, Any] = {
        "depth": rng.randint(1, 4) if rng.random() < 0.5 else _several(rng, blocks, (1, 1, 2, 2, 3, 4)),
        "n": rng.randint(1, 12),
        "stacks": stacks,
        "downsampling": rng.choice(("multigrid", "strided")),
        "degrid": _one_in(rng, 20),
        "stem": rng.choice(tuple(rules.STEMS)),
        "in_channels": rng.randint(1, 4),
        "task": rng.choice(("classification", "segmentation")),
        "num_classes": rng.randint(1, 7),
    }
    if not _one_in(rng, 5):
        words["stem_width"] = 2 * rng.randint(1, 10)
    if _one_in(rng, 3):
        words |= {"connectivity": "dense", "widths": _growing(rng, words.get("stem_width", 128), stacks)}
    else:
        words |= _widths(rng, words["n"], stacks)
    return words | _dilations(rng, words["stem"], blocks)


def random_size(rng: random.Random, spec: SUNetSpec) -> tuple[int, int]:
    """(height, width) of an input, odd ones too, of which the pools of `spec` leave something."""
    stride = rules.STEMS[spec.stem].stride ** 2
    least = spec.output_stride - stride + 1  # ⌈side / stride⌉ is then at least 2 to the number of pools
    low, high = (least, 8 * spec.output_stride) if spec.degrid else (33, 65 if spec.stem == "small" else 97)
    low = max(low, least)
    return rng.randint(low, max(low, high)), rng.randint(low, max(low, high))


def random_spec(rng: random.Random) -> SUNetSpec:
    """A network that the generator accepts."""
    return SUNetSpec.make(**random_words(rng))


def random_specs() -> st.SearchStrategy[SUNetSpec]:
    """The same, as a hypothesis strategy that shrinks towards few blocks and few maps."""
    return st.randoms(use_true_random=False).map(random_spec)


def _one_in(rng: random.Random, many: int) -> bool:
    return rng.randrange(many) == 1


def _several(rng: random.Random, many: int, choices: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(rng.choice(choices) for _ in range(many))


def _growing(rng: random.Random, before: int, stacks: tuple[int, ...]) -> tuple[int, ...]:
    widths = []
    for modules in stacks:
        before += modules + rng.randint(0, 8)
        widths.append(before)
    return tuple(widths)


def _widths(rng: random.Random, n: int, stacks: tuple[int, ...]) -> dict[str, Any]:
    by_hand = _several(rng, len(stacks), (4, 7, 4 * n))  # few, so that neighbours are often the same
    named = ("auto", "rule", "table") if stacks in STACKS_OF_TABLE1 else ("auto", "rule")
    return {"widths": rng.choice((*named, by_hand, by_hand))}


def _dilations(rng: random.Random, stem: str, blocks: int) -> dict[str, Any]:
    kind = rng.randrange(3)
    if kind == 1:
        return {"output_stride": rules.STEMS[stem].stride ** 2 * 2 ** rng.randrange(blocks)}
    return {"dilations": tuple(sorted(_several(rng, blocks, (1, 1, 2, 3, 4))))} if kind == 2 else {}
