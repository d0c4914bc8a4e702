"""`sunetlab study status`: how far a study is; in a terminal, while somebody runs it, again and again."""

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunetlab import InputError
from sunetlab.garbage import uncollected

from .output import Json, note, print_json, print_table, say
from .study_named import Name, existing
from .study_tables import SAMPLERS, print_arms, searches

if TYPE_CHECKING:
    import pandas as pd

    from sunetlab.study.records import Records


def status(
    study: Name,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--once",
            help="Show it again and again until it ends or Ctrl-C; by default in a terminal, while it is run.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """How far a study is: finished, failed by reason, running, left; every trial with --json."""
    with uncollected():
        from sunetlab.study import results
        from sunetlab.study.records import Records
        from sunetlab.study.snapshot import is_run, without_lost

        folder = existing(study)
        asked = results.load_study(folder)
        _check(live, as_json)
        records = Records(asked, folder)
        table = results.table_of(records)
    if as_json:
        print_json({"study": asked.name, "trials": _records(without_lost(records, table))})
        return
    if live is not False and _is_terminal():
        if is_run(records):
            from .status_live import follow

            follow(records)
            table = results.table_of(records)
        elif live:
            note(f"nobody runs {folder} now: this is how it stands")
    _print(records, table)


def _check(live: bool | None, as_json: bool) -> None:
    if live and as_json:
        raise InputError("--live: cannot be given with --json, which is printed once")
    if live and not _is_terminal():
        raise InputError("--live: standard output is no terminal; leave it out")


def _is_terminal() -> bool:
    """Whether lines can be shown and taken back."""
    from rich.console import Console

    return sys.stdout.isatty() and not Console().is_dumb_terminal


def _print(records: "Records", table: "pd.DataFrame") -> None:
    from sunetlab.study.snapshot import without_lost

    asked = records.study
    say(f"{asked.name}: {asked.question}")
    for task, tried, most, feasible in searches(records, table):
        say(
            f"{task}: {tried} of {most} designs tried, chosen by {SAMPLERS[asked.sampler]}"
            + (f" from {feasible:,}" if feasible else "")
        )
    if table.empty:
        say(f"no trial stands in line yet; sunetlab study run {records.folder} begins")
        return
    say()
    table = without_lost(records, table)
    names = ["task", *(["stage"] if table["stage"].nunique() > 1 else []), "state", "reason"]
    counts = Counter(zip(*(table[name] for name in names), strict=True))
    print_table([*names, "trials"], [[*key, count] for key, count in counts.items()])
    print_arms(asked, table)


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    records = table.to_dict("records")
    return [{str(k): None if v != v else v for k, v in record.items()} for record in records]
