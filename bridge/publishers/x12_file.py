"""Evidence to payers as X12 files, handed over to a clearinghouse once, under numbers that no other file ever has.

A file has its number and its bytes on record before it leaves; whatever ends in between, the next try hands over the same
file under the same name, after it looked whether it lies there. What the other side says of it comes later (TA1, 999).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bridge.domain.identifiers import digest_of
from bridge.domain.interchange import STAMP, Interchange, InterchangeState, after, file_name
from bridge.domain.submission import SubmissionState
from bridge.errors import Conflict, Refused, Unavailable
from bridge.leaving.x12_way import Asked, Through, X12Way, asked_of, transactions
from bridge.outbox.enqueue import X12
from bridge.outbox.publisher import Hold, Nothing, StillWanted
from bridge.outbox.retry import DESTINATION_DOWN
from bridge.publishers import payer_sending
from bridge.publishers.file_folder import FileDoor
from bridge.publishers.payer_sending import PayerParcel, PayerReceipt
from bridge.store import interchanges
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery, HoldKind

_MAY_LIE_THERE = "it may have been handed over, and its study was bound or attached anew since"


@dataclass(frozen=True, slots=True)
class X12Parcel(PayerParcel):
    """What was released, how it goes, and the files of it that have their numbers. asked: what the payer asked for."""

    how: Through
    asked: Asked
    files: tuple[Interchange, ...]


class X12FilePublisher:
    """Hands files over. doors: by the clearinghouses' names."""

    topic = X12

    def __init__(self, doors: Mapping[str, FileDoor], way: X12Way, blobs: Blobs) -> None:
        self._doors = dict(doors)
        self._way = way
        self._blobs = blobs

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._doors)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> PayerParcel | Hold | Nothing:
        """Collect what was released, while it may leave."""
        standing = payer_sending.released(tx, self._way, delivery)
        if not isinstance(standing, PayerParcel) or standing.why_back:
            return standing
        try:
            how = self._way.through(standing.found, delivery.destination)
        except LookupError as fault:
            return Hold(str(fault), HoldKind.RECEIVER)
        return X12Parcel(
            standing.delivery,
            standing.study_key,
            standing.binding_version,
            standing.submission,
            standing.found,
            how,
            asked_of(tx, standing.found),
            tuple(interchanges.of_submissions(tx, [standing.submission.key])),
            may_leave=standing.may_leave,
        )

    def send(self, parcel: PayerParcel, still_wanted: StillWanted) -> PayerReceipt:
        """
        Hand the files over, those that lie there already not again.

        Raises: Conflict, if another file has the name; Incomplete; Refused; Unavailable.
        """
        if not isinstance(parcel, X12Parcel):
            return payer_sending.look_again(parcel)
        if parcel.is_accepted:
            return payer_sending.accepted_before(parcel)
        refused = next((one for one in parcel.files if one.state == InterchangeState.REFUSED), None)
        if refused is not None:
            raise Conflict(refused.detail, code="refused")
        if not parcel.may_leave and any(one.state == InterchangeState.BEGUN for one in parcel.files):
            return payer_sending.ask_a_person(_MAY_LIE_THERE)
        files = parcel.files or self._begin(parcel, still_wanted)
        contents = [self._content(parcel, one, still_wanted) for one in files]
        payer_sending.note_leaving(parcel, still_wanted, partial(_note_copies, files, 1))
        said = self._hand_over(parcel, files, contents, still_wanted)
        detail = f"handed over as {', '.join(said)}; whether it could be read is told by a TA1 or 999"
        return PayerReceipt(detail, SubmissionState.SENT, parcel.submission.control_number)

    def _hand_over(
        self, parcel: X12Parcel, files: Sequence[Interchange], contents: Sequence[bytes], still_wanted: StillWanted
    ) -> list[str]:
        """Put the files there, and say of each how it went. Raises: Conflict, Refused, Unavailable."""
        door, said = self._doors[parcel.delivery.destination], list[str]()
        for one, content in zip(files, contents, strict=True):
            name = self._name(parcel, one)
            if one.state != InterchangeState.BEGUN:
                said.append(f"{name} (it was received already)")
                continue
            try:
                is_new = door.put(name, content)
            except (Conflict, Refused, Unavailable) as fault:
                if isinstance(fault, Unavailable) and fault.code != DESTINATION_DOWN:
                    raise
                if not said:
                    nothing = partial(_note_copies, files, 0)
                    payer_sending.note_not_there(parcel, still_wanted, fault.detail, nothing)
                raise
            said.append(f"{name}{'' if is_new else ' (it lay there already)'}")
        return said

    def settled(self, tx: WriteTx, parcel: PayerParcel, receipt: PayerReceipt, at: datetime) -> None:
        """Note that the files are there."""
        is_there = receipt.state == SubmissionState.SENT
        for one in interchanges.of_submissions(tx, [parcel.submission.key]) if is_there else ():
            state = after(one.state, InterchangeState.SENT)
            interchanges.set_state(tx, one.key, state, one.detail)
        payer_sending.settle(tx, parcel, receipt, at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Say at the attachment why it is not there."""
        payer_sending.fail(tx, delivery, detail, is_dead, at)

    def _begin(self, parcel: X12Parcel, still_wanted: StillWanted) -> tuple[Interchange, ...]:
        """Give each file its number, for ever."""
        made: list[Interchange] = []
        house = parcel.how.clearinghouse

        def write(tx: WriteTx, at: datetime) -> None:
            stamp = at.astimezone(parcel.how.zone).strftime(STAMP)
            for name in transactions(parcel.found, parcel.how):
                blank = Interchange(0, parcel.submission.key, house.name, name, 0, at, stamp)
                made.append(interchanges.begin(tx, blank, house.first_control_number))

        still_wanted.note(write, "its files have their numbers")
        return tuple(made)

    def _content(self, parcel: X12Parcel, one: Interchange, still_wanted: StillWanted) -> bytes:
        """Return a file's bytes: those that are kept, else written and kept now."""
        if one.blob:
            with self._blobs.at_hand(one.blob) as path:
                return path.read_bytes()
        document = payer_sending.document_of(self._blobs, parcel)
        draft = self._way.draft(one.transaction, parcel.found, parcel.how, parcel.asked, document)
        content = self._way.file(draft, parcel.how, one)
        blob = self._blobs.keep_bytes(content, digest_of(content))
        still_wanted.note(lambda tx, at: interchanges.keep(tx, one.key, blob), "its file is written")
        return content

    def _name(self, parcel: X12Parcel, one: Interchange) -> str:
        sender = parcel.how.clearinghouse.sender.partition(":")[2]
        return file_name(sender, one.transaction, one.control_number)


def _note_copies(files: Sequence[Interchange], more: int, tx: WriteTx) -> None:
    """Note how often files were handed over, *more* times than was known of each that has not been received."""
    for one in files:
        if one.state == InterchangeState.BEGUN:
            interchanges.set_copies(tx, one.key, one.copies + more)
