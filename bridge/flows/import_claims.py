"""A payer's file on claims (835, 277) is taken in: its bytes first, then each claim by itself, once, with whom it is about."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.clock import Clock
from bridge.codecs.x12 import claim_status, envelope, remittance
from bridge.codecs.x12.envelope import Transaction
from bridge.domain.claim_match import ClaimMatch, Found, MatchRule, match_claim
from bridge.domain.claim_outcome import ClaimOutcome, OutcomeStatus
from bridge.domain.identifiers import digest_of
from bridge.domain.records import replace
from bridge.errors import BridgeError, Conflict, Incomplete
from bridge.store import audit, authorization_links, authorizations, claim_outcomes, events, orders, patients
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, Store, WriteTx, lock
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


@dataclass(frozen=True, slots=True)
class ImportedClaims:
    """
    What became of a file. taken: claims that are new, of which waiting are about nobody known; known: heard before.

    refused: what of it was not read, with the place and why, in words without values.
    """

    taken: int = 0
    waiting: int = 0
    known: int = 0
    refused: tuple[str, ...] = ()


class ClaimFiles:
    """Takes in what payers say of claims, and lets a person say whom an unknown one is about."""

    def __init__(self, store: Store, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    def import_file(self, raw: bytes, actor: str) -> ImportedClaims:
        """
        Take a file in; the same again changes nothing. Raises: Malformed, if it is no X12; Unavailable, if it cannot be kept.
        """
        transactions = [one for each in envelope.read(raw) for one in each.transactions()]
        blob = self._blobs.keep_bytes(raw, digest_of(raw))
        with self._store.write() as tx:
            file_key = claim_outcomes.add_file(tx, blob, len(raw), actor, self._clock.now())
        done = ImportedClaims()
        for transaction in transactions:
            found, why = _read(transaction)
            done = replace(done, refused=(*done.refused, *why))
            for outcome in found:
                done = self._take(outcome, file_key, done)
        detail = {"taken": done.taken, "waiting": done.waiting, "known": done.known, "refused": len(done.refused)}
        with self._store.write() as tx:
            audit.add(tx, at=self._clock.now(), action="claims_imported", actor=actor, detail=detail)
        return done

    def assign(self, outcome_key: int, accession_number: str, actor: str) -> None:
        """
        Say which exam a payer's word is about. Raises: LookupError; Incomplete; Conflict, if nobody has that number, or
        several have, or it waits no more.
        """
        if not accession_number:
            raise Incomplete("say which exam", code="missing", where="accession_number")
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            kept = claim_outcomes.get(tx, outcome_key)
            if kept.match.rule != MatchRule.NONE:
                raise Conflict("somebody has said it meanwhile", code="assigned", where="claim")
            found = orders.by_accession(tx, accession_number)
            if len(found) != 1:
                raise Conflict("no exam, or more than one, has that number", code="unknown", where="accession_number")
            match = _whole(tx, ClaimMatch(MatchRule.BY_HAND, None, found[0].key))
            claim_outcomes.assign(tx, outcome_key, match)
            _tell(tx, kept.status, match, actor, outcome_key, self._clock)
            detail = {"claim_outcome": outcome_key, "order": found[0].key}
            audit.add(tx, at=now, action="claim_assigned", actor=actor, patient_key=found[0].patient_key, detail=detail)

    def take_back(self, outcome_key: int, reason: str, actor: str) -> None:
        """
        Take back what a person said a payer's word is about: it waits again, as it did when it came.

        Raises: LookupError; Incomplete without reason; Conflict, if no person said it, or somebody took it back meanwhile.
        """
        if not reason.strip():
            raise Incomplete("say why", code="missing", where="reason")
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            kept = claim_outcomes.get(tx, outcome_key)
            if kept.match.rule != MatchRule.BY_HAND:
                raise Conflict("nobody's word on it stands here", code="not_assigned", where="claim")
            claim_outcomes.assign(
                tx, outcome_key, ClaimMatch(MatchRule.NONE, why="somebody's word on it was taken back")
            )
            order = orders.get(tx, kept.match.order_key) if kept.match.order_key is not None else None
            what = f"No longer: the payer {OUTCOME_WORDS[kept.status]}. It is of another exam: {reason}"
            _say(tx, Event(now, Station.AUTHORIZATION, what, actor, "claim", str(outcome_key)), kept.match)
            audit.add(
                tx,
                at=now,
                action="claim_assignment_undone",
                actor=actor,
                patient_key=order.patient_key if order is not None else None,
                detail={"claim_outcome": outcome_key, "order": kept.match.order_key, "reason": reason},
            )

    def _take(self, outcome: ClaimOutcome, file_key: int, done: ImportedClaims) -> ImportedClaims:
        with self._store.write() as tx:
            lock(tx, "identity")
            if claim_outcomes.is_known(tx, outcome.source_number):
                return replace(done, known=done.known + 1)
            match = _whole(tx, _match(tx, outcome))
            key = claim_outcomes.add(tx, outcome, match, file_key, self._clock.now())
            _tell(tx, outcome.status, match, "payer", key, self._clock)
        waits = match.rule == MatchRule.NONE
        return replace(done, taken=done.taken + 1, waiting=done.waiting + waits)


def _read(transaction: Transaction) -> tuple[list[ClaimOutcome], tuple[str, ...]]:
    """Return the claims of a transaction, or why there are none."""
    if transaction.name not in ("835", "277"):
        return [], (f"{transaction.name}: no file on claims, and not taken in here",)
    if transaction.is_test:
        return [], (f"{transaction.name}: a test of the sender's, not taken in",)
    try:
        if transaction.name == "835":
            return list(remittance.read(transaction).claims), ()
        return claim_status.outcomes(claim_status.read(transaction)), ()
    except BridgeError as fault:
        return [], (f"{transaction.name}, {fault.where}: {fault.detail}",)


def _match(tx: ReadTx, outcome: ClaimOutcome) -> ClaimMatch:
    named = {key for number in outcome.authorization_numbers for key in authorizations.keys_by_number(tx, number)}
    owners = [Found(key, patients.survivor(tx, authorizations.get(tx, key).patient_key).key) for key in sorted(named)]
    ordered = orders.by_accession(tx, outcome.claim_number) if outcome.claim_number else []
    return match_claim(owners, [Found(one.key, patients.survivor(tx, one.patient_key).key) for one in ordered])


def _whole(tx: ReadTx, match: ClaimMatch) -> ClaimMatch:
    """Return a match with the other side of it, where one link alone leads there."""
    if match.order_key is not None and match.authorization_key is None:
        above = {link.authorization_key for link in authorization_links.of_orders(tx, [match.order_key])}
        return replace(match, authorization_key=above.pop()) if len(above) == 1 else match
    if match.authorization_key is not None and match.order_key is None:
        below = {link.order_key for link in authorization_links.of_authorization(tx, match.authorization_key)}
        return replace(match, order_key=below.pop()) if len(below) == 1 else match
    return match


def _tell(tx: WriteTx, status: OutcomeStatus, match: ClaimMatch, by: str, key: int, clock: Clock) -> None:
    what = f"The payer {OUTCOME_WORDS[status]}"
    _say(tx, Event(clock.now(), Station.AUTHORIZATION, what, by, "claim", str(key)), match)


def _say(tx: WriteTx, event: Event, match: ClaimMatch) -> None:
    if match.order_key is not None:
        events.add(tx, replace(event, order_key=match.order_key))
