"""A study that several are at work on: nobody is trained twice for good, nothing is lost, whoever dies when."""

import json
import queue
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage, get_storage
from optuna.trial import TrialState
from sqlalchemy.exc import DataError, OperationalError

from sunetlab import InputError
from sunetlab.study import patience, runner, storage
from sunetlab.study.company import MISSED, Nobody, Others
from sunetlab.study.definition import Study
from sunetlab.study.patience import Patient
from sunetlab.study.pruning import Pruned
from sunetlab.study.queue import LOSSES, Queue
from sunetlab.study.recorded import INTERRUPTED, PULSE, folder_of, reason_of
from sunetlab.study.records import Records
from sunetlab.study.shared import open_shared, parse_url, place_of, run_proxy, settle_place
from sunetlab.study.snapshot import look
from sunetlab.study.turn import STALE_S, Turn
from sunetlab.study.watch import SilentStudy
from sunetlab.train.data import open_data
from sunetlab.train.watch import Silent
from tests.conftest import Said
from tests.tiny import SEARCH, STUDY, write_study

BEAT_S = 10.0


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


# Several queues on one database, in one process: every step of each is one that a process could have made.


class Party:
    """Somebody at work: takes candidates, finishes them, or dies with them."""

    def __init__(self, study: Study, folder: Path, database: BaseStorage, clock: Clock) -> None:
        task = study.tasks[0]
        self.company = Others(database, BEAT_S, clock)
        self.queue = Queue(study, task, open_data(task.data), folder, database, self.company)
        self.queue.fill(retry_failed=False)
        self.tickets: list[Any] = []

    def take(self) -> bool:
        """Take somebody; whether there was anybody, or may still be."""
        ticket = self.queue.take()
        if ticket is not None:
            self.tickets.append(ticket)
        return ticket is not None or not self.queue.is_over()

    def fail_all(self) -> None:
        """Take whoever stands in line; all fail."""
        while self.take():
            if self.tickets:
                self.queue.settle(self.tickets.pop(), {"reason": "error", "detail": "", "seconds": 1.0})

    def finish(self) -> None:
        ticket = self.tickets.pop(0)
        candidate = ticket.entry.candidate
        home = self.queue.folder / candidate.folder
        home.mkdir(parents=True, exist_ok=True)
        (home / "result.json").touch()
        value = 0.1 * candidate.design.spec.n + 0.01 * candidate.run.seed
        self.queue.settle(ticket, {"value": value, "params": 1, "macs": 1, "seconds": 1.0})

    def beat(self) -> None:
        self.company.beats += 1
        for trial_id in tuple(self.company.mine):
            self.company._beat(trial_id)


class Watched(InMemoryStorage):
    """A database that calls somebody before and after every question."""

    def __init__(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        super().__init__()
        self.before, self.after = before, after

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in BaseStorage.__abstractmethods__:
            return found

        def asked(*words: Any, **named: Any) -> Any:
            self.before()
            answer = found(*words, **named)
            self.after()
            return answer

        return asked


class Died(BaseException):
    """Somebody's process was killed, between two questions or before an answer was heard."""


class World:
    """Three at work, with deaths, newcomers, and sleepers who are taken for dead.

    Between any two questions that one asks the database, others may do all that they do, and whoever asks may die.
    """

    def __init__(self, study: Study, folder: Path, chance: random.Random) -> None:
        self.study, self.folder, self.chance, self.clock = study, folder, chance, Clock()
        folder.mkdir()
        self.database = Watched(self.meddle, self.meddle)
        self.busy: list[Party] = []  # in the middle of something
        self.depth = self.deaths = 0
        self.asleep: list[Party] = []
        self.parties: list[Party] = []
        while len(self.parties) < 3:
            self.come()

    def come(self) -> None:
        self.depth += 1
        while True:
            with suppress(Died):
                self.parties.append(Party(self.study, self.folder, self.database, self.clock))
                break
        self.depth -= 1

    def meddle(self) -> None:
        if 0 < self.depth < 3 and self.chance.random() < 0.1:
            self.deed()
        if self.depth and self.chance.random() < 0.01:
            self.deaths += 1
            raise Died

    def deed(self) -> Queue | None:
        """Let somebody do something; the queue where nothing is left."""
        idle = [party for party in self.parties if party not in self.busy]
        if not idle:
            return None
        party, which = self.chance.choice(idle), self.chance.random()
        self.busy.append(party)
        depth, over = self.depth, False
        self.depth += 1
        try:
            over = self.step(party, which)
        except Died:
            if party in self.parties:
                self.parties.remove(party)
                if len(self.parties) < 2 or self.chance.random() < 0.5:
                    self.come()
        self.depth = depth
        self.busy.remove(party)
        return party.queue if over else None

    def step(self, party: Party, which: float) -> bool:
        """What somebody does; whether nothing is left."""
        if which < 0.4 and len(party.tickets) < 2:
            return not party.take()
        if which < 0.7 and party.tickets:
            party.finish()
        elif which < 0.75:  # it dies, or falls asleep; another comes
            self.parties.remove(party)
            self.asleep += [party] if self.chance.random() < 0.5 else []
            self.come()
        elif which < 0.77 and self.asleep:  # it wakes, and does not know how long it slept
            self.parties.append(self.asleep.pop())
        else:
            self.clock.now += BEAT_S
            for one in self.parties:
                one.beat()
        return False

    def end(self) -> Queue:
        """What is there when nothing is left to do."""
        for _ in range(20_000):
            over = self.deed()
            if over is not None:
                return over
        raise AssertionError("it did not come to an end")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("text", [STUDY, SEARCH], ids=["compare", "search"])
def test_whoever_dies_or_oversleeps_every_candidate_is_done_once(
    text: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sunetlab.study.queue.LOSSES", 1000)  # nobody here gets any further before it dies
    study = Study.load(write_study(tmp_path, text.replace("seeds = [0, 1]", "seeds = [0, 1, 2]")))
    queue = World(study, tmp_path / "out", random.Random(seed)).end()
    done = Counter(folder_of(trial) for trial in queue.optuna.trials if trial.state == TrialState.COMPLETE)
    assert set(done.values()) == {1}
    designs = 4 if text is SEARCH else 2
    assert len(done) == 3 * designs
    assert Counter(name.rpartition("-s")[2] for name in done) == {"0": designs, "1": designs, "2": designs}
    assert {trial.state for trial in queue.optuna.trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert all(reason_of(trial) == INTERRUPTED for trial in queue.optuna.trials if trial.state == TrialState.FAIL)


@pytest.mark.parametrize("then", ["", "[winners]\ndesigns = 1\nseeds = [7]\n"], ids=["", "winners"])
def test_a_design_that_a_search_has_too_many_is_passed_over(then: str, tmp_path: Path) -> None:
    """Two proposed at once, one of whom slept in between; with winners it wakes when those are trained."""
    study, folder = Study.load(write_study(tmp_path, SEARCH.replace("[[tasks]]", then + "[[tasks]]"))), tmp_path / "out"
    folder.mkdir()
    database, clock = get_storage(InMemoryStorage()), Clock()
    first, sleeper = (Party(study, folder, database, clock) for _ in range(2))
    for _ in range(6):
        assert first.take()
        first.finish()
    if not then:
        first.queue._admit(first.queue.line.more(first.queue.ledger.look()))
    for _ in range(3 if then else 0):  # of the last design both seeds, and a winner that is being trained
        assert first.take()
        if len(first.queue.ledger.done) < 8:
            first.finish()
    search: Any = sleeper.queue.line.first if then else sleeper.queue.line  # type: ignore[attr-defined]
    tried = search.tried(sleeper.queue.ledger.look())
    sleeper.queue._admit(search._entries(next(one for one in search.search.feasible.numbers if one not in tried)))
    parties = [first, sleeper, Party(study, folder, database, clock)]
    for party in parties:
        while party.tickets or party.take():
            party.finish()
    assert all(party.queue.is_over() for party in parties)
    trials = first.queue.optuna.trials
    states = Counter(trial.state for trial in trials)
    assert states == {TrialState.COMPLETE: 9 if then else 8, TrialState.FAIL: 2}
    assert not Party(study, folder, database, clock).take()


def test_what_failed_is_run_again_where_somebody_asks_for_it(tmp_path: Path) -> None:
    study, database, clock = Study.load(write_study(tmp_path, STUDY)), get_storage(InMemoryStorage()), Clock()
    (tmp_path / "out").mkdir()
    first = Party(study, tmp_path / "out", database, clock)
    first.fail_all()
    assert [trial.state for trial in first.queue.optuna.trials] == [TrialState.FAIL] * 4
    again, other = (Party(study, tmp_path / "out", database, clock) for _ in range(2))
    assert not other.take()
    again.queue.fill(retry_failed=True)
    while other.take():  # others take whom somebody has put in line again
        other.finish()
    assert [trial.state for trial in first.queue.optuna.trials][4:] == [TrialState.COMPLETE] * 4


def test_whoever_takes_what_stands_in_line_does_not_read_all_trials_anew(tmp_path: Path) -> None:
    looks = 0

    class Counted(InMemoryStorage):
        def get_all_trials(self, *words: Any, **named: Any) -> Any:
            nonlocal looks
            looks += 1
            return super().get_all_trials(*words, **named)

    text = STUDY.replace("seeds = [0, 1]", f"seeds = {list(range(20))}")
    (tmp_path / "out").mkdir()
    party = Party(Study.load(write_study(tmp_path, text)), tmp_path / "out", Counted(), Clock())
    assert party.take()
    looks = 0
    for _ in range(39):
        party.finish()
        assert party.take()
    assert looks == 0
    assert party.queue.progress() == (39, 40)


@pytest.mark.parametrize("end", ["its process died", "interrupted", "its machine died", "killed between two steps"])
def test_what_is_run_again_is_lost_by_nobody(end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has it, and whoever then puts it in line: neither need know that somebody asked for it."""
    study, database, clock = Study.load(write_study(tmp_path, STUDY)), get_storage(InMemoryStorage()), Clock()
    (tmp_path / "out").mkdir()
    first = Party(study, tmp_path / "out", database, clock)
    first.fail_all()
    again, other = (Party(study, tmp_path / "out", database, clock) for _ in range(2))
    again.queue.fill(retry_failed=True)
    other.take()
    if end == "its machine died":
        first.queue.company.gone(first.queue.ledger.look())
        clock.now += (MISSED + 1) * BEAT_S
    elif end == "killed between two steps":
        monkeypatch.setattr(other.queue, "_admit", lambda _: None)
        other.queue.put_back(other.tickets.pop())
    elif end == "interrupted":
        other.queue.put_back(other.tickets.pop())
    else:
        other.queue.settle(other.tickets.pop(), None)
    while first.take():
        first.finish()
    done = Counter(folder_of(trial) for trial in first.queue.optuna.trials if trial.state == TrialState.COMPLETE)
    assert list(done.values()) == [1] * 4


def test_a_pruned_trial_that_others_took_is_stopped_here(tmp_path: Path) -> None:
    text = SEARCH.replace("designs = 4", 'designs = 4\npruner = "median"').replace("epochs = 1", "epochs = 3")
    study, database, clock = Study.load(write_study(tmp_path, text)), get_storage(InMemoryStorage()), Clock()
    (tmp_path / "out").mkdir()
    sleeper, other = (Party(study, tmp_path / "out", database, clock) for _ in range(2))
    sleeper.take()
    (ticket,) = sleeper.tickets
    told = sleeper.queue.watched(ticket, Silent())
    told.begin(3, 0, 16)
    told.epoch({"epoch": 1, "seconds": 1.0, "val_accuracy": 0.5})
    other.queue.company.gone(other.queue.ledger.look())
    clock.now += (MISSED + 1) * BEAT_S
    while other.tickets == [] or other.tickets[-1].entry != ticket.entry:
        other.take()
    with pytest.raises(Pruned):
        told.epoch({"epoch": 2, "seconds": 1.0, "val_accuracy": 0.5})
    sleeper.queue.settle(ticket, {"stopped": 2, "value": 0.5, "seconds": 2.0})
    mine = [trial.state for trial in other.queue.ledger.look() if folder_of(trial) == ticket.entry.candidate.folder]
    assert mine == [TrialState.FAIL, TrialState.RUNNING]


def test_a_candidate_that_is_lost_again_and_again_where_it_was_fails(tmp_path: Path) -> None:
    """By whoever it was begun; one that gets on a little every time is not given up."""
    study, database, clock = Study.load(write_study(tmp_path, STUDY)), get_storage(InMemoryStorage()), Clock()
    folder = tmp_path / "out"
    folder.mkdir()
    lost = Counter[str]()
    while True:
        party = Party(study, folder, database, clock)
        if not party.take():
            break
        if party.tickets:
            name = party.tickets[0].entry.candidate.folder
            if name.endswith("s0"):
                lost[name] += 1
                if name == next(iter(lost)):  # gets on
                    home = party.queue.folder / name
                    home.mkdir(parents=True, exist_ok=True)
                    rows = ({"epoch": at + 1, "lr": 1.0, "train_loss": 1.0, "seconds": 1.0} for at in range(lost[name]))
                    (home / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
                if lost[name] < 3 * LOSSES:
                    other = Party(study, folder, database, clock)  # feels the pulse, and then for long does not
                    clock.now += 2 * MISSED * BEAT_S
                    other.queue._call_again()
                    continue
            party.finish()
    states = {name: [t for t in party.queue.optuna.trials if folder_of(t) == name] for name in lost}
    assert sorted(lost.values()) == [LOSSES, 3 * LOSSES]
    for name, trials in states.items():
        last = trials[-1]
        if lost[name] == LOSSES:
            assert (last.state, last.user_attrs["reason"]) == (TrialState.FAIL, "worker died")
            assert "in its epoch 1;" in last.user_attrs["detail"]
        else:
            assert last.state == TrialState.COMPLETE
    assert len([t for t in party.queue.optuna.trials if t.state == TrialState.COMPLETE]) == 3


def test_a_candidate_that_kills_whoever_is_alone_fails(tmp_path: Path) -> None:
    study, database = Study.load(write_study(tmp_path, STUDY)), get_storage(InMemoryStorage())
    (tmp_path / "out").mkdir()
    task, deaths = study.tasks[0], 0
    for _ in range(LOSSES + 1):
        queue = Queue(study, task, open_data(task.data), tmp_path / "out", database, Nobody())
        queue.fill(retry_failed=False)
        while (ticket := queue.take()) is not None:
            candidate = ticket.entry.candidate
            if (candidate.design.spec.depth[0], candidate.run.seed) == (2, 1):
                deaths += 1
                break
            queue.settle(ticket, {"value": 0.5, "params": 1, "macs": 1, "seconds": 1.0})
            (queue.folder / candidate.folder).mkdir(parents=True)
            (queue.folder / candidate.folder / "result.json").touch()
    assert deaths == LOSSES
    states = Counter(trial.state for trial in queue.optuna.trials)
    assert states == {TrialState.COMPLETE: 3, TrialState.FAIL: LOSSES}
    assert Counter(map(reason_of, queue.optuna.get_trials(states=(TrialState.FAIL,))))["worker died"] == 1


def test_a_trial_is_given_up_by_its_pulse_and_nobody_s_clock(tmp_path: Path) -> None:
    study, database, clock = Study.load(write_study(tmp_path, STUDY)), get_storage(InMemoryStorage()), Clock()
    (tmp_path / "out").mkdir()
    first = Party(study, tmp_path / "out", database, clock)
    assert first.take()
    second = Party(study, tmp_path / "out", database, clock)
    (running,) = (trial for trial in second.queue.optuna.trials if trial.state == TrialState.RUNNING)
    for _ in range(3):
        clock.now += 0.9 * MISSED * BEAT_S  # however late, it beats
        assert not second.company.gone(second.queue.optuna.trials)
        first.company.beats += 1
        pulse = [first.company.beats, -1e9, BEAT_S]  # its clock is far off
        database.set_trial_user_attr(running._trial_id, PULSE, pulse)
        assert not second.company.gone(second.queue.optuna.trials)
    clock.now += 1.1 * MISSED * BEAT_S
    assert [trial.number for trial in second.company.gone(second.queue.optuna.trials)] == [running.number]


@pytest.mark.parametrize(("own", "others"), [(BEAT_S, 100 * BEAT_S), (100 * BEAT_S, BEAT_S)])
def test_how_far_apart_its_beats_are_says_whoever_has_the_pulse(own: float, others: float, tmp_path: Path) -> None:
    study, database, clock = Study.load(write_study(tmp_path, STUDY)), get_storage(InMemoryStorage()), Clock()
    (tmp_path / "out").mkdir()
    first, second = (Party(study, tmp_path / "out", database, clock) for _ in range(2))
    first.company.beat_s, second.company.beat_s = others, own
    assert first.take()
    assert not second.company.gone(second.queue.optuna.trials)
    clock.now += 0.9 * MISSED * others
    assert not second.company.gone(second.queue.optuna.trials)
    clock.now += 0.2 * MISSED * others
    assert len(second.company.gone(second.queue.optuna.trials)) == 1


def test_who_looks_sees_who_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, folder = Study.load(write_study(tmp_path, STUDY)), tmp_path / "out"
    database = get_storage(InMemoryStorage())
    folder.mkdir()
    settle_place(folder, parse_url("postgresql://me@host/studies"))
    monkeypatch.setattr("sunetlab.study.storage.open_shared", lambda *_: database)
    alive, dead = (Party(study, folder, database, Clock()) for _ in range(2))
    assert alive.take()
    assert dead.take()
    assert [each.states["running"] for each in look(Records(study, folder)).counts] == [2]
    (ticket,) = dead.tickets
    database.set_trial_user_attr(ticket.trial._trial_id, PULSE, [1, time.time() - 1.1 * MISSED * BEAT_S, BEAT_S])
    seen = look(Records(study, folder))
    assert [dict(each.states) for each in seen.counts] == [{"running": 1, "interrupted": 1, "waiting": 2}]
    assert (seen.left, len(seen.running)) == (4, 1)
    assert seen.running[0].levels["seed"] == alive.tickets[0].entry.candidate.run.seed


def test_a_database_that_was_away_for_too_long_ends_no_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who trains for hours may not notice that it was: only whoever asks for more than a pulse is told."""
    monkeypatch.setattr(patience, "LIMIT_S", 0.0)
    felt, away = queue.Queue[Any](), iter(range(3))

    class Away(InMemoryStorage):
        def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:  # noqa: ARG002
            if trial_id == 7 and next(away, None) is not None:
                raise OperationalError("", {}, Exception("connection refused"))
            felt.put((trial_id, key))

    company = Others(Patient(Away()), beat_s=0.001)
    company.mine.add(7)
    with company:
        assert felt.get(timeout=10) == (7, PULSE)


def test_one_at_a_time_puts_candidates_in_line(tmp_path: Path) -> None:
    """Or all who begin at once would put the same in line."""
    study, database, clock = Study.load(write_study(tmp_path, STUDY)), get_storage(InMemoryStorage()), Clock()
    (tmp_path / "out").mkdir()
    turn = Turn(tmp_path / "out" / ".line-classification", clock)
    with turn.taken() as is_ours:
        assert is_ours
        party = Party(study, tmp_path / "out", database, clock)
        assert party.take()  # nobody yet, but it is not over
        assert not party.queue.optuna.trials
    party.take()
    assert len(party.queue.optuna.trials) == 4
    assert not turn.path.exists()


def test_whose_turn_it_was_when_he_was_killed_holds_nobody_up_for_long(tmp_path: Path) -> None:
    clock = Clock()
    turn, other = (Turn(tmp_path / "turn", clock) for _ in range(2))
    for _ in range(3):
        clock.now += 0.9 * STALE_S
        (tmp_path / "turn").write_text(f"somebody at {clock.now}")  # it goes on
        with turn.taken() as is_ours:
            assert not is_ours
    clock.now += 1.1 * STALE_S
    with turn.taken() as is_ours, other.taken() as is_theirs:
        assert (is_ours, is_theirs) == (True, False)
    with other.taken() as is_theirs:
        assert is_theirs


# A database that is away for a while.


class Away(InMemoryStorage):
    """A database that loses its connection after so many questions, some of them when the deed is done."""

    def __init__(self, error: Callable[[], Exception], often: float, chance: random.Random) -> None:
        super().__init__()
        self.error, self.often, self.chance = error, often, chance

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith(("_", "check")) or not callable(found) or name in ("error", "remove_session"):
            return found

        def asked(*words: Any, **named: Any) -> Any:
            before, after = (self.chance.random() < self.often for _ in range(2))
            if before:
                raise self.error()
            answer = found(*words, **named)
            if after:
                raise self.error()
            return answer

        return asked


def gone() -> Exception:
    return OperationalError("select 1", {}, Exception("server closed the connection unexpectedly"))


class RefusedError(Exception):
    """What a driver raises that has an SQLSTATE of who may not come in."""

    sqlstate = "28P01"


def test_what_is_asked_of_a_database_that_comes_and_goes_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    away = Away(gone, 0.3, random.Random(0))
    study = optuna.create_study(storage=Patient(away), directions=["maximize"], study_name="away", load_if_exists=True)
    for number in range(50):
        trial = study.ask()
        trial.set_user_attr("n", number)
        study.tell(trial, trial.suggest_float("x", 0, 1))
    away.often = 0.0
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert [trial.user_attrs["n"] for trial in done] == list(range(50))
    assert all(trial.value == trial.params["x"] for trial in done)


def test_patience_ends_and_other_errors_are_no_reason_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = Clock()
    monkeypatch.setattr("time.monotonic", now)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now.now += seconds

    monkeypatch.setattr("time.sleep", sleep)
    told: list[float | None] = []
    with pytest.raises(OperationalError):
        Patient(Away(gone, 1.0, random.Random(0)), told.append).get_all_studies()
    assert patience.LIMIT_S - patience.MOST_S < sum(slept) <= patience.LIMIT_S
    assert slept == sorted(slept)
    assert len(told) == len(slept)
    at = 'connection failed: connection to server at "db", port 5432 failed: '
    for error in (
        DataError("insert", {}, Exception("too long")),
        OperationalError("", {}, Exception(at + 'FATAL:  password authentication failed for user "me"')),
        OperationalError("", {}, Exception(at + "fe_sendauth: no password supplied")),
        OperationalError("", {}, Exception(at + 'FATAL:  role "me" does not exist')),
        OperationalError("", {}, Exception(at + 'FATAL:  database "studies" does not exist')),
        OperationalError("", {}, RefusedError()),
        KeyError("no such study"),
        UpdateFinishedTrialError(),
    ):

        def wrong(error: Exception = error) -> Exception:
            return error

        with pytest.raises(type(error)):
            Patient(Away(wrong, 1.0, random.Random(0))).get_all_studies()
    assert len(told) == len(slept)


def test_who_wants_to_end_does_not_wait_for_a_database_unless_an_epoch_would_be_lost() -> None:
    wanted: list[bool] = []
    waiting = runner._Waiting(SilentStudy(), lambda: bool(wanted))
    waiting(3.0)
    wanted.append(True)
    waiting.company.took(7)  # it trains
    waiting(4.0)
    with ThreadPoolExecutor(1) as beats:
        beats.submit(waiting, 4.0).result()
    waiting.company.let_go(7)
    waiting(None)
    with ThreadPoolExecutor(1) as beats:  # the pulse's thread is not the one to end it
        beats.submit(waiting, 4.0).result()
    with pytest.raises(KeyboardInterrupt):
        Patient(Away(gone, 1.0, random.Random(0)), waiting).get_all_studies()


@pytest.mark.parametrize(("wait_s", "answers"), [(0.0, False), (60.0, True)])
def test_a_server_that_is_known_is_waited_for_when_somebody_begins(
    wait_s: float, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr("time.sleep", lambda _: None)
    told: list[float | None] = []
    away = [gone(), gone()]

    def connect(*_: Any, **__: Any) -> BaseStorage:
        if away:
            raise away.pop()
        return InMemoryStorage()

    monkeypatch.setattr("sunetlab.study.shared.open_database", connect)
    url = parse_url("postgresql://me@host/studies")
    if answers:
        assert isinstance(open_shared(url, told.append, wait_s), Patient)
        assert len(told) == 2
    else:
        with pytest.raises(InputError, match="closed the connection"):
            open_shared(url, told.append, wait_s)
        assert not told


# Where the database is.


def listening(heard: "queue.Queue[bytes]") -> int:
    """The port of a server that asks whoever comes for the password as it is, and hears what it is told."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as came:
            while len(said := came.recv(4096)) == 8:  # wants to encrypt
                came.sendall(b"N")
            came.sendall(b"R" + struct.pack(">II", 8, 3))
            said = b""
            with suppress(ConnectionError):
                said = came.recv(4096)
            heard.put(said)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


@pytest.mark.parametrize("allowed", [False, True])
def test_a_server_that_a_folder_names_is_not_told_the_password(
    allowed: bool, said: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("psycopg")
    heard: queue.Queue[bytes] = queue.Queue()
    write_study(tmp_path)
    assert said("study run tiny.toml --out out --trials 0")[0] == 0
    (tmp_path / "out" / "optuna.db").unlink()
    place = f'url = "postgresql://me@127.0.0.1:{listening(heard)}/studies"\nkey = "01234567"\n'
    (tmp_path / "out" / "storage.toml").write_text(place)
    monkeypatch.setenv("PGPASSWORD", "hush-hush")
    monkeypatch.setenv("PGSSLMODE", "disable")
    if allowed:
        monkeypatch.setenv("PGREQUIREAUTH", "password")
    status, out, err = said("study status out")
    assert (status, out) == (2, "")
    assert err.startswith("sunetlab: --storage: ")
    assert "hush-hush" not in err
    assert (b"hush-hush" in heard.get(timeout=10)) == allowed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("postgresql://me:secret@host/studies", ("password", "PGPASSWORD", "~/.pgpass")),
        ("postgresql://me@host/studies?password=secret", ("password", "PGPASSWORD", "~/.pgpass")),
        ("postgresql://me@host/studies?sslmode=require&sslpassword=secret", ("password", "PGPASSWORD")),
        ("postgresql://me@host/studies?passfile=/home/secret", ("password", "PGPASSWORD")),
        ("mysql://host/studies", ("mysql", "postgresql://USER@HOST/DATABASE")),
        ("postgresql://host", ("no database",)),
        ("postgresql:///studies", ("must be written",)),
        ("grpc://host", ("grpc://HOST:PORT",)),
        ("grpc://me@host:1", ("grpc://HOST:PORT",)),
        ("studies.db", ("must be written",)),
        ("postgresql://host:port/studies", ("must be written",)),
        ("", ("must be written",)),
    ],
)
def test_a_wrong_address_is_refused_in_one_line_that_tells_no_password(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        parse_url(text)
    line = str(caught.value)
    assert all(part in line for part in ("--storage", *parts))
    assert "secret" not in line
    assert "\n" not in line


def test_the_first_who_says_where_a_study_is_says_it_for_all(tmp_path: Path) -> None:
    urls = [parse_url(f"postgresql://me@host{number}/studies") for number in range(3)]
    places = [settle_place(tmp_path, url) for url in urls]
    assert {place.url for place in places} == {"postgresql://me@host0/studies"}
    assert len({place.key for place in places}) == 1
    assert place_of(tmp_path) == places[0]
    assert [path.name for path in tmp_path.iterdir()] == ["storage.toml"]


@pytest.mark.parametrize("first", ["its own", "shared"])
def test_of_two_who_begin_at_once_in_two_databases_the_second_sees_it(
    first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has seen that the other was not there yet."""
    study, folder = Study.load(write_study(tmp_path, STUDY)), tmp_path / "out"
    url, shared, is_shared = parse_url("postgresql://me@host/studies"), get_storage(InMemoryStorage()), list[bool]()

    def opened(at: Path, *words: Any) -> BaseStorage:
        is_shared.append(bool(words))
        if first == "its own":
            runner.open_folder(study, at)
            (at / "optuna.db").touch()
        return shared

    @contextmanager
    def locked(at: Path, *_: Any) -> Iterator[None]:
        if first == "shared":
            settle_place(at, url)
        yield

    monkeypatch.setattr(storage, "open_storage", opened)
    monkeypatch.setattr(runner, "_lock", locked)
    if first == "its own":
        with pytest.raises(InputError, match="has a database of its own"):
            runner.run_study(study, folder, "cpu", most=0, place=url)
        assert place_of(folder) is None
    else:
        runner.run_study(study, folder, "cpu", most=0)
        (begun,) = shared.get_all_studies()
        assert len(shared.get_all_trials(begun._study_id)) == 4
        assert not (folder / "optuna.db").exists()
    assert is_shared == [True]


PROXY = """
import sys, threading, time
from sunetlab.cli import main
from sunetlab.study import shared

def answer(*_):
    threading.Thread(target=time.sleep, args=(60,)).start()  # asks a database that is away, patiently
    raise KeyboardInterrupt

shared.open_shared = lambda url: url
shared.optuna.storages.run_grpc_proxy_server = lambda *_, **__: answer()
main.main(["study", "proxy", "--storage", "postgresql://me@host/studies", "--port", sys.argv[1]])
"""


def test_a_proxy_whose_database_is_away_ends_when_it_is_told_to() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    done = subprocess.run([sys.executable, "-c", PROXY, port], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"grpc://127.0.0.1:{port}")


def test_a_proxy_begins_anew_where_one_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connections linger; who listens there is another matter."""
    pytest.importorskip("grpc")
    url, said = parse_url("postgresql://me@host/studies"), list[str]()
    monkeypatch.setattr("sunetlab.study.shared.open_shared", lambda _: InMemoryStorage())
    monkeypatch.setattr("optuna.storages.run_grpc_proxy_server", lambda *_, **__: said.append("serves"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match="cannot be listened at"):
            run_proxy(url, "127.0.0.1", port, lambda: said.append("ready"))
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()  # the first to close lingers
            assert client.recv(1) == b""
    run_proxy(url, "127.0.0.1", port, lambda: said.append("ready"))
    assert said == ["ready", "serves"]


def test_a_study_does_not_move_to_another_database(said: Said, tmp_path: Path) -> None:
    write_study(tmp_path)
    assert said("study run tiny.toml --out out --trials 0")[0] == 0
    status, out, err = said("study run tiny.toml --out out --storage postgresql://nobody@127.0.0.1:1/studies")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("sunetlab: --storage: out has a database of its own, optuna.db")
    status, _, err = said("study work out")
    assert status == 2
    assert "in a database of its own" in err
    status, _, err = said("study run tiny.toml --out new --storage postgresql://nobody@127.0.0.1:1/studies")
    assert status == 2
    assert "nobody@127.0.0.1:1/studies" in err.splitlines()[-1]
    assert not (tmp_path / "new").exists()
