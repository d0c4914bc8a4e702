"""Several processes make of a batch what one would: the same losses, figures and weights, but for rounding."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from sunetlab import InputError
from sunetlab.model.sunet import SUNet
from sunetlab.spec import Task
from sunetlab.train.batch_norm import JointBatchNorm2d
from sunetlab.train.checks import check_team
from sunetlab.train.data import MemorySplit, Progress
from sunetlab.train.evaluate import Near, Tally
from sunetlab.train.loop import NotFiniteError, train
from sunetlab.train.memory import LackOfMemoryError
from sunetlab.train.recipe import Recipe
from sunetlab.train.run import Run, read_log
from sunetlab.train.team import ALONE, ApartError, Torchrun, joined
from tests.tiny import TinyData, tiny_run

AUGMENT: dict[str, Any] = {"scale": (0.7, 1.4), "rotate": 10.0, "color": 0.2, "lighting": 0.1}


class VoidData(TinyData):
    """25 images, so that none of the splits can be dealt out evenly, whose masks are void to very different parts."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, count=25)

    def split(self, name: str, progress: Progress | None = None) -> MemorySplit:
        found = super().split(name, progress)
        if self.task == "segmentation":
            for image, mask in enumerate(found.targets):
                mask[: image % 25] = 255
        return found


class Case(NamedTuple):
    """What is trained, and by words of which other recipe one process would make the same."""

    run: Run
    same_as: Mapping[str, Any] = MappingProxyType({})
    fails: type[Exception] | None = None
    lacks: int | None = None  # images, for which the second process has no memory, if there are more
    lacks_after: int = 0  # so many times that it has memory for any


def words(**more: Any) -> dict[str, Any]:
    return {"words": {"stacks": (1,)}, "epochs": 2, "lr": 0.02, "augment": AUGMENT, **more}


CASES = {
    "classification": Case(tiny_run(**words(batch_size=9, label_smoothing=0.1))),
    "segmentation": Case(tiny_run("segmentation", **words(batch_size=12, accumulate=2, grad_clip=0.1))),
    "not finite": Case(tiny_run(lr=1e30, schedule="constant"), fails=NotFiniteError),
    "lacking too much": Case(tiny_run(min_micro_batch=4), fails=LackOfMemoryError, lacks=1),
    "adamw": Case(tiny_run(**words(batch_size=9, epochs=3, optimizer="adamw", lr=1e-3, decay_all=True))),
    "warm-up": Case(tiny_run("segmentation", **words(batch_size=7, accumulate=3, epochs=4, warmup=1.0))),
    "frozen": Case(tiny_run("segmentation", **words(batch_size=3, accumulate=3, freeze_bn=True))),
    "bf16": Case(tiny_run(**words(batch_size=8, precision="bf16", lr=1e-4))),
    "lacking": Case(tiny_run("segmentation", **words(min_micro_batch=1)), {"accumulate": 2}, lacks=2),
    "apart": Case(tiny_run(), fails=ApartError, lacks=1, lacks_after=4),  # the last: nothing can follow
}
EVERY_DAY = ["classification", "segmentation", "apart"]


def same(a: Tensor, b: Tensor | None) -> None:
    tight = 1e-5 if a.dtype == torch.float32 else 1e-12
    assert b is not None
    torch.testing.assert_close(a, b, rtol=tight, atol=tight)


def data_of(case: Case) -> VoidData:
    return VoidData(case.run.spec.task)


@contextmanager
def little_memory(case: Case) -> Iterator[None]:
    """A process that lacks memory as a case says."""
    forward, calls = SUNet.forward, 0

    def take(model: SUNet, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if case.lacks is not None and len(x) > case.lacks and calls > case.lacks_after:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(model, x)

    SUNet.forward = take  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        SUNet.forward = forward  # type: ignore[method-assign]


def join(rank: int, meeting: str) -> Torchrun:
    """What torchrun does, without it."""
    file = f"file://{meeting}"
    dist.init_process_group("gloo", init_method=file, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    return Torchrun(rank, 2)


def second(meeting: str, folder: Path, names: list[str]) -> None:
    """The second process, which ends with status 0 where every case ends as it should."""
    team = join(1, meeting)
    for name in names:
        case = CASES[name]
        try:
            with little_memory(case):
                train(case.run, data_of(case), folder / name, "cpu", team=team)
        except Exception as error:
            if case.fails is None or type(error) is not case.fails:
                raise
        else:
            assert case.fails is None
    os._exit(0)  # at once, as whoever lacks memory leaves the others


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = torch.load(folder / "last.pt", weights_only=True)["model"]
    return state


@pytest.mark.parametrize("names", [EVERY_DAY, pytest.param(list(CASES), marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does(names: list[str], tmp_path: Path) -> None:
    """The joint batch's losses, figures, weights and statistics; what one of them fails at ends both."""
    meeting, folder = str(tmp_path / "meeting"), tmp_path / "two"
    process = multiprocessing.get_context("spawn").Process(target=second, args=(meeting, folder, names))
    process.start()
    try:
        team = join(0, meeting)
        for name in names:
            case = CASES[name]
            if case.fails is not None:
                with pytest.raises(case.fails):
                    train(case.run, data_of(case), folder / name, "cpu", team=team)
                continue
            result = train(case.run, data_of(case), folder / name, "cpu", team=team)
            recipe = Recipe(**{**case.run.recipe.model_dump(), **case.same_as})
            alone = train(case.run.model_copy(update={"recipe": recipe}), data_of(case), tmp_path / name, "cpu")
            assert result["machine"].pop("processes") == 2
            assert result.keys() - {"micro_batch"} == alone.keys()
            for here, there in zip(read_log(tmp_path / name), read_log(folder / name), strict=True):
                for key in here.keys() - {"seconds", "images_per_second"}:
                    assert there[key] == pytest.approx(here[key], rel=1e-5, abs=1e-7), (name, key)
            for key, tensor in weights(tmp_path / name).items():
                if name == "adamw" and not key.endswith("weight"):
                    continue  # before BN a bias has no gradient but rounding, which AdamW takes for a direction
                torch.testing.assert_close(
                    weights(folder / name)[key], tensor, rtol=1e-4, atol=1e-5, msg=f"{name}: {key}"
                )
        process.join(30)
        assert process.exitcode == 0
    finally:
        process.kill()
        dist.destroy_process_group()
    if "lacking" in names:
        assert [row["micro_batch"] for row in read_log(folder / "lacking")] == [4, 4]
    assert not (folder / "apart" / "last.pt").exists()


class Threads:
    """Sums over threads, in the place of processes."""

    def __init__(self, count: int) -> None:
        self.barrier, self.slots = threading.Barrier(count, timeout=20), dict[int, Tensor]()

    def total(self, values: Tensor) -> Tensor:
        self.slots[threading.get_ident()] = values.clone()
        self.barrier.wait()
        found = torch.stack(list(self.slots.values())).sum(0)
        self.barrier.wait()
        return values.copy_(found)

    def run(self, calls: list[Callable[[], None]]) -> None:
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(3, 3), (4, 1), (5, 0, 2)])
def test_bn_has_the_statistics_of_all_images(sizes: tuple[int, ...], dtype: torch.dtype) -> None:
    """Against torch's own on all images: what comes out, every gradient, what is kept; one process may have none."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(sum(sizes), 3, 5, 4, generator=generator, dtype=dtype) * 2 + 7).requires_grad_()
    above = torch.randn(x.shape, generator=generator, dtype=dtype)
    whole = nn.BatchNorm2d(3, momentum=0.3, dtype=dtype)
    for parameter in whole.parameters():
        parameter.data.normal_(generator=generator)
    threads, state = Threads(len(sizes)), {name: value.clone() for name, value in whole.state_dict().items()}
    expected = whole(x)
    expected.backward(above)
    parts = [part.detach().clone().requires_grad_() for part in torch.split(x, list(sizes))]
    norms, found = [], dict[int, Tensor]()
    for _ in sizes:
        single = nn.BatchNorm2d(3, momentum=0.3, dtype=dtype)
        single.load_state_dict(state)
        norms.append(JointBatchNorm2d(single, threads.total))
    given = torch.split(above, list(sizes))

    def pass_through(number: int) -> None:
        found[number] = norms[number](parts[number])
        found[number].backward(given[number])  # type: ignore[no-untyped-call]

    threads.run([lambda number=number: pass_through(number) for number in range(len(sizes))])  # type: ignore[misc]
    same(torch.cat([found[number] for number in range(len(sizes))]), expected)
    same(torch.cat([part.grad for part in parts if part.grad is not None]), x.grad)
    for name, parameter in whole.named_parameters():
        same(torch.stack([norm.get_parameter(name).grad for norm in norms]).sum(0), parameter.grad)  # type: ignore[misc]
    for norm in norms:
        for name, value in whole.state_dict().items():
            same(norm.state_dict()[name], value)
        same(norm.eval()(x.detach()), whole.eval()(x.detach()))


DEALT = [((7,), 2), ((2,), 2), ((9,), 4), ((1, 1, 1), 2), ((3, 3, 2), 5), ((2, 2), 4)]


@pytest.mark.parametrize(("sizes", "world"), DEALT)
def test_shares_are_all_and_no_more(sizes: tuple[int, ...], world: int) -> None:
    """Of every part of a batch, and nobody has more than one image more of the batch than another."""
    parts = torch.split(torch.arange(sum(sizes)), list(sizes))
    dealt = [[Torchrun(rank, world).share(part, int(part[0])) for part in parts] for rank in range(world)]
    for number, part in enumerate(parts):
        assert sorted(torch.cat([shares[number] for shares in dealt]).tolist()) == part.tolist()
    counts = [sum(map(len, shares)) for shares in dealt]
    assert max(counts) - min(counts) <= 1
    assert all(ALONE.share(part, 3).equal(part) for part in parts)


def test_what_several_have_counted_is_what_one_would_have() -> None:
    """Boundaries as well, which training does not ask for."""
    generator = torch.Generator().manual_seed(0)
    logits, masks = torch.randn(4, 3, 9, 9, generator=generator), torch.randint(3, (4, 9, 9), generator=generator)
    masks[1] = 255
    whole, parts = (
        [Tally("segmentation", 3, torch.device("cpu"), Near((1, 2))) for _ in range(count)] for count in (1, 2)
    )
    whole[0].add(logits, masks)
    threads = Threads(2)
    for part, rows in zip(parts, (slice(0, 1), slice(1, 4)), strict=True):
        part.add(logits[rows], masks[rows])

    class Sums(Torchrun):
        def sum(self, values: Tensor) -> Tensor:
            return threads.total(values)

    threads.run([lambda part=part: part.join(Sums(0, 2)) for part in parts])  # type: ignore[misc]
    expected = whole[0].result()
    for part in parts:
        found = part.result()
        assert found.confusion.equal(expected.confusion)
        assert found.figures == pytest.approx(expected.figures, rel=1e-6)
        for k, counts in expected.boundary.items():
            assert all(one.equal(other) for one, other in zip(found.boundary[k], counts, strict=True))


def test_what_processes_cannot_do_together_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_team(Recipe(batch_size=2, compile="auto"), 10, Torchrun(0, 2))
    check_team(Recipe(batch_size=1, compile=True), 10, ALONE)
    with pytest.raises(InputError, match=r"batch_size: 3: fewer images than the 4 processes"):
        check_team(Recipe(batch_size=3), 10, Torchrun(0, 4))
    with pytest.raises(InputError, match=r"batch_size: 2: fewer images than the 4 processes"):
        check_team(Recipe(batch_size=8), 2, Torchrun(0, 4))
    with pytest.raises(InputError, match="compile: true: not where several processes"):
        check_team(Recipe(compile=True), 1000, Torchrun(0, 2))
    for name, value in (("TORCHELASTIC_RUN_ID", "none"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"device: 'cuda:1': several processes"), joined("cuda:1"):
        pass
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined("cuda:1") as alone:
        assert alone == (ALONE, "cuda:1")
