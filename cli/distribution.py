"""`sunetlab study distribution`: how good the designs of a space are, as far as a random sample of them says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import Json, file_named, note, percent, print_json, print_table, say
from .study_named import Name, existing

if TYPE_CHECKING:  # these import torch
    from sunetlab.study.distribution import Distribution

PARTS = {  # of the designs
    "best": 0.0,
    "best 10 %": 0.1,
    "best 25 %": 0.25,
    "median": 0.5,
    "best 75 %": 0.75,
    "worst": 1.0,
}
NOTE = "With 95 % confidence the whole space's distribution lies within the band (Dvoretzky-Kiefer-Wolfowitz)."


def distribution(
    study: Name,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE.svg", help="Draw it, with its band.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """The distribution of errors over designs drawn at random, with the band that holds the whole space's."""
    from sunetlab.draw.words import plural
    from sunetlab.study import results
    from sunetlab.study.distribution import distributions

    path = None if plot is None else file_named("--plot", plot, ".svg")
    folder = existing(study)
    asked = results.load_study(folder)
    found = distributions(asked, results.trials(asked, folder))
    if path is not None:
        _draw(found, asked.question, path)
    if as_json:
        print_json({"study": asked.name, "distributions": [_record(each) for each in found]})
        return
    say(f"{asked.name}: {asked.question}")
    say()
    print_table(["error", "designs", *PARTS, "band"], [_row(each) for each in found])
    say()
    say(NOTE)
    for each in found:
        if each.failed:
            note(f"{each.name}: {plural(each.failed, 'design')} failed and cannot be in it")


def _draw(found: "list[Distribution]", question: str, plot: Path) -> None:
    from sunetlab.draw.steps import Steps, draw_steps
    from sunetlab.files import write_text

    steps = [Steps(each.name, [100 * float(v) for v in each.band.values], each.band.half_width) for each in found]
    write_text(plot, draw_steps(steps, "error, %", "Errors of designs drawn at random", [question, NOTE]))
    note(f"saved {plot}")


def _row(each: "Distribution") -> list[Any]:
    """The least errors of which so many of the designs have at most that."""
    values, count = each.band.values, len(each.band.values)
    errors = [percent(float(values[max(0, -(-int(1000 * part) * count // 1000) - 1)])) for part in PARTS.values()]
    return [each.name, count, *errors, f"±{100 * each.band.half_width:.1f} % of designs"]


def _record(each: "Distribution") -> dict[str, Any]:
    return {
        "name": each.name,
        "designs": list(each.designs),
        "errors": each.band.values.tolist(),
        "half_width": each.band.half_width,
        "confidence": 0.95,
        "failed": each.failed,
    }
