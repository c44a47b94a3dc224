"""835: what a payer paid for which claims, and why not more; each claim a `ClaimOutcome`.

The sums are checked: a line's, a claim's and the payment's. One that does not agree is a notice with its place, because
the money moved all the same. Source: 005010X221A1 1.10.2 (balancing), 2100 CLP, 2110 SVC, PLB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from bridge.codecs.x12.envelope import Transaction
from bridge.codecs.x12.facts import day
from bridge.codecs.x12.loops import MAX_NOTICES, Loop, read_loops, table
from bridge.codecs.x12.reasons import category_of
from bridge.codecs.x12.segments import Segment
from bridge.domain.claim_outcome import (
    NOTHING,
    REVERSAL,
    Adjustment,
    ClaimOutcome,
    LineOutcome,
    OutcomeStatus,
    status_of_payment,
)
from bridge.domain.message import Notice
from bridge.errors import Malformed, Unsupported

_AMOUNT = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,6})?|\.\d{1,6})", re.ASCII)
DENIED = "4"
# Handed on to another insurer, and a mere forecast: neither decides the claim. Source: 005010X221A1 CLP02.
_UNDECIDED = frozenset({"23", "25"})
_AUTHORIZATION, _LINE_CONTROL = "G1", "6R"
_MOA_REMARKS, _MIA_REMARKS = (3, 4, 5, 6, 7), (5, 20, 21, 22, 23)


@dataclass(frozen=True, slots=True)
class ProviderAdjustment:
    """PLB: money that belongs to no claim of this payment. reason: "WO" taken back, "FB" forward, "L6" interest."""

    reason: str
    reference: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Remittance:
    """
    One payment. amount: BPR02, negative where it is taken; method: BPR04 ("ACH", "CHK", "NON"). number: TRN02.

    notices: sums that do not agree, and segments out of place.
    """

    number: str
    amount: Decimal
    method: str
    paid_on: date | None
    payer_name: str
    payer_id: str
    payee_id: str
    claims: tuple[ClaimOutcome, ...]
    provider_adjustments: tuple[ProviderAdjustment, ...] = ()
    notices: tuple[Notice, ...] = ()


def amount_at(segment: Segment, element: int) -> Decimal:
    """Return an amount, nothing where the element is empty. Raises: Malformed for what is no amount."""
    text = segment.element(element)
    if not text:
        return NOTHING
    if not _AMOUNT.fullmatch(text):
        raise Malformed("what should be an amount is none", code="amount", where=segment.place(element))
    return Decimal(text)


def read(transaction: Transaction) -> Remittance:
    """
    Return what an 835 says.

    Raises: Unsupported for another transaction, Malformed for one whose envelope is not whole, or an amount that is none.
    """
    if transaction.name != "835":
        raise Unsupported("it is no 835", code="unsupported_type", where="ST01")
    transaction.require_whole()
    tree = read_loops(transaction.segments, table("835"))
    root = tree.root
    bpr = root.first("BPR")
    if bpr is None:
        raise Malformed("a payment begins with BPR", code="segment_sequence", where="BPR")
    payer = next(iter(root.within("1000A")), None)
    payee = next(iter(root.within("1000B")), None)
    amount = amount_at(bpr, 2)
    remittance = Remittance(
        number=root.value("TRN", 2),
        amount=-amount if bpr.element(3) == "D" else amount,
        method=bpr.element(4),
        paid_on=day(bpr.element(16)),
        payer_name=payer.value("N1", 2) if payer is not None else "",
        payer_id=_payer_id(payer, root),
        payee_id=payee.value("N1", 4) if payee is not None else "",
        claims=(),
        provider_adjustments=tuple(_provider_adjustments(root)),
    )
    notices = list(tree.notices)
    claims = []
    for loop in root.everywhere("2100"):
        claim = _claim(loop, remittance, transaction)
        claims.append(claim)
        notices += _unbalanced(claim, loop)
    paid = sum((claim.paid for claim in claims), NOTHING)
    taken = sum((one.amount for one in remittance.provider_adjustments), NOTHING)
    if paid - taken != remittance.amount:
        notices.append(Notice("W", "the payment is not the sum of its claims and adjustments", bpr.place(2)))
    return replace(remittance, claims=tuple(claims), notices=tuple(notices[:MAX_NOTICES]))


def _payer_id(payer: Loop | None, root: Loop) -> str:
    """Return the payer's id: that of N1, else of REF*2U, else of TRN03."""
    named = [payer.value("N1", 4), payer.value("REF", 2, "2U")] if payer is not None else []
    return next((one for one in [*named, root.value("TRN", 3)] if one), "")


def _provider_adjustments(root: Loop) -> Iterator[ProviderAdjustment]:
    for plb in root.all("PLB"):
        for place in (3, 5, 7, 9, 11, 13):
            if plb.element(place):
                reason, reference = plb.component(place, 1), plb.component(place, 2)
                yield ProviderAdjustment(reason, reference, amount_at(plb, place + 1))


def _claim(loop: Loop, remittance: Remittance, transaction: Transaction) -> ClaimOutcome:
    clp = loop.segments[0]
    remarks = _claim_remarks(loop)
    lines = tuple(_line(one, remarks) for one in loop.within("2110"))
    begins, ends = _period(loop, ("232", "472"), ("233", "472"))
    said = ClaimOutcome(
        claim_number=clp.element(1),
        payer_claim_number=clp.element(7),
        payer_id=remittance.payer_id,
        payer_name=remittance.payer_name,
        charged=amount_at(clp, 3),
        paid=amount_at(clp, 4),
        patient_share=amount_at(clp, 5),
        adjustments=tuple(_adjustments(loop, remarks)),
        remarks=remarks,
        lines=lines,
        said_on=remittance.paid_on,
        service_from=begins or min((one.service_from for one in lines if one.service_from), default=None),
        service_to=ends or max((one.service_to for one in lines if one.service_to), default=None),
        payment_number=remittance.number,
        authorization_numbers=tuple(one.element(2) for one in loop.all("REF", _AUTHORIZATION)),
        source_number=f"{transaction.file_number}/{clp.number}",
        processed_as=clp.element(2),
    )
    if said.processed_as == REVERSAL:
        return replace(said, status=OutcomeStatus.REVERSED)
    if said.processed_as in _UNDECIDED:
        return said
    return replace(said, status=OutcomeStatus.DENIED if said.processed_as == DENIED else status_of_payment(said))


def _line(loop: Loop, of_claim: tuple[str, ...]) -> LineOutcome:
    """Return one line; of_claim: the claim's remarks, which say for many payers what a line's general reason is about."""
    svc = loop.segments[0]
    remarks = tuple(one.element(2) for one in loop.all("LQ", "HE"))
    begins, ends = _period(loop, ("472", "150"), ("472", "151"))
    return LineOutcome(
        code=svc.component(1, 2),
        modifiers=tuple(one.strip(" ") for one in svc.components(1)[2:6] if one.strip(" ")),
        charged=amount_at(svc, 2),
        paid=amount_at(svc, 3),
        units=svc.element(5),
        control_number=loop.value("REF", 2, _LINE_CONTROL),
        service_from=begins,
        service_to=ends or begins,
        adjustments=tuple(_adjustments(loop, (*remarks, *of_claim))),
        remarks=remarks,
    )


def _period(loop: Loop, begins: Iterable[str], ends: Iterable[str]) -> tuple[date | None, date | None]:
    """Return the first date of each list of DTM codes."""
    first = next((found for code in begins if (found := day(loop.value("DTM", 2, code)))), None)
    return first, next((found for code in ends if (found := day(loop.value("DTM", 2, code)))), first)


def _claim_remarks(loop: Loop) -> tuple[str, ...]:
    places = [("MOA", _MOA_REMARKS), ("MIA", _MIA_REMARKS)]
    return tuple(code for name, elements in places for at in elements if (code := loop.value(name, at)))


def _adjustments(loop: Loop, remarks: tuple[str, ...]) -> Iterator[Adjustment]:
    """Yield the up to six adjustments of each CAS."""
    for cas in loop.all("CAS"):
        for place in range(2, 20, 3):
            reason = cas.element(place)
            if reason:
                amount = amount_at(cas, place + 1)
                yield Adjustment(cas.element(1), reason, amount, category_of(reason, remarks))


def _unbalanced(claim: ClaimOutcome, loop: Loop) -> Iterator[Notice]:
    clp = loop.segments[0]
    adjusted = sum((one.amount for one in claim.every_adjustment), NOTHING)
    if claim.charged - adjusted != claim.paid:
        yield Notice("W", "the claim's charge less its adjustments is not what was paid", clp.where)
    for line, inner in zip(claim.lines, loop.within("2110"), strict=True):
        if line.charged - sum((one.amount for one in line.adjustments), NOTHING) != line.paid:
            yield Notice("W", "the line's charge less its adjustments is not what was paid", inner.segments[0].where)
    if claim.lines and sum((line.paid for line in claim.lines), NOTHING) != claim.paid + sum(
        (one.amount for one in claim.adjustments), NOTHING
    ):
        yield Notice("W", "the claim's payment is not that of its lines", clp.where)
