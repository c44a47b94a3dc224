"""What a rejection note does to the studies it names, and what a person makes of it. Source: IHE RAD TF-3 4.66.

Nothing is deleted: instances are withheld, and shown again once no note stands against them. A note that says the images
may be another patient's puts their studies before a person at once; the others only withdraw what they name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bridge.clock import Clock
from bridge.domain.incident import SHOW_AGAIN
from bridge.domain.reason import require_reason
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.rejection import (
    Rejection,
    RejectionNote,
    RejectionReason,
    RejectionState,
    speaks_for_all,
)
from bridge.domain.study import Instance, Study
from bridge.errors import Conflict, Incomplete
from bridge.flows import announce
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_questioned, withdraw
from bridge.flows.decide_without import free_as_before
from bridge.flows.question_part import question_shown
from bridge.flows.second_person import Because, admit, audit_confirmed
from bridge.flows.show_again import show_as_now
from bridge.store import audit, decisions, events, incidents, rejections, splits, studies
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station

_NEVER_AGAIN = frozenset({RejectionReason.PATIENT_SAFETY.value, RejectionReason.WRONG_WORKLIST_ENTRY.value})


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a note, and what it may do here. origin: its address."""

    ae_title: str
    roles: frozenset[str]
    origin: str = ""


def take_note(tx: WriteTx, note: RejectionNote, kept: Instance, sender: Sender, how: Deciding) -> None:
    """
    Carry out a rejection note that was just kept.

    The caller holds the lock "identity", and that of every study the note names. What stands for an image that was split
    off is rejected with it.
    """
    for uid, named in _named_by(tx, note):
        study = studies.by_uid(tx, uid)
        brought = rejections.brought_by(tx, study.key, named) if study is not None else {}
        own_only = not speaks_for_all(sender.roles)
        is_own = bool(sender.ae_title) and (not brought or sender.ae_title in brought.values())
        is_allowed = not own_only or is_own
        made = Rejection(
            key=0,
            sop_instance_uid=kept.sop_instance_uid,
            note_key=kept.key,
            study_instance_uid=uid,
            reason=note.reason,
            state=RejectionState.APPLIED if is_allowed else RejectionState.NOT_ALLOWED,
            received_at=how.at,
            received_from=sender.ae_title,
            own_only=own_only,
        )
        rejection = rejections.add(tx, made, named)
        _audit(tx, "instances_rejected", rejection, study, f"peer:{sender.ae_title}", sender.origin)
        if is_allowed:
            _apply(tx, rejection, named, how, by=sender.ae_title)
        elif study is not None:
            what = f"{sender.ae_title} may not reject what others sent: its rejection waits for a person"
            _tell(tx, study, rejection, what, sender.ae_title, how)


def _named_by(tx: WriteTx, note: RejectionNote) -> Iterator[tuple[str, list[str]]]:
    """Yield the studies that a note is about, each with its instances."""
    for uid in note.study_instance_uids:
        named = [one.sop_instance_uid for one in note.named if one.study_instance_uid == uid]
        yield uid, named
        yield from _copies(tx, uid, named, note.study_instance_uids)


def _copies(tx: WriteTx, uid: str, named: Sequence[str], told: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield where copies stand for instances of a study that were split off, and for such copies, as `_named_by` does."""
    study = studies.by_uid(tx, uid)
    for part_uid, copies in splits.copies_of(tx, study.key, named).items() if study is not None else ():
        if part_uid not in told:
            lock(tx, f"study:{part_uid}")
            yield part_uid, copies
            yield from _copies(tx, part_uid, copies, told)


class RejectionDesk:
    """A person takes a rejection back, or lets one count that its sender was not allowed."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations

    def decide(self, rejection_key: int, action: str, reason: str, actor: str) -> Rejection:
        """
        Carry out *action*: "undo" or "apply".

        Raises: LookupError; Incomplete without reason or with another action; Conflict, if it stands so already, or two
        people decide.
        """
        return self.decide_because(rejection_key, action, Because(reason, actor))

    def decide_because(self, rejection_key: int, action: str, because: Because) -> Rejection:
        """Carry out *action* as `decide` does, confirmed by a second person where *because* names one."""
        reason, actor = because.reason, because.actor
        require_reason(reason)
        if action not in ("undo", "apply"):
            raise Incomplete("undo or apply", code="not_in_table", where="action")
        how = Deciding(self._rules, self._destinations, self._clock.now(), actor, because.confirmed_by)
        with self._store.write() as tx:
            found = rejections.get(tx, rejection_key)
            lock(tx, "identity", f"study:{found.study_instance_uid}")
            found = rejections.get(tx, rejection_key)
            study = studies.by_uid(tx, found.study_instance_uid)
            if study is not None:
                admit(tx, study, because, self._rules, how.at)
            stands = found.state == RejectionState.APPLIED
            if stands == (action == "apply"):
                raise Conflict(f"the rejection is {found.state.value.replace('_', ' ')}", code="stands_so")
            state = RejectionState.APPLIED if action == "apply" else RejectionState.UNDONE
            after = rejections.decide(tx, found, state, actor, how.at, reason.strip())
            if action == "apply":
                _apply(tx, after, rejections.named(tx, after.key), how, by=actor)
            else:
                _take_back(tx, after, reason.strip(), actor, how)
            study = studies.by_uid(tx, after.study_instance_uid)
            _audit(tx, f"rejection_{action}", after, study, actor)
            if study is not None:
                audit_confirmed(tx, study, because, how.at)
        return after


def overrule(tx: WriteTx, study: Study, actor: str, reason: str, how: Deciding) -> None:
    """
    Let the notes that left nothing of a study, and questioned its patient, count no more.

    A person who says whose such a study is means that its images are good. What a note rejects of a study that goes on
    without it stays rejected until that is taken back by itself.
    """
    standing = [
        one
        for one in rejections.of_study(tx, study.study_instance_uid)
        if one.state == RejectionState.APPLIED and one.reason.questions_patient
    ]
    if not standing or not rejections.leaves_nothing(tx, study.key):
        return
    for one in standing:
        rejections.decide(tx, one, RejectionState.OVERRULED, actor, how.at, reason)
    if rejections.refresh(tx, study.key):
        what = f"Shown again: a person says whose the images are, against the rejection {standing[-1].reason.words}"
        _tell(tx, study, standing[-1], what, actor, how)
        for one in standing:
            announce.archives_shown_again(tx, study, one, how.at)


def refuse_again(tx: WriteTx, held: Instance, how: Deciding) -> Conflict | None:
    """
    Return why an instance that comes again is refused, None if it is taken.

    Expired ones may come again and are shown then; of the others nothing changes. Source: IHE RAD TF-3 4.66.4.1.3.
    """
    if held.withheld == RejectionReason.RETENTION:
        rejections.restore(tx, held.key, how.at)
        show_as_now(tx, studies.get(tx, held.study_key), "sent again after its retention ended", held.withheld, how)
    if held.withheld in _NEVER_AGAIN:
        return Conflict("the instance was rejected and is not taken again", code="instance_rejected")
    return None


def _apply(tx: WriteTx, rejection: Rejection, named: Sequence[str], how: Deciding, *, by: str) -> None:
    if rejection.reason.questions_patient:
        decisions.add_signal(
            tx, rejection.study_instance_uid, rejection.reason.value, rejection.sop_instance_uid, how.at
        )
    study = studies.by_uid(tx, rejection.study_instance_uid)
    if study is None:
        return
    here = rejections.brought_by(tx, study.key, named)
    count = rejections.refresh(tx, study.key)
    _tell(tx, study, rejection, _what_became(rejection, named, here, count, by), by, how)
    if rejection.reason.questions_patient:
        decide_questioned(tx, study, how)
    if count:
        show_as_now(tx, studies.get(tx, study.key), f"rejected {rejection.reason.words}", by, how)
    incidents.rejected_again(tx, study.key, by, how.at)
    if _is_of_copies(tx, study, rejection):
        for place in rejections.holders(tx, rejection.key):
            incidents.open_task(tx, study.key, place, _task_of_copies(rejection), how.at)
    else:
        announce.archives_rejected(tx, study, rejection, how.at)


def _is_of_copies(tx: WriteTx, study: Study, rejection: Rejection) -> bool:
    """Say whether the note names what *study* was split off, and so nothing that an archive knows it by."""
    told = {one.study_instance_uid for one in rejections.of_note(tx, rejection.note_key)}
    wholes = (
        studies.get(tx, one.study_key) for one in splits.of_study(tx, study.key) if one.new_study_key == study.key
    )
    return any(one.study_instance_uid in told for one in wholes)


def _take_back(tx: WriteTx, rejection: Rejection, reason: str, actor: str, how: Deciding) -> None:
    decisions.take_back_signal(tx, rejection.study_instance_uid, rejection.sop_instance_uid, how.at)
    study = studies.by_uid(tx, rejection.study_instance_uid)
    if study is None:
        return
    count = rejections.refresh(tx, study.key)
    what = f"The rejection {rejection.reason.words} was taken back: {_images(count)} shown again"
    _tell(tx, study, rejection, what, actor, how)
    if _is_of_copies(tx, study, rejection):
        _end_tasks(tx, study, rejection, actor, how)
    for one in (study, *(studies.get(tx, key) for key in splits.parts_of(tx, study.key))):
        if one.rule == "V03":
            free_as_before(tx, one, reason, how)
    if count:
        announce.archives_shown_again(tx, study, rejection, how.at)
        _ask_of_first_shown(tx, rejection, how)
        show_as_now(tx, studies.get(tx, study.key), reason, actor, how)


def _ask_of_first_shown(tx: WriteTx, rejection: Rejection, how: Deciding) -> None:
    """What was rejected before it came asks whose it is now, where it would have asked then."""
    study = studies.by_uid(tx, rejection.study_instance_uid)
    if study is not None and study.is_bound and rejections.is_first_shown(tx, rejection, study.key):
        doubt = question_shown(tx, study)
        if doubt:
            withdraw(tx, study, "V02", doubt, how, actor="V02")


def _task_of_copies(rejection: Rejection) -> str:
    return f"images that stand there as copies were rejected {rejection.reason.words}: have them rejected there"


def _end_tasks(tx: WriteTx, study: Study, rejection: Rejection, actor: str, how: Deciding) -> None:
    """Ask nobody any more to reject copies elsewhere; where that was done, somebody has to have them shown again."""
    task = _task_of_copies(rejection)
    done_at = incidents.end_task(tx, study.key, task, actor, "the rejection was taken back", how.at)
    for place in done_at:
        incidents.open_task(tx, study.key, place, SHOW_AGAIN, how.at)


def _what_became(rejection: Rejection, named: Sequence[str], here: Collection[str], count: int, by: str) -> str:
    said = f"{by} rejected {_images(len(named))} {rejection.reason.words}: {count} withheld here"
    absent = len(named) - len(here)
    if absent and rejection.reason.meets_later_images:
        said += f", {absent} will be when they come"
    elif absent:
        said += f", {absent} not here"
    return said


def _images(count: int) -> str:
    return f"{count} image" if count == 1 else f"{count} images"


def _tell(tx: WriteTx, study: Study, rejection: Rejection, what: str, by: str, how: Deciding) -> None:
    source = ("rejection", str(rejection.key))
    events.add(tx, Event(how.at, Station.IMAGES, what, by, *source, study.order_key, study.key))


def _audit(tx: WriteTx, action: str, rejection: Rejection, study: Study | None, actor: str, origin: str = "") -> None:
    audit.add(
        tx,
        at=rejection.decided_at or rejection.received_at,
        action=action,
        actor=actor,
        origin=origin,
        patient_key=study.patient_key if study is not None else None,
        study_key=study.key if study is not None else None,
        detail={
            "rejection": rejection.key,
            "reason": rejection.reason.value,
            "state": rejection.state.value,
            "instances": rejection.instances,
        },
    )
