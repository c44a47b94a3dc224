"""Peers are told that a bound study is complete and can be retrieved here, again when late images come. Source: PS3.4 R.

Whoever was told of something that can be retrieved no more, because its study is unbound, or it was rejected, split off
or removed here, is told that it is unavailable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.codecs.dicom import commands
from bridge.codecs.dicom.availability import INSTANCE_AVAILABILITY_NOTIFICATION, notification
from bridge.codecs.dicom.commands import encode_command, message
from bridge.codecs.dicom.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from bridge.codecs.dicom.status import SUCCESS, is_warning
from bridge.domain.identifiers import digest_of
from bridge.domain.study import StudyContents
from bridge.errors import Malformed, Refused, Unavailable
from bridge.leaving.completeness import study_complete_at
from bridge.outbox.enqueue import AVAILABILITY
from bridge.outbox.publisher import Hold, Nothing, NotYet, Parcel, Receipt, StillWanted
from bridge.publishers.dicom_connection import Proposal, Requestor, Target
from bridge.store import availability, events, performed
from bridge.store.availability import WITHDRAWN
from bridge.store.db import ReadTx, WriteTx
from bridge.store.deliveries import Delivery
from bridge.store.events import Event, Station

_DUPLICATE = 0x0111
_RESOURCE_LIMITATION = 0x0213


@dataclass(frozen=True, slots=True)
class AvailabilityParcel(Parcel):
    """
    What is told. said: a digest of what is online, or WITHDRAWN. sop_instance_uid: the notification's own.

    online: the keys of what can be retrieved. believed: of what the peer took for that before.
    """

    contents: StudyContents
    online: frozenset[int]
    believed: frozenset[int]
    performed_step_uids: tuple[str, ...]
    said: str
    sop_instance_uid: str

    @property
    def is_withdrawal(self) -> bool:
        return self.said == WITHDRAWN


class AvailabilityPublisher:
    """
    Notifies peers by their AE titles. calling_ae_title: ours, which is also where instances are retrieved from.

    quiet: how long no image of a study must have come, unless its MPPS says that all are here.
    """

    topic = AVAILABILITY

    def __init__(self, targets: Mapping[str, Target], calling_ae_title: str, quiet: timedelta) -> None:
        self._targets = dict(targets)
        self._calling_ae_title = calling_ae_title
        self._quiet = quiet

    @property
    def destinations(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def prepare(self, tx: ReadTx, delivery: Delivery, now: datetime) -> AvailabilityParcel | NotYet | Hold | Nothing:
        """
        Collect what the peer is to hear of a study, once that is complete; None of it twice.

        What it believes wrongly does not wait for the rest.
        """
        if delivery.study_key is None:
            return Nothing("it names no study")
        told = availability.told(tx, delivery.study_key, delivery.destination)
        believed = frozenset[int]() if told is None else told.believed
        contents, online = availability.speaks_of(tx, delivery.study_key, believed)
        study = contents.study
        if not study.is_bound:
            if not believed:
                return Hold("the study is not bound to a patient")
            return _parcel(delivery, contents, (), (online, believed))
        complete_at = study_complete_at(tx, study, self._quiet, now)
        if believed <= online and complete_at > now:
            return NotYet(complete_at, "images are still coming")
        if not contents.instance_count:
            return Nothing("nothing of it can be retrieved")
        steps = tuple(performed.uids_of_study(tx, study.study_instance_uid))
        parcel = _parcel(delivery, contents, steps, (online, believed))
        if told is not None and parcel.said == told.said and believed <= online:
            return Nothing("it knows all of them")
        return parcel

    def send(self, parcel: AvailabilityParcel, still_wanted: StillWanted) -> Receipt:
        """Send one N-CREATE. Raises: Unavailable, Refused, Malformed."""
        target = self._targets[parcel.delivery.destination]
        proposal = Proposal(INSTANCE_AVAILABILITY_NOTIFICATION, (EXPLICIT_LITTLE, IMPLICIT_LITTLE))
        with Requestor(target, self._calling_ae_title, [proposal]) as association:
            if not association.accepted:
                raise Refused("the other side takes no availability notes", code="context_rejected")
            context = association.accepted[0]
            implicit = context.transfer_syntax == IMPLICIT_LITTLE
            data = notification(
                parcel.contents,
                parcel.performed_step_uids,
                self._calling_ae_title,
                implicit=implicit,
                online=parcel.online,
            )
            message_id = association.next_message_id()
            command = encode_command(
                {
                    commands.AFFECTED_SOP_CLASS_UID: INSTANCE_AVAILABILITY_NOTIFICATION,
                    commands.COMMAND_FIELD: commands.N_CREATE_RQ,
                    commands.MESSAGE_ID: message_id,
                    commands.COMMAND_DATA_SET_TYPE: commands.HAS_DATA_SET,
                    commands.AFFECTED_SOP_INSTANCE_UID: parcel.sop_instance_uid,
                }
            )
            if not parcel.is_withdrawal:
                still_wanted.note(
                    lambda tx, at: _note(tx, parcel, "", parcel.believed | parcel.online, at), "being told"
                )
            still_wanted()
            association.send(message(context.context_id, command, data, association.fragment_bytes))
            answer, _ = association.receive()
        _check(answer.number(commands.STATUS))
        gone = parcel.contents.instance_count - len(parcel.online)
        if parcel.is_withdrawal:
            return Receipt(f"withdrawn of {gone} objects")
        return Receipt(f"told of {len(parcel.online)} objects" + (f", withdrawn of {gone}" if gone else ""))

    def settled(self, tx: WriteTx, parcel: AvailabilityParcel, receipt: Receipt, at: datetime) -> None:
        """Keep what was told, and tell the timeline."""
        _note(tx, parcel, parcel.said, parcel.online, at)
        _tell(tx, parcel.delivery, f"Availability {receipt.detail}", at)

    def failed(self, tx: WriteTx, delivery: Delivery, detail: str, is_dead: bool, at: datetime) -> None:
        """Tell the timeline of a notification that is given up."""
        if is_dead:
            _tell(tx, delivery, f"not told of its availability: {detail}", at)


def _parcel(
    delivery: Delivery,
    contents: StudyContents,
    performed_step_uids: tuple[str, ...],
    keys: tuple[frozenset[int], frozenset[int]],
) -> AvailabilityParcel:
    """Return what *delivery* says. keys: of what is online, and of what the peer believes to be."""
    study, (online, believed) = contents.study, keys
    every = (one for group in contents.instances.values() for one in group)
    uids = "\n".join(sorted(one.sop_instance_uid for one in every if one.key in online))
    said = digest_of(uids.encode("ascii")) if study.is_bound else WITHDRAWN
    # The same notification again has the same UID: who has it answers that it does.
    about = f"{delivery.key}/{delivery.destination}/{study.study_instance_uid}/{said}/{study.binding_version}"
    uid = f"2.25.{int(digest_of(about.encode())[:32], 16)}"
    version = study.binding_version
    return AvailabilityParcel(delivery, study.key, version, contents, online, believed, performed_step_uids, said, uid)


def _note(tx: WriteTx, parcel: AvailabilityParcel, said: str, believed: frozenset[int], at: datetime) -> None:
    study_key, place = parcel.contents.study.key, parcel.delivery.destination
    availability.note_told(tx, study_key, place, said, at, believed=believed)


def _check(status: int | None) -> None:
    if status is None:
        raise Unavailable("the other side answered without a status", code="bad_peer")
    if status in (SUCCESS, _DUPLICATE) or is_warning(status):
        return
    said = f"the other side answered {status:04X}"
    if status in (0x0110, _RESOURCE_LIMITATION):
        raise Unavailable(said, code="peer_busy")
    if status in (0x0122, 0x0124):
        raise Refused(said, code="peer_refused")
    raise Malformed(said, code="peer_failed")


def _tell(tx: WriteTx, delivery: Delivery, what: str, at: datetime) -> None:
    source = ("delivery", str(delivery.key))
    events.add(tx, Event(at, Station.IMAGES, what, delivery.destination, *source, study_key=delivery.study_key))
