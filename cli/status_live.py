"""A study as it goes, in a terminal: counts and time left, the trials that run, the best designs so far."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .output import shown
from .progress import figures_of
from .study_tables import Arms, arms_tables

if TYPE_CHECKING:
    from sunetlab.study.definition import Study
    from sunetlab.study.records import Records
    from sunetlab.study.snapshot import Counts, Running, Snapshot

PAUSE = 1.5  # seconds between two looks
SHARE = 0.1  # of the time, at most, is spent on looking: the study needs the machine
_BAR = 16  # characters
_GAP = 2  # between columns
_SPARED = ("design", "seconds", "seeds", "spread")  # columns, the first to go first
_LEAST = 3  # designs that are shown of each task however low the terminal is


def follow(records: "Records") -> None:
    """Show a study until nobody runs it any more, or Ctrl-C; then what was shown is taken back."""
    from sunetlab.study.snapshot import is_run, look

    console = Console(highlight=False)
    with contextlib.suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False, transient=True) as screen:
        while is_run(records):
            began = time.monotonic()
            screen.update(picture(records.study, look(records), console.size), refresh=True)
            time.sleep(max(PAUSE, (time.monotonic() - began) / SHARE))


def picture(asked: "Study", seen: "Snapshot", room: ConsoleDimensions) -> RenderableType:
    """A snapshot for a terminal of a size."""
    parts: list[RenderableType] = [Text(f"{asked.name}: {asked.question}"), Text(_summary(seen)), Text()]
    parts += [_counts_table(seen.counts), *map(Text, _failures(seen.counts))]
    if seen.running:
        parts += [Text(), *_running_lines(seen.running)]
    best = list(arms_tables(asked, seen.table))
    used = 7 + 2 * len(seen.counts) + 2 * len(seen.running) + 3 * len(best)
    most = max(_LEAST, (room.height - used) // max(1, len(best)))
    for arms in best:
        parts += [Text(), Text(arms.heading, style="bold"), _arms_table(arms, most, room.width)]
    return Group(*parts)


def clock(seconds: float | None) -> str:
    """Seconds as m:ss or h:mm:ss; a dash for what is not known."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _summary(seen: "Snapshot") -> str:
    done, total = sum(each.done for each in seen.counts), sum(each.total for each in seen.counts)
    left = "" if seen.seconds_left is None else f", about {clock(seen.seconds_left)} left"
    return f"{done:,} of {total:,} trials done{left}; Ctrl-C leaves it running"


def _counts_table(counts: "Sequence[Counts]") -> Table:
    pruned = any("pruned" in each.states for each in counts)
    names = ["finished", *(["pruned"] if pruned else []), "failed", "running", "left"]
    table = _table(["task", "", "", *names], right={*range(2, 3 + len(names))})
    for each in counts:
        told = {**each.states, "left": each.left}
        bar = ProgressBar(total=max(1, each.total), completed=each.done, width=_BAR)
        part = f"{each.done:,}/{each.total:,}"
        table.add_row(each.task, bar, part, *(f"{told.get(name, 0):,}" for name in names))
    return table


def _failures(counts: "Sequence[Counts]") -> Iterator[str]:
    for each in counts:
        if each.reasons:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in each.reasons.items())
            yield f"{each.task} failed: {reasons}"


def _running_lines(running: "Sequence[Running]") -> Iterator[Text]:
    """Two lines for a trial, for its levels may be many and long: what it is, and how far."""
    for each in running:
        levels = "  ".join(f"{name} {shown(value)}" for name, value in each.levels.items())
        yield Text.assemble((f"{each.task} runs", "bold"), f"  {levels}")
        of = "" if each.epochs is None else f"/{each.epochs:,}"
        parts = [f"  epoch {each.epoch:,}{of}"]
        if each.row:
            parts += [figures_of(dict(each.row)), f"{each.row['images_per_second']:,.0f} images/s"]
        parts += [f"{clock(each.left)} left"] if each.left is not None else []
        yield Text("  ".join(parts))


def _arms_table(arms: Arms, most: int, width: int) -> Table:
    """The best designs; columns that say nothing are left out, and some that matter less where there is no room."""
    rows = [[shown(cell) for cell in row] for row in arms.rows[:most]]
    widths = {
        name: max(len(name), *map(len, cells)) for name, *cells in zip(arms.columns, *rows, strict=True) if any(cells)
    }
    for name in _SPARED:
        if sum(widths.values()) + _GAP * (len(widths) - 1) > width:
            widths.pop(name, None)
    kept = [index for index, name in enumerate(arms.columns) if name in widths]
    table = _table([arms.columns[index] for index in kept], {i for i, name in enumerate(widths) if name != "design"})
    for row in rows:
        table.add_row(*(row[index] for index in kept))
    return table


def _table(columns: Sequence[str], right: set[int]) -> Table:
    """A table to be filled."""
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index in right else "left", no_wrap=True, overflow="fold")
    return table
