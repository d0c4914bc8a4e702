"""Costs of many designs at once, in closed form: what `analysis` counts layer by layer, summed once on paper.

A block takes m maps on a grid of A_0 positions and gives w. Its s modules have N maps inside and d levels; level i
works on A_i positions above and A_(i+1) below. Every formula is a sum of terms over stem, blocks and head, and a term
reads a few factors only: numpy's broadcasting works it out over just those.

What is inside of a module, its two 1×1 convolutions apart (every convolution is BN-ReLU-Conv of N maps; the transposed
one of a level takes 2N, but for the innermost):

    weights     9N²(5d − 1)                            2d going down, d + 1 + 2(d − 1) coming up, each 9N²
    biases      4dN
    channels    N(5d − 1)                              that BNs scale
    macs        9N²(Σ_i (A_i + 4·A_(i+1)) − A_d)
    kept        N(Σ_i (3·A_i + 7·A_(i+1)) − 3·A_d)     elements of maps that stay for the backward pass
"""

from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np

from sunetlab import rules
from sunetlab.analysis.cost import area
from sunetlab.analysis.memory.sizes import BF16, FP32, Setting
from sunetlab.analysis.plan import Size
from sunetlab.space.arrays.designs import Designs, Frame, Ints

_K3 = 9  # weights of a 3×3 kernel
_DEGRID = rules.DEGRID_WIDTH


class Grids(NamedTuple):
    """Maps of a frame at an input size.

    Attributes:
        size: (height, width) of the image.
        stem: positions after the stem's first convolution.
        blocks: for each block (height, width) of its map, then of the map below each of its levels.
    """

    size: Size
    stem: int
    blocks: tuple[tuple[Size, ...], ...]


def grids(frame: Frame, size: Size, deepest: int) -> Grids:
    """Maps of a frame for an input of `size`, down to `deepest` levels in every block; 0 where a pool leaves none."""
    stride = rules.STEMS[frame.stem].stride
    stem = _strided(size, stride)
    at, blocks = _strided(stem, stride), []
    for pool, dilation in zip(frame.pools, frame.dilations, strict=True):
        at = (at[0] // 2, at[1] // 2) if pool else at
        sides = [at]
        for level in rules.levels(deepest, dilation, frame.downsampling):
            sides.append(_strided(sides[-1], level.stride))
        blocks.append(tuple(sides))
    return Grids(size, stem[0] * stem[1], tuple(blocks))


def _strided(size: Size, stride: int) -> Size:
    return -(-size[0] // stride), -(-size[1] // stride)


class Block(NamedTuple):
    """One block of many designs; sums over its modules, all broadcastable.

    Attributes:
        n, stacks, depth: as in `SUNetSpec`.
        entered: Σ maps that a module takes.
        given: Σ maps that its last 1×1 convolution gives.
        joined: Σ maps that it hands on, after the addition or the concatenation.
        skip: weights of the 1×1 convolution on the first module's skip; 0 where it has none.
        skip_width: its biases.
        pooled: maps of the pool before the block; 0 where there is none.
    """

    n: Ints
    stacks: Ints
    depth: Ints
    entered: Ints
    given: Ints
    joined: Ints
    skip: Ints
    skip_width: Ints
    pooled: Ints


def blocks(designs: Designs) -> list[Block]:
    """The blocks of designs."""
    found, m = [], designs.stem_width
    for index, pool in enumerate(designs.frame.pools):
        w, s = designs.widths[index], designs.stacks[index]
        if designs.frame.connectivity == "dense":
            entered = _entered_dense(m, w, s)
            sums = (entered, w - m, entered + w - m, _NONE, _NONE)
        else:
            expands = m != w
            sums = (m + (s - 1) * w, s * w, s * w, expands * (m * w), expands * w)
        found.append(Block(designs.n, s, designs.depth[index], *sums, m if pool else _NONE))
        m = w
    return found


_NONE: Ints = np.zeros((), np.int64)


def _entered_dense(m: Ints, w: Ints, s: Ints) -> Ints:
    """Σ over modules i of m + i·q + min(i, r): the growth w − m in s shares, the first r of them larger by one."""
    q, r = np.divmod(w - m, s)
    entered: Ints = s * m + q * (s * (s - 1) // 2) + r * (r - 1) // 2 + r * (s - r)
    return entered


class Tally:
    """What designs hold for one image of a size, worked out when asked for.

    Every method gives int64, one number per design, in a shape that broadcasts to that of the designs.
    """

    def __init__(self, designs: Designs, grids: Grids) -> None:
        self.designs, self.grids, self.blocks = designs, grids, blocks(designs)
        areas = [np.array([height * width for height, width in sides]) for sides in grids.blocks]
        self.area = [int(area[0]) for area in areas]
        self.inside_macs = [_inside(area, 1, 4, 1) for area in areas]
        self.inside_kept = [_inside(area, 3, 7, 3) for area in areas]

    def weights(self) -> Ints:
        """Weights of convolutions and the linear classifier."""
        return _sum(
            self._stem_weights(1, 1),
            *(
                b.n * (b.entered + b.given) + b.stacks * (_K3 * (5 * b.depth - 1)) * b.n**2 + b.skip
                for b in self.blocks
            ),
            self._head_weights(1, 1),
        )

    def biases(self) -> Ints:
        """Their biases."""
        designs = self.designs
        return _sum(
            designs.stem_width // 2 + 3 * designs.stem_width,
            *(b.stacks * (4 * b.depth + 1) * b.n + b.given + b.skip_width for b in self.blocks),
            designs.num_classes + (2 * _DEGRID if designs.frame.degrid else 0),
        )

    def channels(self) -> Ints:
        """Channels of all BNs: each has a scale and a shift, and two statistics."""
        designs = self.designs
        return _sum(
            designs.stem_width // 2 + designs.stem_width,
            *(b.entered + b.stacks * (5 * b.depth) * b.n for b in self.blocks),
            designs.widths[-1] + (2 * _DEGRID if designs.frame.degrid else 0),
        )

    def norms(self) -> Ints:
        """How many BNs there are."""
        inside = (b.stacks * (4 * b.depth + 2) for b in self.blocks)
        return _sum(np.array(5 if self.designs.frame.degrid else 3), *inside)

    def tensors(self) -> Ints:
        """Tensors that parameters come in: two of every BN, convolution and linear classifier."""
        skips = (np.sign(b.skip_width) for b in self.blocks)
        return 2 * (self.norms() + self.layers() + 1 + _sum(_NONE, *skips))

    def params(self) -> Ints:
        """Parameters."""
        return self.weights() + self.biases() + 2 * self.channels()

    def layers(self) -> Ints:
        """Convolutions on the main path and the classifier, as Table 1 counts layers."""
        inside = (b.stacks * (4 * b.depth + 2) for b in self.blocks)
        return _sum(np.array(6 if self.designs.frame.degrid else 4), *inside)

    def macs(self) -> Ints:
        """Multiply-accumulates: see `analysis.cost`."""
        segmentation = self.designs.frame.task == "segmentation"
        return _sum(
            self._stem_weights(self.grids.stem, self.area[0]),
            *(
                area * (b.n * (b.entered + b.given) + b.skip) + (_K3 * b.stacks * inside[b.depth]) * b.n**2
                for b, area, inside in zip(self.blocks, self.area, self.inside_macs, strict=True)
            ),
            self._head_weights(self.area[-1], self.area[-1] if segmentation else 1),
        )

    def kept(self) -> Ints:
        """Elements of the maps that stay for the backward pass: see `analysis.memory.kept`."""
        designs = self.designs
        head = designs.widths[-1] + (4 * _DEGRID if designs.frame.degrid else 0)
        width = np.array(_DEGRID) if designs.frame.degrid else designs.widths[-1]
        return _sum(
            2 * self.grids.stem * (designs.stem_width // 2) + 3 * self.area[0] * designs.stem_width,
            *(
                area * (b.entered + b.joined + b.pooled) + (b.stacks * (3 * area + inside[b.depth])) * b.n
                for b, area, inside in zip(self.blocks, self.area, self.inside_kept, strict=True)
            ),
            self.area[-1] * head,
            width if designs.frame.task == "classification" else _NONE,  # the mean, which the linear layer takes
        )

    def activations(self, batch: int, setting: Setting) -> Ints:
        """Bytes that stay for the backward pass: maps, BNs' statistics, autocast's copies; storages end to end."""
        maps = batch * (BF16 if setting.bf16 else FP32) * self.kept() + 2 * FP32 * self.channels()
        if not setting.bf16:
            return maps
        return maps + BF16 * (self.weights() + batch * area(self.grids.size) * self.designs.in_channels)

    def _stem_weights(self, first: int, others: int) -> Ints:
        """Weights of the stem, those of its first convolution and of the others taken so many times."""
        width, kernel = self.designs.stem_width, rules.STEMS[self.designs.frame.stem].kernel
        half = width // 2
        return first * kernel**2 * self.designs.in_channels * half + others * ((_K3 + 1) * half + _K3 * width) * width

    def _head_weights(self, filters: int, classifier: int) -> Ints:
        width, classes = self.designs.widths[-1], self.designs.num_classes
        if not self.designs.frame.degrid:
            return classifier * width * classes
        return filters * (_K3 * _DEGRID) * (width + _DEGRID) + classifier * _DEGRID * classes


def _inside(area: Ints, above: int, below: int, innermost: int) -> Ints:
    """(depths + 1,): Σ over levels of above·A_i + below·A_(i+1), less innermost·A_d."""
    levels = above * area[:-1] + below * area[1:]
    return np.concatenate(([0], np.cumsum(levels))) - innermost * area


def _sum(*terms: Ints) -> Ints:
    """The terms' sum, those of few numbers first, so that few additions are of full size."""
    return reduce(add, sorted(terms, key=np.size))
