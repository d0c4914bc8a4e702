"""Every claim of the paper, judged; and for what differs, what would reconcile it."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from sunetlab.errors import InputError
from sunetlab.paper import (
    ablation,
    appendix,
    classification,
    comparison,
    datasets,
    depth,
    dilation,
    figure2,
    introduction,
    module,
    scores,
    table1,
    table2,
)
from sunetlab.paper.claim import Claim
from sunetlab.paper.judge import Finding, judge
from sunetlab.paper.reconcile import Remedy, Target, reconcile

_ROOMS = (
    introduction,
    module,
    depth,
    table1,
    classification,
    figure2,
    dilation,
    table2,
    ablation,
    scores,
    comparison,
    datasets,
    appendix,
)
CLAIMS: tuple[Claim, ...] = tuple(
    sorted((claim for room in _ROOMS for claim in room.CLAIMS), key=lambda claim: claim.place.page)
)
BY_ID = {claim.id: claim for claim in CLAIMS}


class Audited(NamedTuple):
    """A judged claim, and what would reconcile it with the network where it does not hold."""

    finding: Finding
    remedies: tuple[Remedy, ...]


def audit(ids: Collection[str] = (), watch: Callable[[int, int], None] | None = None) -> tuple[Audited, ...]:
    """Judge the claims called `ids`, by default all, in the paper's order of pages.

    Args:
        ids: names of claims.
        watch: told how many claims of how many are done.

    Raises:
        InputError: no such claim.
    """
    for name in ids:
        if name not in BY_ID:
            raise InputError(f"claim: {name!r}: no such claim; `sunetlab report paper` lists them")
    chosen = [claim for claim in CLAIMS if claim.id in ids or not ids]
    judged = []
    for done, claim in enumerate(chosen, 1):
        judged.append(audit_one(claim))
        if watch is not None:
            watch(done, len(chosen))
    return tuple(judged)


def audit_one(claim: Claim) -> Audited:
    """Judge one claim."""
    finding = judge(claim, claim.compute() if claim.compute else None, BY_ID)
    stands = finding.verdict not in ("differs", "contradicts")
    return Audited(finding, () if stands else _remedies(claim))


def _remedies(claim: Claim) -> tuple[Remedy, ...]:
    """What would reconcile a claim on a quantity of a network, together with those on the same network."""
    targets = []
    for each in (claim, *map(BY_ID.__getitem__, claim.together)):
        quantity = each.compute().quantity if each.compute else None
        if quantity is not None:
            targets.append(Target(each.figures[0], quantity))
    return reconcile(targets) if targets else ()
