"""A u-net module to be drawn: its rows of the plan, which of its boxes are joined, what they say."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from sunetlab.analysis.cost import CONVOLUTIONS, cost
from sunetlab.analysis.fov import Field
from sunetlab.analysis.plan import Layer, Plan
from sunetlab.draw.convs import kernel_words
from sunetlab.draw.words import count, extent, field_words, plural, short, sides
from sunetlab.spec import Block, Module

INPUT, OUTPUT = "input", "output"


class Cells(NamedTuple):
    """What stands in the corners of a convolution's box."""

    kernel: str
    maps: str
    size: str
    field: str


class Unit(NamedTuple):
    """Modules of a block that differ in nothing but the maps that they take, to be drawn as one.

    Attributes:
        start: the first of them in its block, from 0.
        total: modules in the block.
        modules: all of them.
        first: index in the plan of the first module's first layer.
        layers: the first module's rows of the plan.
    """

    start: int
    total: int
    modules: tuple[Module, ...]
    first: int
    layers: tuple[Layer, ...]

    @property
    def name(self) -> str:
        """The first module's name in the network."""
        return self.layers[-1].name.rpartition(".")[0]

    @property
    def which(self) -> str:
        """Their places in the block."""
        last = self.start + len(self.modules)
        return f"U-net {last}" if len(self.modules) == 1 else f"U-nets {self.start + 1}–{last}"

    @property
    def heading(self) -> str:
        """Their places, of how many, and how many they are."""
        times = f", × {count(len(self.modules))}" if len(self.modules) > 1 else ""
        return f"{self.which} of {count(self.total)}{times}"

    @property
    def maps(self) -> tuple[str, str]:
        """Maps in and out, in words."""
        return extent(m.in_channels for m in self.modules), extent(m.out_channels for m in self.modules)

    @property
    def skip(self) -> str:
        """How their output is joined to their input."""
        first = self.modules[0]
        if first.growth:
            return f"adds {plural(first.growth, 'map')} by concatenation"
        return "identity skip" if first.in_channels == first.out_channels else "1×1 expansion on the skip"

    @property
    def costs(self) -> str:
        """Parameters and MACs of one of them."""
        rows = [cost(layer) for layer in self.layers]
        several = " in the first" if self.modules[0].growth else " each"
        numbers = f"{count(sum(row.params for row in rows))} parameters, {short(sum(row.macs for row in rows))} MACs"
        return numbers + (several if len(self.modules) > 1 else "")

    @property
    def convs(self) -> list[Layer]:
        """Convolutions, the one on the skip among them."""
        return [layer for layer in self.layers if layer.kind in CONVOLUTIONS]

    @property
    def shared(self) -> str:
        """The layer after which the 1×1 and the expansion on the skip part, "" where there is no such."""
        return self.layers[1].name if any(layer.skip for layer in self.layers) else ""

    def inside(self, layer: Layer) -> str:
        """A layer's name within the module."""
        return layer.name.removeprefix(self.name + ".")


def units(plan: Plan, block: Block) -> list[Unit]:
    """A block's modules by kind, in order: the first, whose skip is an expansion, then the others; or by growth."""
    found, start = [], 0
    for _, group in groupby(block.modules, key=lambda m: (m.growth, m.in_channels == m.out_channels)):
        modules = tuple(group)
        prefix = f"blocks.{block.index}.unets.{start}."
        own = [(index, layer) for index, layer in enumerate(plan.layers) if layer.name.startswith(prefix)]
        layers = tuple(layer for _, layer in own)
        found.append(Unit(start, len(block.modules), modules, own[0][0], layers))
        start += len(modules)
    return found


def joins(unit: Unit) -> Iterator[tuple[str, str]]:
    """Which box gives its maps to which, by name, read off the plan: BN and ReLU belong to the box that follows."""
    own = {unit.first + index: layer for index, layer in enumerate(unit.layers)}

    def source(index: int) -> str:
        if index not in own:
            return INPUT
        return own[index].name if _is_box(unit, own[index]) else source(own[index].inputs[0])

    for layer in unit.layers:
        if _is_box(unit, layer):
            yield from ((source(index), layer.name) for index in layer.inputs)
    yield unit.layers[-1].name, OUTPUT


def _is_box(unit: Unit, layer: Layer) -> bool:
    return layer.kind not in {"bn", "relu"} or layer.name == unit.shared


def cells_of(unit: Unit, fields: Mapping[str, Field]) -> dict[str, Cells]:
    """What the boxes say, by the layer's name; the expansion on the skip sees what the first 1×1 sees."""
    found = {}
    for layer in unit.convs:
        inside = unit.inside(layer)
        before = unit.maps[0] if inside in {"reduce", "skip"} else count(layer.in_channels)
        field = field_words(fields["reduce" if inside == "skip" else inside])
        maps = f"{before} → {count(layer.out_channels)}"
        found[layer.name] = Cells(kernel_words(layer), maps, sides(layer.out_size), f"field {field}")
    return found


def in_words(found: Sequence[Unit]) -> str:
    """Modules in sentences, for those who do not see them."""
    sentences = []
    for unit in found:
        steps = "; ".join(f"{unit.inside(c)} {kernel_words(c)} to {sides(c.out_size)}" for c in unit.convs)
        sentences.append(f"{unit.heading}: {unit.maps[0]} to {unit.maps[1]} maps, {unit.skip}, {unit.costs}: {steps}.")
    return " ".join(sentences)
