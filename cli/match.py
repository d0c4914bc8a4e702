"""`sunetlab space match`: families of designs at equal cost."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError, SUNetSpec
from sunetlab.files import shown

from .designs import build_words, told
from .network import Input, input_size, takes_network
from .output import Csv, Json, form_asked, note, percent, print_csv, print_json, print_table, say, say_lines, sides
from .sample import check_arms_file, write_arms
from .space_words import Vary, factors_of

if TYPE_CHECKING:
    from sunetlab.space.match import Arm, Family, Question

_OF_FAMILY = ("depth", "n", "stacks", "widths")
_TOLD = ("params", "macs", "memory", "fov", "layers")


@takes_network
def match(
    spec: SUNetSpec,
    words: dict[str, Any],
    vary: Vary = None,
    hold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUANTITY[=TOLERANCE]", help="What is held; several are held together.", show_default="params"
        ),
    ] = None,
    tolerance: Annotated[str, typer.Option(help="Of what is held, where it has none of its own.")] = "1%",
    solve: Annotated[
        str, typer.Option(metavar="WORD[=RANGE]", help="n, stacks or widths; n=8..512:8, stacks=1..4x1..9x1..9x1.")
    ] = "n",
    where: Annotated[
        str | None, typer.Option(metavar="FILTER", help='Only designs that keep it: "block4_modules<=2".')
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Nearest designs of each level.")] = 1,
    input: Input = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at once, for activations and memory.")] = 1,
    precision: Annotated[Literal["fp32", "bf16"], typer.Option(help="For activations and memory.")] = "fp32",
    optimizer: Annotated[Literal["sgd", "adamw"], typer.Option(help="For memory.")] = "sgd",
    out: Annotated[
        Path | None,
        typer.Option(help="Save each level's nearest as the arms of a study, .toml or .json.", show_default=False),
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Designs of equal cost for each level of what varies: match sunet-64 --vary depth=1,2,3,4 --hold params.

    Widths follow one rule for all of them, unless --widths says otherwise: Table 1's own would make its rows stand
    out for a reason that is none.
    """
    from sunetlab.analysis.memory import Setting
    from sunetlab.space.arrays.view import Training
    from sunetlab.space.match import Question, alternatives, match

    from .progress import Screen

    form = form_asked(as_json, as_csv)
    if out is not None:
        check_arms_file(out, factors_of(vary or []))
    if not vary:
        raise InputError("--vary: is needed: what differs between the designs, such as depth=1,2,3,4")
    word, _, among = solve.partition("=")
    levels = alternatives(factors_of(vary))
    question = Question(
        network=spec,
        words=_shared(spec, words, word, levels),
        levels=levels,
        hold=_holds(hold or ["params"], tolerance),
        solve=word.strip(),
        among=among or None,
        where=where,
        size=input_size(input),
        training=Training(batch, Setting(precision=precision, optimizer=optimizer)),
        most=count,
    )
    with Screen() as screen, screen.counting("looking at designs", "designs") as progress:
        family = match(question, progress)
    if out is not None:
        _save(out, family, question)
    if form == "json":
        print_json(_record(spec, family))
    elif form == "csv":
        rows = list(_rows(family))
        print_csv(list(rows[0]), [list(row.values()) for row in rows])
    else:
        _print(spec, family, question)
    if out is not None:
        note(f"saved {out}")


def _shared(spec: SUNetSpec, given: dict[str, Any], solve: str, levels: list[dict[str, Any]]) -> dict[str, Any]:
    """What all designs share: the network's words, widths by rule, and neither what varies nor what is solved for."""
    varied = {word for level in levels for word in level}
    shared = spec.words() | {"stacks": spec.stacks, "n": spec.n}
    if "widths" not in given:
        shared["widths"] = "rule"
    if "output_stride" in varied:
        shared.pop("dilations", None)
    if "dilations" in varied:
        shared.pop("output_stride", None)
    return {word: value for word, value in shared.items() if word not in varied and word != solve}


def _holds(said: list[str], tolerance: str) -> dict[str, float]:
    found = {}
    for text in said:
        name, _, own = text.partition("=")
        found[name.strip()] = _part(own or tolerance, "--hold" if own else "--tolerance")
    return found


def _part(text: str, flag: str) -> float:
    """`1%` or `0.01`."""
    match = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,9})?)\s*(%?)\s*", text)
    if match is None or float(match[1]) == 0 or (not match[2] and float(match[1]) >= 1):
        raise InputError(f"{flag}: {text!r}: must be a part above 0, such as 1% or 0.01")
    return float(match[1]) / (100 if match[2] else 1)


def _print(spec: SUNetSpec, family: "Family", asked: "Question") -> None:
    targets = (f"{h.name} {told(h.name, h.target)} ± {percent(h.tolerance, 2)}" for h in family.holds)
    say(f"{spec.summary}: {', '.join(targets)}; {family.looked_at:,} designs looked at")
    say()
    held = [hold.name for hold in family.holds]
    names = [name for name in _TOLD if name not in held]
    varied = list(asked.levels[0])
    by_rule = asked.words.get("widths") == "rule"
    columns = [word for word in _OF_FAMILY if word not in varied and not (word == "widths" and by_rule)]
    cells = [[*(_word(spec, word) for word in (*varied, *columns)), *_figures(family.reference, None, held, names)]]
    for arm in (arm for arms in family.arms for arm in arms):
        own = [shown(level).strip("'") for level in arm.level.values()]
        words = [_word(arm.design.spec, word) for word in columns]
        cells.append([*own, *words, *_figures(arm.values, arm, held, names)])
    cells[0].append("the network")
    headings = [heading for name in held for heading in (name, "off by")]
    print_table([*varied, *columns, *headings, *names, ""], cells)
    say()
    if by_rule:
        say_lines("Widths of all but the network itself follow one rule.")
    for reason in family.missing:
        say_lines(f"Nothing for {reason}.")
    for where in family.cut:
        say_lines(f"For {where} was looked at, and there may be nearer ones beyond: give --solve a range.")
    if any(arms and not arms[0].within for arms in family.arms) and not family.cut:
        where = f"in {asked.solve}={asked.among}" if asked.among else f"for any {asked.solve}"
        say_lines(f"Where the nearest is beyond the tolerance there is nothing nearer {where}.")
    say()
    for arms in filter(None, family.arms):
        say(f"sunetlab build {build_words(arms[0].design.spec)}")


def _figures(values: "Mapping[str, int]", arm: "Arm | None", held: Sequence[str], names: Sequence[str]) -> list[str]:
    """Cells of what is held, each with how far it is off, of what is not, and whether that is too far."""
    off = [f"{100 * arm.mismatch[name]:+.3f} %" if arm else "" for name in held]
    cells = [cell for name, by in zip(held, off, strict=True) for cell in (told(name, values[name]), by)]
    beyond = [] if arm is None else ["" if arm.within else "beyond"]
    return [*cells, *(told(name, values[name]) for name in names), *beyond]


def _word(spec: SUNetSpec, word: str) -> str:
    return shown(getattr(spec, word)).strip("'")


def _rows(family: "Family") -> "list[dict[str, Any]]":
    return [_flat(arm) for arms in family.arms for arm in arms]


def _flat(arm: "Arm") -> dict[str, Any]:
    level = {f"vary_{word}": shown(value) for word, value in arm.level.items()}
    words = {word: _word(arm.design.spec, word) for word in _OF_FAMILY}
    off = {f"{name}_off": value for name, value in arm.mismatch.items()}
    return level | words | arm.values | off | {"within": arm.within, "id": arm.design.spec.id}


def _record(spec: SUNetSpec, family: "Family") -> dict[str, Any]:
    def arm(found: "Arm") -> dict[str, Any]:
        own = {"level": found.level, "id": found.design.spec.id, "spec": found.design.spec.model_dump(mode="json")}
        return own | {"values": found.values, "mismatch": found.mismatch, "within": found.within}

    return {
        "network": {"id": spec.id, "spec": spec.model_dump(mode="json"), "values": family.reference},
        "holds": [hold._asdict() for hold in family.holds],
        "looked_at": family.looked_at,
        "arms": [[arm(found) for found in arms] for arms in family.arms],
        "missing": list(family.missing),
        "cut": list(family.cut),
    }


def _save(out: Path, family: "Family", asked: "Question") -> None:
    from sunetlab.space.pick import arm_words

    arms = [arms[0].level | arm_words(arms[0].design) for arms in family.arms if arms]
    held = ", ".join(f"{hold.name} {hold.target:,} ± {percent(hold.tolerance, 2)}" for hold in family.holds)
    size = sides(asked.size or asked.network.design_size)
    about = f"{len(arms)} designs at {held}, input {size}, solved for {asked.solve}"
    heads = {"task": asked.network.task, "num_classes": asked.network.num_classes}
    write_arms(out, arms, {**asked.words, **heads}, about)
