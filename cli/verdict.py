"""`sunetlab study verdict`: what a study's results allow to be claimed."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sunetlab import InputError
from sunetlab.garbage import uncollected

from .output import Json, note, print_json, say, say_lines
from .study_named import Name, existing

if TYPE_CHECKING:
    from sunetlab.study.definition import Study


@uncollected()
def verdict(
    study: Name,
    as_json: Json = False,
) -> None:
    """What the results allow to be claimed: designs against the study's baseline, seed by seed; orders of designs."""
    from sunetlab.study import results
    from sunetlab.study.judge import rankings, rates_at_edge, unjudged, verdicts

    folder = existing(study)
    asked = results.load_study(folder)
    _check(asked, study)
    table = results.trials(asked, folder)
    tasks = [task.task for task in asked.tasks]
    judged: dict[str, list[Any]] = {task: list(verdicts(asked, table, task)) for task in tasks}
    ranked = rankings(asked, table)
    if as_json:
        told = {task: list(map(asdict, each)) for task, each in judged.items()}
        print_json(
            {
                "study": asked.name,
                "verdicts": told,
                "rankings": {task: list(map(asdict, r)) for task, r in ranked.items()},
            }
        )
        return
    say(f"{asked.name}: {asked.question}")
    for task in tasks:
        found = [*judged[task], *ranked.get(task, ())]
        if found or asked.rank is None:
            say()
            say(f"{task}:")
        for one in found:
            say_lines(one.sentence)
        if not found and asked.rank is None:
            say("No trial of another design has finished with a seed of the baseline's.")
        for line in [*unjudged(asked, table, task), *rates_at_edge(asked, table, task)]:
            note(line)
    if (left := int(table["state"].isin(["waiting", "running"]).sum())) and any(judged.values()):
        note(f"{left} trials are left: whoever looks before the end finds differences more often than p says")


def _check(asked: "Study", name: str) -> None:
    """See that a study has something to be judged by."""
    beside = asked.winners is not None and asked.winners.beside
    if asked.baseline is None and asked.rank is None and not beside:
        raise InputError(
            f"study: {name!r}: names no [baseline], the design that others are compared with, and nothing to rank by"
        )
