"""One received object is kept, tied to its study and decided about; 0x0000 only after the commit. Source: PS3.4 B.2.3.

Bytes before row: a crash leaves at worst a file that nothing names, never a row without its file. A doubtful identity
never refuses an object: it is kept, and what would leave is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from bridge.clock import Clock
from bridge.codecs.dicom.announced import check_identity
from bridge.codecs.dicom.content import same_content
from bridge.codecs.dicom.skim import Head
from bridge.domain.evidence import identity_of, order_named_by
from bridge.domain.image_warnings import warnings_of
from bridge.domain.key_images import KeyImages
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.rejection import KEY_OBJECT_SELECTION, NOTE, RejectionNote
from bridge.domain.study import Header, Instance, Spooled, Study
from bridge.domain.waking import study_keys
from bridge.errors import BridgeError, Conflict, Unavailable
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_by_rule, withdraw
from bridge.flows.image_sources import ImageSources
from bridge.flows.mark_images import keep_marks, named_in
from bridge.flows.question_part import question_late
from bridge.flows.reject_instances import Sender, refuse_again, take_note
from bridge.flows.shared_commit import SharedCommit
from bridge.flows.standing_repairs import StandingRepairs
from bridge.store import arrivals, audit, events, exam_checks, objects, orders, rejections, studies
from bridge.store.arrivals import Known
from bridge.store.blobs import Blobs
from bridge.store.db import ReadTx, Store, WriteTx, lock
from bridge.store.events import Event, Station

_log = structlog.get_logger(__name__)
# How exactly a study keeps when its last image came: three of its indices change with it.
_TOUCHED_EVERY = timedelta(seconds=1)


class _DecisionNeededError(Exception):
    """Something about a patient is to be decided, and the transaction does not hold the lock for it."""


class _ReadingNeededError(Exception):
    """How the device is read was changed while the first object of a study came."""


class _ComparisonNeededError(Exception):
    """Whether the object *blob* says the same is to be known, which no transaction waits for: it may lie in a bucket."""

    def __init__(self, blob: str) -> None:
        super().__init__()
        self.blob = blob


@dataclass(frozen=True, slots=True)
class _Arrival:
    """
    One object whose bytes are kept. same: blobs of objects held under its UID, and whether each holds the same.

    note: what it rejects, None if it is no rejection note. marked: the images that it marks, None if it marks none.
    """

    header: Header
    instance: Instance
    spooled: Spooled
    note: RejectionNote | None = None
    marked: KeyImages | None = None
    same: dict[str, bool] = field(default_factory=dict)

    @property
    def lock_names(self) -> tuple[str, ...]:
        """What two objects may share that are not filed at once."""
        header = self.header
        return (
            *(f"study:{uid}" for uid in (self.note.study_instance_uids if self.note is not None else ())),
            f"study:{header.study_instance_uid}",
            f"series:{header.series_instance_uid}",
            f"instance:{header.sop_instance_uid}",
        )


class InstanceReceiver:
    """Keeps what the DICOM listener, a disc or an upload brings. Thread-safe."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        clock: Clock,
        rules: ReconcileRules,
        destinations: Destinations,
        sources: ImageSources,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._rules = rules
        self._destinations = destinations
        self._sources = sources
        self._standing = StandingRepairs(store, clock)
        self._shared: SharedCommit[_Arrival, BridgeError | None] = SharedCommit(self._commit_all)

    def receive(self, spooled: Spooled) -> None:
        """
        Keep *spooled*; returning means committed and on disk.

        Raises: Malformed, Incomplete for what is no such object; Conflict, if its UID is taken by other content (it is
        kept for a person all the same); Unavailable, if it could not be stored.
        """
        head = Head(spooled.head, spooled.size_bytes) if spooled.head else None
        header = self._read(spooled.path, spooled.calling_ae_title, head)
        check_identity(header, spooled.affected_sop_class_uid, spooled.affected_sop_instance_uid)
        named = named_in(spooled.path, header.sop_class_uid)
        blob = self._blobs.keep(spooled.path, spooled.digest)
        conflict = self._settle(_Arrival(header, _instance(header, spooled, blob, self._clock.now()), spooled, *named))
        if conflict is not None:
            _log.warning("instance_in_conflict", reason=conflict.code, peer=spooled.calling_ae_title)
            raise conflict

    def _read(self, path: Path, ae_title: str, head: Head | None = None) -> Header:
        header = self._sources.read_header(path, ae_title, head)
        found_out = self._standing.about(ae_title, header.study_instance_uid)
        return self._sources.read_header(path, ae_title, head, found_out) if found_out else header

    def _settle(self, arrival: _Arrival) -> BridgeError | None:
        """File one object, finding out between transactions what none of them waits for."""
        may_decide = False
        while True:
            try:
                # SQLite has one writer, and each commit a sync; PostgreSQL syncs together what commits together.
                if self._store.is_sqlite:
                    return self._shared.submit(arrival)
                return self._commit([arrival], may_decide=may_decide)[0]
            except _DecisionNeededError:
                may_decide = True
            except _ComparisonNeededError as needed:
                arrival.same[needed.blob] = self._is_same(needed.blob, arrival.instance.blob)
            except _ReadingNeededError:
                self._standing.look_again()
                with self._blobs.at_hand(arrival.instance.blob) as path:
                    arrival = replace(arrival, header=self._read(path, arrival.spooled.calling_ae_title))

    def _is_same(self, held: str, arrived: str) -> bool:
        """Say whether two kept objects hold the same; what is damaged by now holds nothing."""
        try:
            with self._blobs.at_hand(held) as one, self._blobs.at_hand(arrived) as other:
                return same_content(one, other)
        except Unavailable as fault:
            if fault.code != "object_damaged":
                raise
            return False

    def _commit_all(self, arrivals: Sequence[_Arrival]) -> list[BridgeError | Exception | None]:
        """Return why each of *arrivals* stays beside its study, None if it became part of it, or what went wrong with it."""
        try:
            return [*self._commit(arrivals, may_decide=True)]
        except Unavailable:
            raise
        except Exception:
            if len(arrivals) == 1:
                raise
        # One of them is more than a transaction of all could bear: alone, each has its own fault only.
        return [self._outcome_alone(arrival) for arrival in arrivals]

    def _outcome_alone(self, arrival: _Arrival) -> BridgeError | Exception | None:
        try:
            return self._commit([arrival], may_decide=True)[0]
        except Exception as fault:  # noqa: BLE001  # Raised in the thread that brought the object.
            return fault

    def _commit(self, arrivals: Sequence[_Arrival], *, may_decide: bool) -> list[BridgeError | None]:
        """
        File objects in one transaction.

        may_decide: take the lock that every identity decision holds, before any other, as everybody does: a study's
        later images, which change nothing about whose they are, need not wait for it.
        Raises: _DecisionNeededError, with nothing stored, if there is something to decide without it;
        _ComparisonNeededError, likewise.
        """
        with self._store.write() as tx:
            if may_decide:
                lock(tx, "identity")
            lock(tx, *(name for arrival in arrivals for name in arrival.lock_names))
            return [self._file(tx, arrival, may_decide=may_decide) for arrival in arrivals]

    def _file(self, tx: WriteTx, arrival: _Arrival, *, may_decide: bool) -> BridgeError | None:
        """File one object; return why it stays beside its study, None if it became part of it."""
        header, instance, spooled = arrival.header, arrival.instance, arrival.spooled
        known = arrivals.known(tx, header)
        held = studies.instance_by_uid(tx, header.sop_instance_uid) if known.is_kept else None
        conflict = _conflict(arrival, held, known)
        if conflict is not None:
            studies.add_conflict(tx, header, instance, conflict.code, spooled.calling_ae_title)
            return conflict
        now = self._clock.now()
        how = Deciding(self._rules, self._destinations, now, cause=f"association:{spooled.association_id}")
        if held is not None:
            return self._take_again(tx, held, arrival, how, may_decide=may_decide)
        if arrival.note is not None and not may_decide:
            raise _DecisionNeededError
        new = self._begin(tx, header, spooled, now) if known.study_key is None and may_decide else None
        study_key = known.study_key if new is None else new.key
        if study_key is None:
            raise _DecisionNeededError
        series_key = known.series_key or studies.add_series(tx, study_key, header).key
        sender, withheld = spooled.calling_ae_title, _withheld(tx, arrival, known)
        placed = replace(instance, study_key=study_key, series_key=series_key, withheld=withheld)
        kept = _keep(tx, arrival, placed)
        if new is None:
            # A note does not say whose the images are that it rejects.
            names = header if arrival.note is None else None
            study = self._go_on(tx, study_key, names, how, may_decide=may_decide)
            if known.is_parted and not withheld:
                study = _ask_whose(tx, study, header, series_key, how, may_decide=may_decide)
        if arrival.note is not None:
            told = Sender(sender, self._sources.roles_of(sender), spooled.peer_address)
            take_note(tx, arrival.note, kept, told, how)
        if new is not None:
            # After its note, if that came first: a study that is in question is not bound for a moment.
            study = decide_by_rule(tx, studies.get(tx, new.key), how)
        if not withheld:
            announce.images_came(tx, study, self._destinations, now)
        return None

    def _take_again(
        self, tx: WriteTx, held: Instance, arrival: _Arrival, how: Deciding, *, may_decide: bool
    ) -> BridgeError | None:
        """Take in an object that is kept already; return why it is refused. Raises: _DecisionNeededError."""
        if held.withheld and held.withheld != NOTE and not may_decide:
            raise _DecisionNeededError
        refused = refuse_again(tx, held, how)
        is_same = held.digest == arrival.instance.digest
        if refused is None and is_same and objects.came_again(tx, held.blob, how.at):
            self._note_return(tx, held, arrival.spooled)
        return refused

    def _begin(self, tx: WriteTx, header: Header, spooled: Spooled, now: datetime) -> Study:
        """Return a new study, not decided yet. Raises: _ReadingNeededError."""
        if not self._standing.is_current(tx):
            raise _ReadingNeededError
        foreign = self._sources.is_foreign(spooled.calling_ae_title)
        study = studies.add(tx, header, spooled.calling_ae_title, foreign, now)
        studies.set_keys(tx, study.key, study_keys(header, self._rules))
        self._log_first(tx, study, spooled, now)
        return study

    def _go_on(self, tx: WriteTx, study_key: int, header: Header | None, how: Deciding, *, may_decide: bool) -> Study:
        """
        Return a known study, checked against what its new instance says, if anything.

        Raises: _DecisionNeededError; _ReadingNeededError, if it may say so only because it was read as nobody reads it now.
        """
        # The row is ours from here on: no message binds the study meanwhile.
        study = studies.hold(tx, study_key)
        last = study.last_instance_at
        is_fresh = last is not None and timedelta(0) <= how.at - last < _TOUCHED_EVERY
        if study.completed_at is not None or not is_fresh:
            studies.touch(tx, study_key, how.at)
            study = replace(study, last_instance_at=how.at, completed_at=None)
        is_first = header is not None and _is_first_image(tx, study)
        if header is not None and (is_first or _is_news(tx, study, header)):
            if not may_decide:
                raise _DecisionNeededError
            if not self._standing.is_current(tx):
                raise _ReadingNeededError
            if is_first:
                studies.put_reading(tx, study, header, [])
            else:
                studies.add_other_identity(tx, study.key, named_by(header))
            studies.add_keys(tx, study.key, study_keys(header, self._rules))
            study = decide_by_rule(tx, studies.get(tx, study.key), how)
        if study.ended_with is not None:
            exam_checks.watch_study(tx, study.key, how.at)
        return study

    def _note_return(self, tx: WriteTx, held: Instance, spooled: Spooled) -> None:
        """Say that an object came again whose bytes were damaged, or removed by rule."""
        now, actor = self._clock.now(), f"peer:{spooled.calling_ae_title}"
        what = f"An image that was damaged or removed here came again from {spooled.calling_ae_title}"
        events.add(tx, Event(now, Station.IMAGES, what, by=spooled.calling_ae_title, study_key=held.study_key))
        origin = spooled.peer_address
        announce.retrievable_changed(tx, studies.get(tx, held.study_key), now)
        audit.add(tx, at=now, action="object_restored", actor=actor, origin=origin, study_key=held.study_key)

    def _log_first(self, tx: WriteTx, study: Study, spooled: Spooled, now: datetime) -> None:
        named = orders.by_study_uid(tx, study.study_instance_uid)
        events.add(
            tx,
            Event(
                now,
                Station.IMAGES,
                f"First image received from {spooled.calling_ae_title or 'a disc or an upload'}",
                by=spooled.calling_ae_title,
                source_kind="association",
                source_id=spooled.association_id,
                study_key=study.key,
                order_key=named[0].key if named else None,
            ),
        )
        audit.add(
            tx,
            at=now,
            action="study_received",
            actor=f"peer:{spooled.calling_ae_title}",
            origin=spooled.peer_address,
            study_key=study.key,
            detail={"association": spooled.association_id},
        )


def _keep(tx: WriteTx, arrival: _Arrival, instance: Instance) -> Instance:
    spooled = arrival.spooled
    kept = studies.add_instance(tx, instance, f"{spooled.calling_ae_title}@{spooled.peer_address}")
    return keep_marks(tx, kept, arrival.marked)


def _withheld(tx: ReadTx, arrival: _Arrival, known: Known) -> str:
    """Return why an object is no part of what its study shows from the start, "" if it is."""
    if arrival.note is not None:
        return NOTE
    if not known.is_named:
        return ""
    return rejections.withheld_on_arrival(tx, arrival.header, arrival.spooled.calling_ae_title)


def _ask_whose(tx: WriteTx, study: Study, header: Header, series_key: int, how: Deciding, *, may_decide: bool) -> Study:
    """Put a parted study before a person if its new image may be the other part's. Raises: _DecisionNeededError."""
    doubt = question_late(tx, study, header, series_key) if study.is_bound else ""
    if doubt and not may_decide:
        raise _DecisionNeededError
    return withdraw(tx, study, "V02", doubt, how, actor="V02") if doubt else study


def _conflict(arrival: _Arrival, held: Instance | None, known: Known) -> Conflict | None:
    """Return why an object cannot be part of its study, None if it can. Raises: _ComparisonNeededError."""
    if known.series_key is not None and known.series_study_key != known.study_key:
        return Conflict("the series belongs to another study", code="series_of_another_study")
    if held is None:
        return None
    if held.study_key != known.study_key or (known.series_key is not None and held.series_key != known.series_key):
        return Conflict("the instance is known under another study or series", code="instance_of_another_study")
    if held.digest == arrival.instance.digest:
        return None
    if held.blob not in arrival.same:
        raise _ComparisonNeededError(held.blob)
    if arrival.same[held.blob]:
        return None
    return Conflict("the SOP Instance UID is taken by other content", code="duplicate_instance")


def _is_news(tx: ReadTx, study: Study, header: Header) -> bool:
    """Say whether *header* names a patient or an order as no instance of its study did before."""
    first = study.received
    if identity_of(header) == identity_of(first) and order_named_by(header) == order_named_by(first):
        return False
    return named_by(header) not in studies.other_identities(tx, study.key)


def _is_first_image(tx: ReadTx, study: Study) -> bool:
    """Say whether an image has just begun a study of which only its rejection had come: what that said decides nothing."""
    return study.received.sop_class_uid == KEY_OBJECT_SELECTION and rejections.holds_one_image(tx, study.key)


def named_by(header: Header) -> dict[str, Any]:
    """Return which patient and which order *header* names, as a study keeps what its instances say otherwise."""
    order = asdict(order_named_by(header))
    return {
        "patient": asdict(identity_of(header)),
        "order": order | {"request_attributes": [*order["request_attributes"]]},
    }


def _instance(header: Header, spooled: Spooled, blob: str, now: datetime) -> Instance:
    return Instance(
        key=0,
        study_key=0,
        series_key=0,
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        transfer_syntax_uid=spooled.transfer_syntax_uid,
        blob=blob,
        digest=spooled.digest,
        size_bytes=spooled.size_bytes,
        instance_number=header.instance_number,
        content_label=header.content_label,
        number_of_frames=header.number_of_frames,
        received_at=now,
        warnings=" ".join(warnings_of(header)),
        image_laterality=header.image_laterality,
    )
