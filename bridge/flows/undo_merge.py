"""A person takes a merge, a move or a changed number back: everything returns, and every study it touches is looked at again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bridge.clock import Clock
from bridge.domain.adt_events import IdentityChange
from bridge.domain.identifiers import PatientIdentifier
from bridge.domain.patient import Visit
from bridge.domain.reason import require_reason
from bridge.domain.reconcile_rules import ReconcileRules
from bridge.domain.report import Report
from bridge.errors import Conflict
from bridge.flows.announce import Destinations
from bridge.flows.decide_study import Deciding, decide_after, decide_touched, free_by_rule
from bridge.flows.decide_without import decide_without, free_without, naming
from bridge.flows.file_report import ReportNews, look_again
from bridge.flows.follow_attachments import authorizations_moved
from bridge.flows.follow_holdings import people_parted
from bridge.flows.move_number import DOUBTED
from bridge.flows.move_visits import MOVED_RULES
from bridge.flows.refresh_worklist import refresh_worklist_of_patient
from bridge.flows.register_patient import News, refresh_keys
from bridge.flows.tell_archives import change_undone
from bridge.store import audit, events, filing, merges, news, orders, patients, reports, studies, visits
from bridge.store.db import Store, WriteTx, lock
from bridge.store.events import Event, Station
from bridge.store.filing import Rows
from bridge.store.merges import Merge

_OF_VISITS = (IdentityChange.MOVE_VISIT, IdentityChange.MOVE_ACCOUNT, IdentityChange.CHANGE_ACCOUNT)


class MergeUndoer:
    """Undoes what the journal of merges holds."""

    def __init__(self, store: Store, clock: Clock, rules: ReconcileRules, destinations: Destinations) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._destinations = destinations

    def undo(self, merge_key: int, reason: str, actor: str) -> str:
        """
        Take the entry in row *merge_key* back and return, in a sentence, what could not go back ("" if all did).

        Raises: LookupError, if there is none; Conflict, if it cannot be taken back any more; Incomplete without reason.
        """
        require_reason(reason)
        now = self._clock.now()
        with self._store.write() as tx:
            lock(tx, "identity")
            entry = merges.get(tx, merge_key)
            _check(tx, entry)
            moved, note = take_back(tx, entry, now)
            merges.mark_undone(tx, merge_key, now, actor, reason, note)
            _tell(tx, entry, moved, actor, now)
            told = ReportNews(News("undo", now, now), self._rules, actor, source_kind="user")
            look_again(tx, _reports_of(tx, entry, moved), told)
            change_undone(tx, entry, actor, now)
            self._look_again(tx, entry, moved, reason, actor, now)
            audit.add(
                tx,
                at=now,
                action="merge_undone",
                actor=actor,
                patient_key=entry.retired_key,
                detail={"merge": merge_key, "kind": entry.kind.value},
            )
        return note

    def _look_again(self, tx: WriteTx, entry: Merge, moved: Rows, reason: str, actor: str, now: datetime) -> None:
        how = Deciding(self._rules, self._destinations, now, cause=actor)
        records = list(dict.fromkeys((entry.retired_key, entry.survivor_key)))
        for patient_key in records:
            refresh_worklist_of_patient(tx, patient_key)
            news.look_at(tx, news.PATIENT, patient_key, now)
        people_parted(tx, records, self._rules, now)
        rules = MOVED_RULES if entry.kind in _OF_VISITS else (DOUBTED,)
        for study in studies.held_from(tx, records):
            if study.rule in rules:
                free_by_rule(tx, study, reason, actor, how)
        for patient_key in records:
            decide_without(tx, studies.of_patient(tx, patient_key), entry.heard_at, how)
            decide_touched(tx, studies.of_patient(tx, patient_key), how)
        live = [key for key in records if patients.get(tx, key).merged_into is None]
        # Somebody else's may have been bound because a record that fits as well was not there.
        decide_without(tx, naming(tx, live, moved.get("orders", ())), entry.heard_at, how)
        named = [*studies.held_from(tx, records), *naming(tx, live, moved.get("orders", ()))]
        free_without(tx, named, entry.heard_at, reason, how)
        decide_after(tx, live, moved.get("orders", ()), how)
        authorizations_moved(tx, records, self._destinations.claims, now)


def take_back(tx: WriteTx, entry: Merge, now: datetime) -> tuple[Rows, str]:
    """File what *entry* moved, and what came since under the number that ended, where it was; say what stays."""
    left = merges.put_back(tx, entry.replaced, now)
    retired = patients.get(tx, entry.retired_key)
    ends = entry.kind in (IdentityChange.MERGE, IdentityChange.MOVE_NUMBER) and entry.retired_key != entry.survivor_key
    if ends and retired.merged_into == entry.survivor_key:
        patients.save(tx, replace(retired, merged_into=None), now)
    back = filing.move(tx, entry.moved, entry.survivor_key, entry.retired_key, now)
    late = _late_on_account(tx, entry)
    since = filing.move(tx, _came_since(tx, entry), entry.survivor_key, entry.retired_key, now)
    for one in late:
        visits.save(tx, replace(visits.get(tx, one.key), account_number=entry.number, moved_at=None))
    _renumber_back(tx, entry, since, now)
    for key in dict.fromkeys((entry.retired_key, entry.survivor_key)):
        if patients.get(tx, key).merged_into is None:
            refresh_keys(tx, key)
    patients.said_otherwise(tx, (entry.retired_key, entry.survivor_key), now)
    gone = sum(len(keys) for keys in entry.moved.values()) - sum(len(keys) for keys in back.values()) + left
    unknown = filing.came_without_number(tx, entry.survivor_key, entry.heard_at) if back or since else 0
    rows = {name: [*back.get(name, []), *since.get(name, [])] for name in dict.fromkeys((*back, *since))}
    return rows, _note(gone, unknown)


def _came_since(tx: WriteTx, entry: Merge) -> Rows:
    """Return what is filed under the survivor by a number of the retired record: it came after the change."""
    if entry.retired_key == entry.survivor_key:
        return {}
    if entry.kind == IdentityChange.MOVE_NUMBER:
        numbers = [PatientIdentifier(entry.number.value, entry.number.issuer)]
    else:
        numbers = list(patients.get(tx, entry.retired_key).identifiers)
    found = filing.under_numbers(tx, entry.survivor_key, numbers, entry.heard_at)
    if entry.kind not in _OF_VISITS:
        return found
    came = [one["key"] for one in entry.replaced if one["table"] == "visits"]
    late = _late_on_account(tx, entry)
    admissions = [entry.number, entry.new_number, *(one.admission_id for one in late)]
    of_visit = filing.of_visits(tx, entry.survivor_key, [*came, *(one.key for one in late)], admissions)
    return {name: [key for key in keys if key in of_visit.get(name, ())] for name, keys in found.items()}


def _renumber_back(tx: WriteTx, entry: Merge, since: Rows, now: datetime) -> None:
    """Give a visit of which news came only after it was renumbered its earlier number, and its orders with it."""
    if entry.kind != IdentityChange.MOVE_VISIT or entry.number == entry.new_number:
        return
    visit = visits.find(tx, entry.new_number)
    if visit is not None and visit.key in since.get("visits", ()):
        visits.save(tx, replace(visit, admission_id=entry.number, moved_at=None))
    for order in (orders.get(tx, key) for key in since.get("orders", ())):
        if order.admission_id == entry.new_number:
            orders.save(tx, replace(order, admission_id=entry.number), now)


def _late_on_account(tx: WriteTx, entry: Merge) -> list[Visit]:
    """Return the visits that came after an account was moved or renumbered, and followed it."""
    if entry.kind not in (IdentityChange.MOVE_ACCOUNT, IdentityChange.CHANGE_ACCOUNT):
        return []
    return [one for one in visits.by_account(tx, entry.new_number) if one.moved_at == entry.merged_at]


def _check(tx: WriteTx, entry: Merge) -> None:
    """Raise Conflict where *entry* was taken back before, or something later rests on it."""
    if entry.undone_at is not None:
        raise Conflict("this was undone before", code="undone")
    later = next((one for one in merges.later_of(tx, entry) if _rests_on(one, entry)), None)
    if later is not None:
        raise Conflict(
            f"a later change rests on this one: undo number {later.key} first", code="merged_further", where="merge"
        )
    number = PatientIdentifier(entry.number.value, entry.number.issuer)
    holder = patients.find(tx, number) if entry.kind not in _OF_VISITS else None
    expected = entry.survivor_key if entry.kind == IdentityChange.MOVE_NUMBER else entry.retired_key
    if entry.kind not in _OF_VISITS and (holder is None or holder.key != expected):
        raise Conflict("the number was issued to another patient meanwhile", code="reissued")


def _rests_on(later: Merge, entry: Merge) -> bool:
    """Say whether *later* took further what *entry* had brought: a record of it, a row that it moved, a number."""
    ends_record = later.kind == IdentityChange.MERGE and later.retired_key in (entry.survivor_key, entry.retired_key)
    moved_on = any(set(keys) & set(later.moved.get(name, ())) for name, keys in entry.moved.items())
    written_over = bool(_written(entry) & _written(later))
    emptied = later.kind == IdentityChange.MOVE_NUMBER and later.number in (entry.number, entry.new_number)
    return ends_record or moved_on or written_over or emptied


def _written(entry: Merge) -> set[tuple[str, int, str]]:
    """Return the rows that an entry wrote over; of a patient's, who has many words, which values."""
    return {
        (one["table"], one["key"], name)
        for one in entry.replaced
        for name in (one["before"] if one["table"] == "patients" else [""])
    }


def _tell(tx: WriteTx, entry: Merge, moved: Rows, actor: str, now: datetime) -> None:
    for order_key in moved.get("orders", ()):
        what = f"{_WORDS[entry.kind]}; the exam is back where it was"
        events.add(tx, Event(now, Station.ORDER, what, actor, source_kind="user", order_key=order_key))


def _reports_of(tx: WriteTx, entry: Merge, moved: Rows) -> list[Report]:
    """Return the reports that are filed with the exams that went back, or with either record, or wait for one."""
    records = patients.get_many(tx, (entry.retired_key, entry.survivor_key))
    found = [report for one in records for report in reports.of_patient(tx, one.key)]
    found += reports.of_orders(tx, moved.get("orders", ()))
    found += reports.waiting_about(tx, [number for one in records for number in one.identifiers])
    return list({report.key: report for report in found}.values())


def _note(gone: int, unknown: int) -> str:
    parts = []
    if gone:
        parts.append(f"{gone} moved on meanwhile and stayed where {'it is' if gone == 1 else 'they are'}")
    if unknown:
        parts.append(f"{unknown} came since without a number that says whose, and stayed")
    return "; ".join(parts)


_WORDS = {
    IdentityChange.MERGE: "The merge was undone",
    IdentityChange.MOVE_NUMBER: "The move of the patient's number was undone",
    IdentityChange.CHANGE_NUMBER: "The change of the patient's number was undone",
    IdentityChange.MOVE_ACCOUNT: "The move of the account was undone",
    IdentityChange.MOVE_VISIT: "The move of the visit was undone",
    IdentityChange.CHANGE_ACCOUNT: "The change of the account number was undone",
}
