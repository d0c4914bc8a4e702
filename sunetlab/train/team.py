"""Who trains a network together: this process alone, or all that torchrun has begun, each with its share of a batch.

What they make is what one process would have made of the whole batch: the same order of the images, the same draws of
augmentation, BN's statistics of all of it, and the gradient of its mean loss. Only sums are rounded in another order.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sunetlab.errors import InputError, SunetlabError
from sunetlab.train.batch_norm import share_statistics
from sunetlab.train.memory import LackOfMemoryError, is_out_of_memory

_BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}  # by the kind of device
_PATIENCE = timedelta(days=1)  # torchrun ends those whose fellow has died; one that is only slow is waited for


class ApartError(SunetlabError):
    """Processes that train together cannot go on: one of them has ended, or cannot do its share."""


class Team(Protocol):
    """The processes that train a network together, numbered from 0, as one of them sees them."""

    rank: int
    world: int

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes and tells."""
        ...

    def share(self, rows: Tensor, before: int = 0) -> Tensor:
        """This process's part of rows that all have: the parts of all are the rows; it may be empty.

        So many rows were dealt out `before`: where not all have as many, the process whose turn it is has one more.
        """
        ...

    def sum(self, values: Tensor) -> Tensor:
        """The sum of all processes' values, in the same tensor."""
        ...

    def hear(self, words: str = "") -> str:
        """What the leading process says; the others' words do not matter."""
        ...

    def errors(self) -> AbstractContextManager[None]:
        """Around what is done together: what only one of several knows of ends all, in one line (`ApartError`)."""
        ...

    def trained(self, model: nn.Module) -> nn.Module:
        """What the model is called through in training; its BN has the statistics of all images from now on."""
        ...

    def adding(self, network: nn.Module, last: bool) -> AbstractContextManager[None]:
        """Around a part of a batch, forwards and backwards: gradients add up, and after the `last` over all."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Gradients of the sum of all processes' losses."""
        ...


class Alone:
    """One process, which does everything; see `Team`."""

    rank, world, leads = 0, 1, True

    def share(self, rows: Tensor, before: int = 0) -> Tensor:  # noqa: ARG002
        """All."""
        return rows

    def sum(self, values: Tensor) -> Tensor:
        """Its own."""
        return values

    def hear(self, words: str = "") -> str:
        """Its own."""
        return words

    def errors(self) -> AbstractContextManager[None]:
        """They go through."""
        return nullcontext()

    def trained(self, model: nn.Module) -> nn.Module:
        """The model itself."""
        return model

    def adding(self, network: nn.Module, last: bool) -> AbstractContextManager[None]:  # noqa: ARG002
        """Gradients add up anyway."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Gradients of its loss."""
        loss.backward()  # type: ignore[no-untyped-call]


ALONE = Alone()


class Torchrun:
    """All processes that torchrun has begun, as one of them sees them; see `Team`.

    Args:
        rank: its number.
        world: how many they are.
    """

    def __init__(self, rank: int, world: int) -> None:
        self.rank, self.world, self.leads = rank, world, rank == 0

    def share(self, rows: Tensor, before: int = 0) -> Tensor:
        """See `Team`; neighbours."""
        return rows.tensor_split(self.world)[(self.rank - before) % self.world]

    def sum(self, values: Tensor) -> Tensor:
        """See `Team`."""
        dist.all_reduce(values)
        return values

    def hear(self, words: str = "") -> str:
        """See `Team`.

        Raises:
            ApartError: one of them has ended.
        """
        with self.errors():
            said = torch.tensor(list(words.encode()), dtype=torch.uint8)
            length = torch.tensor(len(said))
            dist.broadcast(length, 0)
            heard = said if self.leads else torch.empty(int(length), dtype=torch.uint8)
            dist.broadcast(heard, 0)
            return bytes(heard.tolist()).decode()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What gloo and NCCL say when another process is gone, and lack of memory in the middle of a step.

        Raises:
            ApartError: in the place of either.
        """
        try:
            yield
        except LackOfMemoryError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                helps = "a recipe with more parts to a batch (accumulate) needs less"
                raise ApartError(f"too little memory, which the other processes cannot be told here; {helps}") from None
            if isinstance(error, dist.DistError) or "/gloo/" in str(error):
                raise ApartError("another process of this training has ended; the same command goes on") from None
            raise

    def trained(self, model: nn.Module) -> nn.Module:
        """See `Team`."""
        share_statistics(model, self.sum)
        return DistributedDataParallel(model)

    def adding(self, network: nn.Module, last: bool) -> AbstractContextManager[None]:
        """See `Team`."""
        assert isinstance(network, DistributedDataParallel)
        return nullcontext() if last else network.no_sync()

    def backward(self, loss: Tensor) -> None:
        """See `Team`; DistributedDataParallel takes the mean of the processes' gradients, and here the sum is meant."""
        (loss * self.world).backward()  # type: ignore[no-untyped-call]


def is_begun() -> bool:
    """Whether torchrun has begun this process as one of several."""
    return dist.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1


@contextmanager
def joined(device: str = "auto") -> Iterator[tuple[Team, str]]:
    """The processes that torchrun has begun, and the device that is this one's; alone, what was asked for.

    Args:
        device: "auto", "cpu" or "cuda"; alone any that `pick_device` knows.

    Raises:
        InputError: several processes cannot have such a device, or there are fewer GPUs than processes.
    """
    if not is_begun():
        yield ALONE, device
        return
    own = _own_device(device, int(os.environ["LOCAL_RANK"]))
    dist.init_process_group(_BACKENDS[own.partition(":")[0]], timeout=_PATIENCE)
    yield Torchrun(dist.get_rank(), dist.get_world_size()), own
    dist.destroy_process_group()  # not after an error: who leaves in order waits for the others


def _own_device(device: str, number: int) -> str:
    """The device of the process that is the `number`th on its machine."""
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device: {device!r}: several processes have auto, cpu, or cuda: a GPU for each of them")
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if number >= (gpus := torch.cuda.device_count()):
        raise InputError(f"device: {device!r}: more processes on this machine than its {gpus} GPUs")
    torch.cuda.set_device(number)
    return f"cuda:{number}"
