"""What a paper may count of a network, and the ways to count it."""

from collections.abc import Callable

from sunetlab.analysis.cost import CONVOLUTIONS, WEIGHTED
from sunetlab.analysis.report import Report


def _params(report: Report, *kinds: str) -> int:
    return sum(row.params for row in report.rows if row.layer.kind in kinds)


def _biases(report: Report) -> int:
    return sum(row.layer.out_channels for row in report.rows if row.layer.kind in WEIGHTED)


def _layers(report: Report, *kinds: str) -> int:
    return sum(layer.kind in kinds and not layer.skip for layer in report.layers)


def _skips(report: Report, part: str = "") -> int:
    return sum(layer.skip and layer.part.startswith(part) for layer in report.layers)


# Quantity → ways to count it, the usual one, which needs no words, first.
COUNTS: dict[str, dict[str, Callable[[Report], int]]] = {
    "params": {
        "": lambda report: report.params,
        "without the classifier": lambda report: report.params - report.params_classifier,
        "without biases": lambda report: report.params - _biases(report),
        "without BN": lambda report: report.params - _params(report, "bn"),
        "without biases and BN": lambda report: _params(report, *WEIGHTED) - _biases(report),
        "with BN's running statistics": lambda report: report.params + _params(report, "bn"),
    },
    "layers": {
        "": lambda report: report.depth,
        "without the classifier": lambda report: _layers(report, *CONVOLUTIONS),
        "with the stem's shortcut": lambda report: report.depth + _skips(report, "stem"),
        "with every convolution on a skip": lambda report: report.depth + _skips(report),
        "with pools": lambda report: report.depth + _layers(report, "avg_pool", "global_pool"),
    },
}
