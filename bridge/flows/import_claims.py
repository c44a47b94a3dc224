"""Payers' files that people hand in, mend and look at; and whom a word in them is about, where a person has to say."""

from __future__ import annotations

from datetime import tzinfo

from bridge.clock import Clock
from bridge.domain.claim_match import ClaimMatch, MatchRule
from bridge.domain.identifiers import digest_of
from bridge.domain.payer_file import PayerFile, PayerFileState, plain_name
from bridge.domain.reason import require_reason
from bridge.errors import Conflict, Incomplete
from bridge.flows.count_claims import count_claim
from bridge.flows.take_claim import OUTCOME_WORDS, note_asked, say, tell, with_its_other_side
from bridge.flows.take_payer_file import Brought, PayerFileTaker, TakenFile
from bridge.store import audit, claim_outcomes, orders, payer_files
from bridge.store.db import Store, lock
from bridge.store.events import Event, Station


class ClaimFiles:
    """
    Takes in the files that people hand in, and lets them say whom a payer's word is about where its numbers do not.

    zone: in which files tell the time that come from nobody's folder.
    """

    def __init__(self, store: Store, clock: Clock, taker: PayerFileTaker, zone: tzinfo) -> None:
        self._store = store
        self._clock = clock
        self._taker = taker
        self._zone = zone

    def import_file(self, raw: bytes, actor: str, name: str = "") -> TakenFile:
        """
        Take a file in; the same again changes nothing. Raises: Malformed, if it is no X12; Unavailable, if it cannot be kept.
        """
        return self._taker.take(raw, Brought(actor, self._zone, plain_name(name)))

    def take_again(self, refused_key: int, raw: bytes, actor: str, name: str = "") -> TakenFile:
        """
        Take in a mended copy of a file that was refused.

        Raises: LookupError; Conflict, if it was not refused, or the copy is the same to the byte; Malformed; Unavailable.
        """
        with self._store.read() as tx:
            file = payer_files.get(tx, refused_key)
        if file.state != PayerFileState.REFUSED:
            raise Conflict("that file was not refused", code="not_refused", where="file")
        if digest_of(raw) == file.blob:
            raise Conflict("it is the same file, to the byte: mend a copy", code="same_file", where="file")
        zone = self._taker.zone_of(file.origin) or self._zone
        return self._taker.take(raw, Brought(actor, zone, plain_name(name), file.origin, refused_key))

    def open(self, file_key: int, actor: str, origin: str) -> tuple[PayerFile, bytes]:
        """Return a file as it came; it counts as exported. Raises: LookupError, Unavailable."""
        with self._store.read() as tx:
            file = payer_files.get(tx, file_key)
        content = self._taker.content_of(file)
        with self._store.write() as tx:
            detail = {"payer_file": file_key, "size_bytes": file.size_bytes}
            audit.add(tx, at=self._clock.now(), action="payer_file_exported", actor=actor, origin=origin, detail=detail)
        return file, content

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
            match = with_its_other_side(tx, ClaimMatch(MatchRule.BY_HAND, None, found[0].key))
            claim_outcomes.assign(tx, outcome_key, match)
            count_claim(tx, kept.claim_number)
            tell(tx, kept.status, match, actor, outcome_key, now)
            note_asked(tx, kept.status, match, now)
            detail = {"claim_outcome": outcome_key, "order": found[0].key}
            audit.add(tx, at=now, action="claim_assigned", actor=actor, patient_key=found[0].patient_key, detail=detail)

    def take_back(self, outcome_key: int, reason: str, actor: str) -> None:
        """
        Take back what a person said a payer's word is about: it waits again, as it did when it came.

        Raises: LookupError; Incomplete without reason; Conflict, if no person said it, or somebody took it back meanwhile.
        """
        require_reason(reason)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            kept = claim_outcomes.get(tx, outcome_key)
            if kept.match.rule != MatchRule.BY_HAND:
                raise Conflict("nobody's word on it stands here", code="not_assigned", where="claim")
            claim_outcomes.assign(
                tx, outcome_key, ClaimMatch(MatchRule.NONE, why="somebody's word on it was taken back")
            )
            count_claim(tx, kept.claim_number)
            note_asked(tx, kept.status, kept.match, now)
            order = orders.get(tx, kept.match.order_key) if kept.match.order_key is not None else None
            what = f"No longer: the payer {OUTCOME_WORDS[kept.status]}. It is of another exam: {reason}"
            say(tx, Event(now, Station.AUTHORIZATION, what, actor, "claim", str(outcome_key)), kept.match)
            audit.add(
                tx,
                at=now,
                action="claim_assignment_undone",
                actor=actor,
                patient_key=order.patient_key if order is not None else None,
                detail={"claim_outcome": outcome_key, "order": kept.match.order_key, "reason": reason},
            )
