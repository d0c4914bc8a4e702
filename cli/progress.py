"""Progress on standard error: bars with a rate and the time left in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from sunetlab.draw.words import plural

from .output import PATIENCE, percent

if TYPE_CHECKING:
    from sunetlab.study.candidate import Candidate
    from sunetlab.study.definition import StudyTask
    from sunetlab.study.pace import Paced
    from sunetlab.train.watch import Watch

PAUSE = PATIENCE  # seconds between two lines where there is no terminal
_TIMED_S = 3600.0  # seconds that the time left is told from: trials may be long
_NOT_LONG = 2.0  # seconds that a database may be away without a word
_EPOCHS_APART = 10.0  # and between those of a trial's epochs, of which a study has thousands


class _Count(ProgressColumn):
    """How much is done of how much."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f} {task.fields['unit']}")


class _Rate(ProgressColumn):
    """Units a second, or a minute."""

    def render(self, task: Task) -> Text:
        if not task.speed:
            return Text("")
        return Text(f"{task.speed:,.0f}/s" if task.speed >= 1 else f"{60 * task.speed:.1f}/min")


class Screen:
    """Bars in a terminal; lines elsewhere."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.live = self.console.is_terminal
        self.progress = Progress(
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=16),
            _Count(table_column=Column(no_wrap=True, justify="right")),
            _Rate(table_column=Column(no_wrap=True, justify="right")),
            TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
            TextColumn("left", table_column=Column(no_wrap=True)),
            expand=True,
            speed_estimate_period=_TIMED_S,
            console=self.console,
            transient=True,
            disable=not self.live,
        )

    def __enter__(self) -> "Screen":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def line(self, text: str) -> None:
        """A line that stays."""
        self.progress.console.print(text, markup=False) if self.live else print(text, file=sys.stderr, flush=True)  # noqa: T201

    @contextmanager
    def counting(self, what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        """A bar for something that says how much of it is done."""
        bar = self.progress.add_task(what, total=None, visible=False, unit=unit)
        lines = _Lines(self, what, unit)

        def tell(done: int, total: int) -> None:
            if self.live:
                self.progress.update(bar, completed=done, total=total, visible=True)
            else:
                lines.tell(done, total)

        try:
            yield tell
        finally:
            self.progress.remove_task(bar)


class _Lines:
    """How much is done, a line now and then, further and further apart."""

    def __init__(self, screen: Screen, what: str, unit: str) -> None:
        self.screen, self.what, self.unit = screen, what, unit
        self.began = time.monotonic()
        self.next = PAUSE  # seconds after the beginning

    def tell(self, done: int, total: int) -> None:
        seconds = time.monotonic() - self.began
        if done < total and seconds > self.next:
            self.next = 1.5 * seconds + PAUSE
            rate = done / seconds
            pace = f"{rate:,.0f} {self.unit}/s" if rate >= 1 else f"{60 * rate:,.1f} {self.unit}/min"
            left = f", {pace}, {(total - done) / rate:.0f} s left" if done else ""
            self.screen.line(f"{self.what}: {percent(done / total)} of {total:,} {self.unit}{left}")


class TrainingScreen:
    """What one training shows: a bar over all its images, a line per epoch where that is wanted."""

    def __init__(self, screen: Screen, what: str, epoch_lines: bool) -> None:
        self.screen, self.what, self.epoch_lines = screen, what, epoch_lines
        self.bar = screen.progress.add_task(what, total=1, unit="images")
        self.epochs = self.images = 0
        self.told = time.monotonic()

    def begin(self, epochs: int, finished: int, images: int) -> None:
        """See `Watch`."""
        self.epochs, self.images = epochs, images
        self.screen.progress.reset(self.bar, total=epochs * images, completed=finished * images)
        if self.epoch_lines and not self.screen.live:
            self.screen.line(f"{self.what}: {epochs} epochs of {images:,} images")
        if finished:
            self.screen.line(f"{self.what}: going on after epoch {finished} of {epochs}")

    def step(self, images: int) -> None:
        """See `Watch`."""
        self.screen.progress.advance(self.bar, images)

    def epoch(self, row: dict[str, Any]) -> None:
        """See `Watch`."""
        text = f"epoch {row['epoch']}/{self.epochs}  {figures_of(row)}"
        self.screen.progress.update(self.bar, description=f"{self.what}  {text}")
        late = time.monotonic() - self.told > _EPOCHS_APART
        if self.epoch_lines or (not self.screen.live and late):
            left = (self.epochs - row["epoch"]) * row["seconds"]
            rate = f"{row['images_per_second']:,.0f} images/s, {left:.0f} s left"
            self.screen.line(f"{self.what}: {text}  ({rate})")
            self.told = time.monotonic()

    def shrunk(self, finished: int, micro_batch: int) -> None:
        """See `Watch`."""
        self.screen.progress.update(self.bar, completed=finished * self.images)
        again = f"epoch {finished + 1} begins again with {plural(micro_batch, 'image')} at once"
        self.screen.line(f"{self.what.strip()}: too little memory; {again}")

    def end(self) -> None:
        """Take the bar away."""
        self.screen.progress.remove_task(self.bar)


class StudyScreen:
    """What a study shows: a bar over its trials, the running trial's own, a line per finished trial."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.bars: dict[str, Any] = {}
        self.waited = 0.0  # seconds for which a database has not answered, as far as they were told

    @contextmanager
    def opening(self, task: "StudyTask") -> Iterator[Callable[[int, int], None]]:
        """See `StudyWatch`."""
        with self.screen.counting(f"{task.task}: reading {task.data.source}", "images") as progress:
            yield progress

    def pacing(self, count: int) -> None:
        """See `StudyWatch`."""
        self.screen.line(f"trying {plural(count, 'training')} at a time")

    def paced(self, found: "Paced") -> None:
        """See `StudyWatch`."""
        tried = ", ".join(f"{count}: {pace:,.0f}" for count, pace in found.images_per_second.items())
        self.screen.line(f"trainings at a time, and images a second of all: {tried}; {found.at_a_time} at a time")

    @contextmanager
    def testing(self, task: "StudyTask") -> Iterator[Callable[[int, int], None]]:
        """See `StudyWatch`."""
        with self.screen.counting(f"{task.task}: testing the winners", "runs") as progress:
            yield progress

    @contextmanager
    def trial(self, task: "StudyTask", candidate: "Candidate", done: int, total: int) -> Iterator["Watch"]:
        """See `StudyWatch`."""
        progress = self.screen.progress
        if task.task not in self.bars:
            bar = self.bars[task.task] = progress.add_task(task.task, total=total, completed=done, unit="trials")
            progress.advance(bar, 0)  # trials are timed from now on, not from the end of the first
        progress.update(self.bars[task.task], completed=done, total=total)
        watch = TrainingScreen(self.screen, f"  {name_of(candidate)}", epoch_lines=False)
        try:
            yield watch
        finally:
            watch.end()

    def waiting(self, seconds: float | None) -> None:
        """See `StudyWatch`."""
        if seconds is None:
            if self.waited:
                self.screen.line("the database answers again")
            self.waited = 0.0
        elif seconds >= self.waited + (_NOT_LONG if not self.waited else _EPOCHS_APART):
            self.waited = seconds
            self.screen.line(f"the database has not answered for {seconds:.0f} s; it is asked again")

    def lost(self, task: "StudyTask", candidate: "Candidate", epochs: int) -> None:
        """See `StudyWatch`."""
        kept = f"after epoch {epochs}" if epochs else "before its first epoch was saved"
        self.screen.line(f"{task.task}  {name_of(candidate)}  lost with its process {kept}; it stands in line again")

    def told(self, task: "StudyTask", candidate: "Candidate", outcome: dict[str, Any], done: int, total: int) -> None:
        """See `StudyWatch`."""
        if outcome.get("reason") == "interrupted":
            self.screen.line(f"{task.task}  {name_of(candidate)}  interrupted: {outcome['detail']}")
            return
        self.screen.progress.update(self.bars[task.task], completed=done, total=total)
        if "reason" in outcome:
            found = f"failed: {outcome['reason']}: {outcome['detail']}"
        elif "stopped" in outcome:
            found = f"stopped after epoch {outcome['stopped']} at {percent(outcome['value'])}"
        else:
            found = f"{outcome['objective']} {percent(outcome['value'])}  in {outcome['seconds']:.1f} s"
        self.screen.line(f"{task.task} {done}/{total}  {name_of(candidate)}  {found}")


def name_of(candidate: "Candidate") -> str:
    """A candidate by the levels of its factors and its seed."""
    said = (
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in candidate.params.items()
    )
    return "  ".join(said if candidate.stage == "trial" else (candidate.stage, *said))


def figures_of(row: dict[str, Any]) -> str:
    """The figures of an epoch that a person follows; not every epoch looks at the validation split."""
    found = [f"{name} {percent(row[f'val_{name}'])}" for name in ("accuracy", "miou") if f"val_{name}" in row]
    return "  ".join([f"loss {row['train_loss']:.3f}", *found])
