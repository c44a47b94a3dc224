"""Evidence to payers by Da Vinci CDex $submit-attachment: once, whatever becomes of the answer.

| answer                         | becomes                                                                              |
|--------------------------------|--------------------------------------------------------------------------------------|
| 2xx                            | accepted, with the answer as receipt                                                 |
| 400, 404, 405, 409, 410, 415, 422 | refused: dead, in words; a person mends it and sends it again                     |
| 413                            | refused as too large: dead, with what to do                                          |
| 401, 403, 408, 425, 429, 503   | not there: again later                                                               |
| any other, or none             | nobody knows: by our number the payer may show it; else a person is asked                |

Source: HL7 Da Vinci CDex, operation submit-attachment; RFC 9110 15.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from bridge.codecs.fhir.inline_evidence import EVIDENCE_SYSTEM
from bridge.domain.submission import PayerAnswer, SubmissionState
from bridge.errors import Conflict, Unavailable
from bridge.leaving.cdex_way import OPERATION, CdexWay, written
from bridge.outbox.enqueue import CDEX
from bridge.outbox.publisher import Hold, Nothing, StillWanted
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.publishers import payer_sending
from bridge.publishers.fhir_client import check_answer
from bridge.publishers.http_answer import UNKNOWN_OUTCOME, Answer
from bridge.publishers.payer_sending import PayerDoor, PayerParcel, PayerReceipt
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery

_NO_ANSWER = "no answer came, and the payer may have it all the same"
_NOT_FOUND = "no answer came, and the payer shows nothing under our number, which it may have all the same"


class CdexPublisher:
    """Brings packets to payers. doors: by the payers' names. way: as which what leaves was looked at."""

    topic = CDEX

    def __init__(self, doors: Mapping[str, PayerDoor], way: CdexWay, blobs: Blobs) -> None:
        self._doors = dict(doors)
        self._way = way
        self._blobs = blobs

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._doors)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> PayerParcel | Hold | Nothing:
        """Collect what was released, while it may leave."""
        return payer_sending.released(tx, self._way, delivery)

    def send(self, parcel: PayerParcel, still_wanted: StillWanted) -> PayerReceipt:
        """
        Bring it to its payer, unless it may be there from an earlier try, and nobody can tell.

        Raises: Conflict, Refused, Unavailable, as the table above has it.
        """
        if parcel.is_accepted:
            return payer_sending.accepted_before(parcel)
        if parcel.why_back:
            return payer_sending.look_again(parcel)
        door = self._doors[parcel.delivery.destination]
        if parcel.may_be_there:
            return self._looked_up(door, parcel)
        body = written(parcel.found, door.payer, payer_sending.document_of(self._blobs, parcel))
        door.client.authorize()
        payer_sending.note_leaving(parcel, still_wanted)
        try:
            answer = door.client.post(OPERATION, body)
        except Unavailable as fault:
            if fault.code == DESTINATION_DOWN:
                payer_sending.note_not_there(parcel, still_wanted, fault.detail)
                raise
            raise Unavailable(_NO_ANSWER, code=UNKNOWN_OUTCOME) from None
        return self._read(door, parcel, answer, still_wanted)

    def settled(self, tx: WriteTx, parcel: PayerParcel, receipt: PayerReceipt, at: datetime) -> None:
        """Note that the payer has it, or that a person has to say."""
        payer_sending.settle(tx, parcel, receipt, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Say at the attachment why it is not there."""
        payer_sending.fail(tx, delivery, detail, is_dead, at)

    def _looked_up(self, door: PayerDoor, parcel: PayerParcel) -> PayerReceipt:
        """
        Return what the payer says of our number, a person's question if it shows nothing under it. Raises: BridgeError.

        What is not found is no proof: not every payer's search shows what its operation took, or shows it at once.
        """
        if not door.client.offers.of("DocumentReference").may("search-type"):
            return payer_sending.ask_a_person(_NO_ANSWER)
        number = parcel.found.control_number
        found = door.client.search("DocumentReference", {"identifier": f"{EVIDENCE_SYSTEM}|{number}"})
        named = [one for one in found if _holds(one.resource.get("identifier"), number)]
        if not named:
            return payer_sending.ask_a_person(_NOT_FOUND)
        said = "no answer had come; asked for our number, the payer has it"
        return PayerReceipt(said, SubmissionState.ACCEPTED, named[0].reference)

    def _read(self, door: PayerDoor, parcel: PayerParcel, answer: Answer, still_wanted: StillWanted) -> PayerReceipt:
        """Keep an answer and say what it means."""
        state, detail = payer_sending.meaning_of(answer, parcel.found.document_bytes)
        numbers = _numbers(answer)
        kept = PayerAnswer(
            key=0,
            submission_key=parcel.submission.key,
            heard_at=door.client.clock.now(),
            content=answer.body,
            content_type=answer.headers.get("Content-Type", ""),
            status=answer.status,
            payer_numbers=numbers,
            detail=detail,
        )
        payer_sending.keep_answer(parcel, kept, state, still_wanted)
        if state == SubmissionState.ACCEPTED:
            return PayerReceipt(detail, state, next(iter(numbers), parcel.submission.control_number))
        if state == SubmissionState.REFUSED:
            raise Conflict(detail, code=f"http_{answer.status}")
        if state == SubmissionState.READY:
            check_answer(answer, "POST", door.client.clock)
        raise Unavailable(detail, code=UNKNOWN_OUTCOME)


def _numbers(answer: Answer) -> tuple[str, ...]:
    """Return what the payer calls what it took: the resource that it answers with."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return ()
    if not isinstance(said, dict) or said.get("resourceType") == "OperationOutcome":
        return ()
    kind, number = said.get("resourceType"), said.get("id")
    return (f"{kind}/{number}",) if isinstance(kind, str) and isinstance(number, str) else ()


def _holds(identifiers: object, number: str) -> bool:
    found = identifiers if isinstance(identifiers, list) else []
    wanted = (EVIDENCE_SYSTEM, number)
    return any(isinstance(one, dict) and (one.get("system"), one.get("value")) == wanted for one in found)
