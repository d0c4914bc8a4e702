"""A study whose first process leads: what it says to the others, and that they keep step with it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from sunetlab.study import attempt as attempts
from sunetlab.study.along import follow, lead
from sunetlab.study.company import Nobody
from sunetlab.study.definition import Study
from sunetlab.study.pruning import Pruned
from sunetlab.study.results import trials
from sunetlab.study.runner import run_study
from sunetlab.study.watch import SilentStudy
from sunetlab.train.memory import LackOfMemoryError
from sunetlab.train.team import ALONE, Alone, Team
from sunetlab.train.watch import Silent, Watch
from tests.test_study import states
from tests.tiny import STUDY, TinyData, tiny_run, write_study


class Leading(Alone):
    """The first of two, whose fellow has nothing to add: what it says is kept."""

    world = 2

    def __init__(self) -> None:
        self.said: list[str] = []

    def hear(self, words: str = "") -> str:
        self.said.append(words)
        return words


class Following(Alone):
    """The second of two, which hears what it is told here."""

    rank, world, leads = 1, 2, False

    def __init__(self, said: list[str]) -> None:
        self.said = list(said)

    def hear(self, words: str = "") -> str:  # noqa: ARG002
        return self.said.pop(0)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.load(write_study(tmp_path, STUDY.replace("depth = [1, 2]", "depth = [1]")))


def led(study: Study, folder: Path, **words: Any) -> list[str]:
    """What the leading process says."""
    team = Leading()
    try:
        run_study(study, folder, "cpu", team=team, **words)
    except KeyboardInterrupt:
        assert team.said[-1] == "stop"
    return team.said


def kinds(said: list[str]) -> list[str]:
    return ["job" if words.startswith("{") else words for words in said]


def asked_at(*answers: bool) -> Callable[[], bool]:
    """Somebody who wants a study to end, or not, each time that it asks."""
    left = iter(answers)
    return lambda: next(left, False)


@pytest.mark.usefixtures("quick")
def test_every_trial_is_trained_along(study: Study, tmp_path: Path) -> None:
    """Two seeds of two epochs. As many words are heard as are said, each where it is expected: they keep step."""
    said = led(study, tmp_path / "led")
    assert kinds(said) == ["job", "null", "on", "on"] * 2 + ["over"]
    assert [json.loads(words)["run"]["seed"] for words in said if words.startswith("{")] == [0, 1]
    run_study(study, tmp_path / "alone", "cpu")
    alone, together = (list(trials(study, tmp_path / name)["value"]) for name in ("alone", "led"))
    assert together == pytest.approx(alone)
    team = Following(said)
    follow(study.tasks, "cpu", team)
    assert team.said == []


@pytest.mark.usefixtures("quick")
def test_an_end_is_heard_after_an_epoch(study: Study, tmp_path: Path) -> None:
    said = led(study, tmp_path / "out", stop=asked_at(False, True))  # before the trial, after its first epoch
    assert kinds(said) == ["job", "null", "stop"]
    with pytest.raises(KeyboardInterrupt):
        follow(study.tasks, "cpu", Following(said))
    assert kinds(led(study, tmp_path / "out", stop=asked_at(True))) == ["stop"]  # and between two trials
    with pytest.raises(KeyboardInterrupt):
        follow(study.tasks, "cpu", Following(["stop"]))
    assert kinds(led(study, tmp_path / "out")) == ["job", "null", "on", "on", "job", "null", "on", "on", "over"]
    assert states(tmp_path / "out").count(TrialState.COMPLETE) == 2


@pytest.mark.usefixtures("quick")
def test_a_trial_that_is_stopped_is_stopped_for_all(study: Study, tmp_path: Path) -> None:
    class Stopped(Silent):
        def epoch(self, row: dict[str, Any]) -> None:
            raise Pruned(row["epoch"], 0.5, 1.0)

    class Watching(SilentStudy):
        @contextmanager
        def trial(self, *_: Any) -> Iterator[Watch]:
            yield Stopped()

    said = led(study, tmp_path / "out", watch=Watching(), most=1)
    assert kinds(said) == ["job", "null", "enough", "over"]
    assert states(tmp_path / "out").count(TrialState.PRUNED) == 1
    team = Following(said)
    follow(study.tasks, "cpu", team)
    assert team.said == []


def test_what_others_train_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a database that is shared a line may be empty before all is done."""
    waited: list[float] = []

    class Elsewhere:
        def take(self) -> None:
            return None

        def is_over(self) -> bool:
            return len(waited) == 3

    monkeypatch.setattr("time.sleep", waited.append)
    team = Leading()
    lead([Elsewhere()], Nobody(), "cpu", None, SilentStudy(), asked_at(), team)  # type: ignore[list-item]
    assert (len(waited), team.said) == (3, ["over"])


@pytest.mark.usefixtures("quick")
def test_only_what_all_know_of_is_a_trials_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever failed by itself and went on to the next trial would find the others in the middle of this one."""

    def failing(error: Exception) -> None:
        def train(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(attempts, "train", train)

    def tried(team: Team) -> dict[str, Any]:
        outcome = attempts.attempt(tiny_run(), TinyData(), tmp_path, "cpu", Silent(), team)
        assert outcome is not None
        return outcome

    failing(LackOfMemoryError("too many"))
    assert tried(Leading())["reason"] == "out of memory"
    for error in (RuntimeError("an illegal memory access"), MemoryError()):
        failing(error)
        with pytest.raises(type(error)):
            tried(Leading())
        assert "reason" in tried(ALONE)
