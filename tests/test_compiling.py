"""`compile = "auto"`: when it is tried, when it pays, that trying it leaves no trace, that it is kept."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sunetlab import InputError
from sunetlab.train import compiling, loop, rehearsal
from sunetlab.train.compiling import Choice, choose, confirm, pays
from sunetlab.train.loop import Trainer, train
from sunetlab.train.recipe import Recipe
from sunetlab.train.rehearsal import TrainerRehearsal
from sunetlab.train.run import read_log
from sunetlab.train.timing import timed
from sunetlab.train.watch import Silent
from tests.test_loop import CPU, Killed, KilledAfter, same, weights
from tests.test_sunet import has_compiler
from tests.tiny import TinyData, tiny_run

# what compiles imports torch.jit, which says that torch.jit.script is on its way out
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.jit")


@pytest.mark.parametrize(
    ("steps", "eager", "compiled", "compile_seconds", "expected"),
    [
        (1000, 0.5, 0.3, 60, True),
        (1000, 0.5, 0.3, 200, False),  # level is no gain
        (1000, 0.5, 0.3, 199, True),
        (300, 0.5, 0.3, 60, False),
        (301, 0.5, 0.3, 60, True),
        (10**9, 0.5, 0.5, 60, False),
        (10**9, 0.5, 0.6, 0, False),
        (0, 0.5, 0.1, 1, False),
    ],
)
def test_when_it_pays(steps: int, eager: float, compiled: float, compile_seconds: float, expected: bool) -> None:
    assert pays(steps, eager, compiled, compile_seconds) == expected


class Played:
    """A rehearsal with a clock of its own."""

    def __init__(self, eager: float, compiled: float = 1.0, compiling: float = 0.0, fails: str = "") -> None:
        self.seconds = {False: eager, True: compiled}
        self.compiling, self.fails = compiling, fails
        self.now, self.is_compiled, self.calls = 0.0, False, list[str]()

    def clock(self) -> float:
        return self.now

    def step(self) -> None:
        self.calls.append("step")
        if self.is_compiled and self.fails == "step":
            raise RuntimeError("No C++ compiler: g++\n\nSet TORCHDYNAMO_VERBOSE=1")
        is_first = self.is_compiled and "look" not in self.calls
        self.now += self.seconds[self.is_compiled] + (self.compiling if is_first else 0)

    def look(self) -> None:
        self.calls.append("look")
        if self.fails == "look":
            raise ValueError
        self.now += 7.0

    def compile(self) -> None:
        self.calls.append("compile")
        self.is_compiled = True


@pytest.mark.parametrize(
    ("steps", "played", "expected"),
    [
        (99, Played(1000), Choice(False, "fewer than 100 steps: not tried", 99)),
        (100, Played(1.19), Choice(False, "less than 120 s of steps: not tried", 100, 1.19)),
        (100, Played(1.2, 1.0, 13.0), Choice(False, "it does not pay", 100, 1.2, 1.0, 21.0)),
        (106, Played(1.2, 1.0, 13.0), Choice(True, "it pays", 106, 1.2, 1.0, 21.0)),
        (500, Played(1.0, 1.5, 1.0), Choice(False, "it does not pay", 500, 1.0, 1.5, 9.5)),
        (500, Played(1, fails="step"), Choice(False, "torch.compile fails here: No C++ compiler: g++", 500, 1)),
        (500, Played(1, fails="look"), Choice(False, "torch.compile fails here: ValueError", 500, 1)),
    ],
)
def test_what_is_chosen(steps: int, played: Played, expected: Choice) -> None:
    found = choose(lambda: played, steps, played.clock)
    assert found._replace(eager_seconds=None, compiled_seconds=None, compile_seconds=None) == expected._replace(
        eager_seconds=None, compiled_seconds=None, compile_seconds=None
    )
    assert found[3:] == pytest.approx(expected[3:])
    assert json.loads(json.dumps(found.record())) == found.record()
    assert Choice(**found.record()).compiled == expected.compiled
    assert len(played.calls) <= 11


def test_too_short_a_training_is_not_even_copied() -> None:
    assert not choose(lambda: pytest.fail("a copy was made"), 99).compiled


def test_what_was_chosen_is_kept_or_said_to_be_impossible() -> None:
    eager, compiled = (
        Choice(False, "it does not pay", 300, 1.0, 0.9, 50.0),
        Choice(True, "it pays", 300, 1.0, 0.5, 50.0),
    )
    assert confirm(eager, lambda: pytest.fail("nothing is to be tried")) == eager
    assert confirm(compiled, lambda: Played(1.0)) == compiled
    found = confirm(compiled, lambda: Played(1.0, fails="step"))
    assert not found.compiled
    assert found.why == "compiled until it was interrupted; torch.compile fails here: No C++ compiler: g++"


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries compiling however short a training is."""
    monkeypatch.setattr(compiling, "FEWEST", 0)
    monkeypatch.setattr(compiling, "SHORTEST", 0.0)


@pytest.fixture
def compiled(tried: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[nn.Module, bool]]:
    """The networks that would have been compiled, and whether they were copies of those before; none is, for speed."""
    del tried
    found: list[tuple[nn.Module, bool]] = []

    def noted(model: nn.Module, again: bool = False) -> None:
        found.append((model, again))

    for user in (loop, rehearsal):
        monkeypatch.setattr(user, "compile_network", noted)
    return found


@pytest.fixture
def graphs(tried: None, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What torch would have had compiled: graphs that a backend was given, which runs them as they are."""
    del tried
    found: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        found.append(graph)
        return graph.forward

    torch.compiler.reset()
    monkeypatch.setattr(compiling, "BACKEND", backend)
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    timings = {"seconds", "images_per_second"}
    return [{k: v for k, v in row.items() if k not in timings} for row in read_log(folder)]


@pytest.mark.parametrize("freeze_bn", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_trying_leaves_no_trace(
    optimizer: str, freeze_bn: bool, compiled: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, Any] = {"optimizer": optimizer, "freeze_bn": freeze_bn, "epochs": 2, "accumulate": 2}
    monkeypatch.setattr(compiling, "pays", lambda *_: False)
    for name, compile_ in (("plain", False), ("auto", "auto")):
        torch.manual_seed(5)
        train(tiny_run(**words, compile=compile_), TinyData(), tmp_path / name, "cpu")
        assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(5))), name
    assert len(compiled) == 1
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "auto"))
    states = [torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("plain", "auto")]
    for left, right in zip(*(tensors(state["optimizer"]) for state in states), strict=True):
        assert torch.equal(left, right)
    assert rows(tmp_path / "plain") == rows(tmp_path / "auto")


def tensors(state: dict[str, Any]) -> list[Tensor]:
    return [value for each in state["state"].values() for value in each.values()]


def test_a_copy_shares_nothing_with_the_training(tmp_path: Path) -> None:
    trainer = Trainer(tiny_run(), TinyData(), tmp_path, CPU, Silent())
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    copied = TrainerRehearsal(trainer)
    copied.step()
    copied.look()
    assert same(before, trainer.model.state_dict())
    assert not trainer.optimizer.state
    assert all(parameter.grad is None for parameter in trainer.model.parameters())
    assert trainer.optimizer.param_groups[0]["lr"] == trainer.recipe.lr
    changed = copied.trainer.model.state_dict()
    assert not same(before, changed)  # it did run: BN has seen the batch …
    assert all(
        torch.equal(before[name], changed[name]) for name in before if "running" not in name and "num_" not in name
    )


def test_what_pays_is_compiled_and_kept_after_a_kill(
    compiled: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "pays", lambda *_: True)
    run = tiny_run(compile="auto")
    with pytest.raises(Killed):
        train(run, TinyData(), tmp_path / "run", "cpu", KilledAfter(1))
    (copied, first), (trained, second) = compiled
    assert copied is not trained
    assert (first, second) == (False, True)
    chosen = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["compile"]
    assert (chosen["compiled"], chosen["steps"]) == (True, 9)
    monkeypatch.setattr(loop, "choose", lambda *_: pytest.fail("it is chosen already"))
    compiled.clear()
    result = train(run, TinyData(), tmp_path / "run", "cpu")
    assert result["compile"] == chosen
    assert json.loads((tmp_path / "run" / "result.json").read_text())["compile"] == chosen
    assert [again for _, again in compiled] == [False, True]
    (tmp_path / "run" / "result.json").unlink()
    assert train(run, TinyData(), tmp_path / "run", "cpu")["compile"] == chosen  # nothing is left to be compiled


def test_without_a_compiler_auto_goes_on_and_says_so(
    tried: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("No working C++ compiler found\n\nand much more")

    del tried
    monkeypatch.setattr(rehearsal, "compile_network", broken)
    result = train(tiny_run(epochs=1, compile="auto"), TinyData(), tmp_path / "run", "cpu")
    assert not result["compile"]["compiled"]
    assert result["compile"]["why"] == "torch.compile fails here: No working C++ compiler found"


@pytest.mark.slow
def test_what_the_copy_had_compiled_serves_the_training(
    graphs: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "pays", lambda *_: True)
    run = tiny_run(compile="auto", accumulate=2)
    train(run, TinyData(), tmp_path / "whole", "cpu")
    assert len(graphs) == 2  # a training step and a look
    with pytest.raises(Killed):
        train(run, TinyData(), tmp_path / "killed", "cpu", KilledAfter(1))
    graphs.clear()
    train(run, TinyData(), tmp_path / "killed", "cpu")
    assert len(graphs) == 2
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))


@pytest.mark.slow
def test_every_design_of_a_study_is_compiled(graphs: list[Any], tmp_path: Path) -> None:
    """Torch keeps eight graphs of the same code; after that it would compile no more, and say so in its log only."""
    for n in range(2, 9):
        graphs.clear()
        train(tiny_run(epochs=1, compile=True, words={"n": n}), TinyData(), tmp_path / str(n), "cpu")
        assert len(graphs) == 2, n


@pytest.mark.slow
def test_without_a_compiler_true_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\n\nand much more")

    monkeypatch.setattr(compiling, "BACKEND", broken)
    told = 'recipe: compile: true: torch.compile fails here: No working C++ compiler found; take false, or "auto"'
    run = tiny_run(epochs=1, compile=True)
    for call in (lambda: train(run, TinyData(), tmp_path / "run", "cpu"), lambda: timed(run, TinyData(), CPU)):
        with pytest.raises(InputError) as error:
            call()
        assert str(error.value) == told


def test_a_plan_is_made_without_compiling(compiled: list[Any]) -> None:
    assert timed(tiny_run(compile="auto"), TinyData(), CPU).seconds > 0
    assert not compiled


@pytest.mark.parametrize("value", [False, True, "auto"])
def test_a_recipe_says_which(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'base = "quick"\ncompile = {json.dumps(value)}\n')
    assert Recipe.load(str(path)).compile is value or Recipe.load(str(path)).compile == value == "auto"
    assert Recipe.load("quick").compile is False
    path.write_text('compile = "fast"\n')
    with pytest.raises(InputError, match=r"mine\.toml: compile: 'fast'") as error:
        Recipe.load(str(path))
    assert len(str(error.value).splitlines()) == 1


ALWAYS = """
import sys
from sunetlab.train import compiling
compiling.FEWEST, compiling.SHORTEST = 0, 0.0
from sunetlab.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(), reason="no C++ compiler")
@pytest.mark.parametrize("has_path", [True, False])
def test_the_real_compiler_and_none(has_path: bool, tmp_path: Path) -> None:
    """Inductor on the CPU, measured; and a machine on which no compiler is found."""
    (tmp_path / "bin").mkdir()
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    if not has_path:
        environment["PATH"] = str(tmp_path / "bin")
    for value in ('"auto"', "true"):
        (tmp_path / "r.toml").write_text(f'base = "quick"\nbatch_size = 8\nepochs = 1\nwarmup = 0\ncompile = {value}\n')
        network = "--depth 1 --n 4 --stacks 1,1 --widths rule --stem-width 32"
        data = "--data scenes --size 32 --train-images 16 --val-images 12 --recipe r.toml --device cpu"
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        command = [sys.executable, "-c", ALWAYS, "train", *network.split(), *data.split(), "--out", "out"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        if value == "true" and not has_path:
            assert done.returncode == 2
            assert "recipe: compile: true: torch.compile fails here: " in done.stderr.splitlines()[-1]
            continue
        assert done.returncode == 0, done.stderr
        if value == '"auto"':
            found = json.loads((tmp_path / "out" / "result.json").read_text())["compile"]
            assert not found["compiled"]  # two steps
            assert ("compile_seconds" in found and found["compile_seconds"] is not None) == has_path
            assert found["why"] == "it does not pay" if has_path else "C++ compiler" in found["why"]
