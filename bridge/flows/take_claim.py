"""A payer's word on a claim (835, 277) is taken in, once, with whom it is about, as far as its numbers say."""

from __future__ import annotations

from datetime import datetime

from bridge.domain.claim_match import ClaimMatch, Found, match_claim
from bridge.domain.claim_outcome import DECIDED, ClaimOutcome, OutcomeStatus, reversal_of
from bridge.domain.records import replace
from bridge.flows.count_claims import count_claim
from bridge.flows.find_attached import find_attached
from bridge.flows.follow_evidence import asked_changed
from bridge.store import authorization_links, authorizations, claim_outcomes, events, orders, patients
from bridge.store.db import ReadTx, WriteTx
from bridge.store.events import Event, Station

OUTCOME_WORDS = {
    OutcomeStatus.ACCEPTED: "took the claim in",
    OutcomeStatus.RETURNED: "sent the claim back unread",
    OutcomeStatus.PENDED: "has not decided on the claim yet",
    OutcomeStatus.ASKED: "asks for documents on the claim",
    OutcomeStatus.PAID: "paid the claim",
    OutcomeStatus.PARTLY_PAID: "paid the claim in part",
    OutcomeStatus.DENIED: "denied the claim",
    OutcomeStatus.REVERSED: "took its payment of the claim back",
    OutcomeStatus.UNKNOWN: "answered the claim",
}


def take_claim_version(tx: WriteTx, outcome: ClaimOutcome, at: datetime) -> bool:
    """
    Take in what a resource on a server says of a claim now, as `take_claim` does; False if that is what it said before.

    What it decided before and says otherwise now was taken back: like an 835's reversal before its correction.
    """
    before = claim_outcomes.versions_of(tx, outcome.source_number)
    last = before[-1] if before else None
    if last is not None and replace(outcome, source_number="", payment_number="") == replace(
        last, source_number="", payment_number=""
    ):
        return False
    words = [outcome]
    if last is not None and last.status in DECIDED:
        words = [reversal_of(last), *([] if outcome.status is OutcomeStatus.REVERSED else [outcome])]
    elif outcome.status is OutcomeStatus.REVERSED:
        return False
    for number, word in enumerate(words, start=len(before) + 1):
        # A payment that is told otherwise is another one than that which was taken back.
        payment = "" if last is not None and word.payment_number == last.payment_number else word.payment_number
        numbered = replace(word, source_number=f"{outcome.source_number}/{number}", payment_number=payment)
        take_claim(tx, numbered, None, at)
    return True


def take_claim(tx: WriteTx, outcome: ClaimOutcome, file_key: int | None, at: datetime) -> ClaimMatch | None:
    """
    Take in a payer's word on a claim, inside the caller's transaction, which holds "identity"; None if it was heard before.

    file_key: of the file that it stands in, None where a server said it.
    """
    if claim_outcomes.is_known(tx, outcome.source_number):
        return None
    match = with_its_other_side(tx, _match(tx, outcome))
    key = claim_outcomes.add(tx, outcome, match, file_key, at)
    count_claim(tx, outcome.claim_number)
    tell(tx, outcome.status, match, "payer", key, at)
    note_asked(tx, outcome.status, match, at)
    return match


def note_asked(tx: WriteTx, status: OutcomeStatus, match: ClaimMatch, at: datetime) -> None:
    """What a payer asks for on a claim concerns what is put together for it."""
    if status == OutcomeStatus.ASKED and match.authorization_key is not None:
        asked_changed(tx, match.authorization_key, at)


def _match(tx: ReadTx, outcome: ClaimOutcome) -> ClaimMatch:
    named = {key for number in outcome.authorization_numbers for key in authorizations.keys_by_number(tx, number)}
    owners = [Found(key, patients.survivor(tx, authorizations.get(tx, key).patient_key).key) for key in sorted(named)]
    ordered = orders.by_accession(tx, outcome.claim_number) if outcome.claim_number else []
    exams = [Found(one.key, patients.survivor(tx, one.patient_key).key) for one in ordered]
    lines = (one.control_number for one in outcome.lines)
    attached = find_attached(tx, (outcome.claim_number, *outcome.attachment_control_numbers, *lines))
    return match_claim(owners, exams, attached)


def with_its_other_side(tx: ReadTx, match: ClaimMatch) -> ClaimMatch:
    """Return a match with the other side of it, where one link alone leads there."""
    if match.order_key is not None and match.authorization_key is None:
        above = {link.authorization_key for link in authorization_links.of_orders(tx, [match.order_key])}
        return replace(match, authorization_key=above.pop()) if len(above) == 1 else match
    if match.authorization_key is not None and match.order_key is None:
        below = {link.order_key for link in authorization_links.of_authorization(tx, match.authorization_key)}
        return replace(match, order_key=below.pop()) if len(below) == 1 else match
    return match


def tell(tx: WriteTx, status: OutcomeStatus, match: ClaimMatch, by: str, key: int, at: datetime) -> None:
    """Say on the exam's timeline what a payer said."""
    what = f"The payer {OUTCOME_WORDS[status]}"
    say(tx, Event(at, Station.AUTHORIZATION, what, by, "claim", str(key)), match)


def say(tx: WriteTx, event: Event, match: ClaimMatch) -> None:
    """Put an event on the timeline of the exam that a match names, if it names one."""
    if match.order_key is not None:
        events.add(tx, replace(event, order_key=match.order_key))
