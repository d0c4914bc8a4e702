"""What several commands tell of a study: its tasks, how far a search is, its designs, the best first."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .output import percent, print_table, say, short

if TYPE_CHECKING:
    import pandas as pd

    from sunetlab.study.definition import Study

OBJECTIVE = {"classification": "accuracy", "segmentation": "mIoU"}


class Arms(NamedTuple):
    """A task's designs as a table.

    Attributes:
        heading: what they are.
        columns: what the table's columns are called.
        rows: a design each, the best first.
    """

    heading: str
    columns: list[str]
    rows: list[list[object]]


def tasks_of(asked: "Study") -> list[str]:
    """The names of a study's tasks."""
    return [task.task for task in asked.tasks]


def searches(asked: "Study", folder: Path, table: "pd.DataFrame") -> Iterator[tuple[str, int, int, int | None]]:
    """Of an adaptive study, for each task: how many designs were tried, will have been, and are chosen from."""
    from sunetlab.study import results

    for task in tasks_of(asked) if asked.is_adaptive else ():
        tried = table.loc[table["task"] == task, "design"].nunique()
        yield task, tried, results.to_try(asked, folder, task), results.feasible(asked, folder, task)


def arms_tables(asked: "Study", table: "pd.DataFrame") -> Iterator[Arms]:
    """The designs of every task that have finished trials."""
    from sunetlab.study.results import arms

    found = arms(table, asked)
    for task in tasks_of(asked):
        rows: list[list[object]] = [
            [
                *(str(arm[name]) for name in asked.varied),
                int(arm["params"]),
                short(arm["macs"]),
                percent(arm["value"]),
                f"±{percent(arm['spread'])}" if arm["spread"] == arm["spread"] else "",
                int(arm["seeds"]),
                f"{arm['seconds']:.1f}",
                arm["design"],
            ]
            for arm in found[found["task"] == task].to_dict("records")
        ]
        columns = [*asked.varied, "params", "MACs", OBJECTIVE[task], "spread", "seeds", "seconds", "design"]
        if rows:
            yield Arms(f"{task}, validation {OBJECTIVE[task]}, the best first", columns, rows)


def print_arms(asked: "Study", table: "pd.DataFrame") -> None:
    """Print the designs of every task."""
    for heading, columns, rows in arms_tables(asked, table):
        say()
        say(heading)
        print_table(columns, rows)
    say()
