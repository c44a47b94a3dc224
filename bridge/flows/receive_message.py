"""An HL7 message becomes what it says: journalled, applied, answered, in that order; AA only after the commit.

Messages that arrive together share one commit, each in a savepoint of its own, so that one disk sync carries many and
one bad message takes nobody else with it. A message that fails is journalled all the same: the journal has no holes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bridge.clock import Clock
from bridge.codecs.hl7 import er7
from bridge.codecs.hl7.ack import answer_code, build_ack, verdict_of
from bridge.codecs.hl7.envelope import Envelope, read_envelope
from bridge.domain.identifiers import digest_of
from bridge.domain.message import InboundMessage, MessageState, Notice
from bridge.errors import BridgeError, Malformed, Refused, Unavailable
from bridge.flows.apply_message import Applied, MessageApplier
from bridge.flows.message_terms import terms_of
from bridge.mapping.apply import Mapped, apply
from bridge.mapping.resolve import MappingSet
from bridge.mapping.site import Defaults, SiteMapping
from bridge.store import audit, messages
from bridge.store.db import Store, WriteTx, lock, savepoint

_log = structlog.get_logger(__name__)

_STRANGER_ROWS = 1000
_STRANGER_BYTES = 64 << 20
_STRANGER_AGE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came. fault: what the wire already found wrong with it. peer: address it came from."""

    raw: bytes
    peer: str
    fault: BridgeError | None = None
    replay_of: int | None = None
    edited_from: int | None = None
    actor: str = ""


@dataclass(slots=True)
class _Reading:
    """A message as far as it could be read before any transaction. audited: the row that the end of the batch writes."""

    received: Received
    envelope: Envelope
    digest: str
    site: SiteMapping | None
    message: er7.Message | None = None
    mapped: Mapped | None = None
    error: BaseException | None = None
    charset: str = ""
    is_test: bool = False
    notices: list[Notice] = field(default_factory=list)
    audited: audit.Entry | None = None

    @property
    def is_stranger(self) -> bool:
        """Nobody's message, and nothing rests on it."""
        return self.site is None and self.error is not None


class MessageReceiver:
    """
    Reads, applies and journals inbound HL7.

    senders: "known" or "any". on_not_stored: hears the peer, the sender and the fault's code of each message that even
    the journal could not take. Thread-safe as long as one thread at a time calls `receive`.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        mappings: MappingSet,
        defaults: Defaults,
        applier: MessageApplier,
        senders: str = "known",
    ) -> None:
        self._store = store
        self._clock = clock
        self._mappings = mappings
        self._defaults = defaults
        self._applier = applier
        self._senders = senders
        self.on_not_stored: Callable[[str, str, str], None] | None = None

    def use(self, mappings: MappingSet) -> None:
        """Read by *mappings* from the next message on."""
        self._mappings = mappings

    def receive(self, batch: Sequence[Received]) -> list[bytes]:
        """
        Apply *batch* in its order under one commit and return each message's answer, b"" where the sender wants none.

        When the commit fails nothing of the batch was stored and every answer says so (AR 207: send it again).
        """
        readings = [self._read(received) for received in batch]
        try:
            return self._commit(readings)
        except Unavailable as fault:
            _log.warning("messages_not_stored", code=fault.code, count=len(readings))
            return [self._turn_away(reading, fault) for reading in readings]
        except Exception as fault:  # noqa: BLE001 - logged, journalled and answered as our own fault
            _log.exception("messages_not_stored", code="internal_error", count=len(readings))
            if len(batch) > 1:
                # One of them is more than its savepoint could hold: alone, each bears its own fault only.
                return [answer for received in batch for answer in self.receive([received])]
            return [self._journal_failure(batch[0], fault)]

    def read_again(
        self,
        journalled: Sequence[InboundMessage],
        actor: str,
        also: Callable[[WriteTx, list[MessageState]], None] = lambda tx, states: None,
    ) -> list[MessageState]:
        """
        Apply journalled messages again, in this order and under one commit, and return what came of each this time.

        A row takes the new outcome, unless the message was applied before: then the answer that was given stays. also:
        written in the same transaction. Raises: Unavailable, if nothing could be stored.
        """
        readings = [self._read_journalled(message, actor) for message in journalled]
        self._commit(readings, lambda tx: also(tx, [_state_of(reading.error) for reading in readings]))
        return [_state_of(reading.error) for reading in readings]

    def outlook(self, message: InboundMessage) -> MessageState:
        """Return what would come of a journalled message as far as its mapping decides; nothing is written."""
        return _state_of(self._read_journalled(message, "").error)

    def _read_journalled(self, message: InboundMessage, actor: str) -> _Reading:
        received = Received(message.raw, message.peer, replay_of=message.key, actor=actor)
        if message.error_code == "cut_frame":
            # What the wire lost is not in the journal either: no mapping makes such a message whole.
            fault = Malformed(message.error_detail, code=message.error_code, where=message.error_where)
            received = replace(received, fault=fault)
        return self._read(received)

    def turn_away(self, received: Received) -> bytes:
        """Return the answer to a message that is not even looked at now: its sender keeps it and sends it again."""
        fault = Unavailable("too many messages wait", code="overloaded")
        return build_ack(read_envelope(received.raw), fault, control_id=self._clock.new_id()[:20], at=self._clock.now())

    def _commit(self, readings: Sequence[_Reading], also: Callable[[WriteTx], None] = lambda tx: None) -> list[bytes]:
        for reading in readings:
            if reading.error is None and reading.mapped is not None:
                self._applier.keep_documents(reading.mapped)
        with self._store.write() as tx:
            lock(tx, "identity")
            answers = [self._journal(tx, reading) for reading in readings]
            also(tx)
            audit.add_all(tx, [reading.audited for reading in readings if reading.audited is not None])
            if any(reading.is_stranger for reading in readings):
                messages.trim_strangers(tx, _STRANGER_ROWS, _STRANGER_BYTES, self._clock.now() - _STRANGER_AGE)
        for reading in readings:
            self._summarise(reading)
        return answers

    def _journal_failure(self, received: Received, fault: Exception) -> bytes:
        """Journal a message that broke its own transaction: our fault, answered so that the sender keeps it."""
        reading = self._read(received)
        reading.error = reading.error or fault
        try:
            return self._commit([reading])[0]
        except Unavailable as away:
            return self._turn_away(reading, away)
        except Exception:  # noqa: BLE001 - others of its batch are committed, and must hear of it
            _log.exception("message_not_journalled", digest=reading.digest)
            return self._turn_away(reading, Unavailable("it could not be journalled", code="not_journalled"))

    def _turn_away(self, reading: _Reading, fault: Unavailable) -> bytes:
        if self.on_not_stored is not None:
            self.on_not_stored(reading.received.peer, _sender(reading), fault.code)
        return self._answer(reading, fault)

    def _read(self, received: Received) -> _Reading:
        """Read and map without a transaction; every fault is kept for the journal."""
        envelope = read_envelope(received.raw)
        site = self._mappings.resolve(envelope.sending_application, envelope.sending_facility)
        # Who only tries us out must see what becomes of each message, whatever its template has in MSH-15 and MSH-16.
        on_trial = site is None and self._senders == "any"
        if on_trial or (site is not None and site.policy.acknowledgment == "original"):
            envelope = envelope.in_original_mode()
        reading = _Reading(received, envelope, digest_of(received.raw), site)
        reading.is_test = envelope.processing_id not in ("", "P")
        try:
            self._interpret(reading)
        except BridgeError as fault:
            reading.error = fault
        except Exception as fault:  # noqa: BLE001 - a reader's own fault is journalled and answered like any other
            _log.exception("message_unreadable", digest=reading.digest)
            reading.error = fault
        return reading

    def _interpret(self, reading: _Reading) -> None:
        if reading.received.fault is not None:
            raise reading.received.fault
        if reading.envelope.fault is not None:
            raise reading.envelope.fault
        site = reading.site or (self._mappings.base if self._senders == "any" else None)
        if site is None:
            raise Refused("sender not known", where="MSH-4")
        if self._senders == "any":
            site = replace(site, processing_ids=())
        message = er7.parse(reading.received.raw, site.charset, reading.envelope)
        reading.message, reading.charset = message, message.codec
        reading.mapped = apply(message, site, self._defaults)
        reading.notices = list(reading.mapped.notices)

    def _journal(self, tx: WriteTx, reading: _Reading) -> bytes:
        envelope = reading.envelope
        sender = (envelope.sending_application, envelope.sending_facility)
        same, has_other_bytes = messages.heard_before(tx, sender, envelope.control_id, reading.digest)
        now = self._clock.now()
        if same is not None and reading.received.replay_of is None:
            messages.count_again(tx, same.key, now)
            if same.state == MessageState.APPLIED:
                return same.answer
            same = replace(same, times_received=same.times_received + 1)
        if has_other_bytes:
            reading.notices.append(Notice("W", "this control id came before with other content", "MSH-10"))
        applied = self._apply(tx, reading, now)
        answer = self._answer(reading, reading.error, now)
        key = self._write_row(tx, reading, answer, now, same)
        if applied is not None:
            subjects = applied.subjects if same is None else messages.new_subjects(tx, key, applied.subjects)
            messages.add_subjects(tx, key, subjects)
            self._applier.settle(tx, applied, key)
        about: audit.About = {
            "origin": reading.received.peer,
            "outcome": "" if reading.error is None else _slug(reading.error),
            "patient_key": applied.patient_key if applied is not None else None,
            "detail": {"message": key, "type": envelope.message_type},
        }
        actor = reading.received.actor or f"sender:{_sender(reading)}"
        action = "message_applied" if reading.error is None else "message_refused"
        reading.audited = audit.Entry(now, action, actor, about)
        return answer

    def _apply(self, tx: WriteTx, reading: _Reading, now: datetime) -> Applied | None:
        """Apply inside a savepoint: a refusal rolls back everything of this message and nothing of its neighbours."""
        if reading.error is not None or reading.mapped is None:
            return None
        try:
            with savepoint(tx):
                applied = self._applier.apply(tx, reading.mapped, now, _sender(reading), is_test=reading.is_test)
        except Unavailable:
            raise
        except BridgeError as fault:
            reading.error = fault
            return None
        except Exception as fault:  # noqa: BLE001 - our fault; the savepoint is rolled back, the message journalled
            _log.exception("message_not_applied", digest=reading.digest)
            reading.error = fault
            return None
        reading.notices += applied.notices
        return applied

    def _write_row(
        self, tx: WriteTx, reading: _Reading, answer: bytes, now: datetime, same: InboundMessage | None
    ) -> int:
        row = _row(reading, answer, now)
        authority = reading.site.authority if reading.site is not None else ""
        terms = terms_of(row.raw, reading.message, reading.mapped, authority or self._defaults.authority)
        if same is None:
            key = messages.add(tx, row, stranger=reading.is_stranger)
            messages.add_terms(tx, key, terms)
            return key
        messages.replace_terms(tx, same.key, terms)
        if same.state == MessageState.APPLIED:
            # Its sender was promised this answer; only where each value comes from may have become another rule.
            if reading.error is None:
                messages.save(tx, replace(same, site=row.site, trace=row.trace), stranger=False)
            return same.key
        row = replace(row, key=same.key, received_at=same.received_at)
        kept = replace(row, times_received=same.times_received, edited_from=same.edited_from)
        messages.save(tx, kept, stranger=reading.is_stranger)
        return same.key

    def _answer(self, reading: _Reading, error: BaseException | None, at: datetime | None = None) -> bytes:
        return build_ack(
            reading.envelope,
            error,
            reading.notices,
            control_id=self._clock.new_id()[:20],
            at=at or self._clock.now(),
        )

    def _summarise(self, reading: _Reading) -> None:
        _log.info(
            "message_received",
            digest=reading.digest[:16],
            site=reading.site.name if reading.site else "",
            type=reading.mapped.event if reading.mapped else "",
            outcome="applied" if reading.error is None else _slug(reading.error),
        )


def _row(reading: _Reading, answer: bytes, now: datetime) -> InboundMessage:
    envelope, error = reading.envelope, reading.error
    return InboundMessage(
        key=0,
        received_at=now,
        peer=reading.received.peer,
        sending_application=envelope.sending_application,
        sending_facility=envelope.sending_facility,
        control_id=envelope.control_id,
        message_type=envelope.message_type,
        message_at=reading.mapped.message_at if reading.mapped else None,
        processing_id=envelope.processing_id,
        site=reading.site.name if reading.site else "",
        charset=reading.charset,
        digest=reading.digest,
        raw=reading.received.raw,
        state=_state_of(error),
        answer=answer,
        answer_code=answer_code(envelope, error) or verdict_of(error).acknowledgment_code,
        error_code=_slug(error) if error is not None else "",
        error_where=verdict_of(error).where if error is not None else "",
        error_detail=error.detail if isinstance(error, BridgeError) else "",
        is_test=reading.is_test,
        trace=reading.mapped.trace if reading.mapped else (),
        notices=tuple(reading.notices),
        edited_from=reading.received.edited_from,
    )


def _state_of(error: BaseException | None) -> MessageState:
    if error is None:
        return MessageState.APPLIED
    return MessageState.REFUSED if isinstance(error, BridgeError) else MessageState.FAILED


def _sender(reading: _Reading) -> str:
    return f"{reading.envelope.sending_application}|{reading.envelope.sending_facility}"


def _slug(error: BaseException) -> str:
    return error.code if isinstance(error, BridgeError) else "internal_error"
