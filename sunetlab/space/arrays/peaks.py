"""The peak of a training step, of many designs at once: the parts of each, walked once, put together.

What a part adds to what is live, and how far it goes above that on its way, `walked.py` tells for each N, widths and
depth that come. Modules that repeat count as often as they stand there, and the highest of all parts is the peak.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sunetlab.analysis.memory.optimizer import factors_of_state, temporaries_of_groups
from sunetlab.analysis.memory.sizes import FP32, INT64, Setting, Sizes
from sunetlab.space.arrays.designs import Designs, Frame, Ints
from sunetlab.space.arrays.formulas import Tally
from sunetlab.space.arrays.walked import Conditions, Flow, Part, Walk

_BITS = (14, 17, 17, 4, 12)  # of N, maps in, maps out, depth and modules in a key; what is larger is not kept


class Level:
    """What is live, and the most so far, from part to part."""

    def __init__(self, at: Any) -> None:
        self.now = self.most = at

    def pass_through(self, flow: Flow) -> None:
        """Go through a part."""
        self.most = np.maximum(self.most, self.now + flow.most)
        self.now = self.now + flow.more

    def repeat(self, flow: Flow, times: Any) -> None:
        """Go through a part so many times; 0 leaves everything as it is."""
        highest = self.now + np.maximum(0, (times - 1) * flow.more) + flow.most
        self.most = np.where(times > 0, np.maximum(self.most, highest), self.most)
        self.now = self.now + times * flow.more


class Peaks:
    """Peaks of designs of one frame; parts that were walked are kept."""

    def __init__(self, conditions: Conditions) -> None:
        self.conditions = conditions
        self.known = [_Known() for _ in conditions.frame.dilations]

    def training(self, designs: Designs, tally: Tally) -> Ints:
        """Bytes of `Memory.training`, one per design, in a shape that broadcasts to theirs."""
        ends = Walk(self.conditions, designs, depth=1, modules=(1,) * len(designs.stacks))
        blocks = [self._block(designs, block) for block in range(len(designs.stacks))]
        level = Level(_at_rest(tally, ends.sizes, self.conditions.setting))
        level.pass_through(ends.begin())
        level.pass_through(ends.there("stem"))
        for block in blocks:
            block.there(level)
        level.pass_through(ends.there("head"))
        level.pass_through(ends.loss(tally))
        level.pass_through(ends.back("head"))
        for block in reversed(blocks):
            block.back(level)
        level.pass_through(ends.back("stem"))
        level.pass_through(_step(tally, self.conditions.setting))
        return cast(Ints, level.most)

    def _block(self, designs: Designs, block: int) -> "_Block":
        m = designs.widths[block - 1] if block else designs.stem_width
        w, stacks = designs.widths[block], designs.stacks[block]
        dense = self.conditions.frame.connectivity == "dense"
        columns = (designs.n, m, w, designs.depth[block], stacks if dense else np.ones((), np.int64))
        shape = np.broadcast_shapes(*(column.shape for column in columns))
        flat = [np.broadcast_to(column, shape).ravel() for column in columns]
        flows = self.known[block].look(flat, lambda which: self._walked(block, [column[which] for column in flat]))
        flows = flows.reshape(*flows.shape[:-1], *shape)
        return _Block(flows, None if dense else m != w, stacks)

    def _walked(self, block: int, columns: list[Ints]) -> Ints:
        """Flows (there and back, parts, more and most, designs) of a block."""
        n, m, w, depth, stacks = columns
        found: Ints | None = None
        for d in np.unique(depth).tolist():
            here = depth == d
            own = _alone(self.conditions.frame, block, n[here], m[here], w[here], stacks[here])
            flows = self._parts(own, block, d)
            found = np.zeros((*flows.shape[:-1], len(n)), np.int64) if found is None else found
            found[..., here] = flows
        if found is None:
            raise AssertionError("no designs to walk for")
        return found

    def _parts(self, designs: Designs, block: int, depth: int) -> Ints:
        """Flows of a block's parts for one depth: pool, first module, repeated one; of a dense block, all at once."""
        dense = self.conditions.frame.connectivity == "dense"
        own = max(2, int(designs.stacks[block].max())) if dense else 2
        modules = tuple(own if index == block else 1 for index in range(len(designs.stacks)))
        walk = Walk(self.conditions, designs, depth, modules, block)
        there, back = dict(walk.all_there()), dict(walk.all_back())
        still = Flow(0, 0)
        pool = ("pool", block, 0)
        if not dense:
            parts = [pool, ("module", block, 0), ("module", block, 1)]
            rows = [[flows.get(part, still) for part in parts] for flows in (there, back)]
        else:
            rows = [[_all_of(there, designs.stacks[block])], [_all_of(back, designs.stacks[block])]]
        size = len(designs.n)
        return np.array([[[np.broadcast_to(f, size) for f in flow] for flow in row] for row in rows], np.int64)


def _all_of(flows: Mapping[Part, Flow], stacks: Ints) -> Flow:
    """Of a dense block, whose modules are all different: the flow through as many as a design has."""
    level = Level(np.zeros(len(stacks), np.int64))
    for (kind, _, module), flow in flows.items():
        level.repeat(flow, 1 if kind == "pool" else (module < stacks).astype(np.int64))
    return Flow(level.now, level.most)


class _Block(NamedTuple):
    """Flows (there and back, parts, more and most, …) of a block; whether its first module changes the width."""

    flows: Ints
    expands: NDArray[np.bool_] | None
    stacks: Ints

    def there(self, level: Level) -> None:
        self._pass(level, self.flows[0], backwards=False)

    def back(self, level: Level) -> None:
        self._pass(level, self.flows[1], backwards=True)

    def _pass(self, level: Level, flows: Ints, backwards: bool) -> None:
        if self.expands is None:
            level.pass_through(Flow(*flows[0]))
            return
        pool, first, again = (Flow(*flow) for flow in flows)
        once = self.expands.astype(np.int64)
        if backwards:
            level.repeat(again, self.stacks - once)
            level.repeat(first, once)
            level.pass_through(pool)
        else:
            level.pass_through(pool)
            level.repeat(first, once)
            level.repeat(again, self.stacks - once)


class _Known:
    """Flows of a block's parts that were walked, by N, widths and depth, and modules where they matter."""

    def __init__(self) -> None:
        self.keys: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.flows: Ints | None = None

    def look(self, columns: list[Ints], walk: Callable[[Any], Ints]) -> Ints:
        """Flows for designs by their columns; `walk` gives those of some designs by their places."""
        if any(int(column.max()) >> bits for column, bits in zip(columns, _BITS, strict=True)):
            return walk(slice(None))
        keys: NDArray[np.uint64] = np.zeros(len(columns[0]), np.uint64)
        for column, bits in zip(columns, _BITS, strict=True):
            keys = (keys << np.uint64(bits)) | column.astype(np.uint64)
        missing, first = np.unique(keys[~self._has(keys)], return_index=True)
        if len(missing):
            self._keep(missing, walk(np.flatnonzero(~self._has(keys))[first]))
        if self.flows is None:
            raise AssertionError("no designs to look for")
        return self.flows[..., np.searchsorted(self.keys, keys)]

    def _has(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.equal(self.keys[place], keys)

    def _keep(self, keys: NDArray[np.uint64], flows: Ints) -> None:
        both = flows if self.flows is None else np.concatenate((self.flows, flows), axis=-1)
        joint = np.concatenate((self.keys, keys))
        order = np.argsort(joint)
        self.keys, self.flows = joint[order], both[..., order]


def _alone(frame: Frame, block: int, n: Ints, m: Ints, w: Ints, stacks: Ints) -> Designs:
    """Designs of which only one block is to be looked at."""
    one = np.ones((), np.int64)
    count = len(frame.dilations)
    widths = [m if index == block - 1 else w for index in range(count)]
    each = [stacks if index == block else one for index in range(count)]
    return Designs(frame, n, m if block == 0 else one, one, one, (one,) * count, tuple(each), tuple(widths))


def _at_rest(tally: Tally, sizes: Sizes, setting: Setting) -> Any:
    copies, each = factors_of_state(setting)
    statistics = 2 * FP32 * tally.channels() + INT64 * tally.norms()
    state = each * tally.tensors() if each else 0
    return (1 + copies) * FP32 * tally.params() + state + statistics + sizes.image + sizes.targets


def _step(tally: Tally, setting: Setting) -> Flow:
    """The loss's gradient, one number, goes; the optimiser takes what it takes."""
    weights = FP32 * tally.weights()
    groups = temporaries_of_groups(weights, FP32 * tally.params() - weights, setting)
    return Flow(0, reduce(np.maximum, groups) - FP32)
