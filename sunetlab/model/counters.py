"""Runs the counting tools themselves on a network. `sunetlab.analysis.tools` says beforehand what they print.

Every tool works on a copy without weights, so that nothing stays behind on the network: ptflops leaves hooks, thop
buffers. Most work on the meta device, where no map takes memory. Two cannot, and run the network on the CPU, with
weights that nobody has set: fvcore traces, and the shapes that a trace makes are tensors, which torch's meta functions
do not take; ptflops' pytorch backend replaces functions of torch that meta functions call, and would count those too.
"""

import contextlib
import copy
import importlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sunetlab.analysis.plan import Size
from sunetlab.errors import SunetlabError
from sunetlab.model.sunet import SUNet

Run = Callable[[SUNet, Size, int], int]


def installed(tool: str) -> bool:
    """Whether a tool can be run here."""
    return importlib.util.find_spec(tool.partition("-")[0]) is not None


def count(tool: str, model: SUNet, size: Size, batch: int = 1) -> int:
    """What a tool prints for a network in evaluation mode on `batch` images of (height, width); says nothing itself.

    ptflops makes its input itself, of one image.

    Raises:
        SunetlabError: the tool is not installed, or fails.
    """
    with quiet(), torch.no_grad():
        try:
            return COUNTERS[tool](without_weights(model).eval(), size, batch)
        except ImportError as error:
            raise SunetlabError(f"{tool}: cannot be imported: {error}") from None


def without_weights(model: SUNet) -> SUNet:
    """A copy on the meta device: modules, shapes and hooks, but no values."""
    tensors: Iterator[Tensor] = chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, {id(tensor): _on_meta(tensor) for tensor in tensors})


def _on_meta(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor, device="meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No output, no warnings, no log: the tools and what they import have much to say about deprecation."""
    said = io.StringIO()
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _images(model: SUNet, size: Size, batch: int, device: str = "meta") -> Tensor:
    return torch.zeros(batch, model.spec.in_channels, *size, device=device)


def _fvcore(model: SUNet, size: Size, batch: int) -> int:
    from fvcore.nn import FlopCountAnalysis

    return int(FlopCountAnalysis(model.to_empty(device="cpu"), _images(model, size, batch, "cpu")).total())


def _ptflops(backend: str, device: str) -> Run:
    def run(model: SUNet, size: Size, _: int) -> int:
        from ptflops import get_model_complexity_info

        said, shape = io.StringIO(), (model.spec.in_channels, *size)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):  # where it fails, a traceback
            macs, _params = get_model_complexity_info(
                model.to_empty(device=device), shape, backend=backend, as_strings=False, print_per_layer_stat=False
            )
        if macs is None:
            raise SunetlabError(f"ptflops, {backend} backend: {said.getvalue().strip().splitlines()[-1]}")
        return int(macs)

    return run


def _torch(model: SUNet, size: Size, batch: int) -> int:
    with FlopCounterMode(display=False) as counter:
        model(_images(model, size, batch))
    return int(counter.get_total_flops())


def _torchinfo(model: SUNet, size: Size, batch: int) -> int:
    import torchinfo

    return int(torchinfo.summary(model, input_data=_images(model, size, batch), verbose=0).total_mult_adds)


def _thop(model: SUNet, size: Size, batch: int) -> int:
    thop = importlib.import_module("thop")  # has no types
    macs, _params = thop.profile(model, (_images(model, size, batch),), verbose=False)
    return int(macs)


COUNTERS: dict[str, Run] = {
    "fvcore": _fvcore,
    "ptflops": _ptflops("aten", "meta"),
    "ptflops-pytorch": _ptflops("pytorch", "cpu"),
    "torch": _torch,
    "torchinfo": _torchinfo,
    "thop": _thop,
}
