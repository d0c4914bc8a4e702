"""`sunetlab study`: many candidates, one question."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunetlab import InputError, SunetlabError
from sunetlab.draw.words import plural
from sunetlab.garbage import uncollected

from .dashboard import dashboard
from .distribution import distribution
from .inference import Device
from .output import Json, note, percent, print_json, print_table, say, say_lines, short
from .plan import plan
from .status import status
from .study_named import Name, On, existing, folder_of, load
from .study_tables import SAMPLERS, print_arms, tasks_of
from .verdict import verdict
from .work import Heartbeat, Storage, Workers, proxy, storage_said, until_ended, work, workers_said

if TYPE_CHECKING:
    import pandas as pd

    from sunetlab.study.definition import Study, StudyTask

COMMAND = "command.txt"  # in a study's folder: what was typed

app = typer.Typer(help="Many candidates, one question.", no_args_is_help=True)
app.command("plan")(plan)
app.command("status")(status)
app.command("verdict")(verdict)
app.command("distribution")(distribution)
app.command("dashboard")(dashboard)
app.command("work")(work)
app.command("proxy")(proxy)
Out = Annotated[Path | None, typer.Option(help="The study's folder; by default runs/NAME.", show_default=False)]


@app.command("list")
def list_studies(as_json: Json = False) -> None:
    """The studies that come with sunetlab."""
    from sunetlab.files import read_table
    from sunetlab.study.reading import kinds_of_data, shipped

    studies = {name: (read_table(path)["question"], kinds_of_data(path)) for name, path in shipped().items()}
    if as_json:
        print_json({name: {"question": question, "on": on} for name, (question, on) in studies.items()})
        return
    print_table(["study", "question", "--on"], [[name, said, ", ".join(on)] for name, (said, on) in studies.items()])


@app.command()
def show(study: Name, on: On = None, as_json: Json = False) -> None:
    """What a study would run: its question, its factors, its candidates and what each costs."""
    from sunetlab.study.designs import funnel as funnel_of

    asked = load(study, on)
    if as_json:
        print_json(asked.model_dump(mode="json"))
        return
    say(asked.question)
    say_lines(" ".join(_terms(asked)))
    for task in asked.tasks:
        classes, size = _classes_and_size(task)
        say()
        (_show_search if asked.is_adaptive else _show_designs)(asked, task, classes, size)
        funnel = funnel_of(asked, task, classes, size)
        for reason, count in funnel.impossible.items() if funnel else ():
            note(f"left out: {count:,} of the combinations, by {reason}")
        for bound, before, after in funnel.rows() if funnel else ():
            note(f"left out: {before - after:,} of {before:,} designs, by where {bound}")


@app.command()
def run(
    study: Name,
    on: On = None,
    out: Out = None,
    trials: Annotated[
        int | None, typer.Option(min=0, help="Stop after so many; the same command goes on.", show_default=False)
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed trials again.")] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="[TASK=]SOURCE", help="Instead of the study's own data.", show_default=False),
    ] = None,
    device: Device = "auto",
    workers: Workers = "1",
    storage: Storage = None,
    heartbeat: Heartbeat = 10.0,
) -> None:
    """Train every candidate of a study; the same command again goes on where it stopped."""
    from sunetlab.study.along import follow
    from sunetlab.study.runner import run_study
    from sunetlab.train.team import joined

    from .progress import Screen, StudyScreen

    count, place = workers_said(workers), storage_said(storage)
    asked = load(study, on)
    if data:
        asked = asked.with_sources(dict(_task_and_source(asked, text) for text in data))
    folder = folder_of(study, asked, out)
    for few in _too_few(asked):
        note(few)
    with Screen() as screen, until_ended(screen) as stop, joined(device) as (team, own_device):
        if not team.leads:
            follow(asked.tasks, own_device, team)
            return
        watch = StudyScreen(screen)
        run_study(asked, folder, own_device, trials, retry_failed, watch, count, place, heartbeat, stop=stop, team=team)
    _keep_command(folder)
    _conclude(asked, folder)


@app.command()
@uncollected()
def report(study: Name) -> None:
    """Write the study's results page, one file that opens without a network."""
    from sunetlab.study.report import write_report
    from sunetlab.study.results import load_study

    folder = existing(study)
    say(str(write_report(load_study(folder), folder, _command(folder))))


@app.command()
def export(
    study: Name,
    out: Annotated[Path, typer.Option(help="The folder to make.", show_default=False)],
    task: Annotated[str | None, typer.Option(help="Needed where the study has several.", show_default=False)] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="BOUNDS", help='The best that keeps these: "params<=2M, macs<1G".', show_default=False),
    ] = None,
) -> None:
    """Write the chosen configuration and its weights: the best, or the best within bounds."""
    from sunetlab.study.results import load_study

    folder = existing(study)
    asked = load_study(folder)
    names = tasks_of(asked)
    if task is None and len(names) > 1:
        raise InputError(f"--task: the study has several tasks; give one of {', '.join(names)}")
    if task is not None and task not in names:
        raise InputError(f"--task: {task!r}: the study has {', '.join(names)}")
    arm = _export(asked, folder, task or names[0], where, out)
    factors = "  ".join(f"{name} {arm[name]}" for name in asked.varied)
    say(f"{out}: {factors}  {short(arm['params'])} parameters  {percent(arm['value'])}")


def _terms(asked: "Study") -> Iterator[str]:
    """What is compared with what, and what else is trained, in sentences."""
    from sunetlab.space.factors import level_name

    if asked.baseline is not None:
        said = ", ".join(f"{word} {level_name(level)}" for word, level in asked.baseline.items())
        yield f"All are compared with {said}."
    if asked.equal is not None:
        held = ", ".join(f"{name} within {100 * part:g} %" for name, part in asked.equal.hold.items())
        times = f" times {', '.join(map(str, asked.equal.budgets))}" if asked.equal.budgets else ""
        solved = f"; {asked.equal.solve} is found for each" if asked.equal.solve else ""
        yield f"Costs are held to the baseline's{times}: {held}{solved}."
    if asked.tune is not None:
        rates, seeds = ", ".join(f"{rate:g}" for rate in asked.tune.lr), plural(len(asked.tune.seeds), "seed")
        yield f"First every arm is trained with {rates} times the recipe's learning rate, {seeds} each."
    if asked.pruner != "none":
        yield f"The {asked.pruner} pruner stops trials that do not promise."
    if asked.winners is not None:
        beside = f" beside {len(asked.winners.beside)} of yours" if asked.winners.beside else ""
        yield f"The best {asked.winners.designs} are trained anew with {len(asked.winners.seeds)} fresh seeds{beside}."
    if asked.rank is not None:
        yield f"Designs are ranked by {asked.rank}."


def _too_few(asked: "Study") -> Iterator[str]:
    """Of each task, why its seeds can show nothing, if they cannot."""
    from sunetlab.study.designs import make_designs
    from sunetlab.study.planner import too_few

    for task in asked.tasks if asked.baseline is not None else ():
        if few := too_few(asked, make_designs(asked, task, classes=2, size=task.size)):
            yield f"{task.task}: {few}"


def _show_designs(asked: "Study", task: "StudyTask", classes: int, size: tuple[int, int] | None) -> None:
    from sunetlab.study.designs import left_out, make_designs, quantities
    from sunetlab.study.planner import too_few

    designs = make_designs(asked, task, classes, size)
    say(_trials_of(asked, task, f"{len(designs)} designs"))
    others = asked.told
    rows = []
    for design in designs:
        told = quantities(design.spec, task, size, ["params", "macs", *others])
        figures = (short(told[name]) for name in others)
        rows.append(
            [*(str(design.levels[word]) for word in asked.varied), told["params"], short(told["macs"]), *figures]
        )
    print_table([*asked.varied, "params", "MACs", *others], rows)
    if few := too_few(asked, designs):
        note(few)
    if same := left_out(asked, designs):
        note(f"left out: {same} that at this resolution would be the same network as another")


def _show_search(asked: "Study", task: "StudyTask", classes: int, size: tuple[int, int] | None) -> None:
    import numpy as np

    from sunetlab.study.designs import feasible as feasible_designs

    feasible = feasible_designs(asked, task, classes, size)
    most = min(asked.designs or 0, len(feasible))
    say(_trials_of(asked, task, f"{most} of {len(feasible):,} feasible designs, chosen by {SAMPLERS[asked.sampler]},"))
    rows = [[name, len(np.unique(column))] for name, column in feasible.coordinates.items()]
    print_table(["coordinate", "values"], rows)


def _trials_of(asked: "Study", task: "StudyTask", designs: str) -> str:
    seeds = f"{len(asked.seeds)} seed{'s' if len(asked.seeds) > 1 else ''}"
    length = "of several lengths" if "epochs" in asked.recipe_factors else f"{task.recipe.length} each"
    return f"{task.task} on {task.data.source}: {designs} x {seeds}, {length}"


def _classes_and_size(task: "StudyTask") -> tuple[int, tuple[int, int] | None]:
    """What a task's data say of its networks; where they are not here, what is known of them, and a note."""
    from sunetlab.train.data import open_data

    try:
        data = open_data(task.data)
    except InputError as error:
        classes = task.data.known_classes
        known = f"{classes} classes" if classes else "10 classes, which are a guess"
        note(f"the data are not here, so costs are those of {known}: {error}")
        return classes or 10, task.size
    return len(data.classes), data.size


def _conclude(asked: "Study", folder: Path) -> None:
    """The end of a run: table, best configurations, results page."""
    from sunetlab.study import results
    from sunetlab.study.records import Records
    from sunetlab.study.report import write_report

    records = Records(asked, folder)
    table = results.table_of(records)
    finished = table[table["state"] == "finished"]
    answered = set(finished.loc[finished["stage"] != "tuning", "task"])
    best = {task: folder / "best" / task for task in tasks_of(asked) if task in answered}
    for task, out in best.items():
        _export(asked, folder, task, None, out, table)
    page = write_report(asked, folder, _command(folder))
    print_arms(asked, table)  # only now: whoever reads the table may stop reading
    for task, out in best.items():
        say(f"best for {task:<15} {out}")
    say(f"results page             {page}")
    failed = int((table["state"] == "failed").sum())
    if failed:
        note(f"{plural(failed, 'trial')} failed; --retry-failed runs {'it' if failed == 1 else 'them'} again")
    waiting = int((table["state"] == "waiting").sum())
    waiting += sum(results.to_come(records, task, table) for task in tasks_of(asked))
    if waiting:
        note(f"{plural(waiting, 'trial')} {'is' if waiting == 1 else 'are'} left; the same command goes on")
    if failed and finished.empty:
        raise SunetlabError(f"{folder}: no trial has finished; sunetlab study status {folder} says why")


def _export(
    asked: "Study", folder: Path, task: str, where: str | None, out: Path, table: "pd.DataFrame | None" = None
) -> dict[str, Any]:
    from sunetlab.study.export import export_run
    from sunetlab.study.results import choose

    path, arm = choose(asked, folder, task, where, table)
    export_run(path, out, {"study": asked.name, "question": asked.question, "where": where, **arm})
    return arm


def _task_and_source(asked: "Study", text: str) -> tuple[str, str]:
    """`segmentation=folder:camvid`, or a source alone where the study has one task."""
    names = tasks_of(asked)
    task, equals, source = text.partition("=")
    if equals and task.isalpha():
        return task, source
    if len(names) > 1:
        raise InputError(f"--data: {text!r}: the study has several tasks; write {names[0]}=SOURCE")
    return names[0], text


def _command(folder: Path) -> str:
    """The command that made this, as it was typed first, or one that would make it again."""
    path = folder / COMMAND
    return (
        path.read_text(encoding="utf-8", errors="backslashreplace").strip()
        if path.is_file()
        else f"sunetlab study run {folder}"
    )


def _keep_command(folder: Path) -> None:
    """Write down what was typed, once, for pages that are made later."""
    import shlex

    from sunetlab.files import write_text

    if not (folder / COMMAND).exists() and sys.argv[1:3] == ["study", "run"]:
        write_text(folder / COMMAND, shlex.join(["sunetlab", *sys.argv[1:]]) + "\n")
