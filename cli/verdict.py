"""`sunetlab study verdict`: what a study's results allow to be claimed."""

from dataclasses import asdict

from sunetlab import InputError

from .output import Json, note, print_json, say, say_lines
from .study_named import Name, existing


def verdict(
    study: Name,
    as_json: Json = False,
) -> None:
    """What the results allow to be claimed: every design against the study's baseline, seed by seed."""
    from sunetlab.study import results
    from sunetlab.study.judge import verdicts

    folder = existing(study)
    asked = results.load_study(folder)
    if asked.baseline is None:
        raise InputError(f"study: {study!r}: names no [baseline], the design that others are compared with")
    table = results.trials(asked, folder)
    found = {task: verdicts(asked, table, task) for task in [task.task for task in asked.tasks]}
    if as_json:
        print_json({"study": asked.name, "verdicts": {task: list(map(asdict, each)) for task, each in found.items()}})
        return
    say(f"{asked.name}: {asked.question}")
    for task, each in found.items():
        say()
        say(f"{task}:")
        for one in each:
            say_lines(one.sentence)
        if not each:
            say("No trial of another design has finished with a seed of the baseline's.")
    if (left := int(table["state"].isin(["waiting", "running"]).sum())) and any(found.values()):
        note(f"{left} trials are left: whoever looks before the end finds differences more often than p says")
