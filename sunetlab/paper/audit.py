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
from sunetlab.paper.reconcile import Remedy, Sought, Target, reconcile, seek

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
    """A judged claim, and what would reconcile it with the network where it does not hold.

    Attributes:
        finding: the claim with its verdict.
        remedies: changes of design, or ways to count, that reconcile it, the smallest first.
        searched: what was searched, in words, where the claim does not hold.
    """

    finding: Finding
    remedies: tuple[Remedy, ...] = ()
    searched: str = ""


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
    if finding.verdict not in ("differs", "contradicts"):
        return Audited(finding)
    if claim.measured:
        return Audited(finding, searched=f"{claim.measured} are measured: no change of design applies")
    sought = _sought(claim)
    many = f"{sought.tried:,} design{'s' * (sought.tried != 1)} with one word changed"
    if sought.remedies:
        return Audited(finding, sought.remedies, f"{many} tried")
    return Audited(finding, searched=f"{many} tried: none reconciles" if sought.tried else "no design to change")


def _sought(claim: Claim) -> Sought:
    """What would reconcile a claim on a design: its own search, or one together with claims on the same network."""
    computed = claim.compute() if claim.compute else None
    if computed and computed.search:
        return seek(claim, computed.search)
    targets = []
    for each in (claim, *map(BY_ID.__getitem__, claim.together)):
        quantity = each.compute().quantity if each.compute else None
        if quantity is not None:
            targets.append(Target(each.figures[0], quantity))
    return reconcile(targets) if targets else Sought((), 0)
