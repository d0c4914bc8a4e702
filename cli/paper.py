"""`sunetlab report paper`: every claim of the paper that a computation can touch, judged."""

import shutil
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunetlab import InputError

from .output import Csv, Json, form_asked, print_csv, print_json, say

if TYPE_CHECKING:  # loaded when the command runs
    from sunetlab.paper.audit import Audited
    from sunetlab.paper.claim import Number
    from sunetlab.paper.judge import Verdict

Verdicts = Annotated[
    str | None,
    typer.Option(
        "--verdict",
        metavar="V,…",
        help="Of these verdicts alone: contradicts, differs, holds-when-read-as, needs-training, holds.",
        show_default=False,
    ),
]
Claims = Annotated[
    list[str] | None,
    typer.Option("--claim", metavar="ID", help="One claim in full; may be given again.", show_default=False),
]

ORDER: tuple["Verdict", ...] = ("contradicts", "differs", "holds when read as", "needs training", "holds")
# of a CSV file
_COLUMNS = [
    *("claim", "section", "page", "item", "words", "paper", "computed", "unit", "verdict", "note", "from"),
    *("searched", "reconciled"),
]
_MANY = 6  # figures or values that the list of all claims names
_REMEDIES = 2  # and remedies
_NEAREST = 5  # remedies of one claim in full


def paper(verdict: Verdicts = None, claim: Claims = None, as_json: Json = False, as_csv: Csv = False) -> None:
    """The paper's claims, each computed and judged: what holds, how it must be read, what differs and why."""
    form = form_asked(as_json, as_csv)
    wanted = _wanted(verdict)
    judged = _judge(claim or [])
    kept = [one for one in judged if one.finding.verdict in wanted]
    if form == "json":
        records = [_record(one) for one in kept]
        print_json({"counts": _counts(judged), "studies": _studies(kept), "claims": records})
    elif form == "csv":
        _print_csv(kept)
    elif claim:
        for one in kept:
            _print_one(one)
    else:
        _print_all(judged, kept)


def _wanted(text: str | None) -> Sequence["Verdict"]:
    """The verdicts that a user asked for."""
    if text is None:
        return ORDER
    names = {verdict.replace(" ", "-"): verdict for verdict in ORDER}
    parts = [part.strip().replace(" ", "-") for part in text.split(",")]
    for part in parts:
        if part not in names:
            raise InputError(f"--verdict: {part!r}: must be some of {', '.join(names)}, separated by commas")
    return [names[part] for part in parts]


def _judge(ids: Sequence[str]) -> Sequence["Audited"]:
    """The claims judged, with progress: some count torchvision's networks, which takes seconds."""
    from sunetlab.paper.audit import audit

    from .progress import PAUSE, Screen

    with Screen() as screen, screen.counting("judging the paper", "claims") as progress:
        told = time.monotonic()

        def watch(done: int, total: int) -> None:
            nonlocal told
            progress(done, total)
            if not screen.live and time.monotonic() - told > PAUSE:
                screen.line(f"judging the paper: {done} of {total} claims")
                told = time.monotonic()

        return audit(ids, watch)


def _counts(judged: Sequence["Audited"]) -> dict["Verdict", int]:
    counts = Counter(one.finding.verdict for one in judged)
    return {verdict: counts[verdict] for verdict in ORDER}


def _print_all(judged: Sequence["Audited"], kept: Sequence["Audited"]) -> None:
    counts = _counts(judged)
    say(f"{len(judged)} claims: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}")
    for verdict in ORDER:
        of_verdict = [one for one in kept if one.finding.verdict == verdict]
        if of_verdict:
            say()
            say(f"{verdict} ({len(of_verdict)})")
        for study, told in _studies(of_verdict).items():
            there = "" if told["shipped"] else "; `sunetlab study list` does not have it yet"
            say(_wrapped(f"study {study}: {told['compares']}{there}", 2))
        for one in of_verdict:
            say(f"  {one.finding.claim.id}  ({one.finding.claim.place})")
            for text in _told(one):
                say(_wrapped(text))
    say()
    say("sunetlab report paper --claim ID shows how one was computed")


def _studies(judged: Sequence["Audited"]) -> dict[str, dict[str, Any]]:
    """The studies that claims wait for: what each would compare, and whether it is there to be run."""
    from sunetlab.paper.studies import COMPARED, is_shipped

    asked = {one.finding.claim.study for one in judged}
    return {name: {"compares": text, "shipped": is_shipped(name)} for name, text in COMPARED.items() if name in asked}


def _told(one: "Audited") -> list[str]:
    """A judged claim in a line or three."""
    from sunetlab.paper.judge import shown, with_unit

    finding, claim = one.finding, one.finding.claim
    figures = _few([figure.text if figure.step else f"“{figure.text}”" for figure in claim.figures])
    lines = [f"{claim.words}: paper {figures}" if figures else claim.words]
    if finding.reading:
        values = list(map(shown, finding.reading.values))
        lines[0] += f", computed {with_unit(claim, values[0] if len({*values}) == 1 else _first(values))}"
    if finding.note:
        lines.append({"holds when read as": "read as "}.get(finding.verdict, "") + finding.note)
    if one.remedies:
        lines.append(f"would be reconciled by {_few([remedy.words for remedy in one.remedies], _REMEDIES, '; or by ')}")
    elif one.searched:
        lines.append(one.searched)
    return lines


def _few(texts: Sequence[str], many: int = _MANY, between: str = ", ") -> str:
    """The first texts, and how many there are besides."""
    more = len(texts) - many
    return between.join(texts if more <= 1 else [*texts[:many], f"{more} more"])


def _first(values: Sequence[str]) -> str:
    """The first values; that there are more is left open, for a unit follows."""
    return ", ".join(values if len(values) <= _MANY + 1 else [*values[:_MANY], "…"])


def _wrapped(text: str, indent: int = 6) -> str:
    """A text under its claim's name, within a terminal's width; a pipe has none."""
    if not sys.stdout.isatty():
        return " " * indent + text
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.fill(text, width, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))


def _print_one(one: "Audited") -> None:
    from sunetlab.paper.judge import figures, shown, with_unit
    from sunetlab.paper.studies import sentence

    finding, claim = one.finding, one.finding.claim
    lines = {
        "place": str(claim.place),
        "what it says": claim.words,
        "paper": figures(claim),
        "verdict": finding.verdict,
        "note": finding.note,
    }
    if claim.study:
        del lines["note"]
        lines["study"] = sentence(claim.study)
    if finding.reading:
        lines["compared"] = claim.compare
        lines["computed"] = with_unit(claim, ", ".join(map(shown, finding.reading.values)))
        lines["from"] = finding.reading.derivation
    lines["searched"] = one.searched
    say(claim.id)
    for name, text in lines.items():
        if text:
            say(f"  {name:<14}{text}")
    for index, remedy in enumerate(one.remedies[:_NEAREST]):
        counted = ", ".join(map(shown, remedy.values))
        say(f"  {'reconciled by' if not index else 'or by':<14}{remedy.words} ({counted})")
    more = len(one.remedies) - _NEAREST
    if more > 0:
        say(f"  {'or by':<14}{more} more, none a smaller change; --json has them all")
    say()


def _print_csv(kept: Sequence["Audited"]) -> None:
    from sunetlab.paper.judge import figures, shown

    rows = []
    for finding, remedies, searched in kept:
        claim, reading = finding.claim, finding.reading
        values = "; ".join(map(shown, reading.values)) if reading else None
        derivation = reading.derivation if reading else None
        reconciled = "; or ".join(remedy.words for remedy in remedies)
        told = (figures(claim), values, claim.unit, finding.verdict, finding.note, derivation, searched, reconciled)
        rows.append((claim.id, *claim.place, claim.words, *told))
    print_csv(_COLUMNS, rows)


def _record(one: "Audited") -> dict[str, Any]:
    """A judged claim in full, for JSON."""
    finding, claim = one.finding, one.finding.claim
    reading = finding.reading
    return {
        "id": claim.id,
        "place": claim.place._asdict(),
        "words": claim.words,
        "figures": [{"text": figure.text, "value": _plain(figure.value)} for figure in claim.figures],
        "compare": claim.compare,
        "computed": [_plain(value) for value in reading.values] if reading else None,
        "unit": claim.unit,
        "from": reading.derivation if reading else None,
        "verdict": finding.verdict,
        "note": finding.note,
        "study": claim.study,
        "same_as": claim.same_as,
        "searched": one.searched,
        "remedies": [
            remedy._asdict() | {"counting": sorted(remedy.counting), "values": list(map(_plain, remedy.values))}
            for remedy in one.remedies
        ],
    }


def _plain(value: "Number") -> int | float:
    exact = Fraction(value)
    return int(exact) if exact.denominator == 1 else float(exact)
