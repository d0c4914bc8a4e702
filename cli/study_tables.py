"""What several commands tell of a study: its tasks, how far a search is, its designs, the best first."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .output import percent, print_table, say, short

if TYPE_CHECKING:
    import pandas as pd

    from sunetlab.study.definition import Study
    from sunetlab.study.records import Records

SAMPLERS = {"tpe": "TPE", "nsga2": "NSGA-II"}
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


def searches(records: "Records", table: "pd.DataFrame") -> Iterator[tuple[str, int, int, int | None]]:
    """Of an adaptive study, for each task: how many designs were tried, will have been, and are chosen from."""
    asked = records.study
    for task in tasks_of(asked) if asked.is_adaptive else ():
        tried = table.loc[(table["task"] == task) & (table["stage"] == "trial"), "design"].nunique()
        yield task, tried, records.to_try(task), records.feasible(task)


def arms_tables(asked: "Study", table: "pd.DataFrame") -> Iterator[Arms]:
    """The designs of every task that have finished trials: a search's, then its winners, trained anew."""
    from sunetlab.study.results import arms

    for task in tasks_of(asked):
        for stage in ("trial", "winner"):
            found = arms(table, asked, stage)
            rows = [_row(asked, arm) for arm in found[found["task"] == task].to_dict("records")]
            if rows:
                who = "winners, trained anew" if stage == "winner" else f"validation {OBJECTIVE[task]}"
                columns = [name for name in rows[0] if name != "mark" or any(row["mark"] for row in rows)]
                cells = [[row[name] for name in columns] for row in rows]
                yield Arms(f"{task}, {who}, the best first", columns, cells)


def _row(asked: "Study", arm: dict[str, Any]) -> dict[str, object]:
    """A design's cells by their columns; a search's own designs have no test figure, their winners have."""
    known = arm["test"] == arm["test"]
    return {
        **{name: str(arm[name]) for name in asked.varied},
        **({"lr": f"{arm['lr']:g}"} if asked.tune else {}),
        "params": int(arm["params"]),
        "MACs": short(arm["macs"]),
        **{name: short(arm[name]) for name in asked.told},
        OBJECTIVE[arm["task"]]: percent(arm["value"]),
        "spread": f"±{percent(arm['spread'])}" if arm["spread"] == arm["spread"] else "",
        **({"test": percent(arm["test"]) if known else ""} if arm["stage"] == "winner" else {}),
        "mark": arm["mark"],
        "seeds": int(arm["seeds"]),
        "seconds": f"{arm['seconds']:.1f}",
        "design": arm["design"],
    }


def print_arms(asked: "Study", table: "pd.DataFrame") -> None:
    """Print the designs of every task."""
    for heading, columns, rows in arms_tables(asked, table):
        say()
        say(heading)
        print_table(columns, rows)
    say()
