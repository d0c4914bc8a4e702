"""What the known tools print for a network, and where that differs from this project's MACs, term by term.

A tool is a row of data: the terms that it adds to the MACs. Its figure is their sum and its reconciliation their
list, so the two cannot fall out of step. The tools themselves are run by `sunetlab.model.counters`.
"""

from collections.abc import Callable
from typing import NamedTuple

from sunetlab.analysis.cost import WEIGHTED, LayerCost, area, cost
from sunetlab.analysis.report import Report
from sunetlab.errors import InputError


class Term(NamedTuple):
    """Something that a tool counts and this project's MACs do not.

    Attributes:
        what: is counted, in words.
        times: how often.
        kinds: of the layers where it is counted.
        number: how much of it a layer with its costs has, and the batch that these are for.
    """

    what: str
    times: int
    kinds: tuple[str, ...]
    number: Callable[[LayerCost, int], int]


class Tool(NamedTuple):
    """How a tool counts.

    Attributes:
        version: for which the terms were proved.
        prints: what the tool calls its figure.
        one_image: it makes its input itself, from the size of one image, so that a batch has no say.
        terms: what it adds to the MACs.
    """

    version: str
    prints: str
    one_image: bool
    terms: tuple[Term, ...]


class Part(NamedTuple):
    """One term of a figure: `times` times `number` of `what`."""

    what: str
    times: int
    number: int

    @property
    def amount(self) -> int:
        """What it brings to the figure."""
        return self.times * self.number


def figure(report: Report, tool: str) -> int:
    """What a tool prints for a network in evaluation mode, to the last unit.

    Raises:
        InputError: no such tool.
    """
    return sum(part.amount for part in reconcile(report, tool))


def reconcile(report: Report, tool: str) -> tuple[Part, ...]:
    """The MACs of the batch, then every term by which the tool's figure differs from them; they sum to the figure.

    Raises:
        InputError: no such tool.
    """
    if tool not in TOOLS:
        raise InputError(f"{tool!r}: no such tool; known are {', '.join(TOOLS)}")
    how = TOOLS[tool]
    images = 1 if how.one_image else report.batch
    rows = [cost(layer, images) for layer in report.layers]
    parts = [Part("MACs", 1, report.macs)]
    if images < report.batch:
        one = sum(row.macs for row in rows)
        parts.append(Part("MACs of one image, for each image beyond the first", images - report.batch, one))
    for term in how.terms:
        number = sum(term.number(row, images) for row in rows if row.layer.kind in term.kinds)
        parts.append(Part(term.what, term.times, number))
    return tuple(parts)


def _macs(row: LayerCost, _: int) -> int:
    return row.macs


def _given(row: LayerCost, _: int) -> int:
    return row.elements


def _taken(row: LayerCost, batch: int) -> int:
    return batch * row.layer.in_channels * area(row.layer.in_size)


def _params(row: LayerCost, batch: int) -> int:
    return batch * row.params


def _beyond(row: LayerCost, _: int) -> int:
    """MACs that a transposed convolution would have more if it worked at its output's positions."""
    return row.macs // area(row.layer.in_size) * area(row.layer.out_size) - row.macs


_BIAS = Term("elements of layers with a bias", 1, WEIGHTED, _given)
_AT_OUTPUT = Term("MACs of transposed convolutions, if at output positions", 1, ("conv_transpose",), _beyond)


def _elements(of: str, times: int, kind: str) -> Term:
    return Term(f"elements {of}", times, (kind,), _given)


TOOLS: dict[str, Tool] = {
    "fvcore": Tool(
        "0.1.5",
        "flops",
        one_image=False,
        terms=(_elements("of BN", 2, "bn"), _elements("of the bilinear resize", 4, "bilinear")),
    ),
    "ptflops": Tool("0.7.5, aten backend", "MACs", one_image=True, terms=(_BIAS,)),
    "ptflops-pytorch": Tool(
        "0.7.5, pytorch backend",
        "MACs",
        one_image=True,
        terms=(
            _BIAS,
            _elements("of BN", 2, "bn"),
            # its hooks count the module, its patches the function that the module calls
            _elements("of ReLU, as modules and as functions", 2, "relu"),
            Term("elements into average pools, as modules and as functions", 2, ("avg_pool",), _taken),
            _elements("of the bilinear resize", 1, "bilinear"),
        ),
    ),
    "torch": Tool(
        "torch.utils.flop_counter",
        "FLOPs",
        one_image=False,
        terms=(Term("MACs again: a multiplication and an addition", 1, WEIGHTED, _macs),),
    ),
    "torchinfo": Tool(
        "1.8",
        "mult-adds",
        one_image=False,
        terms=(_AT_OUTPUT, _BIAS, Term("parameters of BN, for each image", 1, ("bn",), _params)),
    ),
    "thop": Tool(
        "0.1.1",
        "MACs",
        one_image=False,
        terms=(_AT_OUTPUT, _elements("of BN", 4, "bn"), _elements("of average pools", 1, "avg_pool")),
    ),
}
