"""`sunetlab verify`: a built network against its plan, the formulas, every counting tool and its gradients."""

import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunetlab import SunetlabError, SUNetSpec, analyze

from .network import Batch, Input, input_size, takes_network
from .output import PATIENCE, Json, print_json, print_table, say, sides

if TYPE_CHECKING:
    from sunetlab.model.verify import Check

    from .progress import Screen


@partial(takes_network, tells=True)
def verify(
    spec: SUNetSpec,
    input: Input = None,
    batch: Batch = 1,
    seed: Annotated[int, typer.Option(help="Of the positions whose gradients are compared.")] = 0,
    as_json: Json = False,
) -> None:
    """Build a network and compare it with everything that was said of it; all differences must be zero."""
    size = analyze(spec, input_size(input), batch).size  # refuses an input too small before torch is loaded

    from .progress import Screen

    with Screen() as screen:
        steps = _Steps(screen)
        steps("loading torch", 0, 1)
        from sunetlab.model.verify import verify as compare

        checks = compare(spec, size, batch, steps, seed)
    differ = [check for check in checks if check.difference]
    if as_json:
        found = {"id": spec.id, "input": list(size), "batch": batch, "compared": len(checks), "differ": len(differ)}
        print_json(found | {"checks": [check._asdict() for check in checks]})
    else:
        say(f"SUNet {spec.id}  {spec.summary}; batch {batch}, input {sides(size)}")
        say()
        _print(checks, differ)
    if differ:
        raise SunetlabError(f"{len(differ)} of {len(checks)} comparisons differ: {_named(differ)}")


class _Steps:
    """A bar over the steps, or a line now and then where there is no terminal."""

    def __init__(self, screen: "Screen") -> None:
        self.screen, self.told = screen, time.monotonic()
        self.bar = screen.progress.add_task("", unit="steps")

    def __call__(self, what: str, done: int, total: int) -> None:
        self.screen.progress.update(self.bar, description=f"comparing: {what}", completed=done, total=total)
        if not self.screen.live and time.monotonic() - self.told > PATIENCE:
            self.screen.line(f"comparing: {what}, step {done + 1} of {total}")
            self.told = time.monotonic()


def _print(checks: "Iterable[Check]", differ: "list[Check]") -> None:
    """Layers and maps are many, and told by how many are as planned; then what is not, one by one."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for check in checks:
        if check.about in ("layers", "maps"):
            row = rows.setdefault((check.about, "as planned"), [0, 0, 0])
            for index, more in enumerate((1, check.difference == 0, check.difference != 0)):
                row[index] += int(more)
        else:
            rows[check.about, check.name] = [check.expected, check.found, check.difference]
    print_table(["", "compared", "expected", "found", "difference"], [[*name, *row] for name, row in rows.items()])
    if differ:
        say()
        print_table(["", "what differs", "expected", "found"], [check[:4] for check in differ])


def _named(differ: "list[Check]", most: int = 3) -> str:
    names = ", ".join(f"{check.about}: {check.name}" for check in differ[:most])
    return names + (f" and {len(differ) - most} more" if len(differ) > most else "")
